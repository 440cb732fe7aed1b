"""Measure the user seconds of `plan` and `run` on 50 records, as the number of columns grows.

    python -m tests.benches.width

Four times the columns take about four times as long at most; sixteen times would be a square.
"""

import csv
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import pyarrow as pa
from pyarrow import parquet

WIDTHS = (500, 1_000, 2_000, 4_000)
RECORDS = 50


def table(kind: str, width: int) -> list[list[str]]:
    """A header and records; of metadata each record gives eight values, for billing takes ten at most."""
    prefix = "metadata.k" if kind == "metadata" else "column "
    header = ["external_reference", "name", *(f"{prefix}{number}" for number in range(width - 2))]
    every = width // 8 if kind == "metadata" else 1
    rows = [
        [
            f"R-{row}",
            f"Ann {row}",
            *(f"v{row}" if number % every == row % every else "" for number in range(width - 2)),
        ]
        for row in range(RECORDS)
    ]
    return [header, *rows]


def written(kind: str, width: int, folder: Path) -> Path:
    """The table as a file of this kind."""
    rows = table(kind, width)
    if kind == "parquet":
        path = folder / f"{width}.parquet"
        parquet.write_table(
            pa.table(dict(zip(rows[0], map(list, zip(*rows[1:], strict=True)), strict=True))), path
        )
        return path
    path = folder / f"{kind}-{width}.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    return path


def seconds(path: Path, *words: str) -> float:
    """The user seconds of a command in its own process."""
    with tempfile.TemporaryDirectory() as folder:
        before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
        command = [sys.executable, "-m", "pipeline", words[0], str(path), "--sandbox", *words[1:]]
        subprocess.run(command, cwd=folder, capture_output=True, check=True)
        return resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before


def main() -> None:
    """Print a line for each kind of file and command."""
    print(f"{'':18}" + "".join(f"{width:>9,}" for width in WIDTHS) + "   4,000 to 1,000")
    with tempfile.TemporaryDirectory() as folder:
        for kind in ("csv", "metadata", "parquet"):
            paths = [written(kind, width, Path(folder)) for width in WIDTHS]
            for words in (("plan",), ("run", "--yes")):
                took = [seconds(path, *words) for path in paths]
                shown = "".join(f"{one:8.1f}s" for one in took)
                print(f"{kind:<10}{words[0]:<8}{shown}   {took[3] / took[1]:.1f}", flush=True)


if __name__ == "__main__":
    main()
