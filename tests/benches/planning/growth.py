"""Measure how time and memory of a plan grow with rows and known customers: a table and a chart.

Run it: python -m tests.benches.planning.growth [--rows 1 3 10] [--known 1 10 50] [--folder DIR]   (millions)
Written to tests/benches/results/growth.md, growth.svg and growth.jsonl; of another kind of file to growth-KIND.
"""

import argparse
import os
import shutil
import sys
import tempfile
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from tests.benches.planning.__main__ import RESULTS, made, place, timed
from tests.prove.gathering import gather

MILLION = 1_000_000


def main() -> int:
    """Measure, print the table, and write table and chart."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument(
        "--rows",
        type=float,
        nargs="+",
        default=[1, 3, 10],
        help="Millions, against the middle number of known ones.",
    )
    options.add_argument(
        "--known",
        type=float,
        nargs="+",
        default=[1, 10, 50],
        help="Millions, for the smallest number of rows.",
    )
    options.add_argument("--kind", default="usual")
    options.add_argument("--folder", type=Path)
    options.add_argument("--results", type=Path, default=RESULTS)
    given = options.parse_args()
    usual = sorted(given.known)[len(given.known) // 2]
    wanted = [(rows, usual) for rows in given.rows] + [
        (min(given.rows), known) for known in given.known if known != usual
    ]
    with nullcontext(given.folder) if given.folder else tempfile.TemporaryDirectory() as folder:
        found = [
            _measured(Path(folder), int(rows * MILLION), int(known * MILLION), given.kind)
            for rows, known in wanted
        ]
    table = _table(found, usual * MILLION, min(given.rows) * MILLION)
    print(table)
    name = "growth" if given.kind == "usual" else f"growth-{given.kind}"
    (given.results / f"{name}.md").write_text(table, encoding="utf-8")
    _draw(found, usual * MILLION, min(given.rows) * MILLION, given.results / f"{name}.svg")
    for one in found:
        gather(name, given.results, kind=given.kind, **one)
    return 0


def _measured(folder: Path, rows: int, known: int, kind: str) -> dict[str, Any]:
    """One plan: seconds in all, and the most memory of all stages that no file backs."""
    file, _, home = made(folder, rows, known, kind)
    reports = folder / "reports"
    one = timed("pipeline", "plan", file, *place(home), "--reports", reports, "--json")
    shutil.rmtree(reports)
    content = one["printed"]
    if not content["accounting"]["holds"] or content["records"]["read"] < rows:
        raise AssertionError("records were lost, or the figures do not add up")
    peak = max(stage["peak_bytes"] or 0 for stage in content["profile"].values())
    return {
        "rows": rows,
        "known": known,
        "seconds": round(one["seconds"], 2),
        "peak_bytes": peak,
        "stages": content["seconds"],
    }


def _table(found: list[dict[str, Any]], usual: float, fewest: float) -> str:
    lines = [
        "# How a plan grows",
        "",
        f"{os.cpu_count()} cores; memory does not include mapped files.",
        "",
        "| rows | known customers | seconds | microseconds a row | peak memory, MB | bytes a row |",
        "|---:|---:|---:|---:|---:|---:|",
    ]
    ordered = sorted(found, key=lambda one: (one["known"] != usual, one["rows"], one["known"]))
    lines += [
        f"| {one['rows']:,} | {one['known']:,} | {one['seconds']:.1f} | {one['seconds'] / one['rows'] * 1e6:.1f} "
        f"| {one['peak_bytes'] / 1e6:,.0f} | {one['peak_bytes'] / one['rows']:,.0f} |"
        for one in ordered
    ]
    first = next(one for one in ordered if one["rows"] == fewest)
    lines += ["", *(
        f"- {one['rows'] / first['rows']:g} times the rows: {one['seconds'] / first['seconds']:.2f} times the time"
        for one in ordered if one["known"] == usual and one["rows"] != first["rows"]
    )]  # fmt: skip
    return "\n".join(lines) + "\n"


def _draw(found: list[dict[str, Any]], usual: float, fewest: float, path: Path) -> None:
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "growth"  # the same figures make the same file
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
    by_rows = sorted((one for one in found if one["known"] == usual), key=lambda one: one["rows"])
    by_known = sorted((one for one in found if one["rows"] == fewest), key=lambda one: one["known"])
    for axis, series, name, what in (
        (
            axes[0],
            by_rows,
            "rows",
            f"customers in the file, against {usual / MILLION:g} million known",
        ),
        (
            axes[1],
            by_known,
            "known",
            f"known customers, for {fewest / MILLION:g} million in the file",
        ),
    ):
        across = [one[name] / MILLION for one in series]
        axis.plot(
            across, [one["seconds"] for one in series], "o-", color="#1f6f8b", label="seconds"
        )
        axis.set_xlabel(f"millions of {what}")
        axis.set_ylabel("seconds")
        axis.set_ylim(bottom=0)
        memory = axis.twinx()
        memory.plot(
            across,
            [one["peak_bytes"] / 1e6 for one in series],
            "s--",
            color="#b5651d",
            label="peak memory, MB",
        )
        memory.set_ylabel("peak memory, MB")
        memory.set_ylim(bottom=0)
        axis.legend(
            handles=[*axis.get_lines(), *memory.get_lines()], loc="lower right", frameon=False
        )
    figure.savefig(path, metadata={"Date": None, "Creator": None})


if __name__ == "__main__":
    sys.exit(main())
