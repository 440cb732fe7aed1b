"""Read the six lists as one, in the order of the input."""

import csv
import heapq
import json
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.domain.fates import LISTS
from pipeline.storage.files import open_regular
from pipeline.verifier.checks import read_any_cell

OURS = "_import_"  #: the prefix of our own columns
_CAUSE = re.compile(r'([^ :]+)(?::("(?:[^"\\]|\\.)*"(?![^ ])|[^ ]*))?')


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a list: the place of its record, and its cells."""

    place: tuple[int, int]  #: index of the file in the manifest, line or row number
    row_id: str
    list_name: str
    cells: list[str]  #: the supplier's columns
    ours: dict[str, str]  #: our columns, without the prefix `_import_`

    @property
    def fate(self) -> str:
        """The fate that the list states."""
        return self.ours["fate"]

    @property
    def causes(self) -> list[str]:
        """The reasons that the list states, each `STAGE.CODE` or `STAGE.CODE:column`."""
        return causes_in(self.ours["reasons"])


class Unreadable(Exception):
    """A list cannot be read. The message names the list and the problem."""


def causes_in(cell: str) -> list[str]:
    """The causes that one cell of a list states; a column in quotes is a JSON string."""
    return [
        code + (f":{_unquoted(column)}" if column else "") for code, column in _CAUSE.findall(cell)
    ]


def _unquoted(column: str) -> str:
    try:
        return str(json.loads(column)) if column.startswith('"') else column
    except ValueError:
        return column  # lists of earlier versions quote nothing


def rows_of(
    folder: Path, inputs: Sequence[dict[str, Any]], columns: Sequence[str]
) -> Iterator[Row]:
    """Every row of the six lists in the order of the input. Raise Unreadable if one is broken."""
    read_any_cell()
    with ExitStack() as stack:
        lists = []
        for name in LISTS:
            file = stack.enter_context(
                os.fdopen(open_regular(folder / f"{name}.csv"), encoding="utf-8", newline="")
            )
            lists.append(_rows(name, csv.reader(file), inputs, list(columns)))
        try:
            yield from heapq.merge(*lists, key=lambda row: row.place)
        except (UnicodeDecodeError, csv.Error) as error:
            raise Unreadable(f"a list cannot be read as CSV: {error}") from None


def _rows(
    name: str, reader: Any, inputs: Sequence[dict[str, Any]], columns: list[str]
) -> Iterator[Row]:
    header: list[str] = next(reader, [])
    ours = [column.removeprefix(OURS) for column in header[len(columns) :]]
    if header != [*columns, *(OURS + column for column in ours)]:
        raise Unreadable(f"{name}.csv does not have the columns of the input followed by ours")
    for cells in reader:
        if len(cells) != len(header):
            raise Unreadable(
                f"{name}.csv: line {reader.line_num} has {len(cells)} fields"
                f" instead of {len(header)}"
            )
        added = dict(zip(ours, cells[len(columns) :], strict=True))
        row_id = added["row_id"]
        yield Row(_place(name, row_id, inputs), row_id, name, cells[: len(columns)], added)


def _place(name: str, row_id: str, inputs: Sequence[dict[str, Any]]) -> tuple[int, int]:
    for at, file in enumerate(inputs):
        mark = "#" if file["format"] == "parquet" else ":"
        stem, _, number = row_id.rpartition(mark)
        is_of_file = stem == file["name"] or (
            file["format"] == "excel" and stem.startswith(f"{file['name']}!")
        )
        if is_of_file and number.isascii() and number.isdigit():
            return at, int(number)
    raise Unreadable(f"{name}.csv: {row_id!r} is not a row of any input")
