"""One sheet of an .xlsx workbook: every row a record, every cell the text that a person saw, or a reason why not."""

import contextlib
import hashlib
import os
import zipfile
import zlib
from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO
from xml.etree.ElementTree import ParseError

import polars as pl

from pipeline.causes import Cause
from pipeline.customer import is_import_column
from pipeline.errors import SourceError
from pipeline.layout import Layout, is_canonical
from pipeline.outcomes import Finding, Reason
from pipeline.sources.cell_table import reason_of, text_of_unreadable
from pipeline.sources.dialect import Declared
from pipeline.sources.header import check_names, with_control_characters
from pipeline.sources.opening import opened_unchanged
from pipeline.sources.source_file import BATCH_BYTES, GIVEN, Batch, Lines, origins
from pipeline.sources.workbook import Cell, NoWorkbook, Row, Sheet, Trouble, Workbook, rows_of

_REASONS = {
    Trouble.ERROR: Reason.READ_CELL_ERROR,
    Trouble.NO_VALUE: Reason.READ_FORMULA_WITHOUT_VALUE,
    Trouble.FORMAT: Reason.READ_CELL_FORMAT,
}
_DAMAGE = (
    zipfile.BadZipFile, zlib.error, ParseError, EOFError, KeyError, IndexError, ValueError, NotImplementedError,
    RuntimeError,  # a part that is encrypted
)  # fmt: skip
_ROUGHLY_A_ROW = 200  #: bytes in memory; batches of a workbook are small anyway


