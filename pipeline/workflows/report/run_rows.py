"""The records of a run with their fates, and the file and place of each."""

from collections.abc import Iterator, Sequence
from typing import Any

import polars as pl

from pipeline.reporting import ROWS
from pipeline.storage.aligned_parts import aligned_parts
from pipeline.storage.run_folder import RunFolder

_OF_FATES = ("row_id", "external_reference", "fate", "reasons", "currency", "balance")


def rows_of(run: RunFolder) -> pl.LazyFrame:
    """Every record of a run in the columns of `current_fates.ROWS`.

    References and balances are null once the staged files are gone.
    """
    return pl.concat(_lazy_parts(run))


def parts_of(run: RunFolder) -> Iterator[pl.DataFrame]:
    """The same, part by part, to save memory."""
    for part in _lazy_parts(run):
        yield part.collect()


def _lazy_parts(run: RunFolder) -> list[pl.LazyFrame]:
    inputs = run.read_plan_of_any_version()["inputs"]
    if run.parts("fates") and len(run.parts("fates")) == len(run.parts("records")):
        parts = []
        for part in aligned_parts(run, "records", "fates", "rows"):
            sides = [
                part.table("records").select("origin_run", "origin_row"),
                part.table("fates").select(_OF_FATES),
                part.table("rows").select("fingerprint"),
            ]
            parts.append(pl.concat(sides, how="horizontal"))
    else:
        kept = pl.scan_parquet(run.path / "rows.parquet", glob=False)
        missing = [
            pl.lit(None, ROWS[name]).alias(name)
            for name in ("external_reference", "currency", "balance")
        ]
        parts = [kept.with_columns(*missing, origin_run="mends_run_id", origin_row="mends_row_id")]
    return [placed(part, inputs).select(ROWS.keys()) for part in parts]


def table_of(described: dict[str, Any]) -> str:
    """The identity of a table: the SHA-256 of its file, and of a workbook the sheet too."""
    sheet = described["written"].get("sheet")
    return str(described["sha256"]) + (f"!{sheet}" if sheet else "")


def placed(rows: pl.LazyFrame, inputs: Sequence[dict[str, Any]]) -> pl.LazyFrame:
    """Rows with their file (see `table_of`) and place: the row id after the name of the file."""
    file, place = pl.lit(None, pl.String), pl.lit(None, pl.String)
    for one in inputs:
        rest = pl.col("row_id").str.slice(len(one["name"]))
        is_of_file = pl.col("row_id").str.starts_with(one["name"]) & rest.str.slice(0, 1).is_in(
            [":", "#", "!"]
        )
        file, place = (
            pl.when(is_of_file).then(pl.lit(table_of(one))).otherwise(file),
            pl.when(is_of_file).then(rest).otherwise(place),
        )
    return rows.with_columns(file=file, place=place)
