"""`pipeline trace`: one customer's whole life, found by reference, row id or billing id, masked unless it is asked for."""

import csv
import json

import pytest

from tests.conftest import Inside, running_sandbox

pytestmark = [
    pytest.mark.usefixtures("without_pages"),
    pytest.mark.xdist_group("trace"),
]  # one worker, so that a life is lived once

HEADER = "external_reference,name,email,phone,currency,balance"
BAD = "A-1,Thandi Nkosi,thandi@example.com,not a number,ZAR,100"
MENDED = "082 000 0001"


@pytest.fixture(scope="module")
def life(tmp_path_factory):
    """A row that was invalid, mended, sent, lost its answer and was adopted."""
    pipeline = Inside(tmp_path_factory.mktemp("life"))
    with running_sandbox(pipeline.folder / "billing.sqlite") as outside:
        yield pipeline, outside, lived(pipeline, outside)


def lived(pipeline, outside):
    """The run in which it was invalid."""
    (pipeline.folder / "c.csv").write_text(f"{HEADER}\n{BAD}\n")
    there = ("--base-url", outside.base_url, "--yes", "--default-region", "ZA")
    done = pipeline("run", "c.csv", *there, environment=outside.environment)
    assert done.returncode == 1, done.stderr
    first = pipeline.newest()
    rejected = (first / "rejected.csv").read_text()
    (pipeline.folder / "rejected.csv").write_text(rejected.replace("not a number", MENDED))
    outside.faults(lost_reply=1.0)
    pipeline(
        "run", "rejected.csv", *there, "--outage-seconds", "1", environment=outside.environment
    )
    outside.faults()
    outside.advance(
        25 * 3600
    )  # billing has forgotten the key by then: nothing but a look-up can tell
    pipeline("resume", pipeline.newest().name, environment=outside.environment)
    return first.name


def traced(pipeline, what, *words, environment=None):
    result = pipeline("trace", what, "--json", *words, environment=environment)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def test_trace_follows_a_row_through_rejection_correction_loss_and_adoption(life):
    pipeline, outside, first = life

    found = traced(pipeline, "A-1", "--pii", "full", "--now", environment=outside.environment)

    before, after = found["appearances"]
    assert (before["run_id"], before["row_id"], before["fate"]) == (first, "c.csv:2", "invalid")
    assert before["source"] == BAD
    assert before["reasons"][0][0].startswith("VALIDATE.PHONE")
    assert before["became"]["phone"] is None
    assert after["mends"] == f"c.csv:2 of {first}"
    assert (after["given"]["phone"], after["became"]["phone"]) == (MENDED, "+27820000001")
    assert (after["decided"], after["fate"]) == ("create", "created")
    told = [(event["kind"], event["state"]) for _, event in found["events"]]
    assert told[0] == ("intent", "unknown")
    assert told[-1] == ("settled", "adopted")
    assert {event["key"] for _, event in found["events"]} == {after["key"]}
    assert (found["now"]["answer"], found["now"]["billing_id"]) == ("found", after["billing_id"])
    assert (found["now"]["holds"]["phone"], found["now"]["differs_in"]) == ("+27820000001", [])
    assert [(event["call"], event["status"]) for _, event in found["events"]][-1] == (
        "look_up",
        200,
    )


def test_the_same_life_is_found_by_its_row_and_by_its_billing_id(life):
    pipeline, _, _ = life
    whole = traced(pipeline, "A-1")

    by_row = traced(pipeline, "c.csv:2")
    by_billing_id = traced(pipeline, whole["appearances"][-1]["billing_id"])

    assert whole["persons"][0].startswith("person-")
    assert traced(pipeline, "A-1", "--pii", "full")["persons"] == ["A-1"]
    assert by_row == by_billing_id == whole


def test_trace_shows_no_personal_data_unless_asked_to(life):
    pipeline, _, _ = life

    shown, as_json = pipeline("trace", "A-1").stdout, pipeline("trace", "A-1", "--json").stdout
    none = pipeline("trace", "A-1", "--pii", "none", "--json").stdout

    assert "person-" in shown
    assert "person-" in as_json
    assert "person-" not in none
    for text in (shown, as_json, none):
        for secret in (
            "A-1",
            "Thandi",
            "Nkosi",
            "thandi@example.com",
            MENDED,
            "27820000001",
            "not a number",
        ):
            assert secret not in text
    assert "999 999 9999" in shown
    assert "adopted" in shown
    assert "corrects c.csv:2" in shown


def test_trace_reports_an_unknown_reference_as_unknown(pipeline):
    result = pipeline("trace", "B/1")

    assert (result.returncode, result.stdout) == (1, "")
    assert "Nothing found" in result.stderr


