"""The header row of a sheet, and the names of its columns."""

from collections import Counter
from collections.abc import Sequence
from statistics import median_low

from pipeline.domain.characters import clean_name
from pipeline.domain.column_mapping import BILLING_ID, Layout
from pipeline.domain.customer import FIELDS, is_import_column
from pipeline.errors import NoHeader, SourceError
from pipeline.sources.cell import Trouble, shown_text
from pipeline.sources.dialect import Declared
from pipeline.sources.header import Wording, advised, check_names, with_control_characters
from pipeline.sources.likeness import Likeness, likeness_of
from pipeline.sources.names import Names, numbered_names
from pipeline.sources.sheet_rows import Row

ROWS_LOOKED_AT = 50  #: from the first row with content; titles are shorter
_BY_POSITION = " (a sheet without a header needs a mapping of column_1, column_2, …)"


def names_of(
    head: Sequence[Row], where: str, declared: Declared, layout: Layout | None, *, any_columns: bool
) -> Names:
    """The columns of a table from its first rows; SourceError explains a missing header."""
    if declared.header == "none":
        names = numbered_names(max(len(row.cells) for row in head))
        check_names(
            names.used,
            Wording(f"{where}: source.header: none", hint=_BY_POSITION),
            layout,
            any_columns=any_columns,
            is_declared=True,
        )
        return names
    advice = _advice(head, layout)
    written = _filled_up(head[0], _usual_end(head))
    if not any(map(clean_name, written)):
        raise SourceError(f"{where} holds no names of columns, only {_contents(head[0])}{advice}")
    if unprintable := with_control_characters(written):
        raise SourceError(
            f"{where}: a control character stands in the name of column {unprintable}{advice}"
        )
    if advice and any_columns and declared.header is None:
        if _is_title(head):
            raise SourceError(f"{where} has one text above several columns{advice}")
        if _names_nothing(_named(head, layout)):
            raise SourceError(f"{where} does not name the columns{advice}")
    try:
        return check_names(
            written,
            Wording(where),
            layout,
            any_columns=any_columns,
            sample=[_filled_up(row, len(written)) for row in head[1:]],
            is_declared=declared.header == "first_line",
        )
    except NoHeader as refused:
        raise (
            SourceError(f"{where} does not name the columns{advice}") if advice else refused
        ) from None
    except SourceError as refused:
        raise (advised(refused, advice) if advice else refused) from None


def _filled_up(row: Row, width: int) -> list[str]:
    """The texts of a row, with the empty cells that a sheet omits at the end."""
    return _texts(row) + [""] * (width - len(row.cells))


def _advice(rows: Sequence[Row], layout: Layout | None) -> str:
    """The declaration if a later row is more like a header; else empty."""
    better = _better_header(rows, layout)
    if better is None:
        return ""
    skip = better.number - 1
    return (
        f". Row {better.number} looks more like the header: if the {skip} row{'s' * (skip > 1)} before it "
        f"{'are' if skip > 1 else 'is'} no part of the table, declare that: source.skip_lines: {skip} in the config "
        f"(inspect and init: --skip-lines {skip})"
    )


def _usual_end(rows: Sequence[Row]) -> int:
    """The width of the header with adjacent columns that most rows fill; a title has none."""
    end, below = len(rows[0].cells), rows[1:]
    if not _is_title(rows):
        while 2 * sum(len(row.cells) > end and row.cells[end] != "" for row in below) > len(below):
            end += 1
    return end


def _is_title(rows: Sequence[Row]) -> bool:
    """Whether the first row is one text above a table of several columns."""
    return len(rows) > 1 and _width(rows[0]) == 1 and _usual_width(rows[1:]) > 1


def _texts(row: Row) -> list[str]:
    """The texts of a row; other cells become empty."""
    return ["" if isinstance(text, Trouble) else text for text in map(shown_text, row.cells)]


def _contents(row: Row) -> str:
    """The content of a row without texts, in words."""
    texts = map(shown_text, row.cells)
    counts = Counter(
        text.value if isinstance(text, Trouble) else "spaces" for text in texts if text != ""
    )
    return ", ".join(
        f"{count} cell{'s' * (count > 1)} with {what}" for what, count in counts.items()
    )


def _better_header(rows: Sequence[Row], layout: Layout | None) -> Row | None:
    """The row with more expected columns than the first, or the first of usual width."""
    if not rows:
        return None
    named = _named(rows, layout)
    if max(named) > max(named[0], 1) or (max(named) and not named[0]):
        return rows[named.index(max(named))]
    if max(named) or not _is_title(rows):
        return None
    row = next(row for row in rows if _width(row) >= _usual_width(rows[1:]))
    below = [_filled_up(other, len(row.cells)) for other in rows if other.number > row.number]
    return row if likeness_of(_texts(row), below) is Likeness.HEADER else None


def _named(rows: Sequence[Row], layout: Layout | None) -> list[int]:
    """The number of expected columns in each row."""
    expected = layout.columns if layout else frozenset({*FIELDS, BILLING_ID})
    return [
        sum(name in expected or is_import_column(name) for name in map(clean_name, _texts(row)))
        for row in rows
    ]


def _names_nothing(named: Sequence[int]) -> bool:
    """Whether the first row has no expected name and another has several."""
    return not named[0] and max(named) > 1


def _usual_width(rows: Sequence[Row]) -> int:
    """The median number of filled cells, because cells may be empty anywhere."""
    return median_low(map(_width, rows))


def _width(row: Row) -> int:
    return sum(cell != "" for cell in row.cells)
