"""The sandbox keeps the vendor's contract, misbehaves as told, and says truly what it saw."""

import asyncio
import json
import os
import signal
import socket
import sqlite3
import ssl
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path

import httpx
import pytest

from pipeline.sandbox import Faults, SandboxServer, StateError, parse_faults
from pipeline.sandbox.account import Rush, open_account
from pipeline.sandbox.app import application
from pipeline.sandbox.faults import NO_FAULTS, Dice, Mishap
from pipeline.sandbox.store import Store
from tests.conftest import environment_of_ours

REPOSITORY = Path(__file__).parents[2]
DAY = 24 * 60 * 60
JSON = {"Content-Type": "application/json"}
NO_TLS = ssl.SSLContext(
    ssl.PROTOCOL_TLS_CLIENT
)  # httpx would load the certificates of the world for each client


class Caller:
    """Someone with the key of a sandbox."""

    def __init__(self, sandbox: SandboxServer) -> None:
        key = {"Authorization": f"Bearer {sandbox.api_key}"}
        self.http = httpx.Client(
            base_url=sandbox.base_url, headers=key, trust_env=False, verify=NO_TLS, timeout=10
        )

    def create(self, key: str | None = None, **fields: object) -> httpx.Response:
        return self.send(json.dumps(fields).encode(), {"Idempotency-Key": key or str(uuid.uuid4())})

    def send(self, payload: bytes, headers: dict[str, str]) -> httpx.Response:
        return self.http.post("/billing/customers", content=payload, headers=JSON | headers)

    def update(self, customer: str, key: str | None = None, **fields: object) -> httpx.Response:
        headers = JSON | {"Idempotency-Key": key or str(uuid.uuid4())}
        return self.http.patch(
            f"/billing/customers/{customer}", content=json.dumps(fields), headers=headers
        )

    def retrieve(self, customer: str) -> httpx.Response:
        return self.http.get(f"/billing/customers/{customer}")

    def stats(self) -> dict[str, object]:
        return self.http.get("/_sandbox/stats").json()

    def held(self) -> list[dict[str, object]]:
        return list(map(json.loads, self.http.get("/_sandbox/customers").text.splitlines()))

    def pull(self, lever: str, told: object) -> httpx.Response:
        return self.http.post(f"/_sandbox/{lever}", content=json.dumps(told))


Serve = Callable[..., Caller]


@pytest.fixture(scope="module")
def shared() -> Iterator[Caller]:
    """A sandbox for tests that care about one answer only."""
    with SandboxServer() as sandbox:
        yield Caller(sandbox)


@pytest.fixture(scope="module")
def serve() -> Iterator[Serve]:
    """Start a sandbox of one's own; all of them stop together at the end, for one takes 0.2 s to stop."""
    running: list[SandboxServer] = []

    def start(**settings: object) -> Caller:
        running.append(SandboxServer(**settings).__enter__())
        return Caller(running[-1])

    yield start
    with ThreadPoolExecutor(len(running)) as stopping:
        list(stopping.map(lambda sandbox: sandbox.__exit__(None, None, None), running))


@pytest.fixture
def caller(serve: Serve) -> Caller:
    """A caller of a fresh sandbox in memory without faults."""
    return serve()


def a_reference() -> str:
    return uuid.uuid4().hex


def kind(answer: httpx.Response) -> str:
    return answer.json()["type"].removeprefix("https://api.momentco.io/docs/errors#")


def faulty_fields(answer: httpx.Response) -> list[str]:
    return [error["field"] for error in answer.json()["errors"]]


# keys of the account


@pytest.mark.parametrize(
    ("authorization", "status", "problem"),
    [
        (None, 401, "missing-key"),
        ("Basic dXNlcjpwYXNz", 401, "missing-key"),
        ("Bearer", 401, "missing-key"),
        ("Bearer sk_test_another", 401, "invalid-key"),
        ("Bearer sk_live_anything", 401, "invalid-key"),
        ("Bearer pk_test_anything", 403, "forbidden"),
        ("Bearer pk_anything", 403, "forbidden"),
    ],
)
def test_a_caller_without_the_account_s_key_is_refused(
    shared: Caller, authorization: str | None, status: int, problem: str
) -> None:
    headers = {"Authorization": authorization} if authorization else {}

    answer = httpx.post(
        f"{shared.http.base_url}/billing/customers", headers=headers, trust_env=False, verify=NO_TLS
    )

    assert (answer.status_code, kind(answer)) == (status, problem)


def test_the_key_is_checked_before_the_method_and_the_path(shared: Caller) -> None:
    for path in ("/billing/customers", "/billing/nothing"):
        assert (
            httpx.patch(f"{shared.http.base_url}{path}", trust_env=False, verify=NO_TLS).status_code
            == 401
        )


def test_a_401_is_not_stored_under_the_idempotency_key(shared: Caller) -> None:
    key, reference = str(uuid.uuid4()), a_reference()
    payload = json.dumps({"external_reference": reference}).encode()
    refused = shared.send(
        payload, {"Idempotency-Key": key, "Authorization": "Bearer sk_test_wrong"}
    )

    answer = shared.send(payload, {"Idempotency-Key": key})

    assert (refused.status_code, answer.status_code) == (401, 201)


def test_only_a_secret_test_key_can_be_given_to_a_sandbox() -> None:
    with pytest.raises(ValueError, match="sk_test_"), SandboxServer(api_key="sk_live_0123456789"):
        pass


def test_a_fresh_key_is_kept_with_the_state(tmp_path: Path) -> None:
    with SandboxServer(tmp_path / "state") as first:
        pass
    with SandboxServer(tmp_path / "state") as second:
        assert first.api_key == second.api_key
    assert first.api_key.startswith("sk_test_")
    assert first.api_key[8:].isalnum()
    assert len(first.api_key) == 32


# what a create must bring


@pytest.mark.parametrize("content_type", ["text/plain", "application/problem+json", ""])
def test_another_content_type_than_json_is_refused_with_415(
    shared: Caller, content_type: str
) -> None:
    answer = shared.send(b"{}", {"Idempotency-Key": "a", "Content-Type": content_type})

    assert (answer.status_code, kind(answer)) == (415, "unsupported-media-type")


