"""Faults of a disk during a run: full, read-only, a failed write or flush, a lost end of the ledger.

A journey is one file: its submission meets one fault and stops, or dies; with the fault gone it is resumed, and the
oracle is asked. Billing keeps no reference unique here, so that nothing but the client prevents a second customer.
"""

import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from tests import kill_points
from tests.conftest import Inside, Outside, customers_csv, environment_of_ours, running_sandbox
from tests.prove.kills import oracle

#: A program whose n-th COMMIT fails: before it takes effect, after it, or because the ledger is read-only from then on.
FAILING = """\
import os, sqlite3

kind, left = os.environ["FAULT"], int(os.environ["NTH"])

class Failing(sqlite3.Connection):
    def execute(self, sql, *values):
        global left
        left -= sql == "COMMIT"
        if sql == "COMMIT" and left == 0:
            if kind == "commit_fails_after":
                super().execute("COMMIT")
            elif kind == "read_only":
                super().execute("ROLLBACK")
                super().execute("PRAGMA query_only = ON")
                return super().execute("UPDATE rows SET seq = seq")
            raise sqlite3.OperationalError("disk I/O error")
        return super().execute(sql, *values)

connect = sqlite3.connect
sqlite3.connect = lambda *told, **more: connect(*told, factory=Failing, **more)
from pipeline.cli import main
main()
"""
IN_SQLITE = ("read_only", "commit_fails", "commit_fails_after")
BY_THE_SYSTEM = (
    "write_fails",
    "flush_fails",
)  #: needs strace, which makes the n-th call of its kind fail with EIO
AFTER_A_KILL = ("wal_cut", "wal_flipped")
STOPPED = {4, 5}  #: 5 where something had been sent
NEVER_BEGUN = 6  #: where not even the beginning of the run could be written


@dataclass
class Journey:
    """What a journey came to; `faults` is empty where the oracle has nothing to say."""

    seed: int
    fault: str
    nth: int
    code: int  #: of the process that met the fault
    sent: int  #: creates that had left by then
    faults: list[str]


def kinds() -> tuple[str, ...]:
    """What can be done to a disk on this machine."""
    return ("full", *IN_SQLITE, *AFTER_A_KILL, *(BY_THE_SYSTEM if shutil.which("strace") else ()))


def journey(seed: int, kind: str, rows: int = 900) -> Journey:
    """One file, one fault, one resume."""
    dice = random.Random(f"{kind} {seed}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pipeline = Inside(folder)
        customers_csv(folder / "customers.csv", rows)
        with running_sandbox(folder / "billing.sqlite", "--faults", "uniqueness_off=1") as outside:
            pipeline(
                "plan",
                "customers.csv",
                "--base-url",
                outside.base_url,
                environment=outside.environment,
            )
            nth, code = _meet(kind, rows, pipeline, outside, dice)
            sent = outside.stats()["requests"]["create"]
            if kind in AFTER_A_KILL:
                _damage_the_wal(pipeline, kind, dice)
            ended = _finished(pipeline, outside)
            if (
                kind in AFTER_A_KILL and "--accept HOME.NEW" in ended.stderr
            ):  # the cut left nothing of the ledger
                ended = _finished(pipeline, outside, "--accept", "HOME.NEW")
            faults = list(_wrong(kind, code, sent))
            faults += oracle(
                pipeline, outside, rows, ended.returncode, is_whole=kind not in AFTER_A_KILL
            )
            return Journey(seed, kind, nth, code, sent, faults)


def _finished(pipeline: Inside, outside: Outside, *more: str) -> subprocess.CompletedProcess[str]:
    """Resume the run, or apply its plan where it was never begun."""
    ended = pipeline("resume", pipeline.newest().name, *more, environment=outside.environment)
    if ended.returncode == NEVER_BEGUN:
        ended = pipeline("apply", pipeline.newest().name, *more, environment=outside.environment)
    return ended


def _meet(
    kind: str, rows: int, pipeline: Inside, outside: Outside, dice: random.Random
) -> tuple[int, int]:
    """Apply the plan with the fault: at which byte or call it was, and the exit code."""
    apply, more, limit = [sys.executable, "-m", "pipeline"], {}, None
    if kind == "full":
        nth = dice.randrange(40_000, 1_500_000)
        limit = partial(resource.setrlimit, resource.RLIMIT_FSIZE, (nth, nth))
    elif kind in IN_SQLITE:
        nth = dice.randint(1, 3 + rows // 100)
        apply, more = [sys.executable, "-c", FAILING], {"FAULT": kind, "NTH": str(nth)}
    elif kind in BY_THE_SYSTEM:
        call, calls = ("pwrite64", 700) if kind == "write_fails" else ("fdatasync", 14)
        nth = dice.randint(1, calls)
        inject = f"inject={call}:error=EIO:when={nth}+"
        apply = ["strace", "-f", "-qq", "--seccomp-bpf", "-o", os.devnull, "-e", inject, *apply]
    else:
        nth = dice.randint(1, max(1, rows // 256))
        more = {kill_points.VARIABLE: f"{dice.choice(['after-intents', 'after-outcomes'])} {nth}"}
        apply = [sys.executable, "-m", kill_points.program(more)]
    ran = subprocess.run(
        [*apply, "apply", pipeline.newest().name],
        cwd=pipeline.folder,
        env=environment_of_ours({**outside.environment, **more}),
        preexec_fn=limit,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    return nth, ran.returncode


def _wrong(kind: str, code: int, sent: int) -> Iterator[str]:
    allowed = (
        {-signal.SIGKILL} if kind in AFTER_A_KILL else {*STOPPED, 0}
    )  # 0: it was never reached
    if code not in allowed:
        yield f"exit code {code}, not one of {sorted(allowed)}"
    if code in STOPPED and (code == max(STOPPED)) != bool(sent):
        yield f"exit code {code}, and {sent} creates had left"


def _damage_the_wal(pipeline: Inside, kind: str, dice: random.Random) -> None:
    [wal] = pipeline.folder.glob(".pipeline/*/ledger.sqlite-wal")
    held = bytearray(wal.read_bytes())
    at = dice.randrange(len(held))
    if kind == "wal_cut":
        held = held[:at]
    else:
        held[at] ^= 1 << dice.randrange(8)
    wal.write_bytes(held)


def block(told: tuple[int, int]) -> dict:
    """A seed's journeys, one for each kind, as a line of results."""
    seed, rows = told
    found = [asdict(journey(seed, kind, rows)) for kind in kinds()]
    return {
        "seeds": [seed, seed + 1],
        "rows": rows,
        "met_by_fault": {one["fault"]: [one["nth"], one["code"], one["sent"]] for one in found},
        "failures": {one["fault"]: one["faults"] for one in found if one["faults"]},
    }
