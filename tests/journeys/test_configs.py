"""The configs in `configs/` on their samples: figures that two programs agree on, customers field by field, nobody's number."""

import csv
import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import polars as pl
import pytest

from tests.conftest import REPOSITORY, Command, Inside, running_sandbox

SAMPLES = REPOSITORY / "sample_data"
pytestmark = pytest.mark.xdist_group(
    "configs"
)  # one worker makes the runs that most of these look at


@dataclass(frozen=True, eq=False)  # each is itself, so that it can be a key
class Sample:
    """A config, the file that it runs on, and what a few of that file's customers look like in billing."""

    name: str
    file: str
    surplus: tuple[
        str, str, str
    ]  #: the row with 12.345 rand: its column of references, its reference, its column of amounts
    surplus_text: str
    customers: tuple[dict, ...]
    known: str | None = None  #: the file of known customers
    identities: str = r"(?!)"  #: what identity numbers look like in it

    @property
    def path(self) -> Path:
        return SAMPLES / self.name / self.file

    @property
    def config(self) -> Path:
        return REPOSITORY / "configs" / f"{self.name}.yaml"

    @property
    def readme(self) -> str:
        return (SAMPLES / self.name / "README.md").read_text(encoding="utf-8")

    @property
    def expected(self) -> dict:
        return json.loads(self.path.with_suffix(".expected.json").read_text(encoding="utf-8"))

    @property
    def identity_numbers(self) -> set[str]:
        return set(re.findall(self.identities, self.path.read_text(encoding="latin-1")))


MERCHANT = Sample(
    name="merchant_billing",
    file="za_kwikwater_dailyfile_2026-11-22.csv",
    surplus=("account_number", "00240241", "amount_due"),
    surplus_text="12.345",
    customers=(
        {
            "external_reference": "00240240",
            "name": "Renée van der Merwe",
            "email": "renee@example.com",
            "phone": "+27825550240",
            "currency": "ZAR",
            "balance": 24000,
            "metadata": {"due_date": "2026-12-07", "tariff": "residential", "zone": "Strand"},
        },
    ),
    identities=r"\b[0-9]{6}[0-9]{4}08[0-9]\b|\bP000[0-9]{5}\b",
)
LEGACY = Sample(
    name="legacy_migration",
    file="debtors_export.csv",
    surplus=("ACCOUNT_NO", "L-SURPLUS", "DEBIT"),
    surplus_text="12,345",
    customers=(
        {
            "external_reference": "L-RAND",
            "name": "José O’Brien",
            "email": "jose@example.com",
            "phone": "+27825550240",
            "currency": "ZAR",
            "balance": 24000,
            "metadata": {"due_date": "30/11/2026", "class": "domestic"},
        },
        {
            "external_reference": "L-DINAR",
            "name": "Zoë Muñoz",
            "phone": "+96599123456",
            "currency": "KWD",
            "balance": 1234,
            "metadata": {"class": "VIP"},
        },
        {
            "external_reference": "L-YEN",
            "name": "Köhler & Söhne",
            "phone": "+819012345678",
            "currency": "JPY",
            "balance": 500,
            "metadata": {"class": "business"},
        },
        {
            "external_reference": "L-CREDIT",
            "name": "Inês Peña",
            "currency": "ZAR",
            "balance": -1550,
        },
    ),
    identities=r"\b[0-9]{6}[0-9]{4}08[0-9]\b",
)
NIGHTLY = Sample(
    name="nightly",
    file="new_customers_2026-11-22.csv",
    surplus=("reference", "NET-SURPLUS", "opening_balance"),
    surplus_text="12.345",
    customers=(
        {
            "external_reference": "NET-NEW",
            "name": "Naledi Mokoena",
            "email": "naledi@example.org",
            "phone": "+27825550240",
            "currency": "ZAR",
            "balance": 24000,
            "metadata": {"product": "fibre-50", "branch": "Knysna"},
        },
    ),
    known="known_customers.csv",
)
ALL = [MERCHANT, LEGACY, NIGHTLY]
each_sample = pytest.mark.parametrize("sample", ALL, ids=lambda sample: sample.name)


