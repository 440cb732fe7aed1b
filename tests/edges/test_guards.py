"""What must not be sent is stopped before the first request: files of rejected records, and plans of another place."""

import csv
import json
import shutil
from fractions import Fraction

import polars as pl
import pytest

from pipeline.config import Settings
from pipeline.domain.file_issues import FileIssue
from pipeline.errors import ConfigError
from pipeline.planning.file_checks import Rejections, judge_rejections
from tests.conftest import HEADER, KEY, REPOSITORY, customers_csv

ALMOST_ALL = REPOSITORY / "tests" / "cases" / "outside" / "almost_all_rejected" / "c.csv"
CODE = FileIssue.MAX_REJECTED.value
VENDOR = "https://api.momentco.io"

pytestmark = pytest.mark.usefixtures("without_pages")


def some_rejected(path, read, rejected):
    """A file of which the first records have a balance that is no whole number of cents."""
    rows = [f"ref-{n},Person {n},,,ZAR,{'1.5' if n < rejected else n},gold" for n in range(read)]
    path.write_text("\n".join([HEADER, *rows]) + "\n")
    return path


# -- too many rejected records ----------------------------------------------------------------------------------------


def test_almost_all_rejected_exit_3_before_anything_is_sent(pipeline, outside):
    place = ["--base-url", outside.base_url]

    planned = pipeline("plan", ALMOST_ALL, *place)
    stopped = pipeline("run", ALMOST_ALL, *place, "--yes", environment=outside.environment)
    run_id = pipeline.newest().name
    refused = pipeline("apply", run_id, environment=outside.environment)
    listed = pipeline("runs").stdout

    assert [planned.returncode, stopped.returncode, refused.returncode] == [3, 3, 3]
    assert sum(outside.stats()["requests"].values()) == 0
    assert (
        f"{CODE}: 199 of 200 records were rejected (VALIDATE.BALANCE_NOT_A_NUMBER (199))"
        in stopped.stderr
    )
    assert "thresholds.max_rejected allows 20%" in stopped.stderr
    assert f"pipeline apply {run_id} --accept {CODE}" in stopped.stderr
    assert listed.count("  stopped (exit code 3), sandbox") == 2
    assert listed.count(f"  Stopped by {CODE}.") == 2

    accepted = pipeline("apply", run_id, "--accept", CODE, environment=outside.environment)

    assert accepted.returncode == 1, accepted.stderr
    assert len(outside.customers()) == 1


@pytest.mark.parametrize(
    ("option", "key", "code"),
    [
        ("199", None, 1),
        (None, "99.4%", 3),
        ("200", "0", 1),
        *(
            pytest.param(*one, marks=pytest.mark.long)
            for one in [("100%", None, 1), ("198", None, 3), (None, "99.5%", 1)]
        ),
    ],
)
def test_option_and_config_set_how_many_may_be_rejected(pipeline, option, key, code):
    job = pipeline.folder / "job.yaml"
    job.write_text(
        "environment: t\nmerchant: m\naddress: sandbox\n"
        + (f"thresholds: {{max_rejected: {key}}}\n" if key else "")
    )
    said = ["--max-rejected", option] if option else []

    planned = pipeline("plan", ALMOST_ALL, "--config", job, *said)

    assert planned.returncode == code, planned.stderr


def test_a_resubmitted_list_does_not_stop_the_stream(pipeline):
    some_rejected(pipeline.folder / "c.csv", 300, 60)

    first = pipeline("plan", "c.csv", "--sandbox")
    again = pipeline("run", pipeline.newest() / "rejected.csv", "--sandbox", "--yes")

    assert first.returncode == 1, "exactly 20 % are allowed"
    assert again.returncode == 1, again.stderr
    assert pipeline.summary()["fates"]["invalid"] == 60


def test_a_new_file_beside_a_resubmitted_list_is_counted_separately(pipeline):
    some_rejected(pipeline.folder / "c.csv", 300, 60)
    pipeline("plan", "c.csv", "--sandbox")
    came_back = pipeline.newest() / "rejected.csv"
    some_rejected(pipeline.folder / "new.csv", 60, 13)

    planned = pipeline("plan", "new.csv", came_back, "--sandbox")

    assert planned.returncode == 3
    assert f"{CODE}: 13 of 60 records" in planned.stdout


@pytest.mark.parametrize(
    ("columns", "cells"),
    [
        pytest.param("_import_date", "2026-01-01", marks=pytest.mark.long),
        pytest.param("_import_row_id", "zz:1", marks=pytest.mark.long),
        ("_import_row_id,_import_run_id", "c.csv:{n},gone"),
    ],
)
def test_a_supplier_s_file_with_any_column_names_is_counted(pipeline, columns, cells):
    """Only a row that names a run and a row of this reports folder was rejected before."""
    path = some_rejected(pipeline.folder / "c.csv", 100, 90)
    header, *rows = path.read_text().splitlines()
    added = [f"{row},{cells.format(n=n)}" for n, row in enumerate(rows, start=2)]
    path.write_text("\n".join([f"{header},{columns}", *added]) + "\n")

    planned = pipeline("plan", "c.csv", "--sandbox")

    assert planned.returncode == 3
    assert f"{CODE}: 90 of 100 records" in planned.stdout


