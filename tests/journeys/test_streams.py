"""Files that come day after day: what is unusual about one stops it by its own code, before anything of it is sent."""

import contextlib
import gzip
import json
import shutil
import sqlite3
import zipfile

import pytest

from tests.conftest import Inside, customers_csv

JOB = """\
environment: practice
merchant: acme
address: sandbox
stream:
  name: daily_{date}.csv
  days: [mon, tue, wed, thu, fri, sat, sun]
"""
DAYS = ("2026-11-16", "2026-11-17", "2026-11-18", "2026-11-19")


pytestmark = [
    pytest.mark.usefixtures("without_pages"),
    pytest.mark.xdist_group("streams"),
]  # one worker, so that the four days are imported once


@pytest.fixture(scope="module")
def four_days(tmp_path_factory):
    """A job that has imported four days of its stream, of 40 customers each."""
    folder = tmp_path_factory.mktemp("stream")
    here = Inside(folder)
    (folder / "job.yaml").write_text(JOB.replace("practice", "sandbox"))
    for number, day in enumerate(DAYS):
        customers_csv(folder / f"daily_{day}.csv", 40, start=number * 40, balance=113)
        result = here("run", f"daily_{day}.csv", "--config", "job.yaml", "--yes")
        assert result.returncode == 0, result.stdout + result.stderr
    return folder


@pytest.fixture
def stream(four_days, tmp_path):
    shutil.copytree(four_days, tmp_path / "here")
    return Inside(tmp_path / "here")


def day(stream, name, count=40, start=400, balance=113):
    return customers_csv(stream.folder / name, count, start=start, balance=balance)


def stopped(stream, *arguments):
    """The codes with which a run stops; nothing was sent."""
    before = customers(stream)
    result = stream("run", *arguments, "--config", "job.yaml", "--yes")
    assert customers(stream) == before
    assert result.returncode == 3, result.stdout + result.stderr
    told = result.stderr.split("Error: ")[1]
    return {
        line.split(": ")[0] for line in told.splitlines() if not line.startswith("Nothing was sent")
    }


def customers(stream):
    with contextlib.closing(
        sqlite3.connect(stream.folder / ".pipeline/sandbox/billing.sqlite")
    ) as billing:
        return billing.execute("SELECT count(*) FROM customers").fetchone()[0]


def test_the_next_day_is_imported(stream):
    day(stream, "daily_2026-11-20.csv")

    assert stream("run", "daily_2026-11-20.csv", "--config", "job.yaml", "--yes").returncode == 0
    assert customers(stream) == 200
    assert stream.summary()["findings"] == []


def test_a_day_left_out_stops(stream):
    day(stream, "daily_2026-11-23.csv")

    assert stopped(stream, "daily_2026-11-23.csv") == {"STREAM.MISSING_DAY"}
    planned = stream.summary()
    assert planned["exit_code"] == 3
    assert (
        "2026-11-20, 2026-11-21, 2026-11-22 (3 days after 2026-11-19)"
        in planned["findings"][0]["what"]
    )


def test_a_day_on_which_no_file_is_agreed_may_be_left_out(stream):
    (stream.folder / "job.yaml").write_text(
        JOB.replace("practice", "sandbox").replace("sat, sun", "sat").replace(", sat", "")
    )
    day(stream, "daily_2026-11-20.csv")
    day(stream, "daily_2026-11-23.csv", start=900)

    assert stream("run", "daily_2026-11-20.csv", "--config", "job.yaml", "--yes").returncode == 0
    assert stream("plan", "daily_2026-11-23.csv", "--config", "job.yaml").returncode == 0


def test_the_same_file_again_stops_the_plan(stream):
    assert stopped(stream, "daily_2026-11-19.csv") == {"STREAM.SAME_FILE"}


def test_yesterdays_file_under_todays_name_stops(stream):
    shutil.copy(stream.folder / "daily_2026-11-19.csv", stream.folder / "daily_2026-11-20.csv")

    assert stopped(stream, "daily_2026-11-20.csv") == {"STREAM.OLD_FILE_NEW_NAME"}


