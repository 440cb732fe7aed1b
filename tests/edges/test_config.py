"""A config is taken whole or refused with every fault at its line and column; it never holds a key; options overrule it."""

import json
from datetime import UTC, datetime
from pathlib import Path

import jsonschema
import pytest
from ruamel.yaml import YAML

from pipeline.config import (
    Naming,
    Settings,
    config_schema,
    environment_from,
    load_config,
    stop_at,
    target_from,
)
from pipeline.errors import ConfigError, KeyProblem
from tests.conftest import REPOSITORY, customers_csv

GOOD = """\
# yaml-language-server: $schema=pipeline.schema.json
environment: test
merchant: kwikwater
address: https://api.momentco.io
source: {delimiter: ";", encoding: cp1252}
region: "NO"
pace: {workers: 4, per_second: 20}
thresholds: {max_creates: 500, outage_seconds: 60, stop_by: 05:30 Africa/Johannesburg}
mapping:
  external_reference: ACCOUNT
  name: {columns: [FIRST, LAST]}
  currency: {column: CUR, values: {R: ZAR, 0: USD}}
  balance: {debit: DR, credit: CR, unit: {column: FLAG, values: {C: minor, R: major}}}
  metadata: {due: DUE}
  absent: ["NULL", "-"]
references: {same_identity: hold}
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "job.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def faults(folder: Path, text: str) -> list[str]:
    path = written(folder, text)
    with pytest.raises(ConfigError) as refused:
        load_config(path)
    return [
        line.removeprefix(f"{path}:")
        for line in str(refused.value).splitlines()
        if line.startswith(str(path))
    ]


def test_a_config_is_read_with_scalars_of_the_schemas_types(tmp_path):
    job = load_config(written(tmp_path, GOOD)).job

    assert (job.region, job.pace.workers, job.pace.per_second) == ("NO", 4, 20.0)
    assert job.mapping.currency.values == {"R": "ZAR", "0": "USD"}
    assert job.mapping.absent == ("NULL", "-")
    assert job.source.delimiter == ";"


@pytest.mark.parametrize("region", ["NO", '"NO"'])
def test_norway_is_a_region_and_no_boolean(tmp_path, region):
    assert (
        load_config(
            written(tmp_path, f"environment: t\nmerchant: m\nregion: {region}\n")
        ).job.region
        == "NO"
    )


@pytest.mark.parametrize(
    "change", [lambda text: "\ufeff" + text, lambda text: text.replace("\n", "\r\n")]
)
def test_a_byte_order_mark_and_windows_line_ends_are_accepted(tmp_path, change):
    path = tmp_path / "job.yaml"
    path.write_bytes(change(GOOD).encode())

    assert load_config(path).job == load_config(written(tmp_path, GOOD)).job


def test_three_faults_are_three_faults_each_at_its_line_and_column(tmp_path):
    text = (
        GOOD.replace("workers: 4", "workers: 400")
        .replace("region:", "regoin:")
        .replace("value", "value", 1)
    )
    text = text.replace("unit: {column: FLAG, values: {C: minor, R: major}}", "unit: rand")

    found = faults(tmp_path, text)

    assert found == [
        "6:1: unknown key 'regoin'; did you mean 'region'?",
        "7:17: pace.workers: should be less than or equal to 64",
        "13:42: mapping.balance.unit: should be 'major' or 'minor'",
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "1:1: environment is missing"),
        ("environment: t\n", "1:1: merchant is missing"),
        ("environment: t\nmerchant: M\n", "2:11: merchant: string should match"),
        ("environment: t\nmerchant: m\nenvironment: u\n", "3:1: environment is set twice, first in line 1"),
        ("environment: t\nmerchant: m\nmapping:\n  name: {}\n", "4:9: mapping.name: say one of column, columns and value"),
        ("environment: t\nmerchant: m\nmapping: {name: N}\n", "3:10: mapping.external_reference is missing"),
        ("environment: t\nmerchant: m\naddress: http://example.com\n", "3:10: address: the billing address"),
        ("environment: t\nmerchant: m\nregion: XX\n", "3:9: region: 'XX' is not a region"),
        ("environment: t\nmerchant: m\nsource: {encoding: utf-88}\n", "3:20: source.encoding: "),
        ("environment: t\nmerchant: m\nsource: {encoding: utf-32}\n", "3:20: source.encoding: "),
        ("environment: t\nmerchant: m\nmapping: {external_reference: A, absent: [NULL]}\n", "put the text in quotes"),
        ("environment: t\nmerchant: m\nthresholds: {stop_by: 25:00}\n", "3:23: thresholds.stop_by: write it as 05:30"),
        ("environment: t\nmerchant: m\nthresholds: {stop_by: 05:30 Africa/Joburg}\n", "'Africa/Joburg' is not a time zone"),
        ("environment: sandbox\nmerchant: m\naddress: https://a.example\n", "the environment 'sandbox' is for this machine"),
        ("environment: &a t\nmerchant: *a\n", "1:14: anchors and aliases are not supported"),
        ("environment: !!python/object:os.system t\nmerchant: m\n", "1:14: the tag"),
        ("environment: [t\n", "not valid YAML"),
        ("environment: t\n\tmerchant: m\n", "2:1: not valid YAML"),
        ("- a\n- b\n", "1:1: "),
        ("? [a]\n: b\n", "1:3: a key must be plain text"),
    ],
)  # fmt: skip
def test_a_fault_is_reported_with_its_place(tmp_path, text, expected):
    assert any(expected in fault for fault in faults(tmp_path, text))


@pytest.mark.parametrize(
    ("text", "near"),
    [
        ("merchnt: m\nenvironment: t\nmerchant: m\n", "merchant"),
        ("environment: t\nmerchant: m\npace: {worker: 3}\n", "workers"),
        ("environment: t\nmerchant: m\nmapping: {external_reference: {colum: A}}\n", "column"),
        (
            "environment: t\nmerchant: m\nreferences: {mapping: {external_refrence: A}}\n",
            "external_reference",
        ),
        (
            "environment: t\nmerchant: m\nmapping: {external_reference: A, metadata: {a: {colun: X}}}\n",
            "column",
        ),
    ],
)
def test_an_unknown_key_is_refused_with_the_nearest_that_is_known_there(tmp_path, text, near):
    assert any(f"did you mean {near!r}?" in fault for fault in faults(tmp_path, text))


@pytest.mark.parametrize(
    "key", ["sk_test_canary0000000000", "sk_livecanary0000000000", "pk_test_canary0000000000"]
)
def test_a_config_with_an_api_key_is_refused_without_showing_it(tmp_path, key):
    (fault,) = faults(tmp_path, f"environment: t\nmerchant: m\naddress: {key}\n")

    assert fault.startswith("3: this looks like an API key")
    assert "canary" not in fault


def test_a_file_that_is_not_a_config_is_refused_by_name(tmp_path):
    (tmp_path / "latin.yaml").write_bytes(b"merchant: caf\xe9\n")
    (tmp_path / "large.yaml").write_bytes(b"#" * (2 << 20))

    for path, told in (
        (tmp_path / "latin.yaml", "not UTF-8"),
        (tmp_path / "large.yaml", "1 MiB"),
        (tmp_path, "cannot be read"),
    ):
        with pytest.raises(ConfigError, match=told):
            load_config(path)


def test_schema_and_loader_accept_and_refuse_the_same(tmp_path):
    validator = jsonschema.Draft202012Validator(config_schema())
    parsed = YAML(typ="safe", pure=True)

    assert list(validator.iter_errors(parsed.load(GOOD.replace("0: USD", "'0': USD")))) == []
    for wrong in (
        "regoin: ZA",
        "pace: {workers: 900}",
        "mapping: {external_reference: {colum: A}}",
        "mode: real",
    ):
        assert (
            list(validator.iter_errors(parsed.load(f"environment: t\nmerchant: m\n{wrong}\n")))
            != []
        )


def test_the_schema_in_configs_is_the_one_that_the_command_prints():
    kept = json.loads((REPOSITORY / "configs" / "pipeline.schema.json").read_text(encoding="utf-8"))

    assert kept == config_schema()


@pytest.mark.parametrize(
    "path", sorted((REPOSITORY / "configs").glob("*.yaml")), ids=lambda path: path.name
)
def test_every_config_of_ours_loads_and_names_its_schema_in_line_1(path):
    first = path.read_text(encoding="utf-8").splitlines()[0]

    assert first == "# yaml-language-server: $schema=pipeline.schema.json"
    assert load_config(path).job.mapping is not None


# -- settings ---------------------------------------------------------------------------------------------------------


def test_options_overrule_the_config_and_the_config_the_defaults(tmp_path):
    config = load_config(written(tmp_path, GOOD))

    settings = Settings.of(config, per_second=7.0, region=None, max_creates=3)

    assert (settings.per_second, settings.max_creates, settings.workers, settings.region) == (
        7.0,
        3,
        4,
        "NO",
    )
    assert settings.retry_refused is False
    assert settings.destination == "https://api.momentco.io"


def test_one_message_names_all_faults_of_options():
    with pytest.raises(ConfigError, match=r"region: 'XX'.*limit: .*workers: "):
        Settings.of(None, region="XX", workers=0, limit=0)


def test_a_configs_names_are_those_of_its_own_address_and_a_rehearsal_on_this_machine_is_the_sandbox(
    tmp_path,
):
    job = load_config(written(tmp_path, GOOD)).job

    at_home = environment_from(
        "https://api.momentco.io", Naming.from_options("https://api.momentco.io", job=job)
    )
    rehearsals = [
        environment_from(place, Naming.from_options(place, job=job))
        for place in ("sandbox", "http://127.0.0.1:9")
    ]

    assert (at_home.name, at_home.merchant, at_home.mode) == ("test", "kwikwater", "test")
    assert {(e.name, e.merchant) for e in rehearsals} == {("sandbox", "sandbox")}


@pytest.mark.parametrize(
    ("mode", "key", "live"), [("live", "sk_test_abcdefgh1", False), ("test", "sk_abcdefgh12", True)]
)
def test_a_key_of_another_mode_than_the_config_is_refused(mode, key, live):
    from pipeline.billing import ApiKey

    naming = Naming(environment="here", merchant="m", mode=mode, live=live)

    with pytest.raises(KeyProblem, match=f"the config has mode: {mode}"):
        target_from("https://api.momentco.io", ApiKey(key, source="a test"), naming)


@pytest.mark.parametrize(
    ("text", "now", "expected"),
    [
        ("05:30 Africa/Johannesburg", "2026-11-22T22:00:00+00:00", "2026-11-23T03:30:00+00:00"),
        ("05:30 Africa/Johannesburg", "2026-11-23T03:30:00+00:00", "2026-11-24T03:30:00+00:00"),
        ("05:30 UTC", "2026-11-23T05:29:59+00:00", "2026-11-23T05:30:00+00:00"),
        ("02:30 Europe/Berlin", "2026-03-28T12:00:00+00:00", "2026-03-29T01:30:00+00:00"),
        ("2026-11-23T05:30:00+02:00", "2026-11-24T00:00:00+00:00", "2026-11-23T03:30:00+00:00"),
    ],
)
def test_the_time_to_stop_by_is_the_next_time_that_a_clock_shows_it(text, now, expected):
    assert stop_at(text, datetime.fromisoformat(now)).astimezone(UTC) == datetime.fromisoformat(
        expected
    )


# -- the command line -------------------------------------------------------------------------------------------------


def test_a_config_with_three_faults_ends_with_4_and_sends_nothing(pipeline, outside):
    customers_csv(pipeline.folder / "c.csv", 3)
    config = written(
        pipeline.folder, "environment: t\nmerchant: M\nregoin: ZA\npace: {workers: 0}\n"
    )

    result = pipeline(
        "run",
        "c.csv",
        "--config",
        config,
        "--base-url",
        outside.base_url,
        "--yes",
        environment=outside.environment,
    )

    assert result.returncode == 4
    told = [
        line.removeprefix(f"{config}:").split(":")[:2] for line in result.stderr.splitlines()[1:]
    ]
    assert told == [["2", "11"], ["3", "1"], ["4", "17"]]
    assert sum(outside.stats()["requests"].values()) == 0
    assert not (pipeline.folder / "reports").exists()


def test_a_missing_column_names_what_was_found_and_the_nearest_ends_with_4_and_sends_nothing(
    pipeline, outside
):
    customers_csv(pipeline.folder / "c.csv", 3)
    config = written(
        pipeline.folder,
        "environment: t\nmerchant: m\nmapping: {external_reference: external_reference, email: mail, name: nmae}\n",
    )

    result = pipeline(
        "run",
        "c.csv",
        "--config",
        config,
        "--base-url",
        outside.base_url,
        "--yes",
        environment=outside.environment,
    )

    assert result.returncode == 4
    assert "no column 'mail' (mapped to email; did you mean 'email'?)" in result.stderr
    assert "no column 'nmae' (mapped to name; did you mean 'name'?)" in result.stderr
    assert "metadata.plan" in result.stderr
    assert sum(outside.stats()["requests"].values()) == 0


def test_the_template_is_the_header_of_the_job_or_the_canonical_one(pipeline):
    config = written(pipeline.folder, GOOD)

    assert (
        pipeline("schema", "--template").stdout
        == "external_reference,name,email,phone,currency,balance,metadata.<key>\n"
    )
    assert (
        pipeline("schema", "--template", "--config", config).stdout
        == "ACCOUNT;FIRST;LAST;CUR;DUE;DR;CR;FLAG\n"
    )
    assert json.loads(pipeline("schema").stdout) == config_schema()


def test_the_template_is_also_a_workbook_whose_columns_are_text(inside):
    import openpyxl

    config = written(inside.folder, GOOD)

    assert inside("schema", "--template", "--config", config, "--output", "t.xlsx").returncode == 0
    assert inside("schema", "--template", "--output", "t.csv").returncode == 0
    assert inside("schema", "--output", "t.csv").returncode == 2
    sheet = openpyxl.load_workbook(inside.folder / "t.xlsx")["customers"]
    assert [cell.value for cell in sheet[1]] == [
        "ACCOUNT",
        "FIRST",
        "LAST",
        "CUR",
        "DUE",
        "DR",
        "CR",
        "FLAG",
    ]
    assert {dimension.number_format for dimension in sheet.column_dimensions.values()} == {"@"}
    assert (
        inside.folder / "t.csv"
    ).read_text() == "external_reference,name,email,phone,currency,balance,metadata.<key>\n"
