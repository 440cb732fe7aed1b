"""The rows of a Parquet file, one by one or as columns."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import pyarrow as pa
from pyarrow import parquet

_AT_ONCE = 16_384
_Row = TypeVar("_Row", bound=NamedTuple)


def rows_as(kind: type[_Row], path: Path) -> Iterator[_Row]:
    """Each row as a named tuple, whose fields are the columns to read."""
    names = list(kind._fields)
    for batch in parquet.ParquetFile(path).iter_batches(_AT_ONCE, columns=names):
        columns = [batch.column(name).to_pylist() for name in names]
        yield from map(kind._make, zip(*columns, strict=True))


class ColumnsOf:
    """Columns of a Parquet file as these types, whose rows are taken in order."""

    def __init__(self, path: Path, schema: Any) -> None:
        file = parquet.ParquetFile(path)
        self.rows = int(file.metadata.num_rows)
        self._schema = schema
        self._batches = file.iter_batches(_AT_ONCE, columns=schema.names)
        self._waiting = pa.Table.from_batches([], schema=schema)

    def take(self, count: int) -> Any:
        """The next rows as a table; fewer at the end of the file."""
        parts = [self._waiting]
        while sum(part.num_rows for part in parts) < count:
            batch = next(self._batches, None)
            if batch is None:
                break
            read = pa.Table.from_batches([batch.select(self._schema.names)])
            parts.append(read.cast(self._schema))
        table = pa.concat_tables(parts)
        self._waiting = table.slice(count)
        return table.slice(0, count).combine_chunks()

    def blocks(self) -> Iterator[Any]:
        """All rows that are left, some at a time."""
        while (block := self.take(_AT_ONCE)).num_rows:
            yield block


def column_of(table: Any, name: str) -> Any:
    """A column of a table of one chunk, as one array."""
    chunks = table.column(name)
    return chunks.chunk(0) if chunks.num_chunks == 1 else chunks.combine_chunks()