def test_another_file_for_an_imported_day_stops_the_plan(stream):
    day(stream, "daily_2026-11-19.csv", count=41)

    assert stopped(stream, "daily_2026-11-19.csv") == {"STREAM.DAY_AGAIN"}


def test_a_file_that_comes_late_stops(stream):
    day(stream, "daily_2026-11-15.csv")

    assert stopped(stream, "daily_2026-11-15.csv") == {"STREAM.EARLIER_DAY"}


def test_a_file_name_outside_the_stream_stops_the_plan(stream):
    day(stream, "daily_2026-13-40.csv")

    assert stopped(stream, "daily_2026-13-40.csv") == {"STREAM.NAME"}


def test_columns_that_moved_stop(stream):
    path = day(stream, "daily_2026-11-20.csv")
    head, *rows = path.read_text().splitlines()
    swapped = [",".join([*row.split(",")[1::-1], *row.split(",")[2:]]) for row in [head, *rows]]
    path.write_text("\n".join(swapped) + "\n")

    assert stopped(stream, "daily_2026-11-20.csv") == {"STREAM.COLUMNS_MOVED"}
    assert "another order" in stream.summary()["findings"][0]["what"]


@pytest.mark.parametrize("count", [19, pytest.param(81, marks=pytest.mark.long)])
def test_a_volume_far_from_the_last_two_weeks_stops(stream, count):
    day(stream, "daily_2026-11-20.csv", count=count)

    assert stopped(stream, "daily_2026-11-20.csv") == {"STREAM.VOLUME"}


def test_a_file_cut_at_a_line_end_is_found_by_volume_and_control_total(stream):
    whole = day(stream, "daily_2026-11-20.csv").read_bytes()
    (stream.folder / "daily_2026-11-20.csv").write_bytes(
        b"".join(whole.splitlines(keepends=True)[:31])
    )

    assert stopped(stream, "daily_2026-11-20.csv", "--expect", "records=40") == {
        "TOTAL.RECORDS_DIFFER"
    }
    (stream.folder / "daily_2026-11-20.csv").write_bytes(
        b"".join(whole.splitlines(keepends=True)[:16])
    )
    assert stopped(stream, "daily_2026-11-20.csv") == {"STREAM.VOLUME"}


def test_balances_a_hundred_times_those_of_the_last_file_are_a_warning(stream):
    day(stream, "daily_2026-11-20.csv", start=160, balance=11_301)
    assert stream("plan", "daily_2026-11-20.csv", "--config", "job.yaml").returncode == 0

    [finding] = stream.summary()["findings"]
    assert (finding["code"], finding["stops"]) == ("TOTAL.HUNDREDFOLD", False)


def test_an_accepted_file_issue_lets_the_run_continue_and_names_who_accepted(stream):
    day(stream, "daily_2026-11-23.csv", count=100)
    arguments = ("daily_2026-11-23.csv", "--config", "job.yaml", "--yes")

    half = stream("run", *arguments, "--accept", "STREAM.VOLUME")
    both = stream("run", *arguments, "--accept", "STREAM.VOLUME", "--accept", "stream.missing_day")

    assert (half.returncode, both.returncode) == (3, 0)
    assert "--accept STREAM.MISSING_DAY" in half.stderr
    assert set(stream.summary()["accepted"]) == {"STREAM.MISSING_DAY", "STREAM.VOLUME"}
    assert stream("report").returncode == 0
    assert "Accepted by" in (stream.newest() / "report.html").read_text()


def test_a_plan_that_stops_is_applied_only_with_a_yes_to_its_alarms(stream):
    day(stream, "daily_2026-11-23.csv")
    assert (
        stream(
            "plan", "daily_2026-11-23.csv", "--config", "job.yaml", "--planner", "Ann"
        ).returncode
        == 3
    )
    run_id = stream.newest().name

    assert stream("apply", run_id).returncode == 3
    by_ben, planned = {"PIPELINE_PLANNER": "Ben"}, (stream.newest() / "plan.json").read_bytes()
    assert (
        stream("apply", run_id, "--accept", "STREAM.MISSING_DAY", environment=by_ben).returncode
        == 0
    )
    assert stream.summary()["accepted"] == {"STREAM.MISSING_DAY": "Ben"}
    assert (stream.newest() / "plan.json").read_bytes() == planned
    [line] = map(json.loads, (stream.newest() / "accepted.jsonl").read_text().splitlines())
    assert (line["code"], line["who"], line["at"][:2]) == ("STREAM.MISSING_DAY", "Ben", "20")
    assert stream("report").returncode == 0
    report = (stream.newest() / "report.html").read_text()
    assert "Accepted by Ben." in report
    assert "unless somebody accepts" not in report


