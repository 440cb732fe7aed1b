"""Compare a plan with the same work in pandas, and with only reading the file.

Run it: python -m tests.benches.planning [--rows 1000000] [--known 10000000] [--rounds 3] [--folder DIR]
The medians are appended to tests/benches/results/planning.jsonl and stand in tests/benches/results/planning.md, with
commit, machine and versions. What the two programs would create is compared, and every difference has a name.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections import Counter
from contextlib import nullcontext
from importlib.metadata import version
from pathlib import Path
from typing import Any

import polars as pl

from tests.benches.planning.customers import write_customers, write_known
from tests.prove.gathering import gather

RESULTS = Path(__file__).parents[1] / "results"
ROOT = Path(__file__).parents[3]
AT_LEAST, FROM_ROWS = (
    6.0,
    1_000_000,
)  #: times as fast as by hand; small files measure how long Python takes to start
LIBRARIES = ("polars", "duckdb", "pandera", "phonenumbers", "pandas", "pyarrow")
OURS, BY_HAND, BYTES = "pipeline plan", "by hand (pandas)", "reading the bytes"
STRICT, LENIENT, CLEAN = (
    "strict DuckDB read",
    "lenient DuckDB read",
    "strict DuckDB read of a clean file",
)


def main() -> int:
    """Print the table; return 1 if the ratio is too small or a difference has no name."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--rows", type=int, default=1_000_000)
    options.add_argument("--known", type=int, default=10_000_000)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument(
        "--folder", type=Path, help="Keep the files in this folder, and reuse them."
    )
    options.add_argument("--results", type=Path, default=RESULTS)
    given = options.parse_args()
    with nullcontext(given.folder) if given.folder else tempfile.TemporaryDirectory() as folder:
        return bench(Path(folder), given.rows, given.known, given.rounds, given.results)


def bench(folder: Path, rows: int, known: int, rounds: int, results: Path) -> int:
    """Measure, compare, print and write; return 1 if the ratio is too small or a difference has no name."""
    file, references, home = made(folder, rows, known)
    clean, *_ = made(folder, rows, known, kind="clean")
    runs: dict[str, list[dict[str, Any]]] = {
        name: [] for name in (OURS, BY_HAND, BYTES, STRICT, LENIENT, CLEAN)
    }
    hand = folder / "by_hand"
    hand.mkdir(exist_ok=True)
    for number in range(rounds):
        reports = folder / f"reports-{number}"
        shutil.rmtree(reports, ignore_errors=True)
        runs[OURS].append(
            timed("pipeline", "plan", file, *place(home), "--reports", reports, "--json")
        )
        runs[BY_HAND].append(timed("tests.benches.planning.by_hand", file, references, hand))
        runs[BYTES].append(timed("tests.benches.planning.bounds", "bytes", file))
        for name, way, read in (
            (STRICT, "strict", file),
            (LENIENT, "lenient", file),
            (CLEAN, "strict", clean),
        ):
            runs[name].append(timed("tests.benches.planning.bounds", way, read))
    (run,) = reports.iterdir()
    summary = runs[OURS][-1]["printed"]
    if not summary["accounting"]["holds"]:
        raise AssertionError("the figures of the plan do not add up")
    differences, unnamed = _differences(run, hand)
    middle = {name: _median(measured) for name, measured in runs.items()}
    returned = {
        name: measured[-1]["printed"]["rows"]
        for name, measured in runs.items()
        if "rows" in measured[-1]["printed"]
    }
    returned[OURS] = summary["records"]["read"]
    table = _table(middle, returned, rows, known, rounds, summary["profile"], differences)
    print(table)
    (results / "planning.md").write_text(table, encoding="utf-8")
    gather(
        "planning", results, rows=rows, known=known, rounds=rounds, medians=middle, differences=differences,
        seconds=summary["seconds"], seconds_by_hand=runs[BY_HAND][-1]["printed"],
        versions={name: version(name) for name in LIBRARIES},
    )  # fmt: skip
    ratio = middle[BY_HAND]["seconds"] / middle[OURS]["seconds"]
    if unnamed:
        print(f"{unnamed} differences between the two programs have no name")
    return int(bool(unnamed) or (rows >= FROM_ROWS and ratio < AT_LEAST))


def made(folder: Path, rows: int, known: int, kind: str = "usual") -> tuple[Path, Path, Path]:
    """The file of customers, the known customers, and a home where those are loaded."""
    folder.mkdir(parents=True, exist_ok=True)
    file, references, home = (
        folder / f"{kind}-{rows}.csv",
        folder / f"known-{known}.parquet",
        folder / f"home-{known}",
    )
    if not file.exists():
        write_customers(file, rows, kind=kind)
    if not references.exists():
        write_known(references, known)
    if not home.exists():
        timed("pipeline", "references", "load", references, *place(home))
    return file, references, home


def place(home: Path) -> list[Any]:
    return ["--sandbox", "--environment", "bench", "--merchant", "bench", "--home", home]


#: A process inherits the peak of the one that it was forked from, so a small one starts them and counts.
_LAUNCHER = """
import os, sys, time
began = time.perf_counter()
child = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ)
_, status, usage = os.wait4(child, 0)
print(time.perf_counter() - began, usage.ru_maxrss * 1024, os.waitstatus_to_exitcode(status), file=sys.stderr)
"""