@dataclass(frozen=True)
class Ran:
    """What a sample came to in billing of another process."""

    pipeline: Command
    result: subprocess.CompletedProcess[str]
    planned: subprocess.CompletedProcess[str]
    requests_after_plan: dict
    held: dict
    effects: int


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """A sample planned and then run, each sample once for all tests that only look."""

    @cache
    def run(sample: Sample) -> Ran:
        folder = tmp_path_factory.mktemp(sample.name)
        pipeline = Inside(folder)
        with running_sandbox(folder / "billing.sqlite") as outside:
            _load_known(pipeline, sample)
            arguments = (
                sample.path,
                "--config",
                sample.config,
                "--base-url",
                outside.base_url,
                "--json",
            )
            planned = pipeline("plan", *arguments, environment=outside.environment)
            requests = outside.stats()["requests"]
            result = _run(
                pipeline, sample, "--base-url", outside.base_url, environment=outside.environment
            )
            return Ran(
                pipeline, result, planned, requests, outside.customers(), outside.stats()["effects"]
            )

    return run


@pytest.mark.parametrize(
    "sample",
    [NIGHTLY, *(pytest.param(sample, marks=pytest.mark.long) for sample in (MERCHANT, LEGACY))],
    ids=lambda sample: sample.name,
)
@pytest.mark.usefixtures("without_pages")
def test_a_config_runs_on_its_sample_and_a_second_run_creates_no_customer(pipeline, sample):
    _load_known(pipeline, sample)

    first = _run(pipeline, sample, "--sandbox")
    second = _run(pipeline, sample, "--sandbox", "--accept", "STREAM.SAME_FILE")

    assert first.returncode == second.returncode == 1, (
        first.stderr
    )  # some rows are held or rejected, and the code says so
    summary, again = json.loads(first.stdout), json.loads(second.stdout)
    assert _figures(summary) == sample.expected
    assert summary["accounting"]["holds"]
    assert summary["sums"] == _net(summary["debits"], summary["credits"])
    assert again["fates"]["created"] == 0
    known_before = sample.expected["fates"].get("already_exists_same", 0)
    assert again["fates"]["already_exists_same"] == sample.expected["creates"] + known_before
    assert again["requests"] == {"creates": 0, "replayed": 0, "lookups": 0}


@each_sample
def test_billing_holds_the_customers_of_a_sample_field_by_field(ran, sample):
    done = ran(sample)

    assert _figures(json.loads(done.result.stdout)) == sample.expected
    assert len(done.held) == done.effects == sample.expected["creates"]
    for customer in sample.customers:
        assert _as_sent(done.held[customer["external_reference"]]) == customer
    assert _sums_of_what_is_held(done.held) == _created(sample.expected)


@each_sample
def test_12_345_rand_is_rejected_with_the_text_as_given(ran, sample):
    by, reference, column = sample.surplus

    [rejected] = [
        row for row in _rows(ran(sample).pipeline.newest() / "rejected.csv") if row[by] == reference
    ]

    assert rejected[column] == sample.surplus_text
    assert rejected["_import_reasons"] == "VALIDATE.BALANCE_TOO_MANY_DECIMALS:balance"


@pytest.mark.parametrize(
    "sample",
    [LEGACY, *(pytest.param(sample, marks=pytest.mark.long) for sample in (MERCHANT, NIGHTLY))],
    ids=lambda sample: sample.name,
)
@pytest.mark.usefixtures("without_pages")
def test_a_corrected_row_of_the_rejected_list_is_resubmitted_under_the_same_config(
    ran, pipeline, tmp_path, sample
):
    by, reference, column = sample.surplus
    rejected = (ran(sample).pipeline.newest() / "rejected.csv").read_text(encoding="utf-8")
    mended = tmp_path / "mended.csv"
    mended.write_text(
        rejected.replace(sample.surplus_text, sample.surplus_text[:-1]), encoding="utf-8"
    )

    result = pipeline("run", mended, "--config", sample.config, "--sandbox", "--yes", "--json")

    assert result.returncode == 1, result.stderr  # the other rows are as they were
    [created] = _rows(pipeline.newest() / "created.csv")
    assert (created[by], created[column]) == (reference, sample.surplus_text[:-1])


