"""One sheet of an .xlsx workbook: every row a record, every cell its visible text or a reason."""

import contextlib
import hashlib
import itertools
import os
import zipfile
import zlib
from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO
from xml.parsers.expat import ExpatError

from pipeline.domain.column_mapping import Layout
from pipeline.domain.customer import ROW_ID, RUN_ID
from pipeline.domain.file_issues import Finding
from pipeline.errors import SourceError
from pipeline.sources.dialect import Declared
from pipeline.sources.file_access import opened_unchanged
from pipeline.sources.limits import HIGHEST_RATIO
from pipeline.sources.names import Names
from pipeline.sources.sheet_choice import chosen_sheet
from pipeline.sources.sheet_header import ROWS_LOOKED_AT, names_of
from pipeline.sources.sheet_rows import Row
from pipeline.sources.sheet_table import SheetTable, sheet_table
from pipeline.sources.source_file import BATCH_BYTES, Batch, Lines, empty_columns, suppliers_columns
from pipeline.sources.workbook import Workbook
from pipeline.sources.xml_part import NoWorkbook

_DAMAGE = (
    zipfile.BadZipFile, zlib.error, ExpatError, EOFError, LookupError, ValueError, NotImplementedError, RuntimeError,
)  # fmt: skip
_ROUGHLY_A_CELL = 8  #: bytes in addition to its text
_ENOUGH_TO_JUDGE = (
    64 << 20
)  #: characters of text from which their ratio to the size of the file counts


