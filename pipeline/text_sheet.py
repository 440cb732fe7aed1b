"""Tables for people as workbooks, every cell text: what stands in it is shown, and nothing is computed."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import xlsxwriter
from xlsxwriter.format import Format

from pipeline.files import renamed_when_whole

MOST_COLUMNS = 16_384
_LONGEST_CELL = 32_767  #: characters, by the format's own limits
_WIDEST = 60


@dataclass(frozen=True, slots=True)
class Sheet:
    """A header that stays in sight and rows of texts; columns that are `ours` are shown in grey."""

    name: str
    header: Sequence[str]
    rows: Iterable[Sequence[str | None]] = ()
    ours: Sequence[bool] = ()
    too_long: str = ""  #: stands for a text that no cell can hold


def write_text_sheet(
    path: Path,
    name: str,
    header: Sequence[str],
    rows: Iterable[Sequence[str | None]] = (),
    *,
    ours: Sequence[bool] = (),
    too_long: str = "",
) -> None:
    """Write a workbook of one sheet."""
    write_text_book(path, [Sheet(name, header, rows, ours, too_long)])


def write_text_book(path: Path, sheets: Iterable[Sheet]) -> None:
    """Write a workbook, whole or not at all."""
    with renamed_when_whole(path) as unfinished:
        book = xlsxwriter.Workbook(
            str(unfinished),
            {
                "constant_memory": True,
                "strings_to_formulas": False,
                "strings_to_urls": False,
                "strings_to_numbers": False,
            },
        )
        text, grey = book.add_format({"num_format": "@"}), book.add_format({"num_format": "@", "font_color": "#666666"})
        bold = book.add_format({"num_format": "@", "bold": True})
        for sheet in sheets:
            _write(book, sheet, text, grey, bold)
        book.close()


def _write(book: xlsxwriter.Workbook, sheet: Sheet, text: Format, grey: Format, bold: Format) -> None:
    page = book.add_worksheet(sheet.name)
    page.freeze_panes(1, 0)
    formats = [grey if at < len(sheet.ours) and sheet.ours[at] else text for at in range(len(sheet.header))]
    for column, title in enumerate(sheet.header):
        # The whole column is text, so that what somebody types below the last row is, too.
        page.set_column(column, column, min(max(len(title) + 2, 12), _WIDEST), formats[column])
    for number, row in enumerate([sheet.header, *sheet.rows]):
        for column, cell in enumerate(row):
            if cell:
                shown = cell if len(cell) <= _LONGEST_CELL else sheet.too_long
                page.write_string(number, column, shown, bold if number == 0 else formats[column])