def test_a_charset_beside_the_content_type_is_let_pass(shared: Caller) -> None:
    payload = json.dumps({"external_reference": a_reference()}).encode()
    headers = {"Idempotency-Key": a_reference(), "Content-Type": "application/json; charset=utf-8"}

    assert shared.send(payload, headers).status_code == 201


@pytest.mark.parametrize("is_chunked", [False, True])
def test_a_body_of_more_than_one_mebibyte_is_refused_with_413(
    shared: Caller, is_chunked: bool
) -> None:
    body = b" " * (1024 * 1024 + 1)
    content = iter([body[:700_000], body[700_000:]]) if is_chunked else body

    answer = shared.http.post(
        "/billing/customers", content=content, headers=JSON | {"Idempotency-Key": "a"}
    )

    assert (answer.status_code, kind(answer)) == (413, "too-large")


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"{",
        b"[]",
        b'"text"',
        b'{"name": NaN}',
        b'{"balance": Infinity}',
        b'{"name": "a", "name": "b"}',
        b'{"name": "\xff"}',
        b'{"name": "\\ud800"}',
        b"[" * 100_000,
        b'{"balance": ' + b"1" * 5_000 + b"}",
    ],
    ids=[
        "empty",
        "cut",
        "array",
        "string",
        "nan",
        "infinity",
        "key_twice",
        "latin1",
        "surrogate",
        "deep",
        "digits",
    ],
)
def test_a_body_that_is_no_plain_json_object_is_refused_with_400(
    shared: Caller, payload: bytes
) -> None:
    answer = shared.send(payload, {"Idempotency-Key": a_reference()})

    assert (answer.status_code, kind(answer)) == (400, "malformed-request")


def test_a_create_without_an_idempotency_key_is_refused_with_400(shared: Caller) -> None:
    answer = shared.send(b"{}", {})

    assert (answer.status_code, kind(answer)) == (400, "idempotency-key-missing")


@pytest.mark.parametrize("key", ["", "a b", "a_b", '"quoted"', "a" * 256, "a\u00e9"])
def test_a_malformed_idempotency_key_is_refused_with_400(shared: Caller, key: str) -> None:
    headers = [(b"Idempotency-Key", key.encode()), (b"Content-Type", b"application/json")]

    answer = shared.http.post("/billing/customers", content=b"{}", headers=headers)

    assert (answer.status_code, kind(answer)) == (400, "idempotency-key-malformed")


@pytest.mark.parametrize("key", ["a", "-", "a" * 255])
def test_a_key_of_1_to_255_letters_digits_and_hyphens_is_accepted(caller: Caller, key: str) -> None:
    assert caller.create(key, external_reference=a_reference()).status_code == 201


# the fields


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("external_reference", "a" * 255),
        ("name", "n" * 255),
        ("name", "Zoë \u0000 😀"),
        ("email", "john.doe+bills@mail.example.co.za"),
        ("phone", "+27123456789"),
        ("phone", "+12"),
        ("currency", "KWD"),
        ("balance", 2**53 - 1),
        ("balance", -(2**53 - 1)),
        ("balance", 0),
        ("metadata", {}),
        ("metadata", {"k" * 40: "v" * 500} | {str(n): "v" for n in range(9)}),
    ],
)
def test_a_field_within_its_rule_is_echoed(shared: Caller, field: str, value: object) -> None:
    given = {"external_reference": a_reference(), "currency": "ZAR"} | {field: value}

    answer = shared.create(**given)

    assert answer.status_code == 201, answer.text
    assert {name: answer.json()[name] for name in given} == given


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *[("external_reference", value) for value in ("", "a" * 256, "a b", "é", "a\n", 17, None)],
        *[("name", value) for value in ("n" * 256, 17, None)],
        *[
            ("email", value)
            for value in ("", "john", "john@doe", "a@b@c.de", "john @doe.co", "a@b..co", "@b.co", 1)
        ],
        *[
            ("phone", value)
            for value in ("0821234567", "+0821234567", "+1", "+1234567890123456", "+27 12", "+٢٧١٢")
        ],
        *[("currency", value) for value in ("zar", "ZZZ", "ANG", "R", "", None, 710)],
        *[("balance", value) for value in (1.5, 1e300, "1", True, None, 2**53, -(2**53), [])],
        *[
            ("metadata", value)
            for value in ([], {"": "v"}, {"k" * 41: "v"}, {"k": ""}, {"k": "v" * 501}, {"k": 1})
        ],
        ("metadata", {str(n): "v" for n in range(11)}),
        ("metadata", {"k": None}),
    ],
)
def test_a_field_outside_its_rule_is_refused_with_422_that_names_it(
    shared: Caller, field: str, value: object
) -> None:
    answer = shared.create(
        **{"external_reference": a_reference(), "currency": "ZAR"} | {field: value}
    )

    assert (answer.status_code, kind(answer)) == (422, "invalid-parameter")
    assert faulty_fields(answer) == [field]


def test_a_missing_reference_is_refused_with_400(shared: Caller) -> None:
    answer = shared.create(name="John Doe")

    assert (answer.status_code, kind(answer), faulty_fields(answer)) == (
        400,
        "missing-parameter",
        ["external_reference"],
    )


def test_a_balance_without_currency_is_refused_with_400(shared: Caller) -> None:
    answer = shared.create(external_reference=a_reference(), balance=5)

    assert (answer.status_code, kind(answer), faulty_fields(answer)) == (
        400,
        "missing-parameter",
        ["currency"],
    )


@pytest.mark.parametrize("field", ["id", "payment_rules", "Name", "balnce"])
def test_an_unknown_field_is_refused_with_400(shared: Caller, field: str) -> None:
    answer = shared.create(**{"external_reference": a_reference(), field: "x"})

    assert (answer.status_code, kind(answer), faulty_fields(answer)) == (
        400,
        "unknown-parameter",
        [field],
    )


def test_every_fault_is_named_in_one_answer(shared: Caller) -> None:
    answer = shared.create(email="john", phone="082", nickname="J", balance="1")

    assert answer.status_code == 400
    assert sorted(faulty_fields(answer)) == [
        "balance",
        "currency",
        "email",
        "external_reference",
        "nickname",
        "phone",
    ]


