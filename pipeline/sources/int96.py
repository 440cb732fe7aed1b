"""Moments of the old Parquet type INT96, a day and nanoseconds of it, as exact text.

Arrow gives them in nanoseconds, which wrap around before 1677 and after 2262, or in seconds, which lose the fraction.
Both together give every moment exactly.
"""

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.sources.arrow_text import text_of

_NANOSECONDS = 10**9  #: of a second


def exact_moments(seconds: pa.Array, nanoseconds: pa.Array) -> pa.Array:
    """The text of each moment, with nine digits of a second where it has a fraction; raise ArrowInvalid for a year without a text."""
    whole = text_of(pa.chunked_array([seconds])).text
    # Both sides wrap around alike, so their difference is the true fraction.
    fraction = pc.subtract(nanoseconds.view(pa.int64()), pc.multiply(seconds.view(pa.int64()), _NANOSECONDS))
    if not pc.all(pc.and_(pc.greater_equal(fraction, 0), pc.less(fraction, _NANOSECONDS)), min_count=0).as_py():
        raise pa.ArrowInvalid("a moment whose seconds and nanoseconds disagree")
    text, part = pl.col("text"), pl.col("fraction")
    digits = pl.concat_str(text, pl.lit("."), part.cast(pl.String).str.zfill(9))
    moments = pl.DataFrame({"text": whole, "fraction": pl.from_arrow(fraction)})
    exact = moments.select(pl.when(part == 0).then(text).otherwise(digits))
    return exact.to_series().to_arrow()
