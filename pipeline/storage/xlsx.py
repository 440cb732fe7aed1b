"""Workbooks in which every cell is text: nothing is computed."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import xlsxwriter
from xlsxwriter.format import Format

from pipeline.storage.files import renamed_when_whole

MOST_COLUMNS = 16_384
_LONGEST_CELL = 32_767  #: characters, the limit of the format
_NARROWEST, _WIDEST = 9, 60  #: characters


@dataclass(frozen=True, slots=True)
class Sheet:
    """A fixed header and rows of texts; `ours`: grey columns, `figures`: right-aligned ones."""

    name: str
    header: Sequence[str]
    rows: Iterable[Sequence[str | None]] = ()
    ours: Sequence[bool] = ()
    figures: Sequence[bool] = ()
    too_long: str = ""  #: replaces a text that is too long for a cell


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
    write_text_book(path, [Sheet(name, header, rows, ours, too_long=too_long)])


def write_text_book(path: Path, sheets: Iterable[Sheet]) -> None:
    """Write a workbook, completely or not at all."""
    with renamed_when_whole(path) as unfinished:
        book = xlsxwriter.Workbook(
            str(unfinished),
            {
                "constant_memory": True,
                "tmpdir": str(
                    unfinished.parent
                ),  # temporary rows go to files; the system's folder is not private
                "strings_to_formulas": False,
                "strings_to_urls": False,
                "strings_to_numbers": False,
            },
        )
        kinds: dict[str, dict[str, str | bool]] = {
            "text": {},
            "grey": {"font_color": "#666666"},
            "figure": {"align": "right"},
            "bold": {"bold": True},
        }
        formats = {
            name: book.add_format({"num_format": "@", "valign": "top", "text_wrap": True, **look})
            for name, look in kinds.items()
        }
        for sheet in sheets:
            _write(book, sheet, formats)
        book.close()


def _write(book: xlsxwriter.Workbook, sheet: Sheet, formats: dict[str, Format]) -> None:
    page = book.add_worksheet(sheet.name)
    page.freeze_panes(1, 0)
    page.set_landscape()
    page.fit_to_pages(1, 0)
    page.repeat_rows(0)
    looks = [_look(sheet, column) for column in range(len(sheet.header))]
    widest, number = [_NARROWEST] * len(sheet.header), 0
    for number, row in enumerate(chain([sheet.header], sheet.rows)):
        for column, cell in enumerate(row):
            if cell:
                shown = cell if len(cell) <= _LONGEST_CELL else sheet.too_long
                page.write_string(
                    number, column, shown, formats["bold" if number == 0 else looks[column]]
                )
                widest[column] = max(widest[column], min(len(shown) + 2, _WIDEST))
    for column, look in enumerate(looks):
        # Format the whole column as text, so that new rows below are text, too.
        page.set_column(column, column, widest[column], formats[look])
    if sheet.header:
        page.autofilter(0, 0, max(number, 1), len(sheet.header) - 1)


def _look(sheet: Sheet, column: int) -> str:
    if column < len(sheet.ours) and sheet.ours[column]:
        return "grey"
    return "figure" if column < len(sheet.figures) and sheet.figures[column] else "text"
