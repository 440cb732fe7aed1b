"""The records of a run with their fates, and the file and place in which each stands."""

from collections.abc import Iterator, Sequence
from typing import Any

import polars as pl
import pyarrow.parquet as pq

from pipeline.reporting import ROWS
from pipeline.storage.run_folder import RunFolder

_OF_FATES = ("row_id", "external_reference", "fate", "reasons", "currency", "balance")


def rows_of(run: RunFolder) -> pl.LazyFrame:
    """Every record of a run with its fate, and the file and place where it stands: see `current_fates.ROWS`.

    References and balances are missing once the staged files are gone.
    """
    return pl.concat(_lazy_parts(run))


def parts_of(run: RunFolder) -> Iterator[pl.DataFrame]:
    """The same, part by part, so that nothing has to hold all of them."""
    for part in _lazy_parts(run):
        yield part.collect()


def _lazy_parts(run: RunFolder) -> list[pl.LazyFrame]:
    inputs = run.read_plan_of_any_version()["inputs"]
    if run.parts("fates") and len(run.parts("fates")) == len(run.parts("records")):
        contents, at, parts = (
            pl.scan_parquet(run.path / "rows.parquet", glob=False).select("fingerprint"),
            0,
            [],
        )
        for records, fates in zip(run.parts("records"), run.parts("fates"), strict=True):
            height = pq.read_metadata(fates).num_rows
            sides = [
                pl.scan_parquet(records, glob=False).select("origin_run", "origin_row"),
                pl.scan_parquet(fates, glob=False).select(_OF_FATES),
                contents.slice(at, height),
            ]
            parts.append(pl.concat(sides, how="horizontal"))
            at += height
    else:
        kept = pl.scan_parquet(run.path / "rows.parquet", glob=False)
        missing = [
            pl.lit(None, ROWS[name]).alias(name)
            for name in ("external_reference", "currency", "balance")
        ]
        parts = [kept.with_columns(*missing, origin_run="mends_run_id", origin_row="mends_row_id")]
    return [placed(part, inputs).select(ROWS.keys()) for part in parts]


def table_of(described: dict[str, Any]) -> str:
    """What a file is known by: its SHA-256, of a workbook with the sheet that was read, for its sheets are different tables."""
    sheet = described["written"].get("sheet")
    return str(described["sha256"]) + (f"!{sheet}" if sheet else "")


def placed(rows: pl.LazyFrame, inputs: Sequence[dict[str, Any]]) -> pl.LazyFrame:
    """Rows with the file that they are of (see `table_of`), and their place in it: what follows the file's name in the row id."""
    file, place = pl.lit(None, pl.String), pl.lit(None, pl.String)
    for one in inputs:
        rest = pl.col("row_id").str.slice(len(one["name"]))
        is_here = pl.col("row_id").str.starts_with(one["name"]) & rest.str.slice(0, 1).is_in(
            [":", "#", "!"]
        )
        file, place = (
            pl.when(is_here).then(pl.lit(table_of(one))).otherwise(file),
            pl.when(is_here).then(rest).otherwise(place),
        )
    return rows.with_columns(file=file, place=place)