def test_a_supplier_s_column_that_begins_as_ours_do_is_listed_and_can_be_mapped(pipeline):
    (pipeline.folder / "c.csv").write_text(
        "id,_import_batch,_import_position,_import_row_id\nA-1,b7,3,zz:1\n"
    )
    job = "environment: sandbox\nmerchant: m\naddress: sandbox\nmapping:\n  external_reference: id\n  metadata: {batch: %s}\n"
    (pipeline.folder / "job.yaml").write_text(job % "_import_batch")
    (pipeline.folder / "ours.yaml").write_text(job % "_import_row_id")

    done = pipeline(
        "run", "c.csv", "--config", "job.yaml", "--where", "_import_position = '3'", "--yes"
    )
    refused = pipeline("plan", "c.csv", "--config", "ours.yaml")

    assert done.returncode == 0, done.stderr
    [row] = list(csv.DictReader((pipeline.newest() / "created.csv").read_text().splitlines()))
    assert (row["_import_batch"], row["_import_position"], row["_import_row_id"]) == (
        "b7",
        "3",
        "c.csv:2",
    )
    assert [
        (one["code"], "'_import_row_id'" in one["what"]) for one in pipeline.summary()["findings"]
    ] == [(FileIssue.COLUMNS_NOT_KEPT.value, True)]
    assert pipeline("verify", pipeline.newest().name).returncode == 0
    assert (
        "column '_import_row_id' (mapped to metadata.batch) has a name that our lists use"
        in refused.stderr
    )


def test_unreadable_records_count_as_rejected(pipeline):
    rows = [
        f"ref-{n},too few" if n % 2 else f"ref-{n},Person {n},,,ZAR,{n},gold" for n in range(60)
    ]
    (pipeline.folder / "c.csv").write_text("\n".join([HEADER, *rows]) + "\n")

    planned = pipeline("plan", "c.csv", "--sandbox")

    assert planned.returncode == 3
    assert f"{CODE}: 30 of 60 records were rejected (READ.TOO_FEW_FIELDS (30))" in planned.stdout
    assert "READ.TOO_FEW_FIELDS: The record has fewer fields than the header" in planned.stdout
    assert "Add the missing delimiters" in planned.stdout


def test_the_limit_is_exact_for_every_share_and_number():
    limits = [None, 0, 1, 9, 10, 11, 49, 50, 10_000, "0%", "0.1%", "20%", "33.3%", "99.99%", "100%"]
    wrong = []
    for limit in limits:
        for read in (0, 1, 2, 49, 50, 51, 99, 100, 199, 1000, 3000):
            allowed = most_allowed(limit, read)
            for rejected in {n for n in (0, 1, int(allowed), int(allowed) + 1, read) if n <= read}:
                stops = bool(judge_rejections(Rejections(read, rejected), limit))
                if stops != (rejected > allowed):
                    wrong.append((limit, read, rejected, stops))

    assert wrong == []


def most_allowed(limit, read):
    if limit is None:
        return Fraction(read, 5) if read >= 50 else Fraction(read)
    return Fraction(limit) if isinstance(limit, int) else Fraction(limit[:-1]) / 100 * read


def test_the_most_frequent_reasons_are_named_without_their_columns_and_once_a_record():
    found = Rejections()
    fates = ["invalid", "invalid", "unreadable", None]
    reasons = [
        ["A.ONE:a column", "A.ONE:x"],
        ["A.ONE:metadata.due: date", "B.TWO:b"],
        ["C.THREE"],
        [],
    ]
    found.add(pl.DataFrame({"fate": fates, "reasons": reasons}))

    [finding] = judge_rejections(found, 0)

    assert "3 of 4 records were rejected (A.ONE (2), B.TWO (1), C.THREE (1))" in finding.what


@pytest.mark.parametrize("text", ["20%", "20 %", "0%", "100%", "0.5%", "0", "150", 0, 150])
def test_a_limit_is_a_share_or_a_number(text):
    assert Settings.of(max_rejected=text).max_rejected == (
        text.replace(" ", "") if "%" in str(text) else int(text)
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "%",
        "101%",
        "-1",
        "-1%",
        "1e2",
        "20%%",
        "٢٠%",
        "20pc",
        "0.2",
        "1_000",
        "1,5%",
        -1,
        0.2,
        True,
        "²%",
    ],
)
def test_an_unknown_destination_is_refused_with_its_key(text):
    with pytest.raises(ConfigError, match="max_rejected"):
        Settings.of(max_rejected=text)


