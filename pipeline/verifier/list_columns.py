"""Read the six lists as columns of text, a number of rows at a time."""

import csv
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import csv as arrow_csv

from pipeline.storage.files import open_regular
from pipeline.verifier.column_faults import NotInColumns, require
from pipeline.verifier.listed_rows import OURS, Row

_BLOCK = 2 << 20  #: bytes that one list is read ahead
_BOM = b"\xef\xbb\xbf"


class ListColumns:
    """One list, whose rows are taken in order. Cells are texts, never null."""

    def __init__(self, folder: Path, name: str, columns: Sequence[str]) -> None:
        self.name = name
        self.supplied = len(columns)  #: the supplier's columns come first
        self._file = os.fdopen(open_regular(folder / f"{name}.csv"), "rb")
        header = _header(line.decode("utf-8") for line in self._file)
        self.ours = [column.removeprefix(OURS) for column in header[len(columns) :]]
        require(header == [*columns, *(OURS + column for column in self.ours)])
        require(len({*self.ours}) == len(self.ours))
        self._batches = self._read(len(header))
        self._waiting: list[Any] = []
        self._rows = 0

    def take(self, rows: int) -> "ListRows":
        """The next rows; NotInColumns if the list has fewer."""
        while self._rows < rows:
            batch = next(self._batches, None)
            if batch is None:
                raise NotInColumns
            self._waiting.append(batch)
            self._rows += batch.num_rows
        schema = self._schema
        table = pa.Table.from_batches(self._waiting, schema=schema)
        self._rows -= rows
        self._waiting = table.slice(rows).to_batches() if self._rows else []
        return ListRows(self, table.slice(0, rows).combine_chunks())

    def is_used_up(self) -> bool:
        """Whether every row was taken."""
        return not self._rows and all(not batch.num_rows for batch in self._batches)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _read(self, width: int) -> Iterator[Any]:
        names = [str(at) for at in range(width)]
        self._schema = pa.schema([(name, pa.string()) for name in names])
        at = self._file.tell()
        start = self._file.read(len(_BOM))
        self._file.seek(at)
        require(start != _BOM)  # Arrow would skip a byte order mark here, and it is text
        if not start:
            return
        yield from arrow_csv.open_csv(
            self._file,
            arrow_csv.ReadOptions(use_threads=False, block_size=_BLOCK, column_names=names),
            text_of_csv(",", '"', can_break=True),
            texts_only(names),
        )


class ListRows:
    """Some rows of a list, as columns."""

    def __init__(self, of: ListColumns, table: Any) -> None:
        self.list_name = of.name
        self.table = table
        self._supplied = of.supplied
        self._ours = {name: at for at, name in enumerate(of.ours)}

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def cell(self, at: int) -> Any:
        """A column of the supplier."""
        return _one_chunk(self.table.column(at))

    def our(self, name: str) -> Any:
        """A column of ours by its name without prefix; NotInColumns if the list has none."""
        if name not in self._ours:
            raise NotInColumns
        return _one_chunk(self.table.column(self._supplied + self._ours[name]))

    def has(self, name: str) -> bool:
        """Whether the list has this column of ours."""
        return name in self._ours

    def row(self, at: int, number: int) -> Row:
        """One row; `number` is the line or row number of its record."""
        cells = [column[at].as_py() for column in self.table.columns]
        ours = {name: cells[self._supplied + place] for name, place in self._ours.items()}
        return Row((0, number), ours["row_id"], self.list_name, cells[: self._supplied], ours)


def text_of_csv(delimiter: str, quote: str, *, can_break: bool) -> Any:
    """How Arrow parses a CSV text; doubled quotes are one, and no line is left out."""
    return arrow_csv.ParseOptions(
        delimiter=delimiter,
        quote_char=quote or False,
        double_quote=bool(quote),
        escape_char=False,
        newlines_in_values=can_break,
        ignore_empty_lines=False,
    )


def texts_only(names: Sequence[str]) -> Any:
    """Every column as text, an empty cell as an empty text."""
    return arrow_csv.ConvertOptions(
        column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False, null_values=[]
    )


def _header(lines: Iterator[str]) -> list[str]:
    return next(csv.reader(lines), [])


def _one_chunk(column: Any) -> Any:
    return (
        column.chunk(0)
        if column.num_chunks == 1
        else pa.concat_arrays(column.chunks or [pa.array([], pa.string())])
    )