def timed(module: str, *words: Any) -> dict[str, Any]:
    """Run a module in its own process: seconds, peak resident bytes, what it printed as JSON."""
    command = [sys.executable, "-m", module, *map(str, words)]
    done = subprocess.run(
        [sys.executable, "-ISc", _LAUNCHER, *command], capture_output=True, cwd=ROOT, check=True
    )
    seconds, peak, code = done.stderr.decode().splitlines()[-1].split()
    if int(code) not in (0, 1):  # 1: finished, and some rows were rejected
        raise RuntimeError(
            f"{' '.join(command[1:])} ended with {code}: {done.stderr.decode()[-400:]}"
        )
    printed = json.loads(done.stdout) if done.stdout.startswith(b"{") else None
    return {"seconds": float(seconds), "peak_bytes": int(peak), "printed": printed}


def _median(measured: list[dict[str, Any]]) -> dict[str, float]:
    return {
        "seconds": round(statistics.median(one["seconds"] for one in measured), 3),
        "peak_bytes": statistics.median(one["peak_bytes"] for one in measured),
    }


def _differences(run: Path, hand: Path) -> tuple[dict[str, int], int]:
    """What the two would create otherwise, by name -> how many; and how many have no name."""
    plan = pl.read_parquet(run / "staged" / "plan-*.parquet").filter(action="create")
    ours = plan.select("external_reference", "key")
    theirs = pl.read_parquet(hand / "accepted.parquet").rename({"idempotency_key": "key"})
    records = pl.read_parquet(
        run / "staged" / "records-*.parquet",
        columns=["position", "external_reference", "reasons", "text"],
    )
    records = records.sort("position")
    fates = pl.read_parquet(run / "staged" / "fates-*.parquet", columns=["position", "fate"])
    only_theirs = theirs.join(ours, on=["external_reference", "key"], how="anti")
    only_ours = ours.join(theirs, on=["external_reference", "key"], how="anti")
    named = Counter[str]()
    unnamed = 0
    # Of unreadable lines the reference is what stands before the first delimiter.
    first_cell = pl.col("text").str.extract(r'^"?([^,"]*)', 1)
    told = records.with_columns(reference=pl.coalesce("external_reference", first_cell)).join(
        fates, on="position"
    )
    reasons = told.select(
        "reference", "fate", reason=pl.col("reasons").list.first().fill_null(pl.col("fate"))
    )
    by_reference = reasons.filter(pl.col("fate") != "not_attempted").unique("reference")
    found = only_theirs.join(
        by_reference, left_on="external_reference", right_on="reference", how="left"
    )
    for (reason,), rows in found.group_by("reason"):
        if reason is None:
            unnamed += rows.height
        else:
            named[f"created by hand only; here {reason}"] += rows.height
    standing = told.select("position", "fate", external_reference="reference")
    swallowed = only_ours.join(standing, on="external_reference").join(
        _swallowed(told), on="position", how="semi"
    )
    twice = standing.filter(pl.col("fate").is_in(["unreadable", "invalid"]))
    for name, these in (
        ("created here only; by hand, the field of an open quote contains it", swallowed),
        (
            "created here only; by hand, a line that is no record or a bad one has the same reference",
            twice,
        ),
        ("created by both, with other content", only_theirs),
    ):
        named[name] = only_ours.join(these, on="external_reference", how="semi").height
        only_ours = only_ours.join(these, on="external_reference", how="anti")
    unnamed += only_ours.height
    return {name: count for name, count in sorted(named.items()) if count}, unnamed


def _swallowed(told: pl.DataFrame) -> pl.DataFrame:
    """Positions between a quote that never closes and the next line with a quote, where a reader that trusts it goes on."""
    opened = told.select("position", is_open=pl.col("reasons").list.contains("READ.UNCLOSED_QUOTE"))
    starts = opened.filter("is_open")["position"]
    span = 60  #: records; one line in ten has a quote
    return pl.DataFrame(
        {"position": [at + more for at in starts for more in range(1, span)]},
        schema={"position": pl.Int64},
    ).unique()


def _table(
    middle: dict[str, dict[str, float]],
    returned: dict[str, int],
    rows: int,
    known: int,
    rounds: int,
    profile: dict[str, dict[str, Any]],
    differences: dict[str, int],
) -> str:
    ours = middle[OURS]["seconds"]
    lines = [
        f"# A plan of {rows:,} customers against {known:,} known ones",
        "",
        f"Median of {rounds}, {os.cpu_count()} cores, {', '.join(f'{name} {version(name)}' for name in LIBRARIES)}.",
        "",
        "| | seconds | times a plan | rows a second | peak memory, MB | records read |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {name} | {one['seconds']:.2f} | {one['seconds'] / ours:.3f} | {rows / one['seconds']:,.0f} "
        f"| {one['peak_bytes'] / 1e6:,.0f} | {format(returned[name], ',') if name in returned else ''} |"
        for name, one in middle.items()
    ]
    lines += [
        "",
        "Where the time of the plan goes (stages overlap):",
        "",
        "| stage | seconds | peak memory, MB |",
        "|---|---:|---:|",
    ]
    lines += [
        f"| {stage} | {of['seconds']:.2f} | {(of['peak_bytes'] or 0) / 1e6:,.0f} |"
        for stage, of in profile.items()
    ]
    lines += ["", "Where the two programs differ:", ""]
    lines += [f"- {count:,} {name}" for name, count in differences.items()] or ["- nowhere"]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
