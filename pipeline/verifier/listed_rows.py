"""The six lists read as one: every row once, in the order of the input."""

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

from pipeline.domain.outcomes import LISTS
from pipeline.storage.files import open_regular
from pipeline.verifier.checks import read_any_cell

OURS = "_import_"  #: what the names of our own columns begin with
_CAUSE = re.compile(r'([^ :]+)(?::("(?:[^"\\]|\\.)*"(?![^ ])|[^ ]*))?')


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a list: where its record stands (file by its place in the manifest, line or row number), and what it says."""

    place: tuple[int, int]
    row_id: str
    list_name: str
    cells: list[str]  #: the supplier's columns
    ours: dict[str, str]  #: `_import_…` without that prefix

    @property
    def fate(self) -> str:
        """Where the record ended, as the list says it."""
        return self.ours["fate"]

    @property
    def causes(self) -> list[str]:
        """Why the record did not simply become a customer: `STAGE.CODE` or `STAGE.CODE:column`, one item each."""
        return causes_in(self.ours["reasons"])


class Unreadable(Exception):
    """A list that is no list: what is wrong, with its name."""


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
    """Every row of the six lists in the order of the input; raise Unreadable, naming the row, where a list is none."""
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
        raise Unreadable(f"{name}.csv does not have the columns of the input, then ours")
    for cells in reader:
        if len(cells) != len(header):
            raise Unreadable(
                f"{name}.csv: line {reader.line_num} has {len(cells)} fields instead of {len(header)}"
            )
        told = dict(zip(ours, cells[len(columns) :], strict=True))
        yield Row(
            _place(name, told["row_id"], inputs), told["row_id"], name, cells[: len(columns)], told
        )


def _place(name: str, row_id: str, inputs: Sequence[dict[str, Any]]) -> tuple[int, int]:
    for at, file in enumerate(inputs):
        mark = "#" if file["format"] == "parquet" else ":"
        stem, _, number = row_id.rpartition(mark)
        is_its = stem == file["name"] or (
            file["format"] == "excel" and stem.startswith(f"{file['name']}!")
        )
        if is_its and number.isascii() and number.isdigit():
            return at, int(number)
    raise Unreadable(f"{name}.csv: {row_id!r} is a row of no input")