@pytest.mark.parametrize("sample", [MERCHANT, LEGACY], ids=lambda sample: sample.name)
def test_identity_numbers_are_never_sent_and_are_in_no_report(ran, sample):
    done = ran(sample)

    numbers = sample.identity_numbers
    assert len(numbers) > 300
    told = {
        "billing": json.dumps(list(done.held.values())),
        "stdout": done.result.stdout,
        "stderr": done.result.stderr,
        **_reports(done.pipeline.newest()),
    }
    assert [(where, n) for where, text in told.items() for n in sorted(numbers) if n in text] == []


@each_sample
def test_a_plan_with_a_config_shows_the_same_creates_and_sends_nothing(ran, sample):
    done = ran(sample)

    assert json.loads(done.planned.stdout)["actions"]["create"] == sample.expected["creates"]
    assert set(done.requests_after_plan.values()) == {0}


def test_known_customers_are_loaded_once_from_any_column_layout(pipeline):
    result = _load_known(pipeline, NIGHTLY, "--json")

    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["rows"] == len(
        _rows(SAMPLES / "nightly" / "known_customers.csv")
    )


@pytest.mark.usefixtures("without_pages")
def test_without_known_customers_the_nightly_sample_would_create_them_again(
    pipeline,
):
    expected = NIGHTLY.expected["fates"]

    planned = pipeline("plan", NIGHTLY.path, "--config", NIGHTLY.config, "--sandbox", "--json")

    fates = json.loads(planned.stdout)["fates"]

    by_references = ("already_exists_same", "already_exists_different")
    assert [fates[fate] for fate in by_references] == [0, 0]
    of_another = (
        expected["needs_review"] - NIGHTLY.expected["reasons"]["MATCH.SAME_REFERENCE_OTHER_CONTENT"]
    )
    assert (
        fates["not_attempted"]
        == expected["created"] + sum(expected[fate] for fate in by_references) + of_another
    )


@each_sample
def test_a_config_names_its_schema_in_line_1_and_its_readme_the_command_that_runs_it(sample):
    line_1, _, rest = sample.config.read_text(encoding="utf-8").partition("\n")

    assert line_1 == "# yaml-language-server: $schema=pipeline.schema.json"
    command = f"--config configs/{sample.name}.yaml --sandbox --yes"
    assert command in sample.readme
    assert command in re.sub(r"\s*\\?\n#\s*", " ", rest)


def test_every_config_has_a_sample():
    configs = {path.stem for path in (REPOSITORY / "configs").glob("*.yaml")}

    assert {sample.name for sample in ALL} <= configs
    assert all((SAMPLES / name / "README.md").is_file() for name in configs)


@each_sample
def test_a_readme_states_the_figures_that_its_maker_counted(sample):
    expected, readme = sample.expected, sample.readme

    fates = {
        fate: int(n) for n, fate in re.findall(r"^\| (\d+) \| `([a-z_]+)` \|", readme, re.MULTILINE)
    }
    reasons = {
        reason: int(n)
        for n, reason in re.findall(r"^\| (\d+) \| `([A-Z]+\.\S+)` \|", readme, re.MULTILINE)
    }
    sums = re.findall(
        r"^\| `([A-Z]{3}|-)` \| `([a-z_]+)` \| (\d+) \| (-?\d+) \|$", readme, re.MULTILINE
    )

    assert f"\n{expected['records']} records;" in readme
    assert fates == expected["fates"]
    assert reasons == expected["reasons"]
    assert {(code, fate): (int(debits), int(credits)) for code, fate, debits, credits in sums} == {
        (code, fate): tuple(
            expected[side].get(code, {}).get(fate, 0) for side in ("debits", "credits")
        )
        for side in ("debits", "credits")
        for code, by_fate in expected[side].items()
        for fate in by_fate
    }