class ExcelFile:
    """A workbook being read; `lines` (the rows of its sheet) and `sha256` are true of all once `batches` has ended."""

    format = "excel"

    def __init__(
        self,
        path: Path,
        name: str,
        declared: Declared | None = None,
        layout: Layout | None = None,
        *,
        any_columns: bool = False,
    ) -> None:
        self.path = path
        self.name = name
        self.declared = declared or Declared()
        self.layout = layout
        self.any_columns = any_columns
        self.sheet = ""
        self.hidden_rows = 0
        self.lines = Lines()
        self.sha256 = ""
        self.size = 0
        self.header: tuple[str, ...] | None = None
        self.footer: tuple[str, ...] = ()

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Nothing."""
        return ()

    @property
    def columns(self) -> list[str]:
        """The columns that are the supplier's: without those that an earlier run of ours added."""
        return [name for name in self.header or () if not is_import_column(name)]

    @property
    def written(self) -> dict[str, str]:
        """Which sheet was read, and how many of its rows are hidden: they were read like the others."""
        hidden = {"hidden_rows": str(self.hidden_rows)} if self.hidden_rows else {}
        return {"sheet": self.sheet, **hidden, "found": "" if self.declared.sheet else "sheet"}

    @property
    def why(self) -> dict[str, str]:
        """What of that nobody declared, and why it was taken to be so."""
        return {} if self.declared.sheet else {"sheet": "it is the only one that is not hidden"}

    def batches(self, *, first_position: int = 0, batch_bytes: int = BATCH_BYTES) -> Iterator[Batch]:
        """Yield the records; raise SourceError where the file is no workbook that can be read, or changes meanwhile."""
        position = first_position
        with opened_unchanged(self.path) as file, self._damage_told():
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            file.seek(0)
            for rows in self._blocks(file, max(1, batch_bytes // _ROUGHLY_A_ROW)):
                records = self._records(rows, position)
                position += records.height
                self.lines = replace(self.lines, records=self.lines.records + records.height)
                yield Batch(records)
            size = os.fstat(file.fileno()).st_size
        self.sha256 = digest
        self.size = size

    def _blocks(self, file: BinaryIO, most: int) -> Iterator[list[Row]]:
        """The rows below the header that hold something, some at a time; the others are counted."""
        book = Workbook(file)
        sheet = self._sheet(book)
        self.sheet = sheet.name
        self.lines = Lines()
        first_record = blank = gaps = 0
        last = self.declared.skip_lines
        block: list[Row] = []
        for row in self._without_footer(book.rows(sheet)):
            self.hidden_rows += row.is_hidden
            if row.number <= self.declared.skip_lines:
                continue
            gaps += row.number - last - 1
            last = row.number
            if not any(row.cells):
                blank += 1
                continue
            if self.header is None:
                self._take_header(row)
                continue
            first_record = first_record or row.number
            block.append(row)
            if len(block) == most:
                yield block
                block = []
        for merged in map(rows_of, book.merged):
            if first_record and merged[1] >= first_record:
                raise SourceError(
                    f"{self.path}: cells of rows {merged[0]} to {merged[1]} are merged, and nobody can say which rows "
                    "their text belongs to; nothing was sent. Take the cells apart and save the file anew"
                )
        if block:
            yield block
        gaps += max(self.lines.physical - self.lines.skipped - last, 0)
        skipped = min(self.declared.skip_lines, self.lines.physical) + self.lines.skipped
        header = int(self.header is not None)
        # A row that holds nothing, or is written down nowhere, is a blank one.
        self.lines = replace(self.lines, header=header, skipped=skipped, blank=blank + gaps)

    def _without_footer(self, rows: Iterator[Row]) -> Iterator[Row]:
        """The same without the last rows that are declared to be no part of the table, blank ones not counted."""
        kept: deque[Row] = deque()
        filled = 0
        for row in rows:
            self.lines = replace(self.lines, physical=row.number)
            kept.append(row)
            filled += any(row.cells)
            while kept and filled > self.declared.footer_lines:
                filled -= any(kept[0].cells)
                yield kept.popleft()
        if kept and filled:
            first = next(row.number for row in kept if any(row.cells))
            self.lines = replace(self.lines, skipped=self.lines.physical - first + 1)
            self.footer = tuple(",".join(map(_text, row.cells)) for row in kept if any(row.cells))

    def _sheet(self, book: Workbook) -> Sheet:
        wanted = self.declared.sheet
        visible = [sheet for sheet in book.sheets if not sheet.is_hidden]
        found = [sheet for sheet in book.sheets if sheet.name == wanted] if wanted else visible
        if len(found) == 1:
            return found[0]
        names = ", ".join(repr(sheet.name) for sheet in book.sheets)
        if wanted:
            raise SourceError(f"{self.path}: no sheet {wanted!r}; there are: {names}")
        raise SourceError(
            f"{self.path}: {len(visible)} sheets, and nobody has said which is the table; declare it in the config: "
            f"source.sheet, one of {names}"
        )

    def _take_header(self, row: Row) -> None:
        names = ["" if isinstance(cell, Trouble) else cell for cell in row.cells]
        while names and not names[-1]:
            names.pop()
        where = f"{self.path}: row {row.number} of sheet {self.sheet!r}"
        if unprintable := with_control_characters(names):
            raise SourceError(f"{where}: a line break or control character stands in the name of column {unprintable}")
        check_names(names, where, self.layout, any_columns=self.any_columns)
        self.header = tuple(names)

    def _records(self, rows: list[Row], position: int) -> pl.DataFrame:
        header = self.header or ()
        width = len(header)
        asked = [self._is_asked(name) for name in header]
        texts = [[_text(cell) for cell in row.cells[:width]] + [""] * (width - len(row.cells)) for row in rows]
        troubles = [self._trouble(row.cells, header, asked) for row in rows]
        cells = pl.DataFrame(texts, schema={GIVEN + name: pl.String for name in header}, orient="row")
        number = pl.Series("line", [row.number for row in rows], dtype=pl.Int64)
        table = cells.with_columns(number, trouble=pl.Series(troubles, dtype=pl.String), undecoded=pl.lit(value=False))
        given = [pl.col(GIVEN + name) for name in header]
        table = table.with_columns(reason=pl.coalesce("trouble", reason_of(given)))
        return table.select(
            position=pl.int_range(pl.len(), dtype=pl.Int64) + position,
            row_id=pl.format("{}!{}:{}", pl.lit(self.name), pl.lit(self.sheet), pl.col("line")),
            line=pl.col("line"),
            line_count=pl.lit(1, pl.Int64),
            reason=pl.col("reason"),
            text=text_of_unreadable(table, given),
            **origins(header),
            **{GIVEN + name: pl.when(pl.col("reason").is_null()).then(pl.col(GIVEN + name)) for name in self.columns},
        )

    def _is_asked(self, name: str) -> bool:
        """Whether a cell of this column must have a text that can be trusted."""
        if self.any_columns:
            return False
        return name in self.layout.columns if self.layout else is_canonical(name)

    def _trouble(self, cells: list[Cell], header: tuple[str, ...], asked: list[bool]) -> str | None:
        if any(cells[len(header) :]):
            return Reason.READ_TOO_MANY_FIELDS.value
        found = (
            str(Cause(_REASONS[cell], name))
            for cell, name, is_asked in zip(cells, header, asked, strict=False)
            if is_asked and isinstance(cell, Trouble)
        )
        trouble = next(found, None)
        is_header = trouble is None and tuple(map(_text, cells[: len(header)])) == header
        return Reason.READ_REPEATED_HEADER.value if is_header else trouble

    @contextlib.contextmanager
    def _damage_told(self) -> Iterator[None]:
        try:
            yield
        except NoWorkbook as error:
            raise SourceError(f"{self.path}: {error}") from None
        except _DAMAGE as error:
            raise SourceError(
                f"{self.path}: the workbook is damaged, or not wholly written, or in a form that is not read "
                f"({type(error).__name__}); nothing was sent. Save it anew, or as CSV"
            ) from None


def _text(cell: Cell) -> str:
    return f"[{cell.value}]" if isinstance(cell, Trouble) else cell