def test_a_refusal_repeats_no_value_that_was_sent(shared: Caller) -> None:
    answer = shared.create(external_reference=a_reference(), email="jane.doe.at.home")

    assert "jane.doe" not in answer.text


# what a create gives


def test_a_created_customer_has_the_fields_given_an_id_and_payment_rules(shared: Caller) -> None:
    given = {
        "external_reference": a_reference(),
        "name": "John Doe",
        "currency": "ZAR",
        "balance": 2000,
    }

    body = shared.create(**given).json()

    billing_id, rules = body.pop("id"), body.pop("payment_rules")
    assert body == given
    assert billing_id.startswith("bcus_")
    assert billing_id[5:].isalnum()
    assert len(billing_id) == 26
    assert set(rules) == {"min_amount", "max_amount", "underpayment_allowed", "overpayment_allowed"}


def test_a_taken_reference_is_refused_with_409(caller: Caller) -> None:
    caller.create(external_reference="A-1", name="First")

    answer = caller.create(external_reference="A-1", name="Second")

    assert (answer.status_code, kind(answer)) == (409, "reference-taken")
    assert [customer["name"] for customer in caller.held()] == ["First"]


def test_a_customer_is_found_by_id_and_by_reference_as_it_was_created(shared: Caller) -> None:
    reference = a_reference()
    created = shared.create(external_reference=reference, metadata={"plan": "gold"})

    for name in (created.json()["id"], reference, "%" + f"{ord(reference[0]):x}" + reference[1:]):
        answer = shared.retrieve(name)
        assert (answer.status_code, answer.content) == (200, created.content)


@pytest.mark.parametrize("customer", ["bcus_none", "a%2541", "a%2Fb", "%C3%A9"])
def test_a_customer_that_is_not_there_is_404(shared: Caller, customer: str) -> None:
    answer = shared.retrieve(customer)

    assert (answer.status_code, kind(answer)) == (404, "not-found")
    assert answer.json()["instance"] == f"/billing/customers/{customer}"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/billing/customers"),
        ("PUT", "/billing/customers"),
        ("DELETE", "/billing/customers/A-1"),
        ("POST", "/billing/customers/A-1"),
    ],
)
def test_a_method_that_a_resource_lacks_is_405(shared: Caller, method: str, path: str) -> None:
    answer = shared.http.request(method, path)

    assert (answer.status_code, kind(answer)) == (405, "method-not-allowed")
    assert method not in answer.headers["Allow"]


@pytest.mark.parametrize(
    "path", ["/", "/billing", "/billing/customers/", "/billing/customers/a/b", "/_sandbox/none"]
)
def test_an_unknown_path_is_404(shared: Caller, path: str) -> None:
    answer = shared.http.get(path)

    assert (answer.status_code, kind(answer)) == (404, "not-found")


def test_every_refusal_is_a_problem_document(shared: Caller) -> None:
    for answer in (shared.create(), shared.retrieve("none"), shared.http.put("/billing/customers")):
        problem = answer.json()
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert problem["status"] == answer.status_code
        assert {"type", "title", "detail", "instance"} < set(problem)
        assert ("errors" in problem) == (answer.status_code in (400, 422))


# idempotency


def test_the_same_key_and_payload_get_the_first_answer_byte_for_byte(caller: Caller) -> None:
    first = caller.create("key-1", external_reference="A-1")

    second = caller.create("key-1", external_reference="A-1")

    assert (second.status_code, second.content) == (201, first.content)
    assert "Idempotent-Replayed" not in first.headers
    assert second.headers["Idempotent-Replayed"] == "true"
    assert len(caller.held()) == 1


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"name": "x"}, 400),
        ({"external_reference": "a b"}, 422),
        ({"external_reference": "taken"}, 409),
    ],
)
def test_a_refusal_is_replayed_too(caller: Caller, fields: dict[str, object], status: int) -> None:
    caller.create(external_reference="taken")
    first = caller.create("key-1", **fields)

    second = caller.create("key-1", **fields)

    assert (first.status_code, second.status_code, second.content) == (
        status,
        status,
        first.content,
    )
    assert second.headers["Idempotent-Replayed"] == "true"
    assert second.headers["Content-Type"] == "application/problem+json"


def test_the_same_key_with_another_payload_is_refused_with_422(caller: Caller) -> None:
    caller.send(b'{"external_reference":"A-1"}', {"Idempotency-Key": "key-1"})

    answer = caller.send(b'{"external_reference": "A-1"}', {"Idempotency-Key": "key-1"})

    assert (answer.status_code, kind(answer)) == (422, "idempotency-key-reused")
    assert "Idempotent-Replayed" not in answer.headers
    assert caller.create("key-1", external_reference="A-1").status_code == 422
    assert caller.stats()["keys_with_two_bodies"] == 1


def test_a_key_whose_first_request_runs_is_refused_with_409_and_replayed_later(
    serve: Serve,
) -> None:
    caller = serve(faults=Faults.of(latency=0.3))
    with ThreadPoolExecutor(1) as elsewhere:
        first = elsewhere.submit(caller.create, "key-1", external_reference="A-1")
        while not caller.stats()["keys_seen"]:
            pass
        same = caller.create("key-1", external_reference="A-1")
        other = caller.create("key-1", external_reference="A-2")
        created = first.result()

    assert (same.status_code, kind(same)) == (409, "request-in-progress")
    assert (other.status_code, kind(other)) == (422, "idempotency-key-reused")
    assert caller.create("key-1", external_reference="A-1").content == created.content


def test_a_key_is_replayed_for_24_hours_and_then_new(caller: Caller) -> None:
    caller.create("key-1", external_reference="A-1")

    caller.pull("clock", {"advance_seconds": DAY - 60})
    assert caller.create("key-1", external_reference="A-1").status_code == 201

    caller.pull("clock", {"advance_seconds": 61})
    late = caller.create("key-1", external_reference="A-1")
    assert (late.status_code, kind(late)) == (409, "reference-taken")


# state on disk


