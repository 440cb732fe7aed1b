"""The rows of a Parquet file, read in batches."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, TypeVar

from pyarrow import parquet

_AT_ONCE = 100_000
_Row = TypeVar("_Row", bound=NamedTuple)


def rows_as(kind: type[_Row], path: Path) -> Iterator[_Row]:
    """Each row as a named tuple, whose fields are the columns to read."""
    names = list(kind._fields)
    for batch in parquet.ParquetFile(path).iter_batches(_AT_ONCE, columns=names):
        columns = [batch.column(name).to_pylist() for name in names]
        yield from map(kind._make, zip(*columns, strict=True))