def test_who_accepted_an_alarm_is_covered_by_manifest_report_and_verifier(stream):
    day(stream, "daily_2026-11-23.csv")
    accepting = ("--accept", "STREAM.MISSING_DAY", "--planner", "Ann")
    assert (
        stream(
            "run", "daily_2026-11-23.csv", "--config", "job.yaml", "--yes", *accepting
        ).returncode
        == 0
    )
    folder = stream.newest()
    accepted = folder / "accepted.jsonl"
    assert stream("report").returncode == 0
    whole = stream("verify", folder.name)
    assert stream("bundle", folder.name, "--output", "e.zip").returncode == 0
    bundled = stream("verify", "e.zip")

    accepted.write_text(accepted.read_text().replace("Ann", "Eve"))
    changed = stream("verify", folder.name)

    assert (whole.returncode, bundled.returncode, changed.returncode) == (0, 0, 7), (
        whole.stdout + bundled.stdout
    )
    assert "accepted.jsonl was changed" in changed.stdout
    assert "summary.json and accepted.jsonl name different people" in changed.stdout
    with zipfile.ZipFile(stream.folder / "e.zip") as bundle:
        assert json.loads(bundle.read("run/accepted.jsonl"))["who"] == "Ann"


def test_the_rest_of_a_file_imported_in_batches_is_not_a_repetition(stream):
    day(stream, "daily_2026-11-20.csv")
    arguments = ("daily_2026-11-20.csv", "--config", "job.yaml", "--yes")

    assert stream("run", *arguments, "--limit", "10").returncode == 0
    assert stream("run", *arguments).returncode == 0
    assert stopped(stream, "daily_2026-11-20.csv") == {"STREAM.SAME_FILE"}


def test_an_unknown_file_issue_is_refused_with_the_nearest(stream):
    result = stream("plan", "daily_2026-11-19.csv", "--accept", "STREAM.MISING_DAY")

    assert result.returncode == 2
    assert "did you mean STREAM.MISSING_DAY" in result.stderr


def test_without_a_stream_a_repeated_file_is_only_reported(inside):
    customers_csv(inside.folder / "c.csv", 3)

    assert inside("run", "c.csv", "--sandbox", "--yes").returncode == 0
    again = inside("plan", "c.csv", "--sandbox")

    assert again.returncode == 0
    assert "warning: STREAM.SAME_FILE: c.csv" in again.stdout


# -- control totals ---------------------------------------------------------------------------------------------------

CONTROLLED = """\
environment: sandbox
merchant: acme
address: sandbox
source: {{footer_lines: 1}}
mapping:
  external_reference: external_reference
  name: name
  currency: currency
  balance: {{column: balance, unit: {unit}}}
control:
  {control}
"""
TRAILER = "trailer: '^TRL;(?P<records>[0-9]+);(?P<currency>[A-Z]{3});(?P<total>[-0-9.]+)$'"


def controlled(inside, last_line, control=TRAILER, unit="minor"):
    customers_csv(inside.folder / "c.csv", 10)
    with (inside.folder / "c.csv").open("a") as file:
        file.write(last_line + "\n")
    (inside.folder / "job.yaml").write_text(CONTROLLED.format(control=control, unit=unit))
    result = inside("plan", "c.csv", "--config", "job.yaml")
    assert result.returncode in {0, 3}, result.stderr
    return [finding["code"] for finding in inside.summary()["findings"]]


def test_a_matching_trailer_makes_no_finding(inside):
    assert controlled(inside, "TRL;10;ZAR;4500") == []


def test_a_trailer_in_major_units_is_moved_and_never_rounded(inside):
    assert controlled(inside, "TRL;10;ZAR;4500.00", unit="major") == []
    assert controlled(inside, "TRL;10;ZAR;4500.001", unit="major") == ["TOTAL.NOT_STATED"]


