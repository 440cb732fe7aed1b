"""A key goes to one place only, in plain sight of nobody: addresses, keys, and which of them belong together."""

import copy
import csv
import json
import logging
import pickle
import traceback
from pathlib import Path

import pytest

from pipeline.billing import ApiKey, parse_address
from pipeline.config import Naming, read_api_key, target_from
from pipeline.errors import AddressRefused, ConfigError, KeyProblem, PipelineError

TEST_KEY, LIVE_KEY, PUBLIC_KEY = (
    "sk_test_4f9a2c7e81d3",
    "sk_4f9a2c7e81d3b5a6",
    "pk_test_4f9a2c7e81d3",
)
LIVE_PREFIXED = "sk_live_4f9a2c7e81d3"
ESCAPES = {r"\n": "\n", r"\r": "\r", r"\t": "\t", r"\x00": "\0", r"\u202e": "\u202e"}


def addresses() -> list[tuple[str, str, str]]:
    cases = csv.reader(
        (Path(__file__).parents[1] / "cases" / "addresses.csv").open(encoding="utf-8")
    )
    next(cases)
    return [(spelled_out(address), verdict, why) for address, verdict, why in cases]


def spelled_out(text: str) -> str:
    for escape, character in ESCAPES.items():
        text = text.replace(escape, character)
    return text


# addresses


@pytest.mark.parametrize(
    ("address", "verdict", "why"), addresses(), ids=lambda value: ascii(value)[:60]
)
def test_an_address_is_used_exactly_as_written_or_refused(address, verdict, why):
    said = ""
    try:
        found = parse_address(address).base_url
    except AddressRefused as refused:
        found, said = "refused", str(refused)

    assert found == verdict, why
    assert "hunter2" not in said
    assert "ter2" not in said


@pytest.mark.parametrize(
    ("address", "is_loopback"),
    [
        ("http://127.0.0.1:8000", True),
        ("http://localhost", True),
        ("https://[::1]", True),
        ("https://api.momentco.io", False),
        ("https://10.0.0.7", False),
        ("https://0.0.0.0", False),
    ],
)
def test_addresses_of_this_machine_are_recognized(address, is_loopback):
    assert parse_address(address).is_loopback is is_loopback


def test_a_refused_address_is_shown_without_its_password():
    with pytest.raises(AddressRefused) as refused:
        parse_address("https://user:hunter2@api.momentco.io")

    assert "hunter2" not in str(refused.value)
    assert "api.momentco.io" in str(refused.value)


# which key may go where: three kinds of keys, four hosts, with and without --live

VENDOR, OTHER, LOOPBACK, PLAIN = (
    "https://api.momentco.io",
    "https://billing.example.com",
    "http://127.0.0.1:8000",
    "http://billing.example.com",
)
ALLOWED = {(TEST_KEY, host, False) for host in (VENDOR, OTHER, LOOPBACK)} | {
    (LIVE_KEY, VENDOR, True)
}


@pytest.mark.parametrize("live", [False, True])
@pytest.mark.parametrize("host", [VENDOR, OTHER, LOOPBACK, PLAIN])
@pytest.mark.parametrize("key", [TEST_KEY, LIVE_KEY, LIVE_PREFIXED, PUBLIC_KEY])
def test_a_key_goes_only_to_hosts_of_its_kind(key, host, live):
    expected = (LIVE_KEY if key == LIVE_PREFIXED else key, host, live) in ALLOWED

    try:
        target = target_from(
            host,
            ApiKey(key, source="a test"),
            Naming(live=live, environment="here", merchant="shop"),
        )
        said = ""
    except (KeyProblem, AddressRefused) as refused:
        target, said = None, str(refused)

    assert (target is not None) is expected, said
    assert key not in said
    if target is not None:
        assert target.environment.mode == ("live" if live else "test")


