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
    references = items["external_reference"].drop_nulls().unique().implode()
    met = rows.filter(
        pl.col("fate").is_in(OPEN_FATES)
        | pl.col("external_reference").is_in(references)
        | pl.col("origin_row").is_in(items["row_id"].implode())
        | (
            pl.col("file").is_in(items["file"].unique().implode())
            & pl.col("place").is_in(items["place"].unique().implode())
        )
    ).collect()
    met = met.join(before.settled, on=["file", "place"], how="anti", maintain_order="left")
    linked = items.select(
        origin_run="run_id", origin_row="row_id", linked_file="file", linked_place="place", **_since("linked")
    )
    again = items.unique(["file", "place"], keep="first", maintain_order=True).select(
        "file", "place", **_since("again")
    )
    oldest = (
        items.drop_nulls("external_reference")
        .sort("since", maintain_order=True)
        .unique("external_reference", keep="first")
        .select("external_reference", **_since("known"))
    )
    ways = ("linked", "again", "known")
    now = (
        met.join(linked, on=["origin_run", "origin_row"], how="left", maintain_order="left")
        .join(again, on=["file", "place"], how="left", maintain_order="left")
        .join(oldest, on="external_reference", how="left", maintain_order="left")
        .with_columns(
            run_id=pl.lit(run_id),
            file=pl.coalesce("linked_file", "file"),
            place=pl.coalesce("linked_place", "place"),
            since_run=pl.coalesce(*(f"{way}_since_run" for way in ways), pl.lit(run_id)),
            since=pl.coalesce(*(f"{way}_since" for way in ways), pl.lit(day)),
            runs=pl.coalesce(*(f"{way}_runs" for way in ways), pl.lit(0)) + 1,
        )
    )
    still = now.filter(pl.col("fate").is_in(OPEN_FATES)).select(ITEMS.names()).cast(ITEMS)
    came_back = met.select(run_id="origin_run", row_id="origin_row").drop_nulls()
    left = (
        items.join(came_back, on=["run_id", "row_id"], how="anti", maintain_order="left")
        .join(met.select("file", "place").drop_nulls(), on=["file", "place"], how="anti", maintain_order="left")
        .filter(
            pl.col("external_reference").is_null()
            | ~pl.col("external_reference").is_in(met["external_reference"].drop_nulls().implode())
        )
    )
    items_now = pl.concat([left, still])
    gone = items.select("file", "place").join(items_now, on=["file", "place"], how="anti")
    return Open(items_now, pl.concat([before.settled, gone]).unique())


def _since(way: str) -> dict[str, str]:
    """What an item that is met again hands on, under the way in which it was met."""
    return {f"{way}_{name}": name for name in ("since_run", "since", "runs")}


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
