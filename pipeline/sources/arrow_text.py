"""The values of Arrow columns as exact text, without locale, and never as 2.4E+2."""

from collections.abc import Callable
from dataclasses import dataclass

import polars as pl
import pyarrow as pa

from pipeline.errors import SourceError
from pipeline.sources.source_file import CONTROL

_PLAIN_SCALE = 6  #: the largest scale without an exponent in Arrow's texts (1E-7, 2.4E+2)


@dataclass(frozen=True, slots=True)
class Texts:
    r"""A column as text, null where nothing is given; `undecoded` marks texts of bytes that are not UTF-8, shown as \xNN."""

    text: pl.Series
    undecoded: pl.Series


def has_exact_text(dtype: pa.DataType) -> bool:
    """Whether exactly one text states each value of this type."""
    return any(holds(bare_type(dtype)) for holds, _ in _EXACT)


def has_text(dtype: pa.DataType) -> bool:
    """Whether values of this type have a text; nested ones have none."""
    return any(holds(bare_type(dtype)) for holds, _ in (*_EXACT, *_SHOWN))


def is_plain_text(column: pa.ChunkedArray) -> bool:
    """Whether all bytes of a column are UTF-8 without control characters."""
    texts = _strings(_unwrapped(column))
    return not (texts.undecoded.any() or texts.text.str.contains(CONTROL).any())


def is_float(dtype: pa.DataType) -> bool:
    """Whether this type is a binary fraction, which amounts and references are not."""
    return bool(pa.types.is_floating(bare_type(dtype)))


def text_of(column: pa.ChunkedArray) -> Texts:
    """The column as text; types without an exact text approximately, bytes as UTF-8."""
    column = _unwrapped(column)
    if is_string(column.type) or is_bytes(column.type):
        return _strings(column)
    convert = next(convert for holds, convert in (*_EXACT, *_SHOWN) if holds(column.type))
    text = convert(column)
    return Texts(text, _none_of(text))


def without_text(where: str, column: str, dtype: pa.DataType) -> SourceError:
    """The error for a column with a value that has no text."""
    return SourceError(
        f"{where}: column {column!r} holds a {dtype} that cannot be written as text; nothing was sent. Write the column as text"
    )


def bare_type(dtype: pa.DataType) -> pa.DataType:
    """The type inside extension types and dictionaries."""
    while True:
        if isinstance(dtype, pa.BaseExtensionType):
            dtype = dtype.storage_type
        elif pa.types.is_dictionary(dtype):
            dtype = dtype.value_type
        else:
            return dtype


def _unwrapped(column: pa.ChunkedArray) -> pa.ChunkedArray:
    while column.type != bare_type(column.type):
        if isinstance(column.type, pa.BaseExtensionType):
            column = _per_chunk(column, lambda chunk: chunk.storage, column.type.storage_type)
        else:
            column = _per_chunk(
                column, lambda chunk: chunk.dictionary_decode(), column.type.value_type
            )
    return column


def _per_chunk(
    column: pa.ChunkedArray, change: Callable[[pa.Array], pa.Array], dtype: pa.DataType
) -> pa.ChunkedArray:
    return pa.chunked_array([change(chunk) for chunk in column.chunks], dtype)


def _series(column: pa.ChunkedArray) -> pl.Series:
    return pl.Series(pl.from_arrow(column))


def is_string(dtype: pa.DataType) -> bool:
    """Whether this type is marked as UTF-8."""
    return bool(
        pa.types.is_string(dtype)
        or pa.types.is_large_string(dtype)
        or pa.types.is_string_view(dtype)
    )


def is_bytes(dtype: pa.DataType) -> bool:
    """Whether this type is bytes without a declared meaning."""
    kinds = (
        pa.types.is_binary,
        pa.types.is_large_binary,
        pa.types.is_binary_view,
        pa.types.is_fixed_size_binary,
    )
    return any(holds(dtype) for holds in kinds)


def _strings(column: pa.ChunkedArray) -> Texts:
    """Strings as bytes first: Arrow does not check that they are UTF-8, and polars trusts it."""
    as_bytes = pa.binary_view() if pa.types.is_string_view(column.type) else pa.large_binary()
    given = _series(column.cast(as_bytes))
    try:
        return Texts(given.cast(pl.String), _none_of(given))
    except pl.exceptions.ComputeError:
        cells = [_decoded(cell) for cell in given]
        texts, undecoded = zip(*cells, strict=True)
        return Texts(pl.Series(texts, dtype=pl.String), pl.Series(undecoded, dtype=pl.Boolean))