def test_a_live_key_without_live_is_refused_and_the_message_names_the_option():
    with pytest.raises(KeyProblem, match="--live"):
        target_from(
            VENDOR, ApiKey(LIVE_KEY, source="a test"), Naming(environment="here", merchant="shop")
        )


def test_a_live_key_with_live_is_refused_at_any_other_host():
    with pytest.raises(AddressRefused, match=r"api\.momentco\.io"):
        target_from(
            OTHER,
            ApiKey(LIVE_KEY, source="a test"),
            Naming(live=True, environment="here", merchant="shop"),
        )


def test_another_machine_wants_names_for_environment_and_merchant_both_at_once():
    with pytest.raises(ConfigError, match="--environment and --merchant"):
        target_from(VENDOR, ApiKey(TEST_KEY, source="a test"))


def test_the_port_of_a_local_sandbox_is_no_part_of_its_environment():
    key = ApiKey(TEST_KEY, source="a test")

    one, another = (target_from(f"http://127.0.0.1:{port}", key) for port in (8000, 9000))

    assert one.environment == another.environment


@pytest.mark.parametrize(
    "name", ["../up", "a/b", "..", ".", "UPPER", "", "a b", "a\n", "-a", "a" * 64, "ä"]
)
def test_a_name_that_would_leave_the_home_folder_is_refused(name):
    with pytest.raises(ConfigError):
        target_from(
            VENDOR, ApiKey(TEST_KEY, source="a test"), Naming(environment=name, merchant="shop")
        )


# what a key may look like


@pytest.mark.parametrize(
    "text",
    [
        f"{TEST_KEY}\n",
        f"{TEST_KEY}\r\n",
        f"\n{TEST_KEY}",
        f"{TEST_KEY} ",
        f" {TEST_KEY}",
        f'"{TEST_KEY}"',
        f"'{TEST_KEY}'",
        f"{TEST_KEY[:12]} {TEST_KEY[12:]}",
        f"{TEST_KEY[:12]}\r\nX-Evil: 1",
        f"{TEST_KEY}\0",
        f"{TEST_KEY}é",
        f"Bearer {TEST_KEY}",
        f"BILLING_API_KEY={TEST_KEY}",
        TEST_KEY.upper(),
        PUBLIC_KEY,
        "pk_4f9a2c7e81d3",
        "sk_",
        "sk_test_",
        "rk_test_4f9a2c7e81d3",
        TEST_KEY + "a" * 300,
        "",
    ],
    ids=ascii,
)
def test_a_malformed_or_public_key_is_refused_without_showing_it(text):
    with pytest.raises(KeyProblem) as refused:
        ApiKey(text, source="BILLING_API_KEY")

    assert "4f9a2c" not in str(refused.value)
    assert "4F9A2C" not in str(refused.value)
    assert "BILLING_API_KEY" in str(refused.value)
    assert "4f9a2c" not in "".join(traceback.format_exception(refused.value))


def ways_to_show(key: ApiKey):
    yield repr(key)
    yield str(key)
    yield f"{key}"
    yield f"{key!r:>40}"
    yield "%s %r" % (key, key)  # noqa: UP031 - the form that logging uses
    yield repr([key, {"key": key}, (key,)])
    yield repr(vars(key)) if hasattr(key, "__dict__") else ""
    yield repr(copy_or_refusal(key))
    for dump in (json.dumps, pickle.dumps, pickle._dumps):
        try:
            yield str(dump(key))
        except (TypeError, pickle.PicklingError, AttributeError) as refused:
            yield str(refused)


def copy_or_refusal(key: ApiKey):
    try:
        return copy.copy(key), copy.deepcopy(key)
    except TypeError as refused:
        return refused


def test_no_common_way_to_show_a_key_shows_it():
    shown = list(ways_to_show(ApiKey(TEST_KEY, source="a test")))

    assert "redacted" in shown[0]
    assert [text for text in shown if "4f9a2c" in text] == []


