"""Compare the rows of a Parquet input with their listed cells, for types with one plain text."""

from collections.abc import Iterator, Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
from pyarrow import parquet

from pipeline.domain.plan_file import InputFile
from pipeline.domain.plurals import number_of

_AT_ONCE = 8_192
_Cell = str | int | Decimal | date | None  #: of a type with one plain text


class Table:
    """A Parquet file, taken one record at a time."""

    def __init__(self, path: Path, described: InputFile) -> None:
        self.name = described.name
        self._file = parquet.ParquetFile(path)
        self._columns = described.columns
        types = {column.name: column.type for column in self._file.schema_arrow}
        self._read = [
            name for name in self._columns if name in types and _has_plain_text(types[name])
        ]
        self.not_read = [name for name in self._columns if name not in self._read]
        self._rows = self._each()
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
        if text:
            return None
        listed = dict(zip(self._columns, cells, strict=True))
        wrong = [
            name
            for name in self._read
            if listed[name] is not None and (_text_of(row[name]) or "") != listed[name]
        ]
        return f"{self.name}: row {self.number} differs in column {wrong[0]}" if wrong else None

    def finish(self, described: InputFile) -> str | None:
        """The problem if file and manifest disagree on the number of rows."""
        rows = self._file.metadata.num_rows
        if rows != described.records:
            return f"{self.name}: {number_of(rows, 'row')}, {described.records} in the manifest"
        return f"{self.name}: row {self.number + 1} is in no list" if self.number < rows else None

    def _each(self) -> Iterator[dict[str, _Cell]]:
        # By position: a name with a dot would also select a nested column.
        read = set(self._read)
        places = [
            at for at, (name, *_) in enumerate(self._file.reader.column_paths) if name in read
        ]
        for group in range(self._file.num_row_groups):
            if places:
                batches = self._file.reader.iter_batches(
                    _AT_ONCE, row_groups=[group], column_indices=places
                )
                yield from (row for batch in batches for row in batch.to_pylist())
            else:
                yield from ({} for _ in range(self._file.metadata.row_group(group).num_rows))


def _has_plain_text(dtype: pa.DataType) -> bool:
    kinds = pa.types
    is_number = kinds.is_integer(dtype) or (kinds.is_decimal(dtype) and dtype.scale >= 0)
    return bool(
        is_number
        or kinds.is_string(dtype)
        or kinds.is_large_string(dtype)
        or kinds.is_date32(dtype)
    )


def _text_of(value: _Cell) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, Decimal):
        return f"{value:f}"
    return value.isoformat() if isinstance(value, date) else str(value)
