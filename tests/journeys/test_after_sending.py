"""Whatever fails after customers were created, the run says that it is unfinished, and `resume` finishes it."""

import csv
import itertools
import json
from pathlib import Path

import pytest

from pipeline.domain.fates import LISTS
from pipeline.workflows import write_results
from tests import kill_points
from tests.conftest import Inside, Outside, customers_csv
from tests.prove.stranded import (
    ERRORS,
    FAULTS,
    FULL,
    disk_full_at,
    failing,
    undisturbed,
    what_a_run_says,
    write_file,
)

CREATED = {f"ref-{n}" for n in range(20)}


@pytest.fixture
def there(pipeline) -> Inside:
    """A folder with that file."""
    write_file(pipeline.folder / "c.csv")
    return pipeline


def references_in(path: Path) -> set[str]:
    with path.open(newline="") as file:
        return {row["external_reference"] for row in csv.DictReader(file)}


def is_finished_once_each(pipeline: Inside, billing: Outside, tmp_path: Path) -> None:
    """The folder is that of an undisturbed run, it verifies, and billing holds each customer once."""
    folder = pipeline.newest()
    ours, theirs = what_a_run_says(folder), undisturbed(tmp_path / "undisturbed")
    assert ours.keys() == theirs.keys()
    assert {name: (ours[name], theirs[name]) for name in ours if ours[name] != theirs[name]} == {}
    assert pipeline("verify", "latest").returncode == 0
    assert billing.customers().keys() == CREATED
    assert billing.stats()["effects_per_reference"]["max"] == 1


def test_a_fault_in_any_step_after_sending_leaves_a_run_that_resume_finishes(
    there, outside, tmp_path
):
    wrong: dict[str, dict[str, object]] = {}
    command = ["run", "c.csv", "--base-url", outside.base_url, "--yes"]
    for fault, (error, code) in zip(FAULTS, itertools.cycle(ERRORS), strict=False):
        with failing(fault, error):
            done = there(*command, environment=outside.environment)
        said = {
            "exit code": done.returncode == code,
            "suggestion": f"pipeline resume {there.newest().name}" in done.stderr,
            "nobody is named": "Thandi" not in done.stderr,
            **what_is_said_meanwhile(there, is_listed=fault is not FAULTS[0]),
        }
        wrong[str(fault)] = {name: value for name, value in said.items() if value is not True}
        command = ["resume"]

    finished = there("resume", environment=outside.environment)

    assert {fault: said for fault, said in wrong.items() if said} == {}
    assert finished.returncode == 1, finished.stderr
    is_finished_once_each(there, outside, tmp_path)


def what_is_said_meanwhile(pipeline: Inside, *, is_listed: bool) -> dict[str, bool]:
    """What folder and commands say of a run that is unfinished, each of which has to be so."""
    folder = pipeline.newest()
    page, is_sealed = folder / "report.html", (folder / "manifest.json").exists()
    runs, status = pipeline("runs").stdout, json.loads(pipeline("status", "--json").stdout)
    return {
        "created.csv": references_in(folder / "created.csv") == (CREATED if is_listed else set()),
        "unfinished.txt": f"pipeline resume {folder.name}"
        in (folder / "unfinished.txt").read_text(),
        "page": not page.exists()
        or is_sealed
        or "every file in its folder is partial" in page.read_text(),
        "runs": "  interrupted, sandbox" in runs and "partial" in runs,
        "status": status["status"] == "interrupted" and status["exit_code"] is None,
    }


@pytest.mark.long  # the everyday suite has a fault in every step, and the full disk of `stranded`
def test_a_disk_that_is_full_at_any_write_after_sending_strands_no_run(there, outside, tmp_path):
    there("plan", "c.csv", "--base-url", outside.base_url)
    codes: list[int] = []
    begun: list[str] = []
    while len(begun) >= len(codes):
        has_begun = json.loads(there("status", "--json").stdout)["started_at"]
        with disk_full_at(len(codes) + 1) as begun:
            done = there(
                "resume" if has_begun else "apply", "latest", environment=outside.environment
            )
        codes.append(done.returncode)

    assert set(codes[:-1]) == {4, 5}  # 5 from the first send on
    assert {
        "created.csv",
        "held.csv",
        "summary.json",
        "manifest.json",
        "report.html",
        "report.xlsx",
    } <= set(begun)
    assert codes[-1] == 1, done.stderr
    is_finished_once_each(there, outside, tmp_path)


def test_a_run_killed_while_sending_keeps_its_known_outcomes(pipeline, outside):
    customers_csv(pipeline.folder / "c.csv", 600)
    dying = {kill_points.VARIABLE: "before-outcomes 2"}

    killed = pipeline(
        "run",
        "c.csv",
        "--base-url",
        outside.base_url,
        "--yes",
        environment={**outside.environment, **dying},
    )
    folder = pipeline.newest()
    known = references_in(folder / "created.csv")
    page = (folder / "report.html").read_text()
    resumed = pipeline("resume", environment=outside.environment)

    assert killed.returncode == -9
    assert known
    assert known <= outside.customers().keys()
    assert "every file in its folder is partial" in page
    assert resumed.returncode == 0, resumed.stderr
    assert references_in(folder / "created.csv") == {f"ref-{n}" for n in range(600)}


def test_results_that_failed_are_finished_without_billing(there, outside):
    there("plan", "c.csv", "--base-url", outside.base_url)
    with failing((write_results, "STEPS", 0), FULL):
        there("apply", "latest", environment=outside.environment)
    before = outside.stats()["requests"]

    resumed = there("resume", environment=outside.environment)

    assert resumed.returncode == 1, resumed.stderr
    assert outside.stats()["requests"] == before


def test_no_result_of_before_is_left_to_be_read_while_a_run_is_unfinished(there, outside):
    there("plan", "c.csv", "--base-url", outside.base_url)
    folder = there.newest()
    of_the_plan = {path.name for path in folder.iterdir()}
    with failing((write_results, "QUERIES", 0), FULL):
        there("apply", "latest", environment=outside.environment)

    left = {path.name for path in folder.iterdir()}

    assert {f"{name}.csv" for name in LISTS} <= of_the_plan
    assert left == {
        "created.csv", "ledger.json", "plan.json", "report.html", "rows.parquet", "signatures.jsonl", "staged", "unfinished.txt",
    }  # fmt: skip


@pytest.mark.long
def test_a_full_disk_while_signing_loses_and_hides_no_sign_off(there):
    there("run", "c.csv", "--sandbox", "--yes")
    codes: list[int] = []
    begun: list[str] = []
    while len(begun) >= len(codes):
        with disk_full_at(len(codes) + 1) as begun:
            codes.append(there("sign", "latest").returncode)
        there("report")
        verified = there("verify", "latest")
        assert verified.returncode == 0, (begun, verified.stdout)

    signed = there.newest() / "signatures.jsonl"
    lines = signed.read_text().splitlines()
    signed.write_text("\n".join([*lines, lines[-1]]) + "\n")

    assert codes[:-1] == [4] * len(begun)
    assert codes[-1] == 0
    assert {json.loads(line)["role"] for line in lines} == {"planner", "approver", "reviewer"}
    assert there("report").returncode == 7
