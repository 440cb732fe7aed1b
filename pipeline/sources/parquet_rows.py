"""Read rows of a Parquet file in pieces that fit into memory after expansion.

A page of a few bytes may stand for gigabytes if it repeats one long value of its dictionary. So the
longest value of each dictionary is read first; the number of rows at once assumes that all rows
have it.
"""

import itertools
from collections.abc import Iterator, Sequence
from typing import BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet

from pipeline.errors import SourceError
from pipeline.sources.arrow_text import bare_type, is_bytes, is_string, without_text
from pipeline.sources.int96 import exact_moments
from pipeline.sources.limits import MOST_BYTES_HELD, MOST_CELLS_HELD, check_limits
from pipeline.sources.source_file import MOST_RECORDS

_ROWS_AT_ONCE = 8192
_READ_BYTES = 1 << 18  #: of each column; otherwise a whole row group is read at once


class ParquetRows:
    """An open Parquet file; columns by position, because names may be empty or repeated."""

    def __init__(self, file: BinaryIO, where: str, packed: int) -> None:
        self._file, self._where, self._packed = file, where, packed
        self._content = _opened(file)
        self._check_rows()
        self.schema = (
            self._content.schema_arrow
        )  #: the columns with their types; a nested one is one column
        self._types = [bare_type(field.type) for field in self.schema]
        self._groups = [
            self._content.metadata.row_group(at)
            for at in range(self._content.metadata.num_row_groups)
        ]
        leaves = itertools.count()
        self._leaves = [list(itertools.islice(leaves, _leaf_count(kind))) for kind in self._types]
        self._int96 = frozenset(at for at in range(len(self._types)) if self._is_int96(at))
        self._in_seconds = (
            _opened(file, coerce_int96_timestamp_unit="s") if self._int96 else self._content
        )

    def _check_rows(self) -> None:
        """Refuse a footer with contradictory row counts; readers would disagree."""
        metadata = self._content.metadata
        held = sum(metadata.row_group(at).num_rows for at in range(metadata.num_row_groups))
        if held != metadata.num_rows:
            raise SourceError(
                f"{self._where}: its footer states {metadata.num_rows:,} rows, and its row groups {held:,}; "
                "nothing was sent. Write the file again"
            )

    @property
    def stated(self) -> int:
        """The number of rows that the footer states."""
        return int(self._content.metadata.num_rows)

    def tables(self, columns: Sequence[int], batch_bytes: int) -> Iterator[pa.Table]:
        """The rows of these columns in pieces; raise SourceError if they expand too far."""
        counted = [place for place, at in enumerate(columns) if at not in self._int96]
        waiting: list[pa.RecordBatch] = []
        size = rows = total = 0
        for piece in self._pieces(columns, batch_bytes):
            expanded = sum(_text_bytes(piece.column(place)) for place in counted)
            total += expanded
            if total > MOST_BYTES_HELD:
                check_limits(self._where, expanded=total, packed=self._packed)
            waiting.append(piece)
            size, rows = size + max(piece.nbytes, expanded), rows + piece.num_rows
            if size >= batch_bytes or rows >= min(MOST_RECORDS, MOST_CELLS_HELD // len(columns)):
                yield pa.Table.from_batches(waiting)
                waiting, size, rows = [], 0, 0
        if waiting:
            yield pa.Table.from_batches(waiting)

    def _pieces(self, columns: Sequence[int], batch_bytes: int) -> Iterator[pa.RecordBatch]:
        stored = sum(int(group.total_byte_size) for group in self._groups)
        check_limits(self._where, expanded=stored, packed=self._packed)
        for group in range(len(self._groups)):
            rows = self._rows_at_once(group, columns, batch_bytes)
            pieces = self._batches(self._content, columns, group, rows)
            read = 0
            for piece in self._with_exact_moments(pieces, columns, group, rows):
                read += piece.num_rows
                yield piece
            if read != (held := int(self._groups[group].num_rows)):
                # The library silently cuts all columns to the shortest one.
                raise SourceError(
                    f"{self._where}: its row group {group + 1} states {held:,} rows, and {read:,} can be read: a column ends before the others; "
                    "nothing was sent. Write the file again"
                )

    def _batches(
        self, content: parquet.ParquetFile, columns: Sequence[int], group: int, rows: int
    ) -> Iterator[pa.RecordBatch]:
        leaves = [leaf for at in columns for leaf in self._leaves[at]]
        yield from content.reader.iter_batches(rows, row_groups=[group], column_indices=leaves)

    def _is_int96(self, at: int) -> bool:
        return pa.types.is_timestamp(self._types[at]) and bool(
            self._content.schema.column(self._leaves[at][0]).physical_type == "INT96"
        )

    def _with_exact_moments(
        self, pieces: Iterator[pa.RecordBatch], columns: Sequence[int], group: int, rows: int
    ) -> Iterator[pa.RecordBatch]:
        """The rows with INT96 moments as text."""
        moments = [at for at in columns if at in self._int96]
        if not moments:
            yield from pieces
            return
        names = [self.schema.field(at).name for at in columns]
        for piece, seconds in zip(
            pieces, self._batches(self._in_seconds, moments, group, rows), strict=True
        ):
            found = dict(zip(columns, piece.columns, strict=True))
            for at, column in zip(moments, seconds.columns, strict=True):
                found[at] = self._texts(at, column, found[at])
            yield pa.RecordBatch.from_arrays(list(found.values()), names=names)

    def _texts(self, at: int, seconds: pa.Array, nanoseconds: pa.Array) -> pa.Array:
        try:
            return exact_moments(seconds, nanoseconds)
        except pa.ArrowException:
            raise without_text(self._where, self.schema.field(at).name, self._types[at]) from None

    def _rows_at_once(self, group: int, columns: Sequence[int], batch_bytes: int) -> int:
        # Of a damaged footer only the row group is safe: reading its columns crashes the process.
        footer = self._groups[group]
        by_size = batch_bytes * int(footer.num_rows) // max(1, int(footer.total_byte_size))
        by_value = batch_bytes // max(1, self._longest_row(group, columns))
        return max(1, min(_ROWS_AT_ONCE, by_size, by_value, MOST_CELLS_HELD // len(columns)))

    def _longest_row(self, group: int, columns: Sequence[int]) -> int:
        """The bytes of a row with the longest value of every dictionary of a row group."""
        types = [self._types[at] for at in columns]
        fixed = sum(int(kind.byte_width) for kind in types if pa.types.is_fixed_size_binary(kind))
        wanted = [
            at for at, kind in zip(columns, types, strict=True) if is_string(kind) or is_bytes(kind)
        ]
        return fixed + (
            sum(self._longest_values(group, wanted))
            if wanted and self._groups[group].num_rows
            else 0
        )

    def _longest_values(self, group: int, columns: Sequence[int]) -> Iterator[int]:
        """The bytes of the longest dictionary value of each column."""
        leaves = [self._leaves[at][0] for at in columns]
        names = [self.schema.field(at).name for at in columns]
        content = parquet.ParquetFile(self._file, read_dictionary=names, buffer_size=_READ_BYTES)
        first = next(content.reader.iter_batches(1, row_groups=[group], column_indices=leaves))
        for column in first.columns:
            has_dictionary = pa.types.is_dictionary(column.type) and len(column.dictionary)
            yield (
                int(pc.max(pc.binary_length(column.dictionary)).as_py() or 0)
                if has_dictionary
                else 0
            )


def _leaf_count(dtype: pa.DataType) -> int:
    """The number of stored columns that a column of this type has."""
    dtype = bare_type(dtype)
    return (
        sum(_leaf_count(dtype.field(at).type) for at in range(dtype.num_fields))
        if pa.types.is_nested(dtype)
        else 1
    )


def _opened(file: BinaryIO, **how: str) -> parquet.ParquetFile:
    return parquet.ParquetFile(
        file, buffer_size=_READ_BYTES, page_checksum_verification=True, **how
    )


def _text_bytes(column: pa.Array) -> int:
    """The bytes of the texts of a column when written out; other types have none."""
    if isinstance(column.type, pa.BaseExtensionType):
        return _text_bytes(column.storage)
    if not (is_string(bare_type(column.type)) or is_bytes(bare_type(column.type))):
        return 0
    if pa.types.is_dictionary(column.type):
        lengths = _lengths(column.dictionary).take(column.indices)
    else:
        lengths = _lengths(column)
    return int(pc.sum(lengths).as_py() or 0)


def _lengths(texts: pa.Array) -> pa.Array:
    """The bytes of each text, which Arrow cannot count in views."""
    is_view = pa.types.is_string_view(texts.type) or pa.types.is_binary_view(texts.type)
    return pc.binary_length(texts.cast(pa.large_binary()) if is_view else texts)
