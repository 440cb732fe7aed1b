"""Whatever fails after customers were created, the run says that it is unfinished, and `resume` finishes it."""

import csv
import errno
import itertools
import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import polars as pl
import pytest

from pipeline import files
from pipeline.ledger import Ledger
from pipeline.outcomes import LISTS
from pipeline.run_folder import RunFolder
from pipeline.verbs import crosswalk, results
from pipeline.verbs.rehearsal import VARIABLE
from tests.conftest import HEADER, Inside, Outside, customers_csv, running_sandbox

#: Fates of every kind: created, rejected, a duplicate, two that are held.
ROWS = [
    *(f"ref-{n},Person {n},p{n}@example.com,0821{n:06d},ZAR,{n},gold" for n in range(20)),
    "bad ref,Nobody,,,ZAR,1,gold",
    "ref-1,Person 1,p1@example.com,0821000001,ZAR,1,gold",
    "twice,Ann,,,ZAR,1,gold",
    "twice,Ben,,,ZAR,1,gold",
]
CREATED = {f"ref-{n}" for n in range(20)}
FULL = OSError(errno.ENOSPC, "No space left on device")
ERRORS = ((FULL, 4), (KeyError("Thandi Nkosi"), 70))  #: with the exit code of each
#: What differs between two runs of the same file: names, moments and durations.
DIFFERS = {"run_id", "planned_at", "finished_at", "seconds", "profile", "pace", "files", "inputs", "findings"}
#: Everything that happens from the first answer on, each with where the test can make it fail.
FAULTS = [
    (crosswalk.Crosswalk, "add"),
    (Ledger, "end_run"),
    (RunFolder, "stage_blocks"),
    (Ledger, "requests"),
    (Ledger, "waits"),
    *((results, "QUERIES", place) for place in range(len(results.QUERIES))),
    *((results, "STEPS", place) for place in range(len(results.STEPS))),
    (RunFolder, "end"),
]


@contextmanager
def failing(fault: tuple, error: Exception) -> Iterator[None]:
    """One of `FAULTS` raises this error."""

    def fail(*_given: object, **_more: object) -> None:
        raise error

    place, name, *at = fault
    broken: object = fail
    if at:
        steps = getattr(place, name)
        broken = (*steps[: at[0]], fail, *steps[at[0] + 1 :])
    with patch.object(place, name, broken):
        yield


@contextmanager
def disk_full_at(nth: int) -> Iterator[list[str]]:
    """The n-th file that is written, or added to, finds the disk full; yields the names of those that were begun."""
    begun: list[str] = []
    publish, append = files._published, crosswalk.append_bytes

    def counted(path: Path, go_on: Callable) -> object:
        begun.append(path.name)
        if len(begun) == nth:
            raise FULL
        return go_on()

    with (
        patch.object(files, "_published", lambda path: counted(path, lambda: publish(path))),
        patch.object(crosswalk, "append_bytes", lambda path, content: counted(path, lambda: append(path, content))),
    ):
        yield begun


@pytest.fixture
def there(pipeline) -> Inside:
    """A folder with that file."""
    (pipeline.folder / "c.csv").write_text("\n".join([HEADER, *ROWS]) + "\n")
    return pipeline


def references_in(path: Path) -> set[str]:
    with path.open(newline="") as file:
        return {row["external_reference"] for row in csv.DictReader(file)}


def what_a_run_says(folder: Path) -> dict[str, object]:
    """The content of a finished run's folder, without names, moments and durations."""
    text = {
        path.name: re.sub(r"bcus_\w+", "BILLING_ID", path.read_text().replace(folder.name, "RUN"))
        for path in folder.glob("*.csv")
    }
    summary = json.loads((folder / "summary.json").read_text())
    for reason in summary["reasons"]:
        del reason["shown"]  # under the key of the home
    rows = pl.read_parquet(folder / "rows.parquet").drop("billing_id")
    manifest = json.loads((folder / "manifest.json").read_text())
    return {
        **text,
        **{f"summary: {name}": value for name, value in summary.items() if name not in DIFFERS},
        "rows": rows.to_dicts(),
        "manifest": sorted(manifest["files"]),
        "names": sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*")),
        "signed": [json.loads(line)["role"] for line in (folder / "signatures.jsonl").read_text().splitlines()],
        "verdict is on the page": summary["verdict"] in (folder / "report.html").read_text(),
    }