def test_a_target_and_its_json_do_not_show_the_key():
    target = target_from(LOOPBACK, ApiKey(TEST_KEY, source="a test"))

    texts = [repr(target), str(target), repr(target.model_dump())]
    try:
        texts.append(target.model_dump_json())
    except Exception as refused:  # noqa: BLE001 - whatever pydantic refuses with must not hold the key either
        texts.append(f"{refused!r} {refused}")

    assert [text for text in texts if "4f9a2c" in text] == []


def test_a_traceback_with_locals_and_a_log_record_do_not_show_the_key(caplog):
    key = ApiKey(TEST_KEY, source="a test")

    def fails(api_key: ApiKey) -> None:
        raise RuntimeError(f"no luck with {api_key}")

    try:
        fails(key)
    except RuntimeError as error:
        told = "".join(
            traceback.TracebackException.from_exception(error, capture_locals=True).format()
        )
        logging.getLogger("test").exception("with %s and %r", key, key)

    assert "api_key = ApiKey(redacted)" in told
    assert "4f9a2c" not in told + caplog.text


def test_a_fingerprint_distinguishes_keys_and_contains_nothing_of_them():
    one, same, other = (
        ApiKey(text, source="a test") for text in (TEST_KEY, TEST_KEY, TEST_KEY + "0")
    )

    assert one.fingerprint == same.fingerprint != other.fingerprint
    assert not any(part in one.fingerprint for part in ("4f9a", "2c7e", "81d3"))


@pytest.mark.parametrize(
    ("text", "is_live"), [(TEST_KEY, False), (LIVE_KEY, True), (LIVE_PREFIXED, True)]
)
def test_only_sk_test_is_a_test_key(text, is_live):
    assert ApiKey(text, source="a test").is_live is is_live


# where a key comes from


def test_a_key_comes_from_the_variable_or_from_the_file_that_another_one_names(tmp_path):
    (tmp_path / "key").write_text(f"{TEST_KEY}\n")

    from_variable = read_api_key({"BILLING_API_KEY": TEST_KEY})
    from_file = read_api_key({"BILLING_API_KEY_FILE": str(tmp_path / "key")})

    assert from_variable.reveal() == from_file.reveal() == TEST_KEY


@pytest.mark.parametrize(
    "content", [f"{TEST_KEY}\n\n", f"{TEST_KEY}\nsk_test_another_one", f'"{TEST_KEY}"\n', "\n", ""]
)
def test_a_key_file_with_other_content_is_refused_without_showing_it(tmp_path, content):
    (tmp_path / "key").write_text(content)

    with pytest.raises(KeyProblem) as refused:
        read_api_key({"BILLING_API_KEY_FILE": str(tmp_path / "key")})

    assert "4f9a2c" not in str(refused.value)
    assert "BILLING_API_KEY_FILE" in str(refused.value)


@pytest.mark.parametrize("is_there", ["missing", "a folder", "not text"])
def test_a_key_file_that_cannot_be_read_is_a_key_problem(tmp_path, is_there):
    path = tmp_path / "key"
    if is_there == "a folder":
        path.mkdir()
    elif is_there == "not text":
        path.write_bytes(b"\xff\xfe" + TEST_KEY.encode())

    with pytest.raises(KeyProblem) as refused:
        read_api_key({"BILLING_API_KEY_FILE": str(path)})

    assert "4f9a2c" not in "".join(traceback.format_exception(refused.value))


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"BILLING_API_KEY": ""},
        {"BILLING_API_KEY": TEST_KEY, "BILLING_API_KEY_FILE": "/nowhere"},
    ],
)
def test_no_key_and_two_keys_are_refused(variables):
    with pytest.raises(KeyProblem) as refused:
        read_api_key(variables)

    assert "4f9a2c" not in str(refused.value)
    assert refused.value.exit_code == 4
    assert isinstance(refused.value, PipelineError)