@pytest.mark.parametrize(
    ("trailer", "codes"),
    [
        ("TRL;11;ZAR;4500", ["TOTAL.RECORDS_DIFFER"]),
        ("TRL;10;ZAR;4501", ["TOTAL.DIFFERS"]),
        pytest.param(
            "TRL;9;ZAR;0", ["TOTAL.RECORDS_DIFFER", "TOTAL.DIFFERS"], marks=pytest.mark.long
        ),
        pytest.param("TRL;10;XYZ;4500", ["TOTAL.NOT_STATED"], marks=pytest.mark.long),
        ("ref-9,Person 9,,,,,", ["TOTAL.NOT_STATED"]),
    ],
)
def test_a_trailer_that_does_not_match_or_is_missing_stops_the_plan(inside, trailer, codes):
    assert controlled(inside, trailer) == codes


def test_a_control_file_beside_the_input_is_read_also_beside_a_packed_one(inside):
    plain = customers_csv(inside.folder / "c.csv", 10).read_bytes()
    (inside.folder / "c.csv.gz").write_bytes(gzip.compress(plain))
    job = CONTROLLED.format(
        unit="minor",
        control="{file: '{stem}.ctl', pattern: 'rows=(?P<records>[0-9]+)\\s+sum=(?P<total>[0-9]+)'}",
    )
    job = job.replace("source: {footer_lines: 1}\n", "").replace(
        "currency: currency", "currency: {value: ZAR}"
    )
    (inside.folder / "job.yaml").write_text(job)
    codes = {}
    for name, text in (
        ("right", "rows=10\nsum=4500\n"),
        ("wrong", "rows=10\nsum=4400\n"),
        ("none", None),
    ):
        (inside.folder / "c.ctl").unlink(missing_ok=True)
        if text:
            (inside.folder / "c.ctl").write_text(text)
        result = inside("plan", "c.csv.gz", "--config", "job.yaml")
        codes[name] = (
            [finding["code"] for finding in inside.summary()["findings"]],
            result.returncode,
        )

    assert codes == {
        "right": ([], 0),
        "wrong": (["TOTAL.DIFFERS"], 3),
        "none": (["TOTAL.NOT_STATED"], 3),
    }


def test_what_is_expected_on_the_command_line_is_compared_in_minor_and_in_major_units(inside):
    customers_csv(inside.folder / "c.csv", 10)
    plan = ("plan", "c.csv", "--sandbox")

    assert inside(*plan, "--expect", "ZAR=4500", "--expect", "records=10").returncode == 0
    assert inside(*plan, "--expect", "ZAR=45.00").returncode == 0
    wrong = inside(*plan, "--expect", "ZAR=4501")
    assert wrong.returncode == 3
    assert (
        "STOPS: TOTAL.DIFFERS: --expect states 45.01 ZAR, the records come to 45.00 (-0.01 apart"
        in wrong.stdout
    )
    faults = inside(*plan, "--expect", "ZAR=45.001", "--expect", "rows=1")
    assert faults.returncode == 2
    assert "more decimals than its currency" in faults.stderr
    assert "'rows' is neither" in faults.stderr


@pytest.mark.parametrize(
    ("control", "what"),
    [
        ("{trailer: 'x', file: '{name}.ctl', pattern: 'y'}", "set trailer, or file and pattern"),
        ("{file: '{name}.ctl'}", "file and pattern need each other"),
        ("{trailer: '('}", "not a regular expression"),
        ("{trailer: 'total'}", "needs a group"),
        ("{file: '../{name}', pattern: '(?P<total>.)'}", "no folder"),
    ],
)
def test_a_control_that_cannot_be_asked_is_a_fault_of_the_config(inside, control, what):
    customers_csv(inside.folder / "c.csv", 1)
    (inside.folder / "job.yaml").write_text(
        CONTROLLED.format(control=control, unit="minor").replace("control:\n  ", "control: ")
    )

    result = inside("plan", "c.csv", "--config", "job.yaml")

    assert result.returncode == 4
    assert what in result.stderr
