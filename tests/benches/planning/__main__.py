"""A plan beside the same work written by hand in pandas, and beside the least that reading costs, in turns, in one run.

Run it: python -m tests.benches.planning [--rows 1000000] [--known 10000000] [--rounds 3] [--folder DIR]
The medians are appended to tests/benches/results/planning.jsonl and stand in tests/benches/results/planning.md, with
commit, machine and versions. What the two programs would create is compared, and every difference has a name.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
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
AT_LEAST, FROM_ROWS = 6.0, 1_000_000  #: times as fast as by hand; small files measure how long Python takes to start
LIBRARIES = ("polars", "duckdb", "pandera", "phonenumbers", "pandas", "pyarrow")
OURS, BY_HAND, BYTES, DUCKDB = "pipeline plan", "by hand (pandas)", "reading the bytes", "strict DuckDB read"


def main() -> int:
    """Print the table; 1 where the ratio is too small or a difference has no name."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--rows", type=int, default=1_000_000)
    options.add_argument("--known", type=int, default=10_000_000)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--folder", type=Path, help="Keep the files here, and take them from here where they are.")
    said = options.parse_args()
    with nullcontext(said.folder) if said.folder else tempfile.TemporaryDirectory() as folder:
        return _bench(Path(folder), said.rows, said.known, said.rounds)


def _bench(folder: Path, rows: int, known: int, rounds: int) -> int:
    file, references, home = _made(folder, rows, known)
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in (OURS, BY_HAND, BYTES, DUCKDB)}
    hand = folder / "by_hand"
    hand.mkdir(exist_ok=True)
    for number in range(rounds):
        reports = folder / f"reports-{number}"
        runs[OURS].append(_timed("pipeline", "plan", file, *_place(home), "--reports", reports, "--json"))
        runs[BY_HAND].append(_timed("tests.benches.planning.by_hand", file, references, hand))
        runs[BYTES].append(_timed("tests.benches.planning.bounds", "bytes", file))
        runs[DUCKDB].append(_timed("tests.benches.planning.bounds", "duckdb", file))
    (run,) = reports.iterdir()
    summary = runs[OURS][-1]["said"]
    if not summary["conservation"]["holds"]:
        raise AssertionError("the figures of the plan do not add up")
    differences, unnamed = _differences(run, hand)
    middle = {name: _median(measured) for name, measured in runs.items()}
    table = _table(middle, rows, known, rounds, runs[OURS][-1]["said"]["profile"], differences)
    print(table)
    (RESULTS / "planning.md").write_text(table, encoding="utf-8")
    gather(
        "planning", RESULTS, rows=rows, known=known, rounds=rounds, medians=middle, differences=differences,
        seconds=summary["seconds"], seconds_by_hand=runs[BY_HAND][-1]["said"],
        versions={name: version(name) for name in LIBRARIES},
    )  # fmt: skip
    ratio = middle[BY_HAND]["seconds"] / middle[OURS]["seconds"]
    if unnamed:
        print(f"{unnamed} differences between the two programs have no name")
    return int(bool(unnamed) or (rows >= FROM_ROWS and ratio < AT_LEAST))


def _made(folder: Path, rows: int, known: int) -> tuple[Path, Path, Path]:
    """The file of customers, the known customers, and a home where those are loaded."""
    file, references, home = (
        folder / f"customers-{rows}.csv",
        folder / f"known-{known}.parquet",
        folder / f"home-{known}",
    )
    if not file.exists():
        write_customers(file, rows)
    if not references.exists():
        write_known(references, known)
    if not home.exists():
        _timed("pipeline", "references", "load", references, *_place(home))
    return file, references, home


def _place(home: Path) -> list[Any]:
    return ["--environment", "bench", "--merchant", "bench", "--home", home]


def _timed(module: str, *words: Any) -> dict[str, Any]:
    """Run a module as a process of its own: seconds, peak resident bytes, what it printed as JSON."""
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", module, *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=ROOT
    )
    output = process.stdout.read() if process.stdout else b""
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in (0, 1):  # 1: finished, and some rows were rejected
        raise RuntimeError(f"{module} {' '.join(map(str, words))} ended with {process.returncode}")
    said = json.loads(output) if output.startswith(b"{") else None
    return {"seconds": seconds, "peak_bytes": usage.ru_maxrss * 1024, "said": said}


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
        run / "staged" / "records-*.parquet", columns=["position", "external_reference", "reasons", "text"]
    )
    records = records.sort("position")
    fates = pl.read_parquet(run / "staged" / "fates-*.parquet", columns=["position", "fate"])
    only_theirs = theirs.join(ours, on=["external_reference", "key"], how="anti")
    only_ours = ours.join(theirs, on=["external_reference", "key"], how="anti")
    named = Counter[str]()
    unnamed = 0
    # Of unreadable lines the reference is what stands before the first delimiter.
    first_cell = pl.col("text").str.extract(r'^"?([^,"]*)', 1)
    told = records.with_columns(reference=pl.coalesce("external_reference", first_cell)).join(fates, on="position")
    reasons = told.select("reference", "fate", reason=pl.col("reasons").list.first().fill_null(pl.col("fate")))
    by_reference = reasons.filter(pl.col("fate") != "not_attempted").unique("reference")
    found = only_theirs.join(by_reference, left_on="external_reference", right_on="reference", how="left")
    for (reason,), rows in found.group_by("reason"):
        if reason is None:
            unnamed += rows.height
        else:
            named[f"created by hand only; here {reason}"] += rows.height
    swallowed = _swallowed(told)
    lost = only_ours.join(told.select(external_reference="reference", position="position"), on="external_reference")
    inside = lost.join(swallowed, on="position", how="semi")["external_reference"].n_unique()
    named["created here only; by hand an open quote above has swallowed it"] += inside
    others = only_ours.filter(
        ~pl.col("external_reference").is_in(
            lost.join(swallowed, on="position", how="semi")["external_reference"].implode()
        )
    )
    also = others.join(only_theirs, on="external_reference", how="semi").height
    named["created by both, with other content"] += also
    unnamed += others.height - also
    return {name: count for name, count in sorted(named.items()) if count}, unnamed


def _swallowed(told: pl.DataFrame) -> pl.DataFrame:
    """Positions between a quote that never closes and the next line with a quote, where a reader that trusts it goes on."""
    opened = told.select("position", is_open=pl.col("reasons").list.contains("READ.UNCLOSED_QUOTE"))
    starts = opened.filter("is_open")["position"]
    span = 60  #: records; one line in ten has a quote
    return pl.DataFrame(
        {"position": [at + more for at in starts for more in range(1, span)]}, schema={"position": pl.Int64}
    ).unique()


def _table(
    middle: dict[str, dict[str, float]],
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
        "| | seconds | times a plan | rows a second | peak memory, MB |",
        "|---|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {name} | {one['seconds']:.2f} | {one['seconds'] / ours:.3f} | {rows / one['seconds']:,.0f} | {one['peak_bytes'] / 1e6:,.0f} |"
        for name, one in middle.items()
    ]
    lines += [
        "",
        "Where the time of the plan goes (stages beside each other overlap):",
        "",
        "| stage | seconds | peak memory, MB |",
        "|---|---:|---:|",
    ]
    lines += [
        f"| {stage} | {of['seconds']:.2f} | {(of['peak_bytes'] or 0) / 1e6:,.0f} |" for stage, of in profile.items()
    ]
    lines += ["", "Where the two programs differ:", ""]
    lines += [f"- {count:,} {name}" for name, count in differences.items()] or ["- nowhere"]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
