"""Rows of a Parquet file in pieces that fit into memory, whatever they expand to.

A page of a few bytes may stand for gigabytes: it names one long value of its dictionary thousands of times. So the longest value of each
dictionary is asked first, and as many rows are read at once as fit even if all of them hold it.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet

from pipeline.sources.arrow_text import bare_type, is_bytes, is_string, without_text
from pipeline.sources.int96 import exact_moments
from pipeline.sources.limits import MOST_BYTES_HELD, MOST_CELLS_HELD, check_limits
from pipeline.sources.source_file import MOST_RECORDS

_ROWS_AT_ONCE = 8192
_READ_BYTES = 1 << 18  #: of each column; without it a whole row group is fetched at once


class ParquetRows:
    """An open Parquet file; its columns are called by their names, so that a dot in one leads into no other column."""

    def __init__(self, file: BinaryIO, where: str, packed: int) -> None:
        self._file, self._where, self._packed = file, where, packed
        self._content = _opened(file)
        self._expanded = 0
        self.schema = self._content.schema_arrow  #: the columns with their types; nested ones are one column each
        self._types = {field.name: bare_type(field.type) for field in self.schema}
        self._groups = [self._content.metadata.row_group(at) for at in range(self._content.metadata.num_row_groups)]
        paths = enumerate(self._content.reader.column_paths)
        self._leaves: dict[str, list[int]] = {
            name: [at for at, _ in found] for name, found in groupby(paths, lambda path: path[1][0])
        }
        self._int96 = frozenset(name for name in self._types if self._is_int96(name))
        self._in_seconds = _opened(file, coerce_int96_timestamp_unit="s") if self._int96 else self._content

    @property
    def stated(self) -> int:
        """The number of rows that the footer states."""
        return int(self._content.metadata.num_rows)

    def tables(self, names: Sequence[str], batch_bytes: int) -> Iterator[pa.Table]:
        """The rows of these columns, in their order, some `batch_bytes` at a time; raise SourceError where they expand too far."""
        waiting: list[pa.RecordBatch] = []
        size = rows = 0
        for piece in self._pieces(names, batch_bytes):
            expanded = sum(_text_bytes(piece.column(name)) for name in names if name not in self._int96)
            self._count(expanded)
            waiting.append(piece)
            size, rows = size + max(piece.nbytes, expanded), rows + piece.num_rows
            if size >= batch_bytes or rows >= min(MOST_RECORDS, MOST_CELLS_HELD // len(names)):
                yield pa.Table.from_batches(waiting)
                waiting, size, rows = [], 0, 0
        if waiting:
            yield pa.Table.from_batches(waiting)

    def _pieces(self, names: Sequence[str], batch_bytes: int) -> Iterator[pa.RecordBatch]:
        stored = sum(int(group.total_byte_size) for group in self._groups)
        check_limits(self._where, expanded=stored, packed=self._packed)
        for group in range(len(self._groups)):
            rows = self._rows_at_once(group, names, batch_bytes)
            pieces = self._batches(self._content, names, group, rows)
            yield from self._with_exact_moments(pieces, names, group, rows)

    def _batches(
        self, content: parquet.ParquetFile, names: Sequence[str], group: int, rows: int
    ) -> Iterator[pa.RecordBatch]:
        indices = [at for name in names for at in self._leaves[name]]
        for batch in content.reader.iter_batches(rows, row_groups=[group], column_indices=indices):
            yield batch.select(names)

    def _is_int96(self, name: str) -> bool:
        leaf = self._leaves[name][0]
        return pa.types.is_timestamp(self._types[name]) and bool(
            self._content.schema.column(leaf).physical_type == "INT96"
        )

    def _with_exact_moments(
        self, pieces: Iterator[pa.RecordBatch], names: Sequence[str], group: int, rows: int
    ) -> Iterator[pa.RecordBatch]:
        """The same with moments of the type INT96 as text."""
        moments = [name for name in names if name in self._int96]
        if not moments:
            yield from pieces
            return
        for piece, seconds in zip(pieces, self._batches(self._in_seconds, moments, group, rows), strict=True):
            texts = {name: self._texts(name, seconds, piece) for name in moments}
            yield pa.record_batch({name: texts.get(name, piece.column(name)) for name in names})

    def _texts(self, name: str, seconds: pa.RecordBatch, nanoseconds: pa.RecordBatch) -> pa.Array:
        try:
            return exact_moments(seconds.column(name), nanoseconds.column(name))
        except pa.ArrowException:
            raise without_text(self._where, name, self._types[name]) from None

    def _count(self, expanded: int) -> None:
        self._expanded += expanded
        if self._expanded > MOST_BYTES_HELD:
            check_limits(self._where, expanded=self._expanded, packed=self._packed)

    def _rows_at_once(self, group: int, names: Sequence[str], batch_bytes: int) -> int:
        # Of a damaged footer nothing may be asked but the group as a whole: its columns end the process.
        footer = self._groups[group]
        by_size = batch_bytes * int(footer.num_rows) // max(1, int(footer.total_byte_size))
        by_value = batch_bytes // max(1, self._longest_row(group, names))
        return max(1, min(_ROWS_AT_ONCE, by_size, by_value, MOST_CELLS_HELD // max(1, len(names))))

    def _longest_row(self, group: int, names: Sequence[str]) -> int:
        """The bytes of a row that holds the longest value of every dictionary of a row group."""
        types = {name: self._types[name] for name in names}
        fixed = sum(int(kind.byte_width) for kind in types.values() if pa.types.is_fixed_size_binary(kind))
        asked = [name for name, kind in types.items() if is_string(kind) or is_bytes(kind)]
        return fixed + (sum(self._longest_values(group, asked)) if asked and self._groups[group].num_rows else 0)

    def _longest_values(self, group: int, names: Sequence[str]) -> Iterator[int]:
        """For each column the bytes of the longest value of its dictionary, which comes whole with the first row."""
        indices = [self._leaves[name][0] for name in names]
        content = parquet.ParquetFile(self._file, read_dictionary=names, buffer_size=_READ_BYTES)
        first = next(content.reader.iter_batches(1, row_groups=[group], column_indices=indices))
        for column in first.columns:
            has_dictionary = pa.types.is_dictionary(column.type) and len(column.dictionary)
            yield int(pc.max(pc.binary_length(column.dictionary)).as_py() or 0) if has_dictionary else 0


def _opened(file: BinaryIO, **how: str) -> parquet.ParquetFile:
    return parquet.ParquetFile(file, buffer_size=_READ_BYTES, page_checksum_verification=True, **how)


def _text_bytes(column: pa.Array) -> int:
    """What the texts of a column come to once they are written out; of other types nothing."""
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
    """The bytes of each text; Arrow cannot count them in views."""
    is_view = pa.types.is_string_view(texts.type) or pa.types.is_binary_view(texts.type)
    return pc.binary_length(texts.cast(pa.large_binary()) if is_view else texts)