def undisturbed(tmp_path: Path) -> dict[str, object]:
    """What the same file comes to where nothing fails."""
    (tmp_path / "undisturbed").mkdir()
    pipeline = Inside(tmp_path / "undisturbed")
    (pipeline.folder / "c.csv").write_text("\n".join([HEADER, *ROWS]) + "\n")
    with running_sandbox(tmp_path / "other.sqlite") as billing:
        done = pipeline("run", "c.csv", "--base-url", billing.base_url, "--yes", environment=billing.environment)
    assert done.returncode == 1, done.stderr
    return what_a_run_says(pipeline.newest())


def is_finished_once_each(pipeline: Inside, billing: Outside, tmp_path: Path) -> None:
    """The folder is that of an undisturbed run, it verifies, and billing holds each customer once."""
    folder = pipeline.newest()
    ours, theirs = what_a_run_says(folder), undisturbed(tmp_path)
    assert ours.keys() == theirs.keys()
    assert {name: (ours[name], theirs[name]) for name in ours if ours[name] != theirs[name]} == {}
    assert pipeline("verify", "latest").returncode == 0
    assert billing.customers().keys() == CREATED
    assert billing.stats()["effects_per_reference"]["max"] == 1


def test_a_fault_in_any_step_after_sending_leaves_a_run_that_resume_finishes(there, outside, tmp_path):
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
        "unfinished.txt": f"pipeline resume {folder.name}" in (folder / "unfinished.txt").read_text(),
        "page": not page.exists() or is_sealed or "every file of its folder is partial" in page.read_text(),
        "runs": "  interrupted, sandbox" in runs and "partial" in runs,
        "status": status["status"] == "interrupted" and status["exit_code"] is None,
    }


def test_a_disk_that_is_full_at_any_write_after_sending_strands_no_run(there, outside, tmp_path):
    there("plan", "c.csv", "--base-url", outside.base_url)
    codes: list[int] = []
    begun: list[str] = []
    while len(begun) >= len(codes):
        has_begun = json.loads(there("status", "--json").stdout)["started_at"]
        with disk_full_at(len(codes) + 1) as begun:
            done = there("resume" if has_begun else "apply", "latest", environment=outside.environment)
        codes.append(done.returncode)

    assert set(codes[:-1]) == {4}
    assert {"created.csv", "held.csv", "summary.json", "manifest.json", "report.html", "report.xlsx"} <= set(begun)
    assert codes[-1] == 1, done.stderr
    is_finished_once_each(there, outside, tmp_path)


def test_a_run_that_is_killed_while_it_sends_leaves_the_customers_that_it_knows_of(pipeline, outside):
    customers_csv(pipeline.folder / "c.csv", 600)
    dying = {VARIABLE: "kill_at=before-outcomes,nth=2"}

    killed = pipeline(
        "run", "c.csv", "--base-url", outside.base_url, "--yes", environment={**outside.environment, **dying}
    )
    folder = pipeline.newest()
    known = references_in(folder / "created.csv")
    page = (folder / "report.html").read_text()
    resumed = pipeline("resume", environment=outside.environment)

    assert killed.returncode == -9
    assert known
    assert known <= outside.customers().keys()
    assert "every file of its folder is partial" in page
    assert resumed.returncode == 0, resumed.stderr
    assert references_in(folder / "created.csv") == {f"ref-{n}" for n in range(600)}


def test_results_that_failed_are_finished_without_billing(there, outside):
    there("plan", "c.csv", "--base-url", outside.base_url)
    with failing((results, "STEPS", 0), FULL):
        there("apply", "latest", environment=outside.environment)
    before = outside.stats()["requests"]

    resumed = there("resume", environment=outside.environment)

    assert resumed.returncode == 1, resumed.stderr
    assert outside.stats()["requests"] == before


def test_no_result_of_before_is_left_to_be_read_while_a_run_is_unfinished(there, outside):
    there("plan", "c.csv", "--base-url", outside.base_url)
    folder = there.newest()
    of_the_plan = {path.name for path in folder.iterdir()}
    with failing((results, "QUERIES", 0), FULL):
        there("apply", "latest", environment=outside.environment)

    left = {path.name for path in folder.iterdir()}

    assert {f"{name}.csv" for name in LISTS} <= of_the_plan
    assert left == {
        "created.csv", "plan.json", "report.html", "rows.parquet", "signatures.jsonl", "staged", "unfinished.txt",
    }  # fmt: skip


def test_a_disk_that_is_full_while_somebody_signs_costs_no_signature_and_hides_none(there):
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