class ExcelFile:
    """A workbook being read; `lines` (rows) and `sha256` are complete after `batches`."""

    format = "excel"

    def __init__(
        self,
        path: Path,
        name: str,
        declared: Declared | None = None,
        layout: Layout | None = None,
        *,
        any_columns: bool = False,
        ignores_unnamed: bool = True,
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
        self.names = Names(())
        self.footer: tuple[str, ...] = ()
        self.ignored: tuple[str, ...] = ()  #: empty columns without a name
        self._ignores_unnamed = ignores_unnamed
        self._has_header = False
        self._last_row = 0
        self._blank = 0
        self._footer_rows: list[Row] = []
        self._footer_height = 0  #: rows from the first of the footer to the last of the sheet

    @property
    def columns(self) -> list[str]:
        """The supplier's columns, without our own and empty unnamed ones."""
        return suppliers_columns(self.header or (), self.ignored)

    @property
    def written(self) -> dict[str, str]:
        """The sheet, and the number of its hidden rows, which are read like others."""
        unusual = {
            "hidden_rows": str(self.hidden_rows or ""),
            "header": "none" if self.declared.header == "none" else "",
            **self.names.facts(self.ignored),
        }
        found = "" if self.declared.sheet else "sheet"
        return {
            "sheet": self.sheet,
            **{name: fact for name, fact in unusual.items() if fact},
            "found": found,
        }

    @property
    def why(self) -> dict[str, str]:
        """What was detected, and why."""
        return {} if self.declared.sheet else {"sheet": "it is the only one that is not hidden"}

    @property
    def findings(self) -> list[Finding]:
        """Warnings about the whole file, after reading."""
        return self.names.findings(self.name, self.ignored)

    @property
    def unsendable(self) -> dict[str, str]:
        """None: all cells are text."""
        return {}

    def batches(
        self, *, first_position: int = 0, batch_bytes: int = BATCH_BYTES
    ) -> Iterator[Batch]:
        """Yield the records; raise SourceError if the workbook is invalid or changes."""
        position = first_position
        with opened_unchanged(self.path) as file, self._explained_damage():
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            size = os.fstat(file.fileno()).st_size
            file.seek(0)
            for table, rows in self._blocks(file, size, batch_bytes):
                records = table.records(rows, position)
                position += records.height
                self.lines = replace(self.lines, records=self.lines.records + records.height)
                yield Batch(records)
        self.sha256 = digest
        self.size = size

    def _blocks(
        self, file: BinaryIO, size: int, batch_bytes: int
    ) -> Iterator[tuple[SheetTable, list[Row]]]:
        """Rows with content below the header, in blocks; blank ones are counted."""
        book = Workbook(file)
        if ours := _sheet_of_ours(book):
            # The config describes the supplier's workbook; a list of ours begins with its header,
            # without lines above or below its rows.
            self.declared = Declared(sheet=ours)
        sheet = chosen_sheet(book.sheets, self.declared.sheet)
        self.sheet = sheet.name
        self.lines = Lines()
        rows = self._filled(self._without_footer(book.rows(sheet)))
        head = list(itertools.islice(rows, ROWS_LOOKED_AT))
        if head:
            table, first = self._take_header(head)
            book.limit_width(len(table.header))
            records = itertools.chain(first, rows)
            yield from (
                (table, block) for block in self._cut(records, len(table.header), size, batch_bytes)
            )
            self._check_merged(book.merged, first)
            self.footer = tuple(table.text(row.cells) for row in self._footer_rows)
        self._count_lines()

    def _cut(
        self, rows: Iterator[Row], width: int, size: int, batch_bytes: int
    ) -> Iterator[list[Row]]:
        """The rows in blocks; refuse shared texts that expand far beyond the file."""
        block: list[Row] = []
        held = expanded = 0
        for row in rows:
            block.append(row)
            held += row.size + _ROUGHLY_A_CELL * max(len(row.cells), width)
            expanded += row.size
            if expanded > max(_ENOUGH_TO_JUDGE, HIGHEST_RATIO * size):
                raise NoWorkbook(
                    f"a workbook whose texts are more than {HIGHEST_RATIO} times its size; save it as CSV"
                )
            if held >= batch_bytes:
                yield block
                block, held = [], 0
        if block:
            yield block

    def _filled(self, rows: Iterator[Row]) -> Iterator[Row]:
        """The rows of the table with content."""
        last = self.declared.skip_lines
        for row in rows:
            self.hidden_rows += row.is_hidden
            if row.number <= self.declared.skip_lines:
                continue
            self._blank += row.number - last - 1  # rows missing in the file
            last = row.number
            if row.is_blank:
                self._blank += 1
            else:
                yield row
        self._blank += max(self._last_row - self._footer_height - last, 0)

    def _without_footer(self, rows: Iterator[Row]) -> Iterator[Row]:
        """Rows without the declared footer rows; blank rows do not count."""
        kept: deque[Row] = deque()
        filled = 0
        for row in rows:
            self._last_row = row.number
            kept.append(row)
            filled += not row.is_blank
            while kept and filled > self.declared.footer_lines:
                filled -= not kept[0].is_blank
                yield kept.popleft()
        self._footer_rows = [row for row in kept if not row.is_blank]
        if self._footer_rows:
            self._footer_height = self._last_row - self._footer_rows[0].number + 1

    def _count_lines(self) -> None:
        self.lines = replace(
            self.lines,
            physical=self._last_row,
            header=int(self._has_header),
            skipped=min(self.declared.skip_lines, self._last_row) + self._footer_height,
            blank=self._blank,
        )

    def _take_header(self, head: list[Row]) -> tuple[SheetTable, list[Row]]:
        """The table by its header, and those of the first rows that are its records."""
        where = f"{self.path}: row {head[0].number} of sheet {self.sheet!r}"
        self.names = names_of(head, where, self.declared, self.layout, any_columns=self.any_columns)
        self.header = self.names.used
        self._has_header = self.declared.header != "none"
        if self.names.unnamed and self._ignores_unnamed:
            again = ExcelFile(
                self.path,
                self.name,
                self.declared,
                self.layout,
                any_columns=self.any_columns,
                ignores_unnamed=False,
            )
            self.ignored = empty_columns(again.batches(), self.names.of_unnamed)
        table = sheet_table(
            self.name,
            self.sheet,
            self.names,
            self.columns,
            self.layout,
            any_columns=self.any_columns,
        )
        return table, head[int(self._has_header) :]

    def _check_merged(self, merged: tuple[int, int], records: list[Row]) -> None:
        if records and merged[1] >= records[0].number:
            raise SourceError(
                f"{self.path}: cells of rows {merged[0]} to {merged[1]} are merged, so it is not clear which rows their "
                "text belongs to; nothing was sent. Unmerge the cells and save the file again"
            )

    @contextlib.contextmanager
    def _explained_damage(self) -> Iterator[None]:
        try:
            yield
        except NoWorkbook as error:
            raise SourceError(f"{self.path}: {error}") from None
        except _DAMAGE as error:
            raise SourceError(
                f"{self.path}: the workbook is damaged, or not completely written, or in a form that is not read "
                f"({type(error).__name__}); nothing was sent. Save it again, or as CSV"
            ) from None


def _sheet_of_ours(book: Workbook) -> str | None:
    """The only sheet whose first row has our columns of run and row, if any."""
    ours = []
    for sheet in filter(lambda sheet: sheet.is_table, book.sheets):
        with contextlib.suppress(NoWorkbook, *_DAMAGE):
            cells = (cell for row in itertools.islice(book.rows(sheet), 1) for cell in row.cells)
            if {ROW_ID, RUN_ID} <= {cell for cell in cells if isinstance(cell, str)}:
                ours.append(sheet.name)
    return ours[0] if len(ours) == 1 else None
