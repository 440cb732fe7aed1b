"""What is still open, run after run: which rows wait for somebody, since when, and in how many runs they did.

An item is met again where its row comes back, or where a later run reads a record of the same external reference; what became
of it there counts. A record that was settled so stays settled, though its file be fed once more.
"""

from dataclasses import dataclass, field
from datetime import date
from typing import Any

import polars as pl

from pipeline.outcomes import LISTS

OPEN_FATES = [fate.value for name in ("held", "in_doubt", "rejected", "unprocessed") for fate in LISTS[name]]
ROWS: dict[str, pl.DataType | type[pl.DataType]] = {
    "row_id": pl.String, "external_reference": pl.String, "fate": pl.String, "reasons": pl.List(pl.String),
    "currency": pl.String, "balance": pl.Int64, "origin_run": pl.String, "origin_row": pl.String,
    "file": pl.String, "place": pl.String,
}  # fmt: skip
ITEMS = pl.Schema(
    {
        **{name: kind for name, kind in ROWS.items() if not name.startswith("origin")},
        **dict.fromkeys(("run_id", "since_run", "since"), pl.String),
        "runs": pl.Int64,
    }
)


@dataclass(frozen=True, slots=True)
class Open:
    """What is open (`items`, see `ITEMS`), and the records that were and are no more: file (SHA-256), place."""

    items: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=ITEMS))
    settled: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema={"file": pl.String, "place": pl.String}))


def carried(before: Open, run_id: str, day: str, rows: pl.LazyFrame) -> Open:
    """What is open after one more run: `rows` has the columns of `ROWS`, `day` is when it was planned (ISO 8601)."""
    items = before.items
    met = rows.filter(
        pl.col("fate").is_in(OPEN_FATES)
        | pl.col("external_reference").is_in(items["external_reference"].drop_nulls().unique().implode())
        | pl.col("origin_row").is_in(items["row_id"].implode())
    ).collect()
    met = met.join(before.settled, on=["file", "place"], how="anti", maintain_order="left")
    since = ("since_run", "since", "runs")
    by_link = met.join(
        items.select(origin_run="run_id", origin_row="row_id", linked_file="file", linked_place="place", **{f"linked_{name}": name for name in since}),
        on=["origin_run", "origin_row"], how="left", maintain_order="left",
    )  # fmt: skip
    oldest = (
        items.drop_nulls("external_reference")
        .sort("since", maintain_order=True)
        .unique("external_reference", keep="first")
    )
    now = by_link.join(
        oldest.select("external_reference", *since), on="external_reference", how="left", maintain_order="left"
    ).with_columns(
        run_id=pl.lit(run_id),
        file=pl.coalesce("linked_file", "file"),
        place=pl.coalesce("linked_place", "place"),
        since_run=pl.coalesce("linked_since_run", "since_run", pl.lit(run_id)),
        since=pl.coalesce("linked_since", "since", pl.lit(day)),
        runs=pl.coalesce("linked_runs", "runs", pl.lit(0)) + 1,
    )
    still = now.filter(pl.col("fate").is_in(OPEN_FATES)).select(ITEMS.names()).cast(ITEMS)
    came_back = met.select(run_id="origin_run", row_id="origin_row").drop_nulls()
    references = met["external_reference"].drop_nulls().implode()
    left = items.join(came_back, on=["run_id", "row_id"], how="anti", maintain_order="left").filter(
        pl.col("external_reference").is_null() | ~pl.col("external_reference").is_in(references)
    )
    items_now = pl.concat([left, still])
    gone = items.select("file", "place").join(items_now, on=["file", "place"], how="anti")
    return Open(items_now, pl.concat([before.settled, gone]).unique())


def ages(items: pl.DataFrame, until: str) -> list[dict[str, Any]]:
    """Open items by fate and age: fate, records, the oldest since when, days, the most runs, sums per currency.

    `until`: the day to which they are counted (ISO 8601).
    """
    found = []
    for fate in OPEN_FATES:
        of_fate = items.filter(pl.col("fate") == fate)
        if of_fate.height:
            oldest = str(of_fate["since"].min())
            sums = of_fate.group_by("currency").agg(pl.col("balance").cast(pl.Int128).sum()).sort("currency")
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