def _none_of(series: pl.Series) -> pl.Series:
    return pl.repeat(value=False, n=len(series), eager=True, dtype=pl.Boolean)


def _decoded(cell: bytes | None) -> tuple[str | None, bool]:
    try:
        return (cell if cell is None else cell.decode()), False
    except UnicodeDecodeError as error:
        return error.object.decode(errors="backslashreplace"), True


def _plain(column: pa.ChunkedArray) -> pl.Series:
    return _series(column).cast(pl.String)


def _arrow(column: pa.ChunkedArray) -> pl.Series:
    return _series(column.cast(pa.string()))


def _decimals(column: pa.ChunkedArray) -> pl.Series:
    """Decimals with all digits of their scale: 240.00 for scale 2."""
    scale = column.type.scale
    if 0 <= scale <= _PLAIN_SCALE:
        return _arrow(column)
    make = pa.decimal256 if pa.types.is_decimal256(column.type) else pa.decimal128
    wide, whole = make(column.type.precision, scale), make(column.type.precision, 0)
    digits = _arrow(_per_chunk(column.cast(wide), lambda chunk: _same_bytes(chunk, whole), whole))
    return _with_point(digits, scale)


def _same_bytes(chunk: pa.Array, dtype: pa.DataType) -> pa.Array:
    return pa.Array.from_buffers(dtype, len(chunk), chunk.buffers(), offset=chunk.offset)


def _with_point(digits: pl.Series, scale: int) -> pl.Series:
    """Insert the decimal point `scale` digits from the right."""
    if scale <= 0:
        return digits if not scale else digits.str.replace("([1-9].*)$", "${1}" + "0" * -scale)
    sign = pl.when(pl.col("digits").str.starts_with("-")).then(pl.lit("-")).otherwise(pl.lit(""))
    padded = pl.col("digits").str.strip_prefix("-").str.zfill(scale + 1)
    written = pl.concat_str(sign, padded.str.head(-scale), pl.lit("."), padded.str.tail(scale))
    return pl.DataFrame({"digits": digits}).select(digits=written)["digits"]


def _dates(column: pa.ChunkedArray) -> pl.Series:
    return _on_the_calendar(_arrow(column.cast(pa.date32())))


def _timestamps(column: pa.ChunkedArray) -> pl.Series:
    """2026-03-01T12:30:00, with a fraction if any, and with Z if the column is in UTC."""
    zone = "Z" if column.type.tz else ""
    # Moments are in UTC; without their zone, no time zone database is needed.
    naive = pa.timestamp(column.type.unit)
    text = _on_the_calendar(_arrow(_per_chunk(column, lambda chunk: chunk.view(naive), naive)))
    return _without_zeros(text.str.replace(" ", "T", literal=True)) + zone


def _times(column: pa.ChunkedArray) -> pl.Series:
    return _without_zeros(_on_the_calendar(_arrow(column)))


def _without_zeros(times: pl.Series) -> pl.Series:
    """Remove a zero fraction of a second."""
    return times.str.replace(r"\.0+$", "")


def _on_the_calendar(text: pl.Series) -> pl.Series:
    """Refuse dates and moments that Arrow cannot write (`<value out of range: …>`)."""
    if text.str.starts_with("<").any():
        raise pa.ArrowInvalid("a date or a time that no calendar names")
    return text


def _floats(column: pa.ChunkedArray) -> pl.Series:
    if pa.types.is_float16(column.type):
        column = column.cast(pa.float32())
    return _plain(column)


def _durations(column: pa.ChunkedArray) -> pl.Series:
    return pl.Series(_plain(column.cast(pa.int64())) + str(column.type.unit))


_EXACT: tuple[tuple[Callable[[pa.DataType], bool], Callable[[pa.ChunkedArray], pl.Series]], ...] = (
    (is_string, lambda column: _strings(column).text),
    (pa.types.is_integer, _plain),
    (pa.types.is_decimal, _decimals),
    (pa.types.is_date, _dates),
    (pa.types.is_boolean, _plain),
    (pa.types.is_timestamp, _timestamps),
    (pa.types.is_time, _times),
    (pa.types.is_null, _plain),
)
_SHOWN: tuple[tuple[Callable[[pa.DataType], bool], Callable[[pa.ChunkedArray], pl.Series]], ...] = (
    (pa.types.is_floating, _floats),
    (pa.types.is_duration, _durations),
)
