"""Compare our reader, which accounts for every line, with `polars.read_csv` on the same clean file.

Run it: python -m tests.benches.reading [--rows 1000000] [--rounds 5]
The medians are appended to tests/benches/results/reading.jsonl, with commit and machine.
"""

import argparse
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import polars as pl

from pipeline.sources import in_order, read
from tests.prove.gathering import gather

RESULTS = Path(__file__).parent / "results"
MOST_CLEAN, MOST_DIRTY = (
    5.0,
    15.0,
)  #: times polars; a dirty file at most three times a clean one's share
HEADER = "external_reference,name,email,phone,currency,balance,metadata.plan,metadata.branch,notes"
#: One line in ten of the dirty file: what people deliver.
BROKEN = (
    "ACC-{n},Sam Sample,sam@example.com,+27821234567,ZAR,100,flat,Durban",
    "ACC-{n},Sam, Sample,sam@example.com,+27821234567,ZAR,100,flat,Durban,x",
    'ACC-{n},Sam "S" Sample,sam@example.com,+27821234567,ZAR,100,flat,Durban,x',
    'ACC-{n},"Sam\nSample",sam@example.com,+27821234567,ZAR,100,flat,Durban,x',
    'ACC-{n},"Sam ""S"" Sample",sam@example.com,+27821234567,ZAR,100,flat,Durban,x',
    "",
    "ACC-{n},Sam\x01Sample,sam@example.com,+27821234567,ZAR,100,flat,Durban,x",
    'ACC-{n},"Sam Sample,sam@example.com,+27821234567,ZAR,100,flat,Durban,x',
    "ACC-{n},R\xe9n\xe9e,sam@example.com,+27821234567,ZAR,100,flat,Durban,x\r",
)


def main() -> int:
    """Print the ratios; return 1 if one is too large."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rows", type=int, default=1_000_000)
    options.add_argument("--rounds", type=int, default=5)
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        clean, dirty = Path(folder) / "clean.csv", Path(folder) / "dirty.csv"
        clean.write_text("\n".join([HEADER, *_lines(given.rows, 0.0)]) + "\n", encoding="utf-8")
        dirty.write_text("\n".join([HEADER, *_lines(given.rows, 0.1)]) + "\n", encoding="utf-8")
        rounds = [(_polars(clean), _ours(clean), _ours(dirty)) for _ in range(given.rounds)]
    theirs, ours, ours_dirty = (statistics.median(seconds) for seconds in zip(*rounds, strict=True))
    print(
        f"polars {theirs:.2f} s; with every line accounted for {ours:.2f} s, {ours / theirs:.2f} times (at most {MOST_CLEAN:g})"
    )
    print(
        f"one line in ten broken {ours_dirty:.2f} s, {ours_dirty / theirs:.2f} times (at most {MOST_DIRTY:g})"
    )
    gather(
        "reading",
        RESULTS,
        rows=given.rows,
        rounds=given.rounds,
        polars=round(theirs, 3),
        clean=round(ours, 3),
        dirty=round(ours_dirty, 3),
    )
    return int(ours / theirs > MOST_CLEAN or ours_dirty / theirs > MOST_DIRTY)


def _lines(rows: int, share: float) -> Iterator[str]:
    dice = random.Random(11)
    for number in range(rows):
        if share and dice.random() < share:
            yield dice.choice(BROKEN).format(n=number)
        else:
            yield (
                f"ACC-{number:07},Thandi Nkosi {number % 977},thandi{number}@example.com,+2782{number % 10**7:07},ZAR,"
                f"{dice.randrange(10**6)},flat,Durban,called on Monday"
            )


def _polars(path: Path) -> float:
    began = time.perf_counter()
    pl.read_csv(path, infer_schema=False)
    return time.perf_counter() - began


def _ours(path: Path) -> float:
    """Read to the end: hash, frame and split, and count every line."""
    began = time.perf_counter()
    files = in_order([path])
    records = sum(batch.records.height for _, batch in read(files))
    lines = files[0].lines
    if lines.physical != lines.header + lines.blank + lines.skipped + lines.records or not records:
        raise AssertionError(f"lines lost: {lines}")
    return time.perf_counter() - began


if __name__ == "__main__":
    sys.exit(main())
