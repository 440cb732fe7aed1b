"""`kill -9` of the real process against the real sandbox over TCP, half at random moments, half at named points.

A journey is one file, one ledger and one sandbox with faults: the process is killed and started again until it has died
as often as was asked; then the faults stop, it is resumed to its end, the oracle is asked, and the auditor reads what the sandbox recorded. Moments are counted in
requests, not in seconds, so that a fast machine dies as often as a slow one.
"""

import contextlib
import random
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests import kill_points
from tests.conftest import Command, Inside, Outside, customers_csv, running_sandbox
from tests.prove.books import violations

FAULTS = "lost_request=0.02,lost_reply=0.02,error_before=0.02,error_after=0.02,error_stored=0.01,garbled=0.01"
ROWS = 600


PACE = "300"  #: requests a second, so that a run is long enough to be killed more than once
_AT_THE_END = tuple(
    point for point in kill_points.POINTS if point.endswith("-end")
)  #: what dies there has nothing left to do
_BEFORE_THE_END = tuple(point for point in kill_points.POINTS if point not in _AT_THE_END)


@dataclass
class Journey:
    """What a journey came to; `faults` is empty where the oracle has nothing to say."""

    seed: int
    kills: dict[str, int]  #: by point
    starts: int
    faults: list[str]
    creates: int  #: requests


def journey(seed: int, most_kills: int, *, opaque: bool = False, rows: int = ROWS) -> Journey:
    """Import one file, with up to this many kills, and resume until it is done."""
    dice, kills = random.Random(seed), dict.fromkeys(("random", *kill_points.POINTS), 0)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pipeline = Inside(folder)  # what is killed is started as a process
        customers_csv(folder / "customers.csv", rows)
        history = folder / "history.jsonl"
        faults = f"{FAULTS},opaque_types={int(opaque)}"
        with running_sandbox(
            folder / "billing.sqlite", "--faults", faults, "--seed", str(seed), history=history
        ) as outside:
            starts, code = 0, -signal.SIGKILL
            while code == -signal.SIGKILL and sum(kills.values()) < most_kills:
                is_last = sum(kills.values()) == most_kills - 1
                points = _AT_THE_END if is_last else _BEFORE_THE_END
                point = dice.choice(points) if dice.random() < 0.5 else "random"
                code = _live(
                    pipeline, outside, point, dice, most_requests=max(1, rows // most_kills)
                )
                kills[point] += code == -signal.SIGKILL
                starts += 1
            outside.faults(opaque_types=opaque)
            code = _finish(pipeline, outside)
            if code != 0:
                # A failure that billing stored under all three keys of a row is replayed for a day.
                outside.advance(25 * 3600)
                code = _finish(pipeline, outside)
            faults = [*oracle(pipeline, outside, rows, code), *violations(history, folder, rows)]
            return Journey(
                seed,
                {at: n for at, n in kills.items() if n},
                starts,
                faults,
                outside.stats()["requests"]["create"],
            )


def _live(
    pipeline: Command, outside: Outside, point: str, dice: random.Random, *, most_requests: int
) -> int:
    """Run one process to its end or to a kill within this many requests; return its exit code."""
    nth = most_requests if point.endswith("-send") else 1 if point in _AT_THE_END else 2
    environment = dict(outside.environment)
    if point != "random":
        environment[kill_points.VARIABLE] = f"{point} {dice.randint(1, nth)}"
    process = _start(pipeline, outside, environment)
    if point == "random":
        enough = _asked(outside) + dice.randint(1, most_requests)
        while process.poll() is None and _asked(outside) < enough:
            time.sleep(0.01)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(dice.uniform(0, 0.02))  # between two requests as well as in one
        process.kill()
    process.communicate(timeout=240)
    return process.returncode


def _asked(outside: Outside) -> int:
    return sum(outside.stats()["requests"].values())


def _start(
    pipeline: Command, outside: Outside, environment: dict[str, str]
) -> subprocess.Popen[str]:
    if (pipeline.folder / "reports").is_dir():
        return pipeline.start(
            "resume", pipeline.newest().name, "--pace", PACE, environment=environment
        )
    told = ("--base-url", outside.base_url, "--yes", "--pace", PACE)
    return pipeline.start("run", "customers.csv", *told, environment=environment)


def _finish(pipeline: Command, outside: Outside) -> int:
    return pipeline("resume", pipeline.newest().name, environment=outside.environment).returncode


def oracle(
    pipeline: Command, outside: Outside, rows: int, code: int, *, is_whole: bool = True
) -> Iterator[str]:
    """What the sandbox and the report say against a file of `customers_csv`; nothing where all is well.

    A ledger that is not whole has forgotten some of what it created: it finds them, and calls them already there.
    """
    stats, summary = outside.stats(), pipeline.summary()
    fates, sums = summary["fates"], summary["sums"]["ZAR"]
    ours = ["created"] if is_whole else ["created", "already_exists_same"]
    expected = {
        "exit code": (code, 0),
        "customers": (stats["customers"], rows),
        "references": (set(outside.customers()), {f"ref-{n}" for n in range(rows)}),
        "sums": (stats["sums"], {"ZAR": sum(n * 100 for n in range(rows))}),
        "effects": (stats["effects_per_reference"], {"max": 1, "more_than_one": []}),
        "keys with two bodies": (stats["keys_with_two_bodies"], 0),
        "created": (sum(fates[fate] for fate in ours), rows),
        "in doubt": (fates["in_doubt"], 0),
        "sum created": (sum(sums[fate] for fate in ours), stats["sums"].get("ZAR")),
        "accounting": (summary["accounting"]["holds"], True),
    }
    for what, (found, wanted) in expected.items():
        if found != wanted:
            yield f"{what}: {found!r}, not {wanted!r}"[:300]
    audited = pipeline("audit", "verify")
    if audited.returncode and is_whole:
        yield audited.stdout
