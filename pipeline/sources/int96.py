"""Moments of the old Parquet type INT96 (a day and its nanoseconds) as exact text.

Arrow reads them as nanoseconds, which wrap before 1677 and after 2262, or as seconds, which lose
the fraction. Both together are exact, except for the day: Arrow reads nanoseconds as unsigned, so a
negative time of day in 1900 to 2199 becomes a moment of 2484 to 2784. Moments of those years are
refused.
"""

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.sources.arrow_text import text_of

_NANOSECONDS = 10**9  #: of a second
_WRAPPED = 2**64 // _NANOSECONDS  #: seconds added to a negative time of day
_UNCLEAR = (
    -2_208_988_800 - 86_400 + _WRAPPED,
    7_258_118_400 + _WRAPPED,
)  #: a day before 1900-01-01, and 2200-01-01


def exact_moments(seconds: pa.Array, nanoseconds: pa.Array) -> pa.Array:
    """The text of each moment; ArrowInvalid for a year without a text or an unclear moment."""
    whole = text_of(pa.chunked_array([seconds])).text
    # Both sides wrap in the same way, so their difference is the fraction.
    fraction = pc.subtract(
        nanoseconds.view(pa.int64()), pc.multiply(seconds.view(pa.int64()), _NANOSECONDS)
    )
    if not pc.all(
        pc.and_(pc.greater_equal(fraction, 0), pc.less(fraction, _NANOSECONDS)), min_count=0
    ).as_py():
        raise pa.ArrowInvalid("a moment whose seconds and nanoseconds disagree")
    whole_seconds = seconds.view(pa.int64())
    is_unclear = pc.and_(
        pc.greater_equal(whole_seconds, _UNCLEAR[0]), pc.less(whole_seconds, _UNCLEAR[1])
    )
    if pc.any(is_unclear, min_count=0).as_py():
        raise pa.ArrowInvalid("a moment that may be a time of day below zero")
    text, part = pl.col("text"), pl.col("fraction")
    digits = pl.concat_str(text, pl.lit("."), part.cast(pl.String).str.zfill(9))
    moments = pl.DataFrame({"text": whole, "fraction": pl.from_arrow(fraction)})
    exact = moments.select(pl.when(part == 0).then(text).otherwise(digits))
    return exact.to_series().to_arrow()
