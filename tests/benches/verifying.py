"""Compare `verify` of an applied run with the plan of the same file, in time and memory.

Run it: python -m tests.benches.verifying [--rows 1000000] [--rounds 3] [--folder DIR]
The run is applied without a server: its creates are recorded in the ledger, and `resume` writes its results.
Appended to results/verifying.jsonl.
"""

import argparse
import os
import sys
import tempfile
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

import polars as pl

from pipeline.storage.ledger import Ledger
from tests.benches.at_scale import KEY, SANDBOX, billing_that_knows_nobody, record_created
from tests.benches.planning.__main__ import RESULTS, timed
from tests.benches.planning.customers import write_customers
from tests.prove.gathering import gather

AT_MOST = 1.2  #: times its plan
MEMORY_AT_MOST = 1_000_000_000  #: bytes
FROM_ROWS = 1_000_000  #: small files measure how long Python takes to start
PLAN = ("--max-rejected", "100%", "--json")


def main() -> int:
    """Print the figures; return 1 if `verify` takes too long or too much memory."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--rows", type=int, default=1_000_000)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--folder", type=Path, help="Keep the files in this folder.")
    options.add_argument("--results", type=Path, default=RESULTS)
    given = options.parse_args()
    with nullcontext(given.folder) if given.folder else tempfile.TemporaryDirectory() as folder:
        plans, verified = measured(Path(folder), given.rows, given.rounds)
    times = plans["seconds"] and verified["seconds"] / plans["seconds"]
    for name, figures in (("plan", plans), ("verify", verified)):
        print(f"{name:<8}{figures['seconds']:>8.2f} s{figures['peak_bytes'] / 1e6:>10,.0f} MB")
    print(f"verify takes {times:.2f} times its plan")
    gather(
        "verifying",
        given.results,
        rows=given.rows,
        rounds=given.rounds,
        plan=plans,
        verify=verified,
    )
    is_slow = times > AT_MOST or verified["peak_bytes"] > MEMORY_AT_MOST
    return int(given.rows >= FROM_ROWS and is_slow)


def measured(folder: Path, rows: int, rounds: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Median time and memory of plans of one file, and of `verify` of its applied run."""
    file, home = folder / "customers.csv", folder / "home"
    folder.mkdir(parents=True, exist_ok=True)
    write_customers(file, rows)
    os.environ["BILLING_API_KEY"] = KEY
    with billing_that_knows_nobody() as (url, _):
        to = ["--base-url", url, "--home", home]
        plans = [
            timed("pipeline", "plan", file, *to, "--reports", folder / f"plan-{number}", *PLAN)
            for number in range(rounds)
        ]
        reports = folder / f"plan-{rounds - 1}"
        (run,) = reports.iterdir()
        record_all(home, run)
        timed(
            "pipeline",
            "resume",
            run.name,
            "--accept",
            "ACCOUNT.CHANGED",
            *to,
            "--reports",
            reports,
            "--json",
        )
    checks = [
        timed("pipeline", "verify", run.name, "--home", home, "--reports", reports, "--json")
        for _ in range(rounds)
    ]
    if checks[-1]["printed"]["records"] != rows:
        raise AssertionError("verify did not compare every record")
    return _medians(plans), _medians(checks)


def record_all(home: Path, run: Path) -> None:
    """Record every planned create of a run as created by it."""
    with Ledger.opened(home / SANDBOX.name, SANDBOX) as ledger:
        ledger.begin_run(run.name, datetime.now(UTC), 0, os.getpid())
        for part in sorted((run / "staged").glob("plan-*.parquet")):
            creates = pl.read_parquet(part).filter(action="create")
            columns = creates.select("external_reference", "fingerprint", "key")
            record_created(ledger, run.name, columns.iter_rows())
        ledger.end_run(run.name, datetime.now(UTC), "stopped")


def _medians(runs: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        name: median(run[name] for run in runs)
        for name in runs[0]
        if isinstance(runs[0][name], int | float)
    }


if __name__ == "__main__":
    sys.exit(main())
