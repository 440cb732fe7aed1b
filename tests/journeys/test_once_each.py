"""A file, an interruption, a resume: each customer once in billing, and every figure agrees."""

import csv
import json
import re
import resource
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import polars as pl
import pytest

from tests import kill_points
from tests.conftest import (
    HEADER,
    REPOSITORY,
    Inside,
    customers_csv,
    environment_of_ours,
    running_sandbox,
)

pytestmark = pytest.mark.usefixtures("without_pages")

SAMPLE = REPOSITORY / "sample_data" / "customers.csv"


the_sample = pytest.mark.xdist_group("the sample")  # one worker, so that it is run once


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    """A run of the sample, what it printed, and the billing to which it was sent."""
    folder = tmp_path_factory.mktemp("sample")
    with running_sandbox(folder / "billing.sqlite") as outside:
        pipeline = Inside(folder / "place")
        pipeline.folder.mkdir()
        words = ("run", SAMPLE, "--base-url", outside.base_url, "--yes", "--json")
        first = pipeline(*words, environment=outside.environment)
        yield pipeline, outside, first, pipeline.newest()


@the_sample
def test_billing_holds_exactly_the_planned_creates_field_by_field(sample):
    _, outside, result, run = sample

    summary, held = json.loads(result.stdout), outside.customers()
    staged = run / "staged"
    records = pl.read_parquet(staged / "records-*.parquet").select("position", "payload")
    plan = (
        pl.read_parquet(staged / "plan-*.parquet")
        .join(records, on="position")
        .filter(pl.col("action") == "create")
    )
    planned = {
        reference: json.loads(payload)
        for reference, payload in plan.select("external_reference", "payload").rows()
    }
    sent = {
        reference: {k: v for k, v in c.items() if k not in {"id", "payment_rules"}}
        for reference, c in held.items()
    }
    assert sent == planned
    sums = {
        code: by_fate["created"] for code, by_fate in summary["sums"].items() if by_fate["created"]
    }
    assert {code: total for code, total in outside.stats()["sums"].items() if total} == sums
    crosswalk = {
        row["external_reference"]: row["_import_billing_id"] for row in _rows(run / "created.csv")
    }
    assert crosswalk == {reference: customer["id"] for reference, customer in held.items()}


@the_sample
def test_figures_are_written_with_commas_and_never_with_a_narrow_space(sample):
    pipeline, _, result, run = sample
    records, fates = (json.loads(result.stdout)[name] for name in ("records", "fates"))
    debits = json.loads(result.stdout)["debits"]["ZAR"]["created"]

    shown, page = pipeline("status", run.name).stdout, (run / "report.html").read_text()

    created = f"{fates['created']:,}"
    assert len(created) == len("1,234")
    assert f"{created} of {created} creates settled ({created} created)" in shown
    assert f"{created} of {records['read']:,} records were created" in page
    assert f"{debits / 100:,.2f}" in page
    assert "\u202f" not in shown + page


@the_sample
def test_the_sample_ends_in_the_fates_that_its_readme_states_and_a_second_run_sends_nothing(sample):
    pipeline, outside, first, _ = sample
    expected = json.loads((REPOSITORY / "sample_data" / "customers.expected.json").read_text())

    second = pipeline(
        "run",
        SAMPLE,
        "--base-url",
        outside.base_url,
        "--yes",
        "--json",
        environment=outside.environment,
    )

    assert (
        first.returncode == second.returncode == 1
    )  # some rows are rejected and held, and the code says so
    summary, again = json.loads(first.stdout), json.loads(second.stdout)
    assert _given(summary["fates"]) == expected["fates"]
    assert {reason["reason"]: reason["rows"] for reason in summary["reasons"]} == expected[
        "reasons"
    ]
    assert {code: _given(sums) for code, sums in summary["sums"].items()} == {
        code: _given(sums) for code, sums in expected["sums"].items()
    }
    assert again["fates"]["created"] == 0
    assert again["fates"]["already_exists_same"] == expected["fates"]["created"]
    assert again["requests"] == {"creates": 0, "replayed": 0, "lookups": 0}


