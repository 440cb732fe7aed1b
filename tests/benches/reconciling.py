"""Compare `pipeline reconcile` of a million rows with an export to the bare DuckDB join of both.

Run it: python -m tests.benches.reconciling [--rows 1000000] [--rounds 3] [--folder DIR]
A plan is made and written into the ledger as created, so that no billing is needed; the export says the same, in another order.
The bare join reads the export and the run's records, and compares every field. Appended to results/reconciling.jsonl.
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

import duckdb
import polars as pl

from pipeline.storage.ledger import Ledger
from tests.benches.at_scale import KEY, SANDBOX, billing_that_knows_nobody, record_created
from tests.benches.planning.__main__ import RESULTS, timed
from tests.benches.planning.customers import write_customers
from tests.prove.gathering import gather

AT_MOST = 5.0  #: times the bare join
_FIELDS = ("name", "email", "phone", "currency", "balance")


def main() -> int:
    """Print the figures; return 1 if it takes too long or finds a difference."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--rows", type=int, default=1_000_000)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--folder", type=Path)
    options.add_argument("--results", type=Path, default=RESULTS)
    given = options.parse_args()
    with nullcontext(given.folder) if given.folder else tempfile.TemporaryDirectory() as folder:
        found = measured(Path(folder), given.rows, given.rounds)
    times = found["reconcile"] / found["join"]
    print(
        f"reconcile {found['reconcile']:.2f} s, {found['peak_bytes'] / 1e6:,.0f} MB; bare join {found['join']:.2f} s; {times:.2f} times"
    )
    gather(
        "reconciling",
        given.results,
        rows=given.rows,
        rounds=given.rounds,
        times=round(times, 2),
        **found,
    )
    return int(times > AT_MOST or found["differences"] > 0)


def measured(folder: Path, rows: int, rounds: int) -> dict[str, Any]:
    """The medians of both, measured in turns."""
    run, where = _applied(folder, rows)
    export = folder / "export.csv"
    _write_export(run, export)
    ours, bare = [], []
    for _ in range(rounds):
        ours.append(timed("pipeline", "reconcile", run.name, "--export", export, *where, "--json"))
        bare.append(timed("tests.benches.reconciling", "join", run, export))
    compared = ours[-1]["printed"]
    if (bare[-1]["printed"]["both"], bare[-1]["printed"]["differing"]) != (rows, 0):
        raise AssertionError(f"the bare join found {bare[-1]['printed']}")
    return {
        "reconcile": round(median(one["seconds"] for one in ours), 3),
        "join": round(median(one["seconds"] for one in bare), 3),
        "peak_bytes": max(one["peak_bytes"] for one in ours),
        "differences": sum(compared["differences"].values()),
    }


def _applied(folder: Path, rows: int) -> tuple[Path, list[Any]]:
    """A run whose customers are all created, by its ledger."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    write_customers(folder / "customers.csv", rows, kind="clean")
    home, reports = folder / "home", folder / "reports"
    os.environ["BILLING_API_KEY"] = KEY
    with billing_that_knows_nobody() as (url, _):
        where = ["--home", home, "--reports", reports]
        timed("pipeline", "plan", folder / "customers.csv", "--base-url", url, *where, "--json")
        (run,) = reports.iterdir()
        plan = pl.read_parquet(sorted((run / "staged").glob("plan-*.parquet"))).filter(
            action="create"
        )
        with Ledger.opened(home / SANDBOX.name, SANDBOX) as ledger:
            ledger.begin_run(run.name, datetime.now(UTC), plan.height, os.getpid())
            record_created(
                ledger,
                run.name,
                plan.select("external_reference", "fingerprint", "key").iter_rows(),
            )
        timed("pipeline", "resume", run.name, "--base-url", url, *where, "--json")
    return run, where


def _write_export(run: Path, export: Path) -> None:
    records = pl.read_parquet(
        sorted((run / "staged").glob("records-*.parquet")), columns=["external_reference", *_FIELDS]
    )
    records.sample(fraction=1.0, shuffle=True, seed=1).write_csv(export)


def join(run: Path, export: Path) -> None:
    """The minimum of a comparison: read and join both sides, and compare each field."""
    began = time.perf_counter()
    differs = " OR ".join(f"a.{name} IS DISTINCT FROM b.{name}" for name in _FIELDS)
    types = (
        "{"
        + ", ".join(f"'{name}': 'VARCHAR'" for name in ("external_reference", *_FIELDS[:4]))
        + ", 'balance': 'BIGINT'}"
    )
    found = duckdb.sql(
        f"SELECT count(*), count(*) FILTER ({differs}) FROM read_parquet('{run}/staged/records-*.parquet') a"
        f" JOIN read_csv('{export}', columns = {types}, header = true) b USING (external_reference)"
    ).fetchall()[0]
    print(
        json.dumps(
            {
                "both": found[0],
                "differing": found[1],
                "seconds": round(time.perf_counter() - began, 3),
            }
        )
    )


if __name__ == "__main__":
    if sys.argv[1:2] == ["join"]:
        join(*map(Path, sys.argv[2:4]))
    else:
        sys.exit(main())