def test_a_restart_on_the_same_file_forgets_nothing(tmp_path: Path) -> None:
    with SandboxServer(tmp_path / "state") as sandbox:
        caller = Caller(sandbox)
        caller.pull("clock", {"advance_seconds": 30 * DAY})
        first = caller.create("key-1", external_reference="A-1", currency="ZAR", balance=5)
        before = caller.stats()

    with SandboxServer(tmp_path / "state") as sandbox:
        caller = Caller(sandbox)
        after = caller.stats()
        again = caller.create("key-1", external_reference="A-1", currency="ZAR", balance=5)

    of_this_process = {"now": "", "most_requests_in_a_second": 0}
    assert before | of_this_process == after | of_this_process
    assert before["now"] < after["now"]
    assert (again.content, again.headers["Idempotent-Replayed"]) == (first.content, "true")


def test_a_killed_sandbox_keeps_answered_requests_and_drops_running_ones(tmp_path: Path) -> None:
    state = tmp_path / "state"
    process, line = start_command(state, "Faults.of(latency=0.2)")
    headers = {"Authorization": f"Bearer {line['api_key']}"} | JSON
    with (
        httpx.Client(
            base_url=line["base_url"], headers=headers, trust_env=False, verify=NO_TLS
        ) as http,
        ThreadPoolExecutor() as pool,
    ):
        done = http.post(
            "/billing/customers",
            json={"external_reference": "A-1"},
            headers={"Idempotency-Key": "k-1"},
        )
        running = pool.submit(
            http.post,
            "/billing/customers",
            json={"external_reference": "A-2"},
            headers={"Idempotency-Key": "k-2"},
        )
        while http.get("/_sandbox/stats").json()["keys_seen"] < 2:
            pass
        process.kill()
        process.wait()
        assert isinstance(running.exception(), httpx.TransportError)

    with SandboxServer(state) as sandbox:
        caller = Caller(sandbox)
        replayed = caller.send(done.request.content, {"Idempotency-Key": "k-1"})
        anew = caller.send(b'{"external_reference":"A-2"}', {"Idempotency-Key": "k-2"})
        assert len(caller.held()) == 2

    assert (replayed.content, replayed.headers["Idempotent-Replayed"]) == (done.content, "true")
    assert (anew.status_code, "Idempotent-Replayed" in anew.headers) == (201, False)


def test_the_state_file_is_for_its_owner_only(tmp_path: Path) -> None:
    with SandboxServer(tmp_path / "state") as sandbox:
        Caller(sandbox).create(external_reference="A-1")
        assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}


def test_a_file_of_something_else_is_refused_and_left_alone(tmp_path: Path) -> None:
    text, database = tmp_path / "notes.txt", tmp_path / "other.sqlite"
    text.write_text("not a database, and longer than the header of one. " * 10)
    with sqlite3.connect(database) as other:
        other.execute("CREATE TABLE t (a)")
    other.close()

    for path in (text, database):
        before = path.read_bytes()
        with pytest.raises(StateError, match=path.name), SandboxServer(path):
            pass
        assert path.read_bytes() == before


# the clock


def test_every_answer_has_the_date_of_the_movable_clock(caller: Caller) -> None:
    told = caller.pull("clock", {"set": "2030-01-02T03:04:05+02:00"})

    assert told.json()["now"].startswith("2030-01-02T01:04:05")
    for answer in (
        caller.create(external_reference="A-1"),
        caller.retrieve("none"),
        caller.http.get("/_sandbox"),
    ):
        (date,) = answer.headers.get_list("Date")
        age = parsedate_to_datetime(date) - datetime(2030, 1, 2, 1, 4, 5, tzinfo=UTC)
        assert 0 <= age.total_seconds() < 10


@pytest.mark.parametrize(
    "told",
    [
        *(
            {},
            [],
            {"advance": 1},
            {"advance_seconds": "1"},
            {"advance_seconds": True},
            {"advance_seconds": 1e300},
        ),
        *(
            {"set": "soon"},
            {"set": "2030-01-02T03:04:05"},
            {"set": "2030-01-02T03:04:05Z", "advance_seconds": 1},
        ),
    ],
)
def test_a_wrong_time_does_not_move_the_clock(shared: Caller, told: object) -> None:
    assert shared.pull("clock", told).status_code == 400
    assert (
        abs(datetime.now(UTC) - datetime.fromisoformat(shared.stats()["now"])).total_seconds() < 10
    )


# the pages


EVERY_PATH = (
    "/_sandbox",
    "/_sandbox/customers",
    "/_sandbox/stats",
    "/_sandbox/none",
    "/",
    "/billing",
    "/billing/customers/A-1",
)


@pytest.mark.parametrize("path", EVERY_PATH)
@pytest.mark.parametrize("authorization", [None, "Bearer sk_test_another"])
def test_every_path_wants_the_key(shared: Caller, path: str, authorization: str | None) -> None:
    headers = {"Authorization": authorization} if authorization else {}

    answer = httpx.get(
        f"{shared.http.base_url}{path}", headers=headers, trust_env=False, verify=NO_TLS
    )

    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")


@pytest.mark.parametrize("lever", ["clock", "seed", "faults"])
def test_no_lever_moves_without_the_key(caller: Caller, lever: str) -> None:
    before = caller.held()

    told = {
        "seed": '[{"external_reference": "S-1"}]',
        "clock": '{"advance_seconds": 90000}',
        "faults": '{"redirect": 1}',
    }
    url = f"{caller.http.base_url}/_sandbox/{lever}"
    answer = httpx.post(url, content=told[lever], trust_env=False, verify=NO_TLS)

    assert answer.status_code == 401
    assert caller.held() == before
    assert caller.create(external_reference="A-1").status_code == 201
    assert (
        abs(datetime.now(UTC) - datetime.fromisoformat(caller.stats()["now"])).total_seconds() < 60
    )


def test_a_key_that_the_faults_revoke_still_opens_the_pages_that_end_them(serve: Serve) -> None:
    caller = serve(faults=Faults.of(revoked_after=0))

    assert caller.create(external_reference="A-1").status_code == 401
    assert caller.pull("faults", {}).status_code == 200
    assert caller.create(external_reference="A-1").status_code == 201