@pytest.mark.long  # test_conservation has such sums of a plan
def test_sums_are_exact_far_beyond_2_to_the_53(pipeline, outside, tmp_path):
    file = tmp_path / "large.csv"
    file.write_text(
        "\n".join([HEADER, *(f"big-{n},,,,ZAR,{2**53 - 1},x" for n in range(1030))]) + "\n"
    )

    result = pipeline(
        "run",
        file,
        "--base-url",
        outside.base_url,
        "--yes",
        "--json",
        environment=outside.environment,
    )

    total = 1030 * (2**53 - 1)  # more than a signed 64-bit integer holds
    assert total > 2**63
    assert json.loads(result.stdout)["sums"]["ZAR"]["created"] == total
    assert outside.stats()["sums"] == {"ZAR": total}
    assert result.returncode == 0


@pytest.mark.long  # every day, the kill points of test_short_forms.py kill and resume
def test_a_run_killed_in_the_middle_resumes_without_a_second_customer(pipeline, outside, tmp_path):
    file = customers_csv(tmp_path / "customers.csv", 600)
    process = pipeline.start(
        "run", file, "--base-url", outside.base_url, "--yes", environment=outside.environment
    )
    _wait_until(lambda: outside.stats()["customers"] >= 150, process)

    process.kill()
    process.communicate()
    between = outside.stats()["customers"]
    resumed = pipeline("resume", "--json", environment=outside.environment)

    assert 150 <= between < 600
    assert resumed.returncode == 0
    summary, stats = json.loads(resumed.stdout), outside.stats()
    assert summary["fates"]["created"] == stats["customers"] == stats["effects"] == 600
    assert stats["effects_per_reference"] == {"max": 1, "more_than_one": []}
    assert stats["keys_with_two_bodies"] == 0
    assert stats["sums"]["ZAR"] == summary["sums"]["ZAR"]["created"]


def test_a_termination_finishes_what_is_in_flight_and_resume_does_the_rest(
    pipeline, outside, tmp_path
):
    file = customers_csv(tmp_path / "customers.csv", 400)
    process = pipeline.start(
        "run",
        file,
        "--base-url",
        outside.base_url,
        "--yes",
        "--json",
        environment=outside.environment,
    )
    _wait_until(lambda: outside.stats()["customers"] >= 100, process)

    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=60)

    stopped = json.loads(out)
    assert process.returncode == stopped["exit_code"] == 5
    assert "resume" in err
    assert stopped["fates"]["in_doubt"] == 0
    assert stopped["fates"]["created"] == outside.stats()["customers"]
    assert stopped["fates"]["created"] + stopped["fates"]["not_attempted"] == 400
    left = _rows(pipeline.newest() / "unprocessed.csv")
    assert len(left) == stopped["fates"]["not_attempted"]

    resumed = pipeline("resume", "--json", environment=outside.environment)

    assert resumed.returncode == 0
    assert json.loads(resumed.stdout)["fates"]["created"] == outside.stats()["effects"] == 400


@pytest.mark.long  # every day, the short form of `chaos` has a worse network
@pytest.mark.parametrize("opaque", [False, True], ids=["typed problems", "opaque problems"])
def test_network_faults_create_no_second_customer(pipeline, tmp_path, opaque):
    faults = "lost_reply=0.05,lost_request=0.05,error_before=0.05,error_after=0.05,error_stored=0.03,rate_limited=0.005"
    file = customers_csv(tmp_path / "customers.csv", 400)
    with running_sandbox(
        tmp_path / "billing.sqlite",
        "--faults",
        f"{faults},opaque_types={int(opaque)}",
        "--seed",
        "7",
    ) as outside:
        pipeline(
            "run",
            file,
            "--base-url",
            outside.base_url,
            "--yes",
            "--json",
            environment=outside.environment,
        )
        outside.faults()  # once faults stop, a resume ends with nothing in doubt
        run_id = pipeline.newest().name

        resumed = pipeline("resume", run_id, "--json", environment=outside.environment)

        stats = outside.stats()
    assert json.loads(resumed.stdout)["fates"]["created"] == stats["customers"] == 400
    assert stats["effects_per_reference"]["max"] == 1
    assert resumed.returncode == 0


