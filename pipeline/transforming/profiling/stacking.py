"""Columns under one another in one long table, so that a thousand narrow columns cost no more than one long one."""

from collections.abc import Iterator, Sequence

import polars as pl

_CELLS_AT_ONCE = 1 << 20


def stacked(columns: Sequence[pl.Series], **beside: pl.Series) -> Iterator[pl.DataFrame]:
    """The cells as `at` (the place of their column) and `text`, some columns at a time; `beside`: what each row has besides."""
    height = max(1, len(columns[0])) if columns else 1
    at_once = max(1, _CELLS_AT_ONCE // height)
    for begin in range(0, len(columns), at_once):
        # Names are data: places take their stead, so that none of them is read as a pattern or meets another.
        places = {
            str(begin + place): column
            for place, column in enumerate(columns[begin : begin + at_once])
        }
        table = pl.DataFrame({**places, **beside})
        yield table.unpivot(
            on=list(places), index=list(beside), variable_name="at", value_name="text"
        ).with_columns(pl.col("at").cast(pl.Int64))