@pytest.mark.parametrize(
    "host",
    [
        "example.com:{port}",
        "127.0.0.1.example.com:{port}",
        "10.0.0.1:{port}",
        "",
        "[::1",
        "localhost",
        "127.0.0.1:1",
    ],
)
def test_another_host_or_port_is_refused_on_every_path(shared: Caller, host: str) -> None:
    """A web page elsewhere can make its own name point at this machine (DNS rebinding)."""
    for path in EVERY_PATH:
        answer = shared.http.get(
            path, headers={"Host": host.format(port=shared.http.base_url.port)}
        )
        assert (answer.status_code, kind(answer)) == (403, "foreign-request")


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.0.0.7", "[::1]"])
def test_every_loopback_name_with_the_port_is_answered(shared: Caller, host: str) -> None:
    at = f"{host}:{shared.http.base_url.port}"
    for headers in ({"Host": at}, {"Host": at, "Origin": f"http://{at}"}):
        assert shared.http.get("/_sandbox/stats", headers=headers).status_code == 200


@pytest.mark.parametrize(
    "origin",
    [
        "http://example.com",
        "https://127.0.0.1:{port}",
        "http://127.0.0.1",
        "http://localhost:1",
        "null",
        "",
    ],
)
def test_a_web_page_of_another_origin_is_refused_on_every_path(shared: Caller, origin: str) -> None:
    for path in EVERY_PATH:
        answer = shared.http.get(
            path, headers={"Origin": origin.format(port=shared.http.base_url.port)}
        )
        assert (answer.status_code, kind(answer)) == (403, "foreign-request")


@pytest.mark.parametrize(
    ("client", "status"), [("10.0.0.7", 403), ("127.0.0.1", 200), ("::1", 200)]
)
def test_only_a_client_on_this_machine_is_answered(client: str, status: int) -> None:
    account = open_account(Store(), None, NO_FAULTS, None)
    headers = {"X-Forwarded-For": "127.0.0.1", "Authorization": f"Bearer {account.api_key}"}

    async def ask() -> int:
        transport = httpx.ASGITransport(application(account), client=(client, 50_000))
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http:
            return (await http.get("/_sandbox/stats", headers=headers)).status_code

    assert asyncio.run(ask()) == status


def test_a_sandbox_for_one_process_uses_its_own_key_and_does_not_store_it(
    tmp_path: Path,
) -> None:
    with SandboxServer(tmp_path / "state") as sandbox:
        kept = sandbox.api_key
    keys = []
    for _ in range(2):
        with SandboxServer(tmp_path / "state", for_one_process=True) as sandbox:
            keys.append(sandbox.api_key)
            caller = Caller(sandbox)
            assert caller.create(external_reference=f"A-{len(keys)}").status_code == 201
            caller.http.headers["Authorization"] = f"Bearer {kept}"
            assert caller.create(external_reference="A-3").status_code == 401
            assert sandbox.account_key == kept

    assert len({kept, *keys}) == 3
    content = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert kept.encode() in content
    assert not any(key.encode() in content for key in keys)


def test_the_first_page_shows_the_counts_and_links(caller: Caller) -> None:
    caller.create(external_reference="A-1")

    page = caller.http.get("/_sandbox").text

    assert "<th>customers<td>1" in page
    assert 'href="/_sandbox/stats"' in page


def test_all_customers_come_as_json_lines_in_order_of_creation(caller: Caller) -> None:
    seeded = [{"external_reference": f"S-{n}", "name": "Zoë"} for n in range(2_500)]
    caller.pull("seed", seeded)
    created = caller.create(external_reference="A-1").json()

    held = caller.held()

    assert [customer.pop("id")[:5] for customer in held] == ["bcus_"] * 2_501
    assert held == [*seeded, {"external_reference": "A-1"}]
    assert caller.retrieve("A-1").json() == created


def test_seeded_customers_are_held_without_a_trace_of_a_request(caller: Caller) -> None:
    lines = b'{"external_reference":"S-1","id":"bcus_abc"}\n\n{"external_reference":"S-2"}\n'

    answer = caller.http.post("/_sandbox/seed", content=lines)

    assert answer.json() == {"seeded": 2}
    assert caller.retrieve("bcus_abc").json()["external_reference"] == "S-1"
    assert caller.create(external_reference="S-2").status_code == 409
    assert (caller.stats()["customers"], caller.stats()["effects"]) == (2, 1)


@pytest.mark.parametrize(
    "told",
    [
        *(
            [1],
            [{"name": "x"}],
            [{"external_reference": "S-1", "id": "x"}],
            [{"external_reference": "taken"}],
        ),
        [
            {"external_reference": "S-1", "id": "bcus_a"},
            {"external_reference": "S-2", "id": "bcus_a"},
        ],
    ],
)
def test_a_seed_with_a_fault_puts_nothing_in(caller: Caller, told: list[object]) -> None:
    caller.create(external_reference="taken")

    answer = caller.pull("seed", [{"external_reference": "S-0"}, *told])

    assert answer.status_code == 400
    assert len(caller.held()) == 1


def test_sums_are_exact_beyond_2_to_the_63(caller: Caller) -> None:
    largest = 2**53 - 1
    rich = [
        {"external_reference": f"S-{n}", "currency": "ZAR", "balance": largest}
        for n in range(1_100)
    ]
    caller.pull("seed", rich)
    caller.create(external_reference="A-1", currency="KWD", balance=-7)

    assert caller.stats()["sums"] == {"KWD": -7, "ZAR": 1_100 * largest}
    assert 1_100 * largest > 2**63


def test_the_busiest_second_may_begin_at_any_moment() -> None:
    rush = Rush()

    for at in (0.0, 0.5, 0.9, 1.2, 1.4, 1.6, 5.0):
        rush.note(at)

    assert rush.most == 4  # from 0.9 on: those at 0.5 and at 1.6 are more than a second apart


def test_the_stats_count_requests_answers_effects_and_keys(caller: Caller) -> None:
    caller.create("key-1", external_reference="A-1")
    caller.create("key-1", external_reference="A-1")
    caller.create("key-2", external_reference="A-1")
    caller.create("key-3", name="x")
    caller.retrieve("A-1")
    caller.retrieve("none")

    stats = caller.stats()

    assert stats["requests"] == {"create": 4, "retrieve": 2, "update": 0}
    assert stats["answers"] == {"201": 2, "409": 1, "400": 1, "200": 1, "404": 1}
    assert (
        stats["replays"],
        stats["keys_seen"],
        stats["keys_with_two_bodies"],
        stats["customers"],
    ) == (1, 3, 0, 1)
    assert (stats["effects"], stats["effects_per_reference"]) == (
        2,
        {"max": 2, "more_than_one": ["A-1"]},
    )


