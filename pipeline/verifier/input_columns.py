"""Compare the records of an input, as columns, with the rows of a list."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.domain.plan_file import InputFile
from pipeline.verifier.column_faults import require
from pipeline.verifier.declared_job import TableBounds
from pipeline.verifier.list_columns import ListRows
from pipeline.verifier.recomputed import Recomputed
from pipeline.verifier.row_by_row import Reading, compare_with_source
from pipeline.verifier.row_columns import Reasons
from pipeline.verifier.source_columns import SourceColumns, Texts
from pipeline.verifier.source_tables import Table, TableRow


@dataclass(frozen=True, slots=True)
class Beside:
    """What the comparison with an input needs besides its records."""

    columns: Sequence[str]
    #: Row id -> column -> the text of the file, and the original that the run knows.
    came_back: Mapping[str, dict[str, tuple[str, str]]]
    found: Recomputed

    def by_row(self, listed: ListRows, reasons: Reasons) -> Any:
        """Whether the list has other texts than the input, so that rows are compared one by one."""
        apart = pc.or_(pc.not_equal(listed.our("text"), ""), reasons.is_damaged)
        if self.came_back:
            known = pa.array(list(self.came_back), pa.string())
            apart = pc.or_(apart, pc.is_in(listed.our("row_id"), known))
        return apart

    def compare(self, reading: Reading, listed: ListRows, at: int, number: int) -> None:
        """Compare one row with its record."""
        row = listed.row(at, number)
        came_back = self.came_back.get(row.row_id, {})
        compare_with_source(reading, row, came_back, self.columns, self.found)


class Records(Protocol):
    """Neighbouring records of one input, or some of them."""

    def filter(self, mask: Any) -> "Records":
        """The records for which the mask is true."""

    def compare(self, listed: ListRows, reasons: Reasons, beside: Beside) -> int:
        """Compare them with the rows of a list; return how many blank lines follow records."""


class Input(Protocol):
    """An input, whose records are taken in order."""

    def records(self, numbers: Any, end: int | None) -> Records:
        """The records at these places; the next one is at `end`, or there is none."""

    def finish(self, described: InputFile, blank: int) -> str | None:
        """The problem with the rest of the input, or with its counts.

        `blank`: blank lines after records.
        """


class CsvInput:
    """A CSV input."""

    def __init__(self, path: Path, described: InputFile, around: TableBounds) -> None:
        before, behind = around.skip_lines or 0, around.footer_lines or 0
        self._source = SourceColumns(path, described, before, behind)

    def records(self, numbers: Any, end: int | None) -> Records:
        """The records that begin on these lines."""
        if end is not None:
            return _CsvRecords(self._source, self._source.texts(numbers, end))
        # The last record of a file, and the lines after it, are read line by line.
        last, before = numbers[-1].as_py(), numbers[:-1]
        texts = self._source.texts(before, last) if len(before) else Texts.none()
        return _CsvRecords(self._source, texts, last)

    def finish(self, described: InputFile, blank: int) -> str | None:
        """The problem with the rest of the file, or with the number of its lines."""
        self._source.lines.blank += blank
        return self._source.lines.finish(described)


@dataclass(frozen=True, slots=True)
class _CsvRecords:
    """Records of a CSV input; the last one of the file has no text here, only its line."""

    source: SourceColumns
    texts: Texts
    last: int | None = None

    def filter(self, mask: Any) -> "_CsvRecords":
        """The records for which the mask is true."""
        if self.last is None:
            return _CsvRecords(self.source, self.texts.filter(mask))
        last = self.last if mask[-1].as_py() else None
        return _CsvRecords(self.source, self.texts.filter(mask[:-1]), last)

    def compare(self, listed: ListRows, reasons: Reasons, beside: Beside) -> int:
        """Compare plain records as columns, and the others line by line."""
        count = len(self.texts.texts)
        require(len(listed) == count + (self.last is not None))
        blank = self._compare_texts(listed, beside.by_row(listed, reasons)[:count], beside)
        if self.last is not None:
            beside.compare(self.source.lines, listed, count, self.last)
        return blank

    def _compare_texts(self, listed: ListRows, by_row: Any, beside: Beside) -> int:
        if not len(by_row):
            return 0
        texts, source, blank = self.texts, self.source, 0
        plain = pc.and_(pc.invert(by_row), source.is_plain(texts))
        cells = source.cells(texts.texts.filter(plain))
        require(len(cells) == len(beside.columns))
        for at, column in enumerate(cells):
            require(column.equals(listed.cell(at)[: len(plain)].filter(plain)))
        for at in pc.indices_nonzero(pc.invert(plain)).to_pylist():
            number, following = texts.numbers[at].as_py(), texts.nexts[at].as_py()
            lines = source.lines.within(texts.lines(at), number)
            beside.compare(lines, listed, at, number)
            require(lines.skip_to(following) is None)
            blank += lines.blank
        return blank


class TableInput:
    """A Parquet input."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def records(self, numbers: Any, end: int | None) -> Records:
        """The rows with these numbers, which follow the ones taken before."""
        table, count = self._table, len(numbers)
        first, last = numbers[0].as_py(), numbers[-1].as_py()
        require((first, last) == (table.number + 1, table.number + count))
        require(end is None or end == last + 1)
        rows = table.take(count)
        require(rows is not None)
        return _TableRecords(table, rows, numbers)

    def finish(self, described: InputFile, blank: int) -> str | None:  # noqa: ARG002
        """The problem if file and manifest disagree on the number of rows."""
        return self._table.finish(described)


@dataclass(frozen=True, slots=True)
class _TableRecords:
    """Rows of a Parquet input."""

    table: Table
    rows: Any
    numbers: Any

    def filter(self, mask: Any) -> "_TableRecords":
        """The rows for which the mask is true."""
        return _TableRecords(self.table, self.rows.filter(mask), self.numbers.filter(mask))

    def compare(self, listed: ListRows, reasons: Reasons, beside: Beside) -> int:
        """Compare the cells that have one plain text."""
        by_row = beside.by_row(listed, reasons)
        others = pc.invert(by_row)
        columns, names = self.table.columns, self.rows.column_names
        require(len(columns) == len(beside.columns))
        for at, name in enumerate(columns):
            if name in names:
                texts = self.rows.column(names.index(name)).filter(others).cast(pa.string())
                require(texts.fill_null("").combine_chunks().equals(listed.cell(at).filter(others)))
        for at in pc.indices_nonzero(by_row).to_pylist():
            number = self.numbers[at].as_py()
            row = self.rows.slice(at, 1).to_pylist()[0]
            beside.compare(TableRow(self.table.name, number, columns, row), listed, at, number)
        return 0
