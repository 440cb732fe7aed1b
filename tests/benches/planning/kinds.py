"""Compare plans of three files: every row bad for every reason, every row a repeat, all clean.

Run it: python -m tests.benches.planning.kinds [--rows 1000000] [--rounds 3] [--folder DIR]
Written to tests/benches/results/kinds.md and kinds.jsonl; 1 where one takes more than three times what the clean one does.
"""

import argparse
import shutil
import statistics
import sys
import tempfile
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from tests.benches.planning.__main__ import FROM_ROWS, RESULTS, made, place, timed
from tests.prove.gathering import gather

CLEAN, KINDS = "clean", ("clean", "hopeless", "repeating")
AT_MOST = 3.0  #: times the time and the memory of the clean file
KNOWN = 1_000_000


def main() -> int:
    """Print the table; return 1 if a bad file costs too much."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--rows", type=int, default=1_000_000)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument(
        "--folder", type=Path, help="Keep the files in this folder, and reuse them."
    )
    options.add_argument("--results", type=Path, default=RESULTS)
    given = options.parse_args()
    with nullcontext(given.folder) if given.folder else tempfile.TemporaryDirectory() as folder:
        return bench(Path(folder), given.rows, given.rounds, given.results)


def bench(folder: Path, rows: int, rounds: int, results: Path) -> int:
    """Measure in turns, print and write."""
    runs: dict[str, list[dict[str, Any]]] = {kind: [] for kind in KINDS}
    for _ in range(rounds):
        for kind in KINDS:
            runs[kind].append(_measured(folder, rows, kind))
    middle = {
        kind: {
            name: statistics.median(one[name] for one in measured)
            for name in ("seconds", "peak_bytes")
        }
        for kind, measured in runs.items()
    }
    table = _table(
        middle, {kind: measured[-1]["fates"] for kind, measured in runs.items()}, rows, rounds
    )
    print(table)
    (results / "kinds.md").write_text(table, encoding="utf-8")
    gather("kinds", results, rows=rows, known=KNOWN, rounds=rounds, medians=middle)
    worst = max(
        middle[kind][name] / middle[CLEAN][name]
        for kind in KINDS
        for name in ("seconds", "peak_bytes")
    )
    return int(rows >= FROM_ROWS and worst > AT_MOST)


def _measured(folder: Path, rows: int, kind: str) -> dict[str, Any]:
    file, _, home = made(folder, rows, min(KNOWN, rows), kind)
    reports = folder / "reports"
    one = timed(
        "pipeline",
        "plan",
        file,
        *place(home),
        "--reports",
        reports,
        "--json",
        "--max-rejected",
        "100%",
    )
    shutil.rmtree(reports)
    content = one["printed"]
    if not content["accounting"]["holds"] or content["records"]["read"] != rows:
        raise AssertionError("records were lost, or the figures do not add up")
    peak = max(stage["peak_bytes"] or 0 for stage in content["profile"].values())
    return {
        "seconds": one["seconds"],
        "peak_bytes": peak,
        "fates": {k: v for k, v in content["fates"].items() if v},
    }


def _table(
    middle: dict[str, dict[str, float]], fates: dict[str, dict[str, int]], rows: int, rounds: int
) -> str:
    lines = [
        f"# What bad files cost, in {rows:,} rows",
        "",
        f"Median of {rounds}; memory does not include mapped files.",
        "",
        "| file | seconds | times the clean one | peak memory, MB | times the clean one | fates of its rows |",
        "|---|---:|---:|---:|---:|---|",
    ]
    clean = middle[CLEAN]
    lines += [
        f"| {kind} | {one['seconds']:.1f} | {one['seconds'] / clean['seconds']:.2f} | {one['peak_bytes'] / 1e6:,.0f} "
        f"| {one['peak_bytes'] / clean['peak_bytes']:.2f} "
        f"| {', '.join(f'{count:,} {fate}' for fate, count in fates[kind].items())} |"
        for kind, one in middle.items()
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