# updates


def test_an_update_replaces_the_fields_that_it_names_and_leaves_the_rest(caller: Caller) -> None:
    created = caller.create(
        external_reference="A-1",
        name="Ann",
        currency="ZAR",
        balance=5,
        metadata={"a": "1", "b": "2"},
    )

    updated = caller.update("A-1", name="Anne", balance=-7, metadata={"a": "3"})

    expected = created.json() | {"name": "Anne", "balance": -7, "metadata": {"a": "3"}}
    assert (updated.status_code, updated.json()) == (200, expected)
    assert caller.retrieve(created.json()["id"]).json() == expected
    assert caller.stats()["sums"] == {"ZAR": -7}


def test_an_update_is_no_second_creation(caller: Caller) -> None:
    customer = caller.create(external_reference="A-1").json()["id"]

    caller.update(customer, name="Ann")

    stats = caller.stats()
    assert stats["requests"] == {"create": 1, "retrieve": 0, "update": 1}
    assert (stats["customers"], stats["effects"], stats["keys_seen"]) == (1, 1, 2)


def test_an_update_of_an_unknown_customer_is_404_and_is_replayed_as_404(caller: Caller) -> None:
    first = caller.update("A-1", "key-1", name="Ann")
    caller.create(external_reference="A-1")

    again = caller.update("A-1", "key-1", name="Ann")

    assert (first.status_code, kind(first)) == (404, "not-found")
    assert (again.status_code, again.headers["Idempotent-Replayed"]) == (404, "true")
    assert "name" not in caller.retrieve("A-1").json()


@pytest.mark.parametrize(
    ("changes", "status", "fields"),
    [
        ({}, 400, []),
        ({"external_reference": "B-1"}, 400, ["external_reference"]),
        ({"colour": "red"}, 400, ["colour"]),
        ({"balance": 5}, 400, ["currency"]),
        ({"balance": "5", "currency": "ZAR"}, 422, ["balance"]),
        ({"email": "nobody"}, 422, ["email"]),
        ({"name": None}, 422, ["name"]),
    ],
)
def test_a_wrong_update_is_refused_by_its_fields_and_changes_nothing(
    caller: Caller, changes: dict, status: int, fields: list[str]
) -> None:
    before = caller.create(external_reference="A-1", name="Ann").json()

    answer = caller.update("A-1", **changes)

    assert (answer.status_code, faulty_fields(answer)) == (status, fields)
    assert caller.retrieve("A-1").json() == before


def test_a_balance_may_come_where_the_currency_is_there_already(caller: Caller) -> None:
    caller.create(external_reference="A-1", currency="ZAR")

    assert caller.update("A-1", balance=5).json()["balance"] == 5


def test_the_same_update_is_replayed_and_another_with_its_key_is_refused(caller: Caller) -> None:
    for reference in ("A-1", "A-2"):
        caller.create(external_reference=reference, currency="ZAR")
    caller.update("A-1", "key-1", balance=5)
    caller.update("A-1", balance=6)

    again = caller.update("A-1", "key-1", balance=5)
    others = [
        caller.update("A-1", "key-1", balance=7),
        caller.update("A-2", "key-1", balance=5),
        caller.create("key-1", external_reference="A-3"),
    ]

    assert (again.json()["balance"], again.headers["Idempotent-Replayed"]) == (5, "true")
    assert [(other.status_code, kind(other)) for other in others] == [
        (422, "idempotency-key-reused")
    ] * 3
    assert caller.retrieve("A-1").json()["balance"] == 6
    assert caller.stats()["keys_with_two_bodies"] == 1


@pytest.mark.parametrize("headers", [{}, {"Idempotency-Key": "a b"}])
def test_an_update_needs_a_key_of_its_own(caller: Caller, headers: dict[str, str]) -> None:
    caller.create(external_reference="A-1")

    answer = caller.http.patch(
        "/billing/customers/A-1", content=b'{"name": "Ann"}', headers=JSON | headers
    )

    assert answer.status_code == 400


def test_the_lost_reply_of_an_update_is_replayed_to_a_retry(serve: Serve) -> None:
    caller = serve()
    caller.create(external_reference="A-1")
    caller.pull("faults", {"lost_reply": 1})
    lose(lambda: caller.update("A-1", "key-1", name="Ann"))
    caller.pull("faults", {})

    retry = caller.update("A-1", "key-1", name="Ann")

    assert (retry.status_code, retry.headers["Idempotent-Replayed"]) == (200, "true")


# faults


def lose(call: Callable[[], httpx.Response]) -> None:
    with pytest.raises(httpx.TransportError):
        call()


def test_a_lost_request_had_no_effect(serve: Serve, capfd: pytest.CaptureFixture[str]) -> None:
    caller = serve(faults=Faults.of(lost_request=1))

    lose(lambda: caller.create("key-1", external_reference="A-1"))

    assert caller.held() == []
    assert caller.stats()["answers"] == {"none": 1}
    assert capfd.readouterr() == ("", "")


def test_a_lost_reply_is_replayed_to_a_retry_and_leaves_one_customer(
    serve: Serve, capfd: pytest.CaptureFixture[str]
) -> None:
    caller = serve(faults=Faults.of(lost_reply=1))
    lose(lambda: caller.create("key-1", external_reference="A-1"))
    caller.pull("faults", {})

    retry = caller.create("key-1", external_reference="A-1")

    assert (retry.status_code, retry.headers["Idempotent-Replayed"]) == (201, "true")
    assert len(caller.held()) == 1
    assert caller.stats()["effects"] == 1
    assert capfd.readouterr() == ("", "")


def test_a_lost_connection_leaves_the_sandbox_answering_others(serve: Serve) -> None:
    caller = serve(faults=Faults.of(lost_reply=0.5), seed=1)
    with ThreadPoolExecutor(8) as callers:
        tries = [callers.submit(caller.create, external_reference=f"A-{n}") for n in range(60)]
        lost = sum(isinstance(one.exception(), httpx.TransportError) for one in tries)

    assert 0 < lost < 60
    assert caller.stats()["answers"] == {"201": 60 - lost, "none": lost}
    assert caller.stats()["customers"] == 60


