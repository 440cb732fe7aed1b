"""Records from cells (Parquet, workbooks): unreadable records and their text."""

import polars as pl

from pipeline.domain.characters import escaped
from pipeline.domain.reasons import Reason
from pipeline.sources.source_file import CONTROL, LONE_CR, LONGEST_RECORD


def reason_of(cells: list[pl.Expr]) -> pl.Expr:
    """The first reason, in the order of CSV files; the length counts cells and commas."""
    length = (
        pl.sum_horizontal(cell.str.len_bytes().cast(pl.Int64) for cell in cells) + len(cells) - 1
    )
    return (
        pl.when("undecoded").then(pl.lit(Reason.READ_NOT_UTF8.value))
        .when(length > LONGEST_RECORD).then(pl.lit(Reason.READ_TOO_LONG.value))
        .when(pl.any_horizontal(cell.str.contains(CONTROL) for cell in cells))
        .then(pl.lit(Reason.READ_CONTROL_CHARACTER.value))
        .when(pl.any_horizontal(cell.str.contains(LONE_CR) for cell in cells))
        .then(pl.lit(Reason.READ_LONE_CR.value))
    )  # fmt: skip


def text_of_unreadable(table: pl.DataFrame, cells: list[pl.Expr]) -> pl.Expr:
    """The record as a CSV line, if it has a reason."""
    if table["reason"].null_count() == table.height:
        return pl.lit(None, pl.String)
    fields = [
        pl.when(cell.str.contains(r'[",\r\n]'))
        .then(
            pl.concat_str(pl.lit('"'), cell.str.replace_all('"', '""', literal=True), pl.lit('"'))
        )
        .otherwise(cell.fill_null(""))
        for cell in cells
    ]
    return pl.when(pl.col("reason").is_not_null()).then(
        escaped(pl.concat_str(fields, separator=","))
    )