def test_a_row_id_is_that_of_the_newest_run_and_no_other_persons_row_of_that_number(
    pipeline, outside
):
    there = ("--base-url", outside.base_url, "--yes")
    for reference in ("A-1", "B-1"):
        (pipeline.folder / "c.csv").write_text(f"{HEADER}\n{reference},Ann,,,ZAR,100\n")
        pipeline("run", "c.csv", *there, environment=outside.environment)
    first = min((pipeline.folder / "reports").glob("[0-9]*")).name

    assert traced(pipeline, "c.csv:2", "--pii", "full")["persons"] == ["B-1"]
    assert traced(pipeline, f"{first} c.csv:2", "--pii", "full")["persons"] == ["A-1"]


def test_corrections_of_rows_with_one_number_are_traced_separately(pipeline, outside):
    there = ("--base-url", outside.base_url, "--yes")
    for reference in ("A-1", "B-1"):
        (pipeline.folder / "c.csv").write_text(f"{HEADER}\n{reference},Ann,,not a number,ZAR,100\n")
        pipeline("run", "c.csv", *there, environment=outside.environment)
        (pipeline.folder / "rejected.csv").write_text(
            (pipeline.newest() / "rejected.csv").read_text().replace("not a number", "+27820000001")
        )
        pipeline("run", "rejected.csv", *there, environment=outside.environment)

    for reference in ("A-1", "B-1"):
        found = traced(pipeline, reference, "--pii", "full")
        assert found["persons"] == [reference]
        assert [one["fate"] for one in found["appearances"]] == ["invalid", "created"]


def test_the_reference_of_a_similar_customer_is_personal_data_too(pipeline, outside):
    (pipeline.folder / "known.csv").write_text(
        f"{HEADER}\nold-customer,Old,thandi@example.com,,ZAR,1\n"
    )
    (pipeline.folder / "c.csv").write_text(f"{HEADER}\nA-1,Thandi,thandi@example.com,,ZAR,100\n")
    there = ("--base-url", outside.base_url)
    pipeline("references", "load", "known.csv", *there, environment=outside.environment)
    pipeline("run", "c.csv", *there, "--yes", environment=outside.environment)

    (full,) = traced(pipeline, "A-1", "--pii", "full")["appearances"]
    (masked,) = traced(pipeline, "A-1")["appearances"]

    assert full["same_as"] == "old-customer"
    assert masked["same_as"].startswith("person-")


def test_billing_is_compared_with_what_was_sent_and_not_with_a_row_that_was_held(pipeline, outside):
    there = ("--base-url", outside.base_url, "--yes")
    (pipeline.folder / "a.csv").write_text(f"{HEADER}\nA-1,Ann,,,ZAR,100\n")
    (pipeline.folder / "b.csv").write_text(
        f"{HEADER}\nA-1,Another,,,ZAR,999\nB-1,Bob,,,ZAR,1\nB-1,Ben,,,ZAR,1\n"
    )
    pipeline("run", "a.csv", *there, environment=outside.environment)
    sent = pipeline.newest().name
    assert pipeline("run", "b.csv", *there, environment=outside.environment).returncode == 1

    now = traced(pipeline, "A-1", "--now", environment=outside.environment)["now"]
    shown = pipeline("trace", "A-1", "--now", environment=outside.environment).stdout
    held = pipeline("trace", "B-1", "--now", environment=outside.environment).stdout

    assert (now["differs_in"], now["compared_with"]) == ([], f"a.csv:2 of {sent}")
    assert shown.splitlines()[-1].endswith("as it was sent")
    assert held.splitlines()[-1] == "billing now: not found"


def test_the_named_customer_is_looked_up_not_another_of_the_conflict(pipeline, outside):
    there = ("--base-url", outside.base_url)
    header = "external_reference,name,currency,balance"
    files = {"a.csv": ["S3,Ann,ZAR,1", "S3,Bob,ZAR,2"], "b.csv": ["S3,Zoe,ZAR,500"]}
    for name, rows in files.items():
        (pipeline.folder / name).write_text("\n".join([header, *rows]) + "\n")
        pipeline("run", name, *there, "--yes", environment=outside.environment)
    first = min((pipeline.folder / "reports").glob("[0-9]*-a-*"))
    kept, *_ = csv.DictReader((first / "held.csv").open(newline=""))
    with (pipeline.folder / "held.csv").open("w", newline="") as file:
        table = csv.DictWriter(file, kept.keys())
        table.writeheader()
        table.writerow({**kept, "external_reference": "S33"})
    pipeline("run", "held.csv", *there, "--yes", environment=outside.environment)

    traced = json.loads(
        pipeline("trace", "S3", "--now", "--json", *there, environment=outside.environment).stdout
    )

    assert traced["now"]["billing_id"] == outside.customers()["S3"]["id"]
