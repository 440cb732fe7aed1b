"""Choose the sheet of a workbook."""

from collections.abc import Sequence

from pipeline.sources.workbook import Sheet
from pipeline.sources.xml_part import NoWorkbook


def chosen_sheet(sheets: Sequence[Sheet], wanted: str | None) -> Sheet:
    """The sheet of the config, else the only visible table; NoWorkbook lists all sheets."""
    names = ", ".join(repr(sheet.name) for sheet in sheets)
    if wanted is not None:
        return _named_sheet(sheets, wanted, names)
    tables = [sheet for sheet in sheets if sheet.is_table and not sheet.is_hidden]
    if len(tables) == 1:
        return tables[0]
    if not any(sheet.is_table for sheet in sheets):
        others = ", ".join(f"{sheet.name!r} is {sheet.what}" for sheet in sheets)
        raise NoWorkbook(
            f"no sheet with a table{f': {others}' if others else ''}; add one, or save the table as CSV"
        )
    count = f"{len(tables)} sheets" if tables else "all sheets are hidden"
    ours = ", ".join(repr(sheet.name) for sheet in sheets if sheet.is_table)
    raise NoWorkbook(
        f"{count}; choose the one to read: --sheet NAME, or source.sheet in the config; one of {ours}"
    )


def _named_sheet(sheets: Sequence[Sheet], wanted: str, names: str) -> Sheet:
    found = [sheet for sheet in sheets if sheet.name == wanted]
    if not found:
        raise NoWorkbook(f"no sheet {wanted!r}; there are: {names}")
    if len(found) > 1:
        raise NoWorkbook(f"{len(found)} sheets are called {wanted!r}; give each a name of its own")
    if not found[0].is_table:
        raise NoWorkbook(f"sheet {wanted!r} is {found[0].what} and no table; there are: {names}")
    return found[0]