def test_an_error_before_has_no_effect_and_is_not_stored(serve: Serve) -> None:
    caller = serve(faults=Faults.of(error_before=1))
    answer = caller.create("key-1", external_reference="A-1")
    caller.pull("faults", {})

    assert (answer.status_code, kind(answer)) == (503, "unavailable")
    assert caller.held() == []
    assert caller.create("key-1", external_reference="A-1").status_code == 201


def test_an_error_after_hides_an_answer_that_a_retry_gets(serve: Serve) -> None:
    caller = serve(faults=Faults.of(error_after=1))
    answer = caller.create("key-1", external_reference="A-1")
    caller.pull("faults", {})
    retry = caller.create("key-1", external_reference="A-1")

    assert (answer.status_code, kind(answer)) == (502, "bad-gateway")
    assert (retry.status_code, retry.headers["Idempotent-Replayed"]) == (201, "true")
    assert len(caller.held()) == 1


def test_a_stored_error_is_replayed_for_as_long_as_the_key_lives(serve: Serve) -> None:
    caller = serve(faults=Faults.of(error_stored=1))
    first = caller.create("key-1", external_reference="A-1")
    caller.pull("faults", {})

    for _ in range(3):
        retry = caller.create("key-1", external_reference="A-1")
        assert (retry.status_code, retry.content) == (503, first.content)
        assert retry.headers["Idempotent-Replayed"] == "true"

    assert (kind(first), caller.held()) == ("unavailable", [])
    caller.pull("clock", {"advance_seconds": DAY})
    assert caller.create("key-1", external_reference="A-1").status_code == 201


@pytest.mark.parametrize(
    ("retry_after", "header"), [("1", "1"), ("Wed, 01 Jan 2031 00:00:00 GMT",) * 2, ("", None)]
)
def test_a_rate_limited_create_has_no_effect_and_carries_the_set_retry_after(
    serve: Serve, retry_after: str, header: str | None
) -> None:
    caller = serve()
    caller.pull("faults", {"rate_limited": 1, "retry_after": retry_after})
    answer = caller.create("key-1", external_reference="A-1")
    caller.pull("faults", {})

    assert (answer.status_code, kind(answer)) == (429, "too-many-requests")
    assert answer.headers.get("Retry-After") == header
    assert caller.create("key-1", external_reference="A-1").status_code == 201


def test_a_key_is_revoked_after_a_number_of_creates_until_the_faults_change(serve: Serve) -> None:
    caller = serve(faults=Faults.of(revoked_after=2))

    statuses = [caller.create(external_reference=f"A-{n}").status_code for n in range(3)]

    assert statuses == [201, 201, 401]
    assert caller.retrieve("A-0").status_code == 401
    caller.pull("faults", {})
    assert caller.retrieve("A-0").status_code == 200


def test_a_key_is_revoked_after_exactly_the_set_number_of_concurrent_creates(serve: Serve) -> None:
    caller = serve(faults=Faults.of(revoked_after=10))

    with ThreadPoolExecutor(8) as callers:
        answers = list(callers.map(lambda n: caller.create(external_reference=f"A-{n}"), range(40)))

    assert sum(answer.status_code == 201 for answer in answers) == 10


def test_payment_rules_can_be_left_out_and_stay_out(serve: Serve) -> None:
    caller = serve(faults=Faults.of(no_payment_rules=1))
    created = caller.create(external_reference="A-1")
    caller.pull("faults", {})

    assert set(created.json()) == {"id", "external_reference"}
    assert caller.retrieve("A-1").content == created.content


def test_opaque_problems_differ_by_status_alone(serve: Serve) -> None:
    caller = serve(faults=Faults.of(opaque_types=True))

    for answer in (
        caller.create(name="x"),
        caller.retrieve("none"),
        caller.http.put("/billing/customers"),
    ):
        assert answer.json()["type"] == "about:blank"
        assert answer.json()["title"] == answer.reason_phrase


def test_with_uniqueness_off_a_second_key_makes_a_second_customer(serve: Serve) -> None:
    caller = serve(faults=Faults.of(uniqueness_off=True))

    created = [caller.create(external_reference="A-1").status_code for _ in range(2)]

    assert created == [201, 201]
    assert len(caller.held()) == 2
    assert caller.stats()["effects_per_reference"] == {"max": 2, "more_than_one": ["A-1"]}


def test_a_key_sent_with_two_bodies_is_noticed_where_neither_was_processed(serve: Serve) -> None:
    caller = serve(faults=Faults.of(error_before=1))

    caller.create("key-1", external_reference="A-1")
    caller.create("key-1", external_reference="A-2")

    assert caller.stats()["keys_with_two_bodies"] == 1


def test_the_same_seed_means_the_same_run(serve: Serve) -> None:
    def run() -> list[int]:
        caller = serve(faults=Faults.of(error_before=0.3, error_after=0.3), seed=7)
        return [caller.create(external_reference=f"A-{n}").status_code for n in range(30)]

    first = run()

    assert run() == first
    assert set(first) == {201, 502, 503}


def test_raising_one_probability_moves_no_other_mishap() -> None:
    plain, more = Dice(7), Dice(7)

    runs = [
        (
            plain.throw(Faults.of(lost_reply=0.2)),
            more.throw(Faults.of(lost_reply=0.2, rate_limited=1)),
        )
        for _ in range(50)
    ]

    assert all(with_more - {Mishap.RATE_LIMITED} == without for without, with_more in runs)


def test_faults_are_read_from_text() -> None:
    told = "lost_reply=0.05, error_before=0.02,latency=1.5,revoked_after=3,opaque_types,uniqueness_off=true,retry_after="

    expected = Faults.of(
        error_before=0.02, lost_reply=0.05, latency=1.5, retry_after="", revoked_after=3, opaque_types=True,
        uniqueness_off=True,
    )  # fmt: skip

    assert parse_faults(told) == expected
    assert parse_faults("") == NO_FAULTS


