"""The fast path for blocks of plain lines: no quotes, no controls, each line one record.

The checks of the bytes are cheap compared with framing. If any check fails, the block takes the
slow path; a property test compares both. Arrow's reader is strict about the number of fields, while
polars' reader silently fills short lines.
"""

import codecs
import re
from collections.abc import Sequence

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from pipeline.domain.characters import trimmed
from pipeline.sources.dialect import Dialect
from pipeline.sources.repeated_header import HeaderText
from pipeline.sources.source_file import GIVEN, LONGEST_RECORD

_C1 = re.compile(rb"\xc2[\x80-\x9f]")
_BEGINS_BEYOND_ASCII = re.compile(rb"\n[\x80-\xff]")
_PARSED_AT_ONCE = 4 << 20  #: bytes; each piece is parsed by a thread


def plain_cells(
    whole: bytes, names: Sequence[str], header: HeaderText, dialect: Dialect
) -> pl.DataFrame | None:
    """Lines -> cells under `given.<column>`, one row per line; None for the slow path."""
    if (
        not whole
        or len(names) < 2
        or dialect.trailing_delimiter
        or dialect.ends_with_cr
        or not dialect.is_utf8
    ):
        return None
    lines = whole.count(b"\n")
    marks = (dialect.quote.encode() or b"\x7f", dialect.escape.encode() or b"\x7f", b"\x7f")
    if not whole.endswith(b"\n") or any(mark in whole for mark in marks):
        return None
    if b"\r" in whole:
        if whole.count(b"\r") != lines or whole.count(b"\r\n") != lines:
            return None
        whole = whole.replace(b"\r", b"")
    if not _is_printable(whole, lines) or not _has_short_lines(whole):
        return None
    # Arrow removes a byte order mark wherever it starts to read, here within a file.
    if whole.startswith((b"\n", codecs.BOM_UTF8)) or b"\n\n" in whole:
        return None
    cells = _parsed(whole, names, lines, dialect)
    # The slow path counts blank lines and finds a repeated header.
    if cells is None or _may_have_blank_rows(whole, cells, dialect) or header.may_be_in(cells):
        return None
    return cells


def parsed_together(
    records: pl.Series, names: Sequence[str], dialect: Dialect
) -> pl.DataFrame | None:
    """Legal records with one field per name -> cells; None if they must be split one by one.

    polars' reader is fast, but the records are already framed. Its result is used only if the bytes
    of every record equal its cells with delimiters and quotes.
    """
    if len(names) < 2 or not len(records):  # a reader skips an empty record of one column
        return None
    text = records.str.join("\n").item().encode()
    cells = pl.read_csv(
        text,
        has_header=False,
        new_columns=list(names),
        separator=dialect.delimiter,
        quote_char=dialect.quote or None,
        infer_schema=False,
    )
    if cells.shape != (len(records), len(names)):
        return None
    cells = cells.with_columns(pl.all().fill_null(""))
    return cells if _has_the_bytes_of(cells, records, dialect.quote) else None


def _has_the_bytes_of(cells: pl.DataFrame, records: pl.Series, quote: str) -> bool:
    parts = pl.sum_horizontal(pl.all().str.len_bytes().cast(pl.Int64)) + cells.width - 1
    missing = records.str.len_bytes().cast(pl.Int64) - cells.select(parts=parts)["parts"]
    if not quote:
        return not (missing != 0).any()
    is_quoted = records.str.contains(quote, literal=True)
    if (missing.filter(~is_quoted) != 0).any():
        return False
    quotes = records.filter(is_quoted).str.count_matches(quote, literal=True).cast(pl.Int64)
    kept = pl.sum_horizontal(pl.all().str.count_matches(quote, literal=True).cast(pl.Int64))
    return not (
        missing.filter(is_quoted) != quotes - cells.filter(is_quoted).select(kept=kept)["kept"]
    ).any()


def _is_printable(whole: bytes, lines: int) -> bool:
    """Whether there is no control character but tabs and line ends."""
    octets = pa.Array.from_buffers(pa.uint8(), len(whole), [None, pa.py_buffer(whole)])
    controls = pc.sum(pc.less(octets, pa.scalar(0x20, pa.uint8()))).as_py()
    if controls != lines + (whole.count(b"\t") if b"\t" in whole else 0):
        return False
    return pc.max(octets).as_py() < 0x80 or _C1.search(whole) is None


def _has_short_lines(whole: bytes) -> bool:
    """Whether every stretch of the longest record length contains a line end."""
    at = 0
    while at + LONGEST_RECORD < len(whole):
        end = whole.rfind(b"\n", at, at + LONGEST_RECORD)
        if end < 0:
            return False
        at = end + 1
    return True


def _parsed(
    whole: bytes, names: Sequence[str], lines: int, dialect: Dialect
) -> pl.DataFrame | None:
    columns = [GIVEN + name for name in names]
    try:
        table = pyarrow.csv.read_csv(
            pa.py_buffer(whole),
            read_options=pyarrow.csv.ReadOptions(column_names=columns, block_size=_PARSED_AT_ONCE),
            parse_options=pyarrow.csv.ParseOptions(
                delimiter=dialect.delimiter,
                quote_char=False,
                escape_char=False,
                ignore_empty_lines=False,
            ),
            convert_options=pyarrow.csv.ConvertOptions(
                column_types=dict.fromkeys(columns, pa.string()),
                strings_can_be_null=False,
                check_utf8=True,
            ),
        )
    except pa.ArrowInvalid:  # a line with another number of fields, or bytes that are not UTF-8
        return None
    cells = pl.from_arrow(table)
    if not isinstance(cells, pl.DataFrame) or cells.height != lines:
        return None
    return cells


def _may_have_blank_rows(whole: bytes, cells: pl.DataFrame, dialect: Dialect) -> bool:
    """Whether a row may be empty; the first bytes of lines usually show that none is."""
    begins = (b"\n" + mark for mark in (dialect.delimiter.encode(), b" ", b"\t"))
    may_be = whole.startswith((dialect.delimiter.encode(), b" ", b"\t")) or any(
        mark in whole for mark in begins
    )
    if not may_be and (
        whole.isascii() or not (whole[0] >= 0x80 or _BEGINS_BEYOND_ASCII.search(whole))
    ):
        return False
    empty = cells.filter(trimmed(pl.nth(0)) == "")
    return bool(
        empty.select(
            pl.all_horizontal(trimmed(pl.col(name)) == "" for name in empty.columns).any()
        ).item()
    )