@each_sample
def test_a_sample_is_what_its_maker_writes_and_is_small(sample, tmp_path):
    maker = f"sample_data.{sample.name}.make_{sample.name}"
    script = f"from pathlib import Path; from {maker} import write; write(Path({str(tmp_path)!r}))"

    subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        check=True,
    )

    written = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    committed = [
        path for path in (SAMPLES / sample.name).iterdir() if path.suffix in {".csv", ".json"}
    ]
    assert written == {path.name: path.read_bytes() for path in committed}
    assert max(map(len, written.values())) < 150_000


def _load_known(
    pipeline: Command, sample: Sample, *options: str
) -> subprocess.CompletedProcess[str] | None:
    """The known customers of a sample that has such, in the environment of sandboxes."""
    if sample.known is None:
        return None
    path = SAMPLES / sample.name / sample.known
    return pipeline("references", "load", path, "--config", sample.config, "--sandbox", *options)


def _run(
    pipeline: Command, sample: Sample, *where: str, environment=None
) -> subprocess.CompletedProcess[str]:
    arguments = ("run", sample.path, "--config", sample.config, *where, "--yes", "--json")
    return pipeline(*arguments, environment=environment)


def _figures(summary: dict) -> dict:
    """A summary in the form of `*.expected.json`: what is 0 is left out."""
    return {
        "records": summary["records"]["read"],
        "creates": summary["actions"]["create"],
        "fates": _given(summary["fates"]),
        "reasons": {reason["reason"]: reason["rows"] for reason in summary["reasons"]},
        "debits": _given_sums(summary["debits"]),
        "credits": _given_sums(summary["credits"]),
        "amounts_unreadable": _given(summary["amounts_unreadable"]),
    }


def _net(debits: dict, credits: dict) -> dict:
    return {
        code: {fate: amount + credits[code][fate] for fate, amount in fates.items()}
        for code, fates in debits.items()
    }


def _created(expected: dict) -> dict[str, tuple[int, int]]:
    """Currency -> debits and credits that should be in billing."""
    sides = [expected["debits"], expected["credits"]]
    found = {
        code: tuple(side.get(code, {}).get("created", 0) for side in sides)
        for side in sides
        for code in side
    }
    return {code: both for code, both in found.items() if both != (0, 0)}


def _sums_of_what_is_held(held: dict[str, dict]) -> dict[str, tuple[int, int]]:
    balances = [
        (customer["currency"], customer["balance"])
        for customer in held.values()
        if "balance" in customer
    ]
    return {
        code: (
            sum(balance for currency, balance in balances if currency == code and balance > 0),
            sum(balance for currency, balance in balances if currency == code and balance < 0),
        )
        for code in {code for code, _ in balances}
    }


def _as_sent(customer: dict) -> dict:
    return {name: value for name, value in customer.items() if name not in {"id", "payment_rules"}}


def _reports(folder: Path) -> dict[str, str]:
    """What a run tells besides its lists, which hold people's data as it came and are for their owner only."""
    texts = ("summary.json", "report.html", "manifest.json", "plan.json", "differences.csv")
    told = {name: (folder / name).read_text(encoding="utf-8") for name in texts}
    return {**told, "rows.parquet": pl.read_parquet(folder / "rows.parquet").write_ndjson()}


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _given(counts: dict[str, int]) -> dict[str, int]:
    return {name: count for name, count in counts.items() if count}


def _given_sums(sums: dict[str, dict[str, int]]) -> dict[str, dict[str, int]]:
    return {code: given for code, by_fate in sums.items() if (given := _given(by_fate))}
