"""Runs that fail after customers were created, by a fault of any step, a full disk or a kill at any write.

A journey is one file that is planned and applied; each attempt but the last meets a fault. Then the folder must be that of a run
that nothing disturbed, `verify` must pass over it, and billing must hold each customer once.
"""

import errno
import json
import random
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from unittest.mock import patch

import polars as pl

from pipeline.storage import files
from pipeline.storage.ledger import Ledger
from pipeline.storage.ledger.run_reader import RunReader
from pipeline.storage.run_folder import RunFolder
from pipeline.workflows import crosswalk, write_results
from tests.conftest import HEADER, Inside, Outside, environment_of_ours, running_sandbox

FULL = OSError(errno.ENOSPC, "No space left on device")
#: Errors of a step, each with the exit code of the command that meets it.
ERRORS = ((FULL, 5), (KeyError("Thandi Nkosi"), 70), (MemoryError(), 5), (KeyboardInterrupt(), 130))
#: Everything that happens from the first answer on, each with where a test can make it fail.
FAULTS = [
    (crosswalk.Crosswalk, "add"),
    (Ledger, "end_run"),
    (RunFolder, "stage_blocks"),
    (RunReader, "requests"),
    (RunReader, "waits"),
    *((write_results, "QUERIES", place) for place in range(len(write_results.QUERIES))),
    *((write_results, "STEPS", place) for place in range(len(write_results.STEPS))),
    (RunFolder, "end"),
]
#: A program that is killed at its n-th write.
DYING = """\
import os, signal, sys
from pipeline.storage import files
from pipeline.cli import main

left, publish = int(os.environ["NTH"]), files._published

def dying(path):
    global left
    left -= 1
    if not left:
        os.kill(os.getpid(), signal.SIGKILL)
    return publish(path)

files._published = dying
main()
"""
_MOST_WRITES = 30  #: of one attempt; a later one is never reached
#: What differs between two runs of the same file: names, moments and durations.
_DIFFERS = {
    "run_id",
    "planned_at",
    "finished_at",
    "seconds",
    "profile",
    "throughput",
    "files",
    "inputs",
    "findings",
}


@dataclass
class Journey:
    """What a journey came to; `faults` is empty where the last attempt finished the run."""

    seed: int
    met: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


def write_file(path: Path, prefix: str = "ref") -> set[str]:
    """A file with records of every fate, and the references of those that are to be created."""
    rows = [
        *(f"{prefix}-{n},Person {n},p{n}@example.com,0821{n:06d},ZAR,{n},gold" for n in range(20)),
        "bad ref,Nobody,,,ZAR,1,gold",
        f"{prefix}-1,Person 1,p1@example.com,0821000001,ZAR,1,gold",
        f"{prefix}-twice,Ann,,,ZAR,1,gold",
        f"{prefix}-twice,Ben,,,ZAR,1,gold",
    ]
    path.write_text("\n".join([HEADER, *rows]) + "\n")
    return {f"{prefix}-{n}" for n in range(20)}


@contextmanager
def failing(fault: tuple, error: BaseException) -> Iterator[None]:
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
        patch.object(
            crosswalk,
            "append_bytes",
            lambda path, content: counted(path, lambda: append(path, content)),
        ),
    ):
        yield begun


def what_a_run_says(folder: Path, prefix: str = "ref") -> dict[str, object]:
    """The content of a finished run's folder, without names, moments and durations."""
    text = {
        path.name: re.sub(r"bcus_\w+", "BILLING_ID", path.read_text().replace(folder.name, "RUN"))
        for path in folder.glob("*.csv")
    }
    summary = json.loads((folder / "summary.json").read_text())
    for reason in summary["reasons"]:
        del reason["shown"]  # under the key of the home
    rows = pl.read_parquet(folder / "rows.parquet").drop(
        "billing_id", "idempotency_key", "fingerprint"
    )
    manifest = json.loads((folder / "manifest.json").read_text())
    return {
        **{
            name: _without_keys(content.replace(f"{prefix}-", "ref-"))
            for name, content in text.items()
        },
        **{f"summary: {name}": value for name, value in summary.items() if name not in _DIFFERS},
        "rows": rows.to_dicts(),
        "manifest": sorted(manifest["files"]),
        "names": sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*")),
        "signed": [
            json.loads(line)["role"]
            for line in (folder / "signatures.jsonl").read_text().splitlines()
        ],
        "verdict is on the page": summary["verdict"] in (folder / "report.html").read_text(),
    }


