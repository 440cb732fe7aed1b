"""Compare our phone numbers per second with those of phonenumbers, on the same texts in one run.

Run it: python -m tests.benches.phones [--rows 1000000] [--rounds 5]
The medians are appended to tests/benches/results/phones.jsonl, with commit and machine.
"""

import argparse
import random
import statistics
import sys
import time
from pathlib import Path

import phonenumbers
import polars as pl
from phonenumbers import NumberParseException, PhoneNumberFormat

from pipeline.transforming.normalize.phone import phone_kinds
from tests.prove.gathering import gather

RESULTS = Path(__file__).parent / "results"
LEAST = 20.0
BY_LIBRARY = 50_000  #: numbers that phonenumbers is asked in each round; its rate does not depend on how many
#: How South African files write them, with some of neighbours and far away; the last two in a hundred go to the library.
SHAPES = {
    "082 ### ####": 30, "083#######": 20, "+2782#######": 20, "(011) ###-####": 8, "021 ### ####": 8, "0027 71 ### ####": 2,
    "+267 71 ### ###": 3, "+44 7### ######": 3, "+1 212 ### ####": 2, "+91 98### #####": 2, "072-###-####": 1, "2782#######": 1,
}  # fmt: skip


def main() -> int:
    """Print both rates and their ratio; return 1 if it is too small."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rows", type=int, default=1_000_000)
    options.add_argument("--rounds", type=int, default=5)
    given = options.parse_args()
    dice = random.Random(7)
    shapes = dice.choices(list(SHAPES), list(SHAPES.values()), k=given.rows)
    texts = ["".join(str(dice.randrange(10)) if c == "#" else c for c in shape) for shape in shapes]
    numbers, regions = pl.Series(texts), pl.repeat("ZA", given.rows, eager=True)
    phone_kinds(numbers.head(1000), regions.head(1000))
    rounds = [
        (_columns(numbers, regions), _library(texts[:BY_LIBRARY])) for _ in range(given.rounds)
    ]
    ours, theirs = (statistics.median(rates) for rates in zip(*rounds, strict=True))
    print(
        f"columns {ours:,.0f} a second, phonenumbers {theirs:,.0f}: {ours / theirs:.1f} times (at least {LEAST:g})"
    )
    gather(
        "phones",
        RESULTS,
        rows=given.rows,
        rounds=given.rounds,
        columns=round(ours),
        phonenumbers=round(theirs),
    )
    return int(ours / theirs < LEAST)


def _columns(numbers: pl.Series, regions: pl.Series) -> float:
    began = time.perf_counter()
    phone_kinds(numbers, regions)
    return len(numbers) / (time.perf_counter() - began)


def _library(texts: list[str]) -> float:
    """The usual code: parse, validate, format as E.164."""
    began = time.perf_counter()
    for text in texts:
        try:
            number = phonenumbers.parse(text, "ZA")
        except NumberParseException:
            continue
        if phonenumbers.is_valid_number(number):
            phonenumbers.format_number(number, PhoneNumberFormat.E164)
    return len(texts) / (time.perf_counter() - began)


if __name__ == "__main__":
    sys.exit(main())
