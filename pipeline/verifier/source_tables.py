"""Compare the rows of a Parquet input with their listed cells, for types with one plain text."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
from pyarrow import parquet

from pipeline.domain.plan_file import InputFile
from pipeline.domain.plurals import number_of

_AT_ONCE = 8_192
Cell = str | int | Decimal | date | None  #: of a type with one plain text


@dataclass(frozen=True, slots=True)
class TableRow:
    """One row of a Parquet file; `cells` has the columns with a plain text."""

    name: str  #: of the file
    number: int
    columns: Sequence[str]
    cells: Mapping[str, Cell]

    def skip_to(self, row: int) -> int | None:  # noqa: ARG002
        """Nothing is before this row."""
        return None

    def take_record(self, cells: Sequence[str | None], text: str) -> str | None:
        """The problem if the row differs from the list."""
        if text:
            return None
        listed = dict(zip(self.columns, cells, strict=True))
        wrong = [
            name
            for name in self.columns
            if name in self.cells
            and listed[name] is not None
            and (_text_of(self.cells[name]) or "") != listed[name]
        ]
        return f"{self.name}: row {self.number} differs in column {wrong[0]}" if wrong else None


class Table:
    """A Parquet file, taken one record at a time, or some as columns."""

    def __init__(self, path: Path, described: InputFile) -> None:
        self.name = described.name
        self._file = parquet.ParquetFile(path)
        self.columns = described.columns
        types = {column.name: column.type for column in self._file.schema_arrow}
        self.read = [
            name for name in self.columns if name in types and _has_plain_text(types[name])
        ]
        self.not_read = [name for name in self.columns if name not in self.read]
        self._batches = self._each_batch()
        self._rows = self._each_row()
        self._waiting: list[pa.RecordBatch] = []
        self.number = 0

    def skip_to(self, row: int) -> int | None:
        """Skip to the row before this one; return the first skipped row, which no list has."""
        first: int | None = None
        while self.number < row - 1 and next(self._rows, None) is not None:
            self.number += 1
            first = first or self.number
        return first

    def take_record(self, cells: Sequence[str | None], text: str) -> str | None:
        """Take the next row; return the problem if it differs from the list.

        `text`: the listed text of an unreadable record, else empty.
        """
        row = next(self._rows, None)
        self.number += 1
        if row is None:
            return f"{self.name}: row {self.number} does not exist"
        return TableRow(self.name, self.number, self.columns, row).take_record(cells, text)

    def take(self, count: int) -> pa.Table | None:
        """The next rows as columns; None if there are fewer."""
        waiting = sum(batch.num_rows for batch in self._waiting)
        while waiting < count:
            batch = next(self._batches, None)
            if batch is None:
                return None
            self._waiting.append(batch)
            waiting += batch.num_rows
        table = pa.Table.from_batches(self._waiting)
        self._waiting = table.slice(count).to_batches()
        self.number += count
        return table.slice(0, count).combine_chunks()

    def finish(self, described: InputFile) -> str | None:
        """The problem if file and manifest disagree on the number of rows."""
        rows = self._file.metadata.num_rows
        if rows != described.records:
            return f"{self.name}: {number_of(rows, 'row')}, {described.records} in the manifest"
        return f"{self.name}: row {self.number + 1} is in no list" if self.number < rows else None

    def _each_row(self) -> Iterator[Mapping[str, Cell]]:
        if not self.read:
            yield from ({} for _ in range(self._file.metadata.num_rows))
        for batch in self._batches:
            yield from batch.to_pylist()

    def _each_batch(self) -> Iterator[pa.RecordBatch]:
        # By position: a name with a dot would also select a nested column.
        if not self.read:
            return
        read = set(self.read)
        places = [
            at for at, (name, *_) in enumerate(self._file.reader.column_paths) if name in read
        ]
        for group in range(self._file.num_row_groups):
            yield from self._file.reader.iter_batches(
                _AT_ONCE, row_groups=[group], column_indices=places
            )


def _has_plain_text(dtype: pa.DataType) -> bool:
    kinds = pa.types
    is_number = kinds.is_integer(dtype) or (kinds.is_decimal(dtype) and dtype.scale >= 0)
    return bool(
        is_number
        or kinds.is_string(dtype)
        or kinds.is_large_string(dtype)
        or kinds.is_date32(dtype)
    )


def _text_of(value: Cell) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, Decimal):
        return f"{value:f}"
    return value.isoformat() if isinstance(value, date) else str(value)