def _without_keys(text: str) -> str:
    text = re.sub(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "KEY", text)
    return re.sub(r"h[0-9a-f]{6}-[0-9a-f]{20}", "CHECK", text)


def undisturbed(folder: Path) -> dict[str, object]:
    """What such a file comes to where nothing fails."""
    folder.mkdir()
    pipeline = Inside(folder)
    write_file(folder / "c.csv")
    with running_sandbox(folder / "other.sqlite") as billing:
        done = pipeline(
            "run", "c.csv", "--base-url", billing.base_url, "--yes", environment=billing.environment
        )
    assert done.returncode == 1, done.stderr
    return what_a_run_says(pipeline.newest())


def journey(seed: int, outside: Outside, wanted: dict[str, object]) -> Journey:
    """One file, up to four faults, and the attempt that finishes it."""
    dice, found, prefix = random.Random(f"stranded {seed}"), Journey(seed), f"s{seed}"
    with tempfile.TemporaryDirectory() as name:
        pipeline = Inside(Path(name))
        created = write_file(pipeline.folder / "c.csv", prefix)
        pipeline("plan", "c.csv", "--base-url", outside.base_url, environment=outside.environment)
        for _ in range(dice.randint(1, 4)):
            found.met.append(_attempt(dice, pipeline, outside, found))
        ended = pipeline(_verb(pipeline), "latest", environment=outside.environment)
        if ended.returncode != 1:
            found.faults.append(
                f"the last attempt ended with {ended.returncode}: {ended.stderr[-300:]}"
            )
            return found
        held = {
            reference for reference in outside.customers() if reference.startswith(f"{prefix}-")
        }
        found.faults += ["billing does not hold each customer"] * (held != created)
        found.faults += ["a customer was created twice"] * (
            outside.stats()["effects_per_reference"]["max"] != 1
        )
        found.faults += ["the run does not verify"] * (pipeline("verify", "latest").returncode != 0)
        ours = what_a_run_says(pipeline.newest(), prefix)
        found.faults += [
            f"{name} differs" for name in {*ours, *wanted} if ours.get(name) != wanted.get(name)
        ]
    return found


def _verb(pipeline: Inside) -> str:
    return "resume" if json.loads(pipeline("status", "--json").stdout)["started_at"] else "apply"


def _attempt(dice: random.Random, pipeline: Inside, outside: Outside, found: Journey) -> str:
    """One attempt that meets a fault: what it met, and beside it whether the exit code is that of the fault."""
    command, kind, nth = (
        [_verb(pipeline), "latest"],
        dice.choice(("step", "step", "disk", "disk", "kill")),
        0,
    )
    if kind == "step":
        fault, (error, code) = dice.choice(FAULTS), dice.choice(ERRORS)
        with failing(fault, error):
            done = pipeline(*command, environment=outside.environment).returncode
        met = f"{type(error).__name__} in {' '.join(str(part) for part in fault[1:])}"
        codes = (
            {code, 1} if fault == FAULTS[0] else {code}
        )  # where nothing is sent any more, nothing is added
    elif kind == "disk":
        nth, codes = dice.randint(1, _MOST_WRITES), {4, 5, 1}  # 4: before anything was sent
        with disk_full_at(nth) as begun:
            done = pipeline(*command, environment=outside.environment).returncode
        met = f"full disk at {begun[nth - 1] if len(begun) >= nth else 'nothing'}"
    else:
        nth, codes = dice.randint(1, _MOST_WRITES), {-9, 1}
        done = _killed(nth, command, pipeline, outside)
        met = f"kill at write {nth}"
    found.faults += [f"{met} ended with {done}"] * (done not in codes)
    return met


def _killed(nth: int, command: list[str], pipeline: Inside, outside: Outside) -> int:
    process = subprocess.run(
        [sys.executable, "-c", DYING, *command],
        cwd=pipeline.folder,
        env=environment_of_ours({"NTH": str(nth), **outside.environment}),
        capture_output=True,
        timeout=600,
        check=False,
    )
    return process.returncode


def block(seeds: range) -> dict:
    """The journeys of some seeds against one billing, as a line of results."""
    with tempfile.TemporaryDirectory() as name:
        wanted = undisturbed(Path(name) / "undisturbed")
        with running_sandbox(Path(name) / "billing.sqlite") as outside:
            found = [asdict(journey(seed, outside, wanted)) for seed in seeds]
    return {
        "seeds": [seeds.start, seeds.stop],
        "faults_met": sum(len(one["met"]) for one in found),
        "failures": {one["seed"]: one["faults"] for one in found if one["faults"]},
    }