def test_status_reads_a_run_of_another_process_and_a_second_run_names_the_holder_of_the_lock(
    pipeline, outside, tmp_path
):
    file = customers_csv(tmp_path / "customers.csv", 400)
    told = ("--base-url", outside.base_url, "--yes")
    process = pipeline.start("run", file, *told, "--pace", "40", environment=outside.environment)
    _wait_until(lambda: outside.stats()["customers"] >= 40, process)

    status = json.loads(pipeline("status", "--json").stdout)
    second = pipeline("run", file, *told, environment=outside.environment)

    assert status["status"] == "running"
    assert 0 < status["states"]["created"] < 400
    assert second.returncode == 75
    assert re.search(rf"run {status['run_id']} \(pid {process.pid}\) since 20", second.stderr)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode == 5
    assert json.loads(pipeline("status", "--json").stdout)["status"] == "stopped"


def test_a_customer_whose_reply_was_lost_is_adopted_by_lookup_25_hours_later(
    pipeline, outside, tmp_path
):
    file = customers_csv(tmp_path / "customers.csv", 60)
    outside.faults(lost_reply=1.0)  # every create takes effect, and nobody is told
    dying = {**outside.environment, kill_points.VARIABLE: "after-send 8"}
    killed = pipeline("run", file, "--base-url", outside.base_url, "--yes", environment=dying)
    before = outside.stats()
    outside.faults()
    outside.advance(25 * 3600)

    resumed = pipeline("resume", "--json", environment=outside.environment)

    after = outside.stats()
    assert killed.returncode == -signal.SIGKILL
    assert before["effects"] >= 8
    assert resumed.returncode == 0, resumed.stderr
    assert after["requests"]["create"] - before["requests"]["create"] == 60 - before["effects"]
    assert after["customers"] == after["effects"] == 60
    assert json.loads(resumed.stdout)["fates"]["created"] == 60
    with sqlite3.connect(_ledger(pipeline)) as ledger:
        states = dict(ledger.execute("SELECT state, count(*) FROM rows GROUP BY state"))
    assert states == {"adopted": before["effects"], "created": 60 - before["effects"]}


def test_after_a_stored_503_a_lookup_and_generation_2_create_the_customer(
    pipeline, outside, tmp_path
):
    file = customers_csv(tmp_path / "customers.csv", 8)
    outside.faults(error_stored=1.0)
    mending = threading.Thread(target=_mend_after_eight, args=[outside], daemon=True)
    mending.start()

    done = pipeline(
        "run", file, "--base-url", outside.base_url, "--yes", environment=outside.environment
    )

    assert done.returncode == 0, done.stderr
    mending.join(timeout=60)
    assert not mending.is_alive()
    assert outside.stats()["customers"] == outside.stats()["effects"] == 8
    with sqlite3.connect(_ledger(pipeline)) as ledger:
        second = "SELECT external_reference FROM rows WHERE generation = 2 AND state = 'created'"
        told = "SELECT kind, generation, call, outcome, replayed FROM events WHERE external_reference = ? ORDER BY seq"
        lives = [
            ledger.execute(told, reference).fetchall()
            for reference in ledger.execute(second).fetchall()
        ]
    assert lives
    for life in lives:
        assert life == [
            ("intent", 1, None, None, None),
            ("answer", 1, "create", "ServerTrouble", 0),
            ("answer", 1, "create", "ServerTrouble", 1),
            ("answer", 1, "look_up", "NotFound", None),
            ("intent", 2, None, None, None),
            ("settled", 2, "create", "Accepted", 0),
        ]


