"""Compare other readers with ours, cell by cell: Python's csv module, openpyxl and DuckDB.

A text of ours equals the second reader's, or the difference falls under a rule of `same_text`. Every other difference is
unexplained. The csv module gets the delimiter and the encoding that our reader found; it finds records by itself. Nested
columns of Parquet, and files that DuckDB refuses, are read by pyarrow, which our reader is built on.
"""

import csv
import gzip
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import openpyxl
import polars as pl
import pyarrow as pa
from pyarrow import parquet

from pipeline.sources import GIVEN, Declared, in_order
from tests.prove.same_text import Rule, Verdict, of_name, of_parquet, of_workbook

MOST_CELLS = 2_000_000  #: of one file; what lies behind is not compared
_MOST_SPANNED = 5 * MOST_CELLS  #: of a sheet, empty ones included
_MOST_NAMED = 20  #: differences of one file that are named one by one
_SHOWN = 40  #: characters of a text that a message repeats
_ANY_SIZE = 1 << 30


class NotCompared(Exception):
    """The second reader cannot read the file; says why."""


@dataclass(slots=True)
class Comparison:
    """What both readers made of one file."""

    records: int = 0
    unreadable: dict[str, int] = field(
        default_factory=dict
    )  #: reason -> records that are not compared
    cells: int = 0
    equal: int = 0
    rules: dict[str, int] = field(
        default_factory=dict
    )  #: name of a rule -> cells that differ by it
    unexplained_count: int = 0
    unexplained: list[str] = field(default_factory=list)  #: the first of them

    def take(self, row: int, column: int, ours: str, theirs: Any, verdict: Verdict) -> None:
        """Count one cell."""
        self.cells += 1
        if verdict is True:
            self.equal += 1
        elif isinstance(verdict, Rule):
            self.rules[verdict.name] = self.rules.get(verdict.name, 0) + 1
        else:
            self.differ(row, f"column {column}: {_short(ours)}, second reader {_short(theirs)}")

    def add(self, other: "Comparison") -> None:
        """Count what another comparison came to."""
        for name in ("records", "cells", "equal", "unexplained_count"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.unreadable = dict(Counter(self.unreadable) + Counter(other.unreadable))
        self.rules = dict(Counter(self.rules) + Counter(other.rules))
        self.unexplained = (self.unexplained + other.unexplained)[:_MOST_NAMED]

    def differ(self, row: int, what: str) -> None:
        """Count a difference that no rule explains."""
        self.unexplained_count += 1
        if len(self.unexplained) < _MOST_NAMED:
            self.unexplained.append(f"row {row}, {what}")


@dataclass(frozen=True, slots=True)
class _Row:
    """A record of ours; without cells where it is unreadable."""

    line: int
    line_count: int
    cells: list[str] | None


@dataclass(frozen=True, slots=True)
class _Record:
    """A record of the csv module; without cells where it refuses the line."""

    line: int
    line_count: int
    cells: list[str] | None

    @property
    def is_blank(self) -> bool:
        return not any(map(str.strip, self.cells or ()))


def compare(path: Path, declared: Declared | None = None) -> Comparison:
    """Read a file with both readers; raise SourceError where ours refuses it, NotCompared where the other does."""
    (file,) = in_order([path], declared, any_columns=True)
    found, rows, cells, is_whole = Comparison(), [], 0, True
    for batch in file.batches():
        is_whole = cells <= MOST_CELLS
        if is_whole:
            rows += _rows(batch.records, found)
        cells += batch.records.height * max(1, len(file.columns))
    _COMPARERS[file.format](file, rows, found, is_whole)
    return found


def _rows(records: pl.DataFrame, found: Comparison) -> Iterator[_Row]:
    names = [name for name in records.columns if name.startswith(GIVEN)]
    told = records.select(
        "line", "line_count", "reason", pl.concat_list(pl.col(names).fill_null(""))
    )
    for line, count, reason, cells in told.iter_rows():
        found.records += 1
        if reason is not None:
            kind = reason.partition(":")[0]
            found.unreadable[kind] = found.unreadable.get(kind, 0) + 1
        yield _Row(line, count, cells if reason is None else None)


def _positions(columns: Sequence[str], names: Sequence[Any]) -> list[int]:
    """Where each column of ours is in a Parquet file: the same place, or by name where some of them are not read."""
    if len(columns) == len(names):
        return list(range(len(names)))
    plain = [str(name).strip() for name in names]
    return [
        plain.index(name) if name in plain else int(name.removeprefix("column_")) - 1
        for name in columns
    ]


# --- CSV


def _compare_csv(file: Any, rows: list[_Row], found: Comparison, is_whole: bool) -> None:
    lines = _lines(file)
    records = list(_csv_records(lines, file))
    header = next((one for one in records if not one.is_blank), None)
    if header is None:
        raise NotCompared("the csv module finds no header")
    names = (header.cells or []) + [""] * len(
        file.header
    )  # without a header its first record may be a short one
    at = [file.header.index(name) for name in file.columns]
    for ours, place in zip(file.columns, at, strict=True):
        found.take(header.line, place + 1, ours, names[place], of_name(ours, names[place], place))
    starts = {one.line: one for one in records if one.cells is not None}
    for row in rows:
        if row.cells is not None:
            _compare_record(file, row, starts.get(row.line), lines, at, found)
    if is_whole:
        _find_missing(rows, [one for one in records if one.line > header.line], found)


def _compare_record(
    file: Any, row: _Row, record: _Record | None, lines: list[str], at: list[int], found: Comparison
) -> None:
    is_alone = record is None or record.line_count != row.line_count
    if is_alone:
        raw = lines[row.line - 1 : row.line - 1 + row.line_count]
        alone = list(_csv_records(raw, file))
        record = alone[0] if len(alone) == 1 else None
    if record is None or record.cells is None:
        found.differ(row.line, "no record for the second reader")
    elif max(at, default=-1) >= len(record.cells):
        found.differ(row.line, f"{len(row.cells or ())} fields, second reader {len(record.cells)}")
    else:
        for ours, place in zip(row.cells or (), at, strict=True):
            same = ours == record.cells[place]
            found.take(
                row.line,
                place + 1,
                ours,
                record.cells[place],
                same and (Rule.ALONE if is_alone else True),
            )


def _find_missing(rows: list[_Row], records: list[_Record], found: Comparison) -> None:
    covered = {line for row in rows for line in range(row.line, row.line + row.line_count)}
    for record in records:
        if not record.is_blank and record.line not in covered:
            found.differ(record.line, "a record of the second reader that ours does not have")


def _lines(file: Any) -> list[str]:
    """The lines of a file as text, each with its end."""
    content = file.path.read_bytes()
    if content.startswith(b"\x1f\x8b"):
        content = gzip.decompress(content)
    elif content.startswith(b"\x28\xb5\x2f\xfd"):
        content = pa.input_stream(pa.BufferReader(content), compression="zstd").read()
    encoding = "utf-16" if content.startswith((b"\xff\xfe", b"\xfe\xff")) else file.dialect.encoding
    text = content.decode(encoding, errors="replace").removeprefix("\ufeff")
    *whole, rest = text.split("\r" if file.dialect.ends_with_cr else "\n")
    return [f"{line}\n" for line in whole] + ([rest] if rest else [])


def _csv_records(lines: Sequence[str], file: Any) -> Iterator[_Record]:
    """The records that the csv module finds; it goes on in the line after one that it refuses."""
    csv.field_size_limit(_ANY_SIZE)
    reader = csv.reader(iter(lines), delimiter=file.dialect.delimiter, strict=True)
    while True:
        before = reader.line_num
        try:
            cells: list[str] | None = next(reader)
        except StopIteration:
            return
        except csv.Error:
            cells = None
        if reader.line_num == before:
            return
        if file.dialect.trailing_delimiter and cells and not cells[-1]:
            cells = cells[:-1]
        yield _Record(before + 1, reader.line_num - before, cells)


# --- workbooks


def _compare_workbook(file: Any, rows: list[_Row], found: Comparison, is_whole: bool) -> None:
    table = _openpyxl_rows(file)
    filled = [number for number, cells in table.items() if not all(map(_is_blank, cells))]
    if not filled:
        raise NotCompared("openpyxl finds no cell that is filled")
    names = [cell.value for cell in table[filled[0]]]
    while names[-1] in {None, ""}:
        names.pop()
    names += [""] * (len(file.header) - len(names))
    at = [file.header.index(name) for name in file.columns]
    for ours, place in zip(file.columns, at, strict=True):
        found.take(
            filled[0],
            place + 1,
            ours,
            names[place],
            of_workbook(ours, names[place], table[filled[0]][place].number_format)
            or of_name(ours, str(names[place] or ""), place),
        )
    for row in rows:
        cells = table.get(row.line, ())
        for ours, place in zip(row.cells or (), at, strict=row.cells is not None):
            cell = cells[place] if place < len(cells) else None
            value, code = (cell.value, cell.number_format) if cell else (None, "General")
            # openpyxl looks for the text of such a cell in one place alone, and keeps its type where it finds none.
            is_inline = value is None and cell is not None and cell.data_type == "inlineStr"
            verdict = Rule.INLINE if is_inline and ours else of_workbook(ours, value, code)
            found.take(row.line, place + 1, ours, value, verdict)
    if is_whole:
        for number in sorted({*filled[1:]} - {row.line for row in rows}):
            found.differ(number, "a row of the second reader that ours does not have")


def _is_blank(cell: Any) -> bool:
    return cell.value is None or (isinstance(cell.value, str) and not cell.value.strip(" \t"))


def sheets_of(path: Path) -> list[str | None]:
    """The sheets of a workbook that hold cells; of every other file None, which is the whole of it."""
    try:
        with zipfile.ZipFile(path):
            return [
                sheet.title for sheet in openpyxl.load_workbook(path, read_only=True).worksheets
            ] or [None]
    except Exception:  # noqa: BLE001 - whether a broken workbook is refused is asked of our reader
        return [None]


def _openpyxl_rows(file: Any) -> dict[int, tuple[Any, ...]]:
    try:
        sheet = openpyxl.load_workbook(file.path, data_only=True)[file.sheet]
    except Exception as error:
        # openpyxl raises whatever a file makes it stumble over.
        raise NotCompared(f"openpyxl: {type(error).__name__}") from error
    if sheet.max_row * sheet.max_column > _MOST_SPANNED:
        raise NotCompared("openpyxl makes a cell of each empty place, and these are too many")
    return dict(enumerate(sheet.iter_rows(), start=1))


# --- Parquet


def _compare_parquet(file: Any, rows: list[_Row], found: Comparison, is_whole: bool) -> None:
    content = parquet.ParquetFile(file.path)
    schema, leaves = content.schema_arrow, map(content.schema.column, range(len(content.schema)))
    converted = {
        leaf.path for leaf in leaves if "is_from_converted_type=true" in str(leaf.logical_type)
    }
    types, at = schema.types, _positions(file.columns, schema.names)
    columns = _parquet_columns(file.path, len(rows), types)
    if is_whole and columns and len(columns[0]) != len(rows):
        found.differ(len(rows), f"the last; the second reader has {len(columns[0])}")
        return
    for index, row in enumerate(rows):
        for place, ours in zip(at, row.cells or (), strict=row.cells is not None):
            value = columns[place][index]
            verdict = of_parquet(
                ours, value, types[place], is_converted=schema.names[place] in converted
            )
            found.take(row.line, place + 1, ours, value, verdict)


def _parquet_columns(path: Path, count: int, types: Sequence[pa.DataType]) -> list[Sequence[Any]]:
    """The values of each column, one row more than `count` where there is one."""
    try:
        with duckdb.connect() as database:
            table = database.execute("SELECT * FROM read_parquet(?, hive_partitioning = false) LIMIT ?", [str(path), count + 1])  # fmt: skip
            flat: list[Sequence[Any]] = [*zip(*table.fetchall(), strict=True)] or [()] * len(types)
        if not any(map(pa.types.is_nested, types)):
            return flat
    except (duckdb.Error, UnicodeDecodeError, OverflowError):
        flat = []
    nested = _arrow_columns(path, count)
    if len(nested) != len(types):
        raise NotCompared("pyarrow leaves a column out")
    return [ours if pa.types.is_nested(of) or not flat else flat[at] for at, (ours, of) in enumerate(zip(nested, types, strict=True))]  # fmt: skip


def _arrow_columns(path: Path, count: int) -> list[Sequence[Any]]:
    try:
        return [
            column.slice(0, count + 1).to_pylist()
            for column in parquet.ParquetFile(path).read().columns
        ]
    except (pa.ArrowException, ValueError, OverflowError, OSError) as error:
        raise NotCompared(f"pyarrow: {type(error).__name__}") from error


_COMPARERS: dict[str, Callable[[Any, list[_Row], Comparison, bool], None]] = {
    "csv": _compare_csv,
    "excel": _compare_workbook,
    "parquet": _compare_parquet,
}


def _short(value: object) -> str:
    text = value if isinstance(value, str) else repr(value)
    return ascii(text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…")
