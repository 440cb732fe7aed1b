"""Records that wait for a person: since when, and over how many runs."""

from datetime import date
from typing import Any

import polars as pl

from pipeline.domain.fates import LISTS, Fate

OPEN_FATES = [
    fate.value
    for name in ("held", "in_doubt", "rejected", "unprocessed")
    for fate in LISTS[name]
    if fate is not Fate.GIVEN_UP  # a person has closed its case
]


def ages(items: pl.DataFrame, until: str) -> list[dict[str, Any]]:
    """Open items by fate: fate, records, since, days, the most runs, sums per currency.

    `until`: the day up to which the days are counted (ISO 8601).
    """
    found = []
    for fate in OPEN_FATES:
        of_fate = items.filter(pl.col("fate") == fate)
        if of_fate.height:
            oldest = str(of_fate["since"].min())
            sums = (
                of_fate.group_by("currency")
                .agg(pl.col("balance").cast(pl.Int128).sum())
                .sort("currency")
            )
            found.append(
                {
                    "fate": fate, "records": of_fate.height, "since": oldest, "days": days_between(oldest, until),
                    "runs": of_fate["runs"].max(), "sums": {code: int(total or 0) for code, total in sums.iter_rows()},
                }
            )  # fmt: skip
    return found


def days_between(earlier: str, later: str) -> int:
    """Whole days between the days of two moments (ISO 8601)."""
    return (date.fromisoformat(later[:10]) - date.fromisoformat(earlier[:10])).days