def test_a_key_revoked_at_row_50_of_150_stops_the_pool_and_resume_finishes_later(
    pipeline, outside, tmp_path
):
    file = customers_csv(tmp_path / "customers.csv", 150)
    outside.faults(revoked_after=50)

    stopped = pipeline(
        "run", file, "--base-url", outside.base_url, "--yes", environment=outside.environment
    )
    stats = outside.stats()
    outside.faults()
    resumed = pipeline("resume", "--json", environment=outside.environment)

    assert stopped.returncode == 4
    assert stats["customers"] == 50
    # One request of each worker, and one other record at a time until the third refusal is judged.
    assert 1 <= stats["answers"]["401"] <= 8 + 2
    assert resumed.returncode == 0, resumed.stderr
    assert json.loads(resumed.stdout)["fates"]["created"] == 150
    assert outside.stats()["customers"] == outside.stats()["effects"] == 150


def test_a_disk_that_is_full_before_the_first_send_sends_nothing_and_resume_finishes_once_there_is_room(
    pipeline, outside, tmp_path
):
    file = customers_csv(tmp_path / "customers.csv", 600)
    assert (
        pipeline(
            "plan", file, "--base-url", outside.base_url, environment=outside.environment
        ).returncode
        == 0
    )
    run_id = pipeline.newest().name
    no_room = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, 150_000))  # noqa: E731

    full = subprocess.run(
        [sys.executable, "-m", "pipeline", "apply", run_id],
        cwd=pipeline.folder,
        env=environment_of_ours(outside.environment),
        preexec_fn=no_room,
        capture_output=True,
        text=True,
        check=False,
    )
    sent = outside.stats()["requests"]["create"]
    resumed = pipeline("resume", run_id, environment=outside.environment)

    assert (full.returncode, sent) == (4, 0), full.stderr
    assert "check that the disk has room" in full.stderr
    assert resumed.returncode == 0, resumed.stderr
    assert outside.stats()["customers"] == outside.stats()["effects"] == 600


@pytest.mark.long
def test_a_killed_run_repeated_as_a_new_run_creates_no_customer_twice(pipeline, outside, tmp_path):
    file = customers_csv(tmp_path / "customers.csv", 700)
    process = pipeline.start(
        "run", file, "--base-url", outside.base_url, "--yes", environment=outside.environment
    )
    _wait_until(lambda: outside.stats()["customers"] >= 150, process)
    process.kill()
    process.communicate()

    again = pipeline(
        "run",
        file,
        "--base-url",
        outside.base_url,
        "--yes",
        "--json",
        environment=outside.environment,
    )

    fates = json.loads(again.stdout)["fates"]
    assert again.returncode == 0
    assert fates["created"] + fates["already_exists_same"] == outside.stats()["effects"] == 700


@pytest.mark.long
def test_customers_created_before_the_keys_expired_are_adopted(pipeline, outside, tmp_path):
    file = customers_csv(tmp_path / "customers.csv", 600)
    process = pipeline.start(
        "run", file, "--base-url", outside.base_url, "--yes", environment=outside.environment
    )
    _wait_until(lambda: outside.stats()["customers"] >= 100, process)
    process.kill()
    process.communicate()
    outside.advance(
        25 * 3600
    )  # the keys are gone: the same key is a new request, and meets a taken reference

    resumed = pipeline("resume", "--json", environment=outside.environment)

    stats = outside.stats()
    assert json.loads(resumed.stdout)["fates"]["created"] == stats["customers"] == 600
    assert resumed.returncode == 0


def _mend_after_eight(outside) -> None:
    """End the faults as soon as eight requests have met one."""
    while outside.stats()["answers"].get("503", 0) < 8:
        time.sleep(0.02)
    outside.faults()


def _ledger(pipeline) -> Path:
    [path] = pipeline.folder.glob(".pipeline/*/ledger.sqlite")
    return path


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _given(counts: dict[str, int]) -> dict[str, int]:
    return {name: count for name, count in counts.items() if count}


def _wait_until(condition, process, seconds: float = 120.0) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until
        time.sleep(0.02)
