"""Stack columns into one long table, which is faster than a thousand narrow columns."""

from collections.abc import Iterator, Sequence

import polars as pl

_CELLS_AT_ONCE = 1 << 20


def stacked(columns: Sequence[pl.Series], **beside: pl.Series) -> Iterator[pl.DataFrame]:
    """The cells as `at` (column position) and `text`, by groups; `beside`: other columns."""
    height = max(1, len(columns[0])) if columns else 1
    at_once = max(1, _CELLS_AT_ONCE // height)
    for begin in range(0, len(columns), at_once):
        # Names are data: use positions, so that no name is read as a pattern or collides.
        places = {
            str(begin + place): column
            for place, column in enumerate(columns[begin : begin + at_once])
        }
        table = pl.DataFrame({**places, **beside})
        yield table.unpivot(
            on=list(places), index=list(beside), variable_name="at", value_name="text"
        ).with_columns(pl.col("at").cast(pl.Int64))
