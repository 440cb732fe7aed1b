"""A rate-limited reconciliation by lookup, killed repeatedly: it continues without repeating a lookup.

What was answered and not yet on the disk may be asked once more after each kill; nothing else may.
"""

import csv
import json
import random
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.conftest import Inside, Outside, customers_csv, running_sandbox

BLOCK, WORKERS = 256, 8  #: answers that are put on the disk together; requests under way


def block(told: tuple[int, int, float, int]) -> dict[str, Any]:
    """A rate-limited reconciliation with kills, as a line of results."""
    seed, customers, per_second, kills = told
    dice = random.Random(seed)
    with (
        tempfile.TemporaryDirectory() as folder,
        running_sandbox(Path(folder) / "billing.sqlite") as outside,
    ):
        pipeline = Inside(Path(folder))
        customers_csv(pipeline.folder / "customers.csv", customers)
        done = pipeline(
            "run",
            "customers.csv",
            "--base-url",
            outside.base_url,
            "--yes",
            environment=outside.environment,
        )
        assert done.returncode == 0, done.stderr
        before, active = _asked(outside), 0.0
        limits = sorted(dice.sample(range(1, customers), kills))
        for limit in limits:
            active += _until(pipeline, outside, per_second, before + limit)
        began = time.monotonic()
        done = pipeline(*_reconciling(per_second), environment=outside.environment)
        active += time.monotonic() - began
        asked = _asked(outside) - before
        faults = list(_faults(pipeline, done, customers))
    again = asked - customers
    if again > kills * (BLOCK + WORKERS):
        faults.append(f"{again} lookups more than customers after {kills} kills")
    if asked > per_second * active + WORKERS * (kills + 1):
        faults.append(f"{asked} lookups in {active:.1f} s: faster than {per_second:g} a second")
    return {
        "seeds": [seed, seed + 1],
        "customers": customers,
        "per_second": per_second,
        "kills": len(limits),
        "lookups": asked,
        "seconds": round(active, 1),
        "failures": faults,
    }


def _reconciling(per_second: float) -> tuple[str, ...]:
    return ("reconcile", "--json", "--pace", f"{per_second:g}", "--workers", str(WORKERS))


def _asked(outside: Outside) -> int:
    return int(outside.stats()["requests"]["retrieve"])


def _until(pipeline: Inside, outside: Outside, per_second: float, limit: int) -> float:
    """Reconcile until this many lookups were made, then kill it; return the seconds."""
    began = time.monotonic()
    process = pipeline.start(*_reconciling(per_second), environment=outside.environment)
    while _asked(outside) < limit and process.poll() is None:
        time.sleep(0.05)
    process.kill()
    process.communicate()
    return time.monotonic() - began


def _faults(pipeline: Inside, done: Any, customers: int) -> Any:
    if done.returncode != 0:
        yield f"exit code {done.returncode}: {done.stderr[-300:]}"
        return
    content = json.loads(done.stdout)
    (found,) = [step["figures"] for step in content["bridge"] if step["step"] == "found"]
    if sum(figure["records"] for figure in found.values()) != customers or content["residual"]:
        yield f"found {found}, residual {content['residual']}"
    if len(list((pipeline.folder / "reports").glob("*-reconcile-*"))) != 1:
        yield "the reconciliation began more than once"
    with (pipeline.folder / content["files"]["differences.csv"]).open(
        newline="", encoding="utf-8"
    ) as file:
        if rows := list(csv.reader(file))[1:]:
            yield f"{len(rows)} differences where there is none"