@pytest.mark.parametrize(
    "option",
    [
        ("--max-rejected", "110%"),
        ("--max-creates", "-1"),
        ("--workers", "0"),
        ("--pace", "0"),
        ("--limit", "0"),
        ("--canary", "-1"),
        ("--stop-by", "25:00"),
        ("--default-region", "XX"),
        ("--accept", "NONSENSE"),
        ("--expect", "ABC=3"),
    ],
)
def test_an_impossible_value_of_an_option_is_a_usage_error_that_names_the_option(pipeline, option):
    path = customers_csv(pipeline.folder / "c.csv", 1)

    refused = pipeline("run", path, "--sandbox", "--yes", *option)

    assert refused.returncode == 2
    assert option[0] in refused.stderr
    assert not list(pipeline.folder.glob("reports/*"))


def test_the_same_value_in_a_config_is_a_fault_of_the_config(pipeline):
    path = customers_csv(pipeline.folder / "c.csv", 1)
    job = "environment: sandbox\nmerchant: m\nthresholds: {max_rejected: 110%}\n"
    (pipeline.folder / "job.yaml").write_text(job)

    refused = pipeline("run", path, "--sandbox", "--yes", "--config", "job.yaml")

    assert refused.returncode == 4
    assert "job.yaml:3:28: thresholds.max_rejected" in refused.stderr


# -- other places -----------------------------------------------------------------------------------------------------


def test_a_plan_at_the_vendors_address_never_reads_a_ledger_of_this_machine(pipeline, billing):
    path = customers_csv(pipeline.folder / "c.csv", 3)
    named = ["--environment", "practice", "--merchant", "acme"]
    here = pipeline(
        "run",
        path,
        "--base-url",
        billing.url,
        *named,
        "--yes",
        environment={"BILLING_API_KEY": KEY},
    )

    there = ["plan", path, "--base-url", VENDOR]
    same_name = pipeline(*there, *named)
    as_sandbox = pipeline(*there, "--environment", "sandbox", "--merchant", "sandbox")
    own_name = pipeline(*there, "--environment", "vendor", "--merchant", "acme")

    assert here.returncode == 0, here.stderr
    assert (same_name.returncode, as_sandbox.returncode, own_name.returncode) == (4, 4, 0)
    assert (
        "belongs to environment practice of merchant acme (test, this machine)" in same_name.stderr
    )
    assert "--environment NAME" in as_sandbox.stderr
    assert pipeline.summary()["actions"]["create"] == 3


def test_a_plan_for_the_sandbox_is_not_applied_at_the_vendors_address(pipeline):
    customers_csv(pipeline.folder / "c.csv", 3)
    pipeline("plan", "c.csv")

    applied = pipeline(
        "apply", "latest", "--base-url", VENDOR, environment={"BILLING_API_KEY": "sk_test_x"}
    )

    assert applied.returncode in {4, 6}
    assert not (pipeline.folder / ".pipeline" / "sandbox" / "ledger.sqlite").exists()


@pytest.mark.parametrize("command", [["run", "c.csv", "--yes"], ["references", "load", "c.csv"]])
def test_without_a_destination_a_command_that_needs_one_is_a_usage_error(pipeline, command):
    customers_csv(pipeline.folder / "c.csv", 3)

    done = pipeline(*command)

    assert done.returncode == 2
    assert "No destination: use --sandbox or --base-url URL." in done.stderr
    assert not (pipeline.folder / ".pipeline").exists()


def test_a_config_with_an_address_is_a_destination(pipeline):
    customers_csv(pipeline.folder / "c.csv", 3)
    (pipeline.folder / "job.yaml").write_text(
        "environment: t\nmerchant: m\naddress: https://api.momentco.io\n"
    )

    done = pipeline("references", "load", "c.csv", "--config", "job.yaml")

    assert done.returncode == 0, done.stderr


# -- plans that were applied ------------------------------------------------------------------------------------------


def test_a_finished_plan_is_not_applied_again_with_any_home_and_names_when_it_was_applied(
    pipeline,
):
    customers_csv(pipeline.folder / "c.csv", 3)
    pipeline("run", "c.csv", "--sandbox", "--yes")
    ended = json.loads(pipeline("status", "--json").stdout)["ended_at"]

    again = pipeline("apply", "latest")

    assert again.returncode == 6
    assert f"was applied; it finished at {ended[:10]} {ended[11:19]} UTC" in again.stderr
    assert "resume" not in again.stderr

    shutil.rmtree(pipeline.folder / ".pipeline")
    with_another_home = pipeline("apply", "latest")

    assert with_another_home.returncode == 6
    assert "--home" in with_another_home.stderr
