"""Which sheet of a workbook is the table, and which of its rows is the header."""

from collections import Counter
from collections.abc import Iterator, Sequence

from pipeline.customer import FIELDS, is_import_column
from pipeline.layout import BILLING_ID, Layout
from pipeline.sources.cell import Trouble, shown_text
from pipeline.sources.sheet_rows import Row
from pipeline.sources.workbook import Sheet
from pipeline.sources.xml_part import NoWorkbook

ROWS_LOOKED_AT = 50  #: from the first that holds something; titles are shorter


def chosen_sheet(sheets: Sequence[Sheet], wanted: str | None) -> Sheet:
    """The sheet that the job names, else the only table that is not hidden; NoWorkbook names all there are."""
    names = ", ".join(repr(sheet.name) for sheet in sheets)
    if wanted is not None:
        return _named_sheet(sheets, wanted, names)
    tables = [sheet for sheet in sheets if sheet.is_table and not sheet.is_hidden]
    if len(tables) == 1:
        return tables[0]
    if not any(sheet.is_table for sheet in sheets):
        others = ", ".join(f"{sheet.name!r} is {sheet.what}" for sheet in sheets)
        raise NoWorkbook(f"no sheet with a table{f': {others}' if others else ''}; add one, or save the table as CSV")
    count = f"{len(tables)} sheets" if tables else "all sheets are hidden"
    ours = ", ".join(repr(sheet.name) for sheet in sheets if sheet.is_table)
    raise NoWorkbook(
        f"{count}, and it is not declared which one is the table; name it: --sheet NAME, or in the config source.sheet, "
        f"one of {ours}"
    )


def header_advice(rows: Sequence[Row], layout: Layout | None) -> str:
    """What to declare where a row below the first is more like a header; empty where none is."""
    better = _better_header(rows, layout)
    if better is None:
        return ""
    skip = better.number - 1
    return (
        f". Row {better.number} looks more like the header: if the {skip} row{'s' * (skip > 1)} before it "
        f"{'are' if skip > 1 else 'is'} no part of the table, declare that: --skip-lines {skip}, or source.skip_lines: {skip} "
        "in the config"
    )


def is_title(rows: Sequence[Row]) -> bool:
    """Whether the first row is one text above a table of several columns."""
    return len(rows) > 1 and _width(rows[0]) == 1 and _usual_width(rows[1:]) > 1


def names_of(row: Row) -> list[str]:
    """The cells of a row as column names; a cell without a text names nothing."""
    return ["" if isinstance(text, Trouble) else text for text in map(shown_text, row.cells)]


def contents_of(row: Row) -> str:
    """What the cells of a row without texts hold, in words."""
    counts = Counter(text.value for text in map(shown_text, row.cells) if isinstance(text, Trouble))
    return ", ".join(f"{count} cell{'s' * (count > 1)} with {what}" for what, count in counts.items())


def _named_sheet(sheets: Sequence[Sheet], wanted: str, names: str) -> Sheet:
    found = [sheet for sheet in sheets if sheet.name == wanted]
    if not found:
        raise NoWorkbook(f"no sheet {wanted!r}; there are: {names}")
    if len(found) > 1:
        raise NoWorkbook(f"{len(found)} sheets are called {wanted!r}; give each a name of its own")
    if not found[0].is_table:
        raise NoWorkbook(f"sheet {wanted!r} is {found[0].what} and no table; there are: {names}")
    return found[0]


def _better_header(rows: Sequence[Row], layout: Layout | None) -> Row | None:
    """The row that names more of the expected columns than the first does, or is the first of the table's usual width."""
    expected = layout.columns if layout else frozenset({*FIELDS, BILLING_ID})
    named = [sum(name.strip() in expected or is_import_column(name.strip()) for name in names_of(row)) for row in rows]
    if not rows:
        return None
    if max(named) > max(named[0], 1) or (max(named) and not named[0]):
        return rows[named.index(max(named))]
    return None if max(named) or not is_title(rows) else next(_of_usual_width(rows))


def _of_usual_width(rows: Sequence[Row]) -> Iterator[Row]:
    usual = _usual_width(rows[1:])
    return (row for row in rows if _width(row) == usual)


def _usual_width(rows: Sequence[Row]) -> int:
    """The most frequent number of filled cells, where at least half of the rows have it; else 0."""
    widths = Counter(map(_width, rows))
    usual, times = widths.most_common(1)[0] if widths else (0, 0)
    return usual if 2 * times >= len(rows) else 0


def _width(row: Row) -> int:
    return sum(cell != "" for cell in row.cells)
