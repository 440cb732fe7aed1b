"""Parse the rows of a sheet, in their proper place, with only nonempty cells."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import IO, Protocol

from pipeline.domain.characters import BLANK
from pipeline.sources.cell import Cell, Text, Trouble
from pipeline.sources.limits import MOST_COLUMNS
from pipeline.sources.moment_text import iso_text
from pipeline.sources.shared_texts import TEXT, TEXT_ITEM, Collected, unescaped
from pipeline.sources.xml_part import IGNORED, NoWorkbook, check_depth, parse, place

MOST_ROWS = 1_048_576
LONGEST_ROW = 64 << 20  #: characters
_ROW_NUMBER = re.compile(r"[1-9][0-9]{0,9}")
_LONGEST_INDEX = 8  #: digits of a text number
_BOOLEANS = {"1": "TRUE", "0": "FALSE", "true": "TRUE", "false": "FALSE"}
_LETTERS = re.compile(r"[A-Z]{1,3}")
_DATE = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:T[0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,6})?)?)?"
)
_RANGE = re.compile(r"\$?[A-Z]{1,3}\$?([0-9]{1,7})(?::\$?[A-Z]{1,3}\$?([0-9]{1,7}))?")
_SPACES = " \t\r\n"

_VALUE, _FORMULA = place(), place()
_INLINE = place(TEXT_ITEM)
_CELL = place({"v": _VALUE, "f": _FORMULA, "is": _INLINE})
_ROW = place({"c": _CELL})
_DATA = place({"row": _ROW})
_MERGED = place()
_ROOT = place(
    {"worksheet": place({"sheetData": _DATA, "mergeCells": place({"mergeCell": _MERGED})})}
)
_TABLE = place({"row": IGNORED, "c": IGNORED})  #: elements that are only allowed inside a table
_WITHIN_TABLE = (_DATA, _ROW, _CELL, _VALUE)


class Format(Protocol):
    """Converts stored values of one style to cell content."""

    @property
    def shows_texts_as_they_are(self) -> bool:
        """Whether `text` changes nothing."""

    def number(self, stored: str) -> Cell:
        """The content for a stored number."""

    def text(self, text: str) -> Text:
        """The content for a text."""


@dataclass(frozen=True, slots=True)
class Row:
    """A row by its visible number (1-based); its last cell is not empty."""

    number: int
    cells: list[Cell]
    is_hidden: bool
    size: int  #: characters of its texts
    has_texts_only: bool

    @property
    def is_blank(self) -> bool:
        """Whether its cells have only spaces and invisible characters."""
        return self.has_texts_only and not any(
            cell.strip(BLANK) for cell in self.cells if isinstance(cell, str)
        )


@dataclass(frozen=True, slots=True)
class Book:
    """Shared by all sheets: texts by number, formats by style number as text."""

    texts: Sequence[Text]
    formats: Mapping[str, Format]
    unknown: Format  #: for a style missing in the workbook


class SheetRows:
    """Receives the elements of a sheet and returns its rows."""

    def __init__(self, book: Book) -> None:
        self.merged = (
            0,
            0,
        )  #: the first and last row of the lowest merged range, after reading
        self.width = MOST_COLUMNS  #: of the table, when known
        self._book = book
        self._writes_texts = {
            style for style, one in book.formats.items() if not one.shows_texts_as_they_are
        }
        self._columns: dict[str, int] = {}
        self._places = [_ROOT]
        self._found: list[Row] = []
        self._collected = Collected()
        self._number = 0
        self._row: dict[str, str] = {}
        self._cells: list[Cell] = []
        self._row_text = ""
        self._last = -1  #: the column of the last cell, from 0
        self._size = 0
        self._has_texts_only = True
        self._cell: dict[str, str] = {}
        self._value: str | None = None
        self._inline: Text | None = None
        self._has_formula = False

    def read(self, content: IO[bytes]) -> Iterator[Row]:
        """The rows in order, while parsing."""
        for _ in parse(content, self):
            yield from self._found
            self._found.clear()

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """An element begins."""
        places = self._places
        inside = places[-1].get(name, IGNORED)
        places.append(inside)
        if inside is _VALUE:
            return
        if inside is _CELL:
            self._cell, self._value, self._inline, self._has_formula = attributes, None, None, False
            self._last = self._column(attributes.get("r"))
        elif inside is _ROW:
            self._begin_row(attributes)
        elif inside is _FORMULA:
            self._has_formula = True
        elif inside is _MERGED:
            self._take_merged(attributes.get("ref", ""))
        elif inside is IGNORED:
            self._check_place(name)

    def text(self, text: str) -> None:
        """Some text between two tags."""
        inside = self._places[-1]
        if inside is _VALUE or inside is TEXT:
            self._collected.add(text)

    def end(self, _name: str) -> None:
        """An element ends."""
        inside = self._places.pop()
        if inside is _VALUE:
            self._value = self._collected.take()
        elif inside is _CELL:
            cell = self._content()
            if cell != "":
                self._add(cell)
        elif inside is _ROW:
            self._found.append(
                Row(self._number, self._cells, self._is_hidden(), self._size, self._has_texts_only)
            )
        elif inside is _INLINE:
            self._inline = unescaped(self._collected.take())

    def _check_place(self, name: str) -> None:
        """Refuse other parts, and rows and cells in a wrong place."""
        outside = self._places[-2]
        check_depth(len(self._places))
        if outside is _ROOT:
            raise NoWorkbook(
                "a workbook with a sheet of a kind that is not read; save it again, or as CSV"
            )
        if name in _TABLE and any(outside is one for one in _WITHIN_TABLE):
            raise NoWorkbook(
                f"a workbook with a row or a cell in the wrong place, after row {self._number}; save it again"
            )

    def _begin_row(self, attributes: dict[str, str]) -> None:
        written = attributes.get("r")
        if written is not None and _ROW_NUMBER.fullmatch(written) is None:
            raise NoWorkbook(
                f"a workbook with an invalid row number after row {self._number}; save it again"
            )
        number = self._number + 1 if written is None else int(written)
        if not self._number < number <= MOST_ROWS:
            raise NoWorkbook(
                f"a workbook whose row {number} follows row {self._number}; save it again"
            )
        self._number, self._row_text, self._row = number, str(number), attributes
        self._cells = []
        self._last, self._size, self._has_texts_only = -1, 0, True

    def _is_hidden(self) -> bool:
        return self._row.get("hidden") in {"1", "true"}

    def _column(self, reference: str | None) -> int:
        """The column of the next cell (from 0); refuse cells out of order or of another row."""
        if reference is None:
            at = self._last + 1
        else:
            letters = reference.rstrip("0123456789")
            at = self._columns.get(letters, -1)
            if at < 0:
                at = self._columns[letters] = _column_number(letters)
            if at < 0 or reference != letters + self._row_text:
                raise NoWorkbook(
                    f"a workbook with an invalid cell reference in row {self._number}; save it again"
                )
        if not self._last < at < MOST_COLUMNS:
            raise NoWorkbook(
                f"a workbook whose cells are out of order or beyond column {MOST_COLUMNS:,}, in row {self._number}; save it as CSV"
            )
        return at

    def _add(self, cell: Cell) -> None:
        """Add a nonempty cell; missing cells before it are empty.

        Beyond the width of the table only one cell is kept, after the last column, to show that one
        exists.
        """
        cells = self._cells
        at = min(self._last, self.width)
        if len(cells) > at:
            return
        if at > len(cells):
            cells.extend([""] * (at - len(cells)))
        cells.append(cell)
        if cell.__class__ is str:
            self._size += len(cell)
            if self._size > LONGEST_ROW:
                raise NoWorkbook(
                    f"a workbook whose row {self._number} has more than {LONGEST_ROW:,} characters; save it as CSV"
                )
        else:
            self._has_texts_only = False

    def _content(self) -> Cell:
        kind = self._cell.get("t", "n")
        stored = self._value
        if not stored:
            return self._content_without_value(kind)
        if kind == "n":
            return self._book.formats.get(self._cell.get("s", "0"), self._book.unknown).number(
                stored
            )
        if kind == "s":
            text = self._shared(stored)
            return text if not self._writes_texts else self._as_shown(text)
        match kind:
            case "str" | "inlineStr":
                return self._as_shown(unescaped(stored) if self._inline is None else self._inline)
            case "b":
                return _BOOLEANS.get(stored.strip(_SPACES), Trouble.MALFORMED)
            case "e":
                return Trouble.ERROR
            case "d":
                return _iso_date(stored.strip(_SPACES))
        return Trouble.MALFORMED

    def _content_without_value(self, kind: str) -> Cell:
        if self._inline or (kind == "inlineStr" and self._inline is not None):
            return self._as_shown(self._inline)  # even with another cell type, or none
        if kind == "str" and self._value is not None:
            return ""
        return Trouble.NO_VALUE if self._has_formula else ""

    def _shared(self, stored: str) -> Text:
        if stored.isascii() and stored.isdigit() and len(stored) <= _LONGEST_INDEX:
            index = int(stored)
            if index < len(self._book.texts):
                return self._book.texts[index]
        raise NoWorkbook(
            f"a damaged workbook: a cell of row {self._number} refers to a missing text; save it again"
        )

    def _as_shown(self, text: Text) -> Text:
        style = self._cell.get("s", "0")
        if style not in self._writes_texts or isinstance(text, Trouble):
            return text
        return self._book.formats[style].text(text)

    def _take_merged(self, reference: str) -> None:
        found = _RANGE.fullmatch(reference)
        if found is None:
            raise NoWorkbook("a workbook with an invalid range of merged cells; save it again")
        rows = (int(found[1]), int(found[2] or found[1]))
        self.merged = max(self.merged, (min(rows), max(rows)), key=lambda range_: range_[1])


def _column_number(letters: str) -> int:
    """The column of letters: A is 0, XFD 16,383; -1 if invalid."""
    if _LETTERS.fullmatch(letters) is None:
        return -1
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - 64
    return number - 1


def _iso_date(stored: str) -> Text:
    if _DATE.fullmatch(stored.removesuffix("Z")) is None:
        return Trouble.MALFORMED
    try:
        return iso_text(datetime.fromisoformat(stored.removesuffix("Z")))
    except ValueError:
        return Trouble.MALFORMED
