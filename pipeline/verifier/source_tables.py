"""The rows of a Parquet input beside the cells that are listed of them, for columns whose text nobody can doubt."""

from collections.abc import Iterator, Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import parquet

_AT_ONCE = 8_192


class Table:
    """A Parquet file, taken one record at a time."""

    def __init__(self, path: Path, described: dict[str, Any]) -> None:
        self.name = str(described["name"])
        self._file = parquet.ParquetFile(path)
        self._columns: list[str] = described["columns"]
        types = {column.name: column.type for column in self._file.schema_arrow}
        self._read = [
            name for name in self._columns if name in types and _has_plain_text(types[name])
        ]
        self.not_read = [name for name in self._columns if name not in self._read]
        self._rows = self._each()
        self.number = 0

    def skip_to(self, row: int) -> int | None:
        """Go on to the row before this one; the first row on the way, for each is a record and so in some list."""
        first: int | None = None
        while self.number < row - 1 and next(self._rows, None) is not None:
            self.number += 1
            first = first or self.number
        return first

    def take_record(self, cells: Sequence[str | None], text: str) -> str | None:
        """Take the next row; what is wrong where it does not say what the list says of it. `text` is what nobody could read."""
        row = next(self._rows, None)
        self.number += 1
        if row is None:
            return f"{self.name}: row {self.number} is not there"
        if text:
            return None
        listed = dict(zip(self._columns, cells, strict=True))
        wrong = [
            name
            for name in self._read
            if listed[name] is not None and (_told(row[name]) or "") != listed[name]
        ]
        return (
            f"{self.name}: row {self.number} says something else in column {wrong[0]}"
            if wrong
            else None
        )

    def finish(self, described: dict[str, Any]) -> str | None:
        """What is wrong where the rows are not as many as the manifest says."""
        rows = self._file.metadata.num_rows
        if rows != described["records"]:
            return f"{self.name}: {rows} rows, {described['records']} in the manifest"
        return f"{self.name}: row {self.number + 1} is in no list" if self.number < rows else None

    def _each(self) -> Iterator[dict[str, Any]]:
        # By their places: a name with a dot would also lead into another column.
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


def _told(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, Decimal):
        return f"{value:f}"
    return value.isoformat() if isinstance(value, date) else str(value)
