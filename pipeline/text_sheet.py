"""Tables for people as workbooks of one sheet, every cell text: what stands in it is shown, and nothing is computed."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import xlsxwriter

from pipeline.files import renamed_when_whole

MOST_COLUMNS = 16_384
_LONGEST_CELL = 32_767  #: characters, by the format's own limits
_WIDEST = 60


def write_text_sheet(
    path: Path,
    name: str,
    header: Sequence[str],
    rows: Iterable[Sequence[str | None]] = (),
    *,
    ours: Sequence[bool] = (),
    too_long: str = "",
) -> None:
    """Write a header that stays in sight and rows of texts; columns that are `ours` are shown in grey.

    `too_long` stands for a text that no cell can hold.
    """
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
        sheet = book.add_worksheet(name)
        sheet.freeze_panes(1, 0)
        formats = [grey if at < len(ours) and ours[at] else text for at in range(len(header))]
        for column, title in enumerate(header):
            # The whole column is text, so that what somebody types below the last row is, too.
            sheet.set_column(column, column, min(max(len(title) + 2, 12), _WIDEST), formats[column])
        for number, row in enumerate([header, *rows]):
            for column, cell in enumerate(row):
                if cell:
                    shown = cell if len(cell) <= _LONGEST_CELL else too_long
                    sheet.write_string(number, column, shown, bold if number == 0 else formats[column])
        book.close()