def test_every_unknown_fault_is_named_with_its_nearest() -> None:
    with pytest.raises(
        ValueError, match=r"'lost_replies'.*'lost_reply'.*'eror_before'.*'error_before'.*latency"
    ):
        parse_faults("lost_replies=0.1,eror_before=1,error_after=1,latency=-1")


@pytest.mark.parametrize(
    "text",
    ["lost_reply", "lost_reply=2", "lost_reply=nan", "revoked_after=1.5", "opaque_types=maybe"],
)
def test_a_fault_with_a_wrong_value_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=text.partition("=")[0]):
        parse_faults(text)


@pytest.mark.parametrize(
    "told", [{"lost_replies": 1}, {"lost_reply": "1"}, {"opaque_types": 1}, []]
)
def test_wrong_fault_settings_change_nothing(serve: Serve, told: object) -> None:
    caller = serve(faults=Faults.of(error_before=1))

    assert caller.pull("faults", told).status_code == 400
    assert caller.create(external_reference="A-1").status_code == 503


def test_a_client_that_leaves_in_the_middle_of_its_request_is_no_error(
    serve: Serve, capfd: pytest.CaptureFixture[str]
) -> None:
    caller = serve()
    port, key = caller.http.base_url.port, caller.http.headers["Authorization"]
    head = f"POST /billing/customers HTTP/1.1\r\nHost: localhost:{port}\r\nContent-Length: 100\r\n"

    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(f"{head}Authorization: {key}\r\n\r\n{{".encode())
    while caller.stats()["answers"] != {"none": 1}:
        pass

    assert caller.stats()["effects"] == 0
    assert capfd.readouterr() == ("", "")


# starting and stopping


def start_command(
    state: Path, faults: str = "Faults()"
) -> tuple[subprocess.Popen[str], dict[str, str]]:
    code = (
        "import sys, pathlib; from pipeline.sandbox import *;"
        f" serve_forever(SandboxServer(pathlib.Path(sys.argv[1]), faults={faults}))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(state)],
        env=environment_of_ours(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    return process, json.loads(process.stdout.readline())


@pytest.mark.parametrize("signal_sent", [signal.SIGTERM, signal.SIGINT])
def test_the_command_prints_its_address_and_ends_with_0_after_a_signal(
    tmp_path: Path, signal_sent: int
) -> None:
    process, line = start_command(tmp_path / "state")
    key = {"Authorization": f"Bearer {line['api_key']}"}
    with httpx.Client(
        base_url=line["base_url"], headers=key, trust_env=False, verify=NO_TLS
    ) as http:
        assert http.get("/_sandbox/stats").status_code == 200
        os.kill(line["pid"], signal_sent)
        out, err = process.communicate(timeout=10)

    assert set(line) == {"base_url", "api_key", "pid"}
    assert (process.returncode, out, err) == (0, "", "")


def test_a_sandbox_listens_on_the_given_port() -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]

    with SandboxServer(port=port) as sandbox:
        assert sandbox.base_url == f"http://127.0.0.1:{port}"


def test_a_state_in_use_by_another_sandbox_is_refused(tmp_path: Path) -> None:
    process, _ = start_command(tmp_path / "state")
    try:
        with pytest.raises(StateError, match="another sandbox"), SandboxServer(tmp_path / "state"):
            pass
    finally:
        process.terminate()
        process.communicate(timeout=10)


def test_a_sandbox_in_a_thread_leaves_the_signals_alone() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]

    with SandboxServer():
        assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


# what no honest server sends


def test_a_redirect_has_no_effect(serve: Serve) -> None:
    caller = serve(faults=Faults.of(redirect=1))

    answer = caller.create(external_reference="A-1")

    assert (answer.status_code, answer.headers["Location"][:8]) == (307, "https://")
    assert caller.stats()["effects"] == 0


def test_a_failure_can_be_stored_although_the_customer_was_created(serve: Serve) -> None:
    caller = serve(faults=Faults.of(error_stored_after=1))

    first, again = (caller.create(key="key-1", external_reference="A-1") for _ in range(2))

    assert (first.status_code, again.status_code, again.headers["Idempotent-Replayed"]) == (
        500,
        500,
        "true",
    )
    assert caller.retrieve("A-1").status_code == 200


@pytest.mark.parametrize("fault", ["garbled", "lying", "cut_body", "slow_body"])
def test_a_spoilt_success_is_stored_as_it_should_have_been(serve: Serve, fault: str) -> None:
    caller = serve(faults=Faults.of(**{fault: 1}))
    told = {"external_reference": "A-1", "name": "Thandi"}

    if fault == "cut_body":
        lose(lambda: caller.create(key="key-1", **told))
    else:
        first = caller.create(key="key-1", **told)
        assert first.status_code == 201
        if fault == "garbled":
            with pytest.raises(ValueError, match=r"delimiter|Expecting"):
                first.json()
        else:
            assert first.json()["name"] == ("somebody else" if fault == "lying" else "Thandi")
    caller.pull("faults", {})
    replay = caller.create(key="key-1", **told)

    assert (replay.status_code, replay.json()["name"]) == (201, "Thandi")
    assert caller.stats()["effects"] == 1


def test_lookups_can_be_stale_or_lost_without_changing_the_mishaps_of_creates(serve: Serve) -> None:
    caller = serve()
    caller.create(external_reference="A-1")

    caller.pull("faults", {"stale_look_up": 1})
    stale = caller.retrieve("A-1")
    caller.pull("faults", {"lost_look_up": 1})
    lose(lambda: caller.retrieve("A-1"))

    assert stale.status_code == 404
    one, another = Dice(7), Dice(7)
    another.throw_for_lookup(Faults.of(stale_look_up=0.5))
    both = Faults.of(lost_reply=0.5, error_before=0.5)
    assert [one.throw(both) for _ in range(50)] == [another.throw(both) for _ in range(50)]


def test_a_retry_after_can_be_a_date_by_the_sandbox_s_own_clock(serve: Serve) -> None:
    caller = serve(faults=Faults.of(rate_limited=1, retry_after="date:7"))
    caller.pull("clock", {"advance_seconds": 90_000})

    answer = caller.create(external_reference="A-1")

    until, now = (parsedate_to_datetime(answer.headers[name]) for name in ("Retry-After", "Date"))
    assert 6 <= (until - now).total_seconds() <= 8
