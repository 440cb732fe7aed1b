"""An .xlsx workbook (ECMA-376): its sheets, and the rows of one as cells of text, read as a stream.

Every bound that a hostile file could pass is checked: sizes before unpacking, rows and columns before they are believed,
no document type declarations. What a cell shows is told by `number_format`; what cannot be told is a `Trouble`.
"""

import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import IO, BinaryIO
from xml.etree.ElementTree import Element, iterparse

from pipeline.sources.number_format import BUILT_IN, GENERAL, Shown, shown_as

MOST_ROWS, MOST_COLUMNS = 1_048_576, 16_384
_HIGHEST_RATIO = 100
_BOOK = "xl/workbook.xml"
_SMALL_ENOUGH = 64 << 20  #: bytes of one part; below, its ratio is not asked
_LARGEST_PART = 4 << 30
_ESCAPED = re.compile(r"_x([0-9A-Fa-f]{4})_")
_CELL = re.compile(r"([A-Z]{1,3})([0-9]{1,7})")


class NoWorkbook(Exception):
    """The file is no workbook that can be read; says why."""


class Trouble(Enum):
    """Why a cell has no text that can be trusted."""

    ERROR = "an error such as #N/A"
    NO_VALUE = "a formula without the value that it came to"
    FORMAT = "a number in a format whose text cannot be told"


Cell = str | Trouble


@dataclass(frozen=True, slots=True)
class Sheet:
    """A sheet by its name, and the part of the file that holds it."""

    name: str
    part: str
    is_hidden: bool


@dataclass(frozen=True, slots=True)
class Row:
    """A row by its number (1-based, as a person sees it); cells that are not there are empty."""

    number: int
    cells: list[Cell]
    is_hidden: bool


class Workbook:
    """A workbook that is open; raises NoWorkbook, or what zipfile and the XML parser raise of damaged files."""

    def __init__(self, file: BinaryIO) -> None:
        self._zip = zipfile.ZipFile(file)
        self._check_sizes()
        names = set(self._zip.namelist())
        if "xl/workbook.bin" in names:
            raise NoWorkbook("a binary workbook (.xlsb); save it as .xlsx or CSV")
        if "mimetype" in names:
            raise NoWorkbook("an OpenDocument file; save it as .xlsx or CSV")
        if _BOOK not in names:
            raise NoWorkbook("a ZIP file and no workbook; unpack it first")
        self.sheets, self._from_1904 = self._read_book()
        self._formats = self._read_formats() if "xl/styles.xml" in names else []
        self._texts = self._read_texts() if "xl/sharedStrings.xml" in names else []
        self.merged: list[str] = []  #: ranges of merged cells, known once the rows were read

    def rows(self, sheet: Sheet) -> Iterator[Row]:
        """The rows of a sheet that are written down, in their order."""
        self.merged = []
        last = 0
        for element in self._elements(sheet.part, "row", "mergeCell"):
            if _name(element) == "mergeCell":
                self.merged.append(element.get("ref", ""))
                continue
            number = int(element.get("r") or last + 1)
            if not last < number <= MOST_ROWS:
                raise NoWorkbook(f"a workbook whose row {number} follows row {last}")
            last = number
            yield Row(number, self._cells(element), element.get("hidden") in {"1", "true"})

    def _cells(self, row: Element) -> list[Cell]:
        cells: list[Cell] = []
        for element in row:
            if _name(element) != "c":
                continue
            at = _column(element.get("r")) if element.get("r") else len(cells)
            if not len(cells) <= at < MOST_COLUMNS:
                raise NoWorkbook("a workbook whose cells are not in their order")
            cells.extend([""] * (at - len(cells)))
            cells.append(self._cell(element))
        return cells

    def _cell(self, element: Element) -> Cell:
        kind = element.get("t", "n")
        stored, has_formula = None, False
        for child in element:
            match _name(child):
                case "v":
                    stored = child.text or ""
                case "is":
                    return _text_of(child)
                case "f":
                    has_formula = True
        if stored is None or (not stored and kind != "str"):
            return Trouble.NO_VALUE if has_formula else ""
        match kind:
            case "s":
                return self._texts[int(stored)]
            case "str":
                return _unescaped(stored)
            case "b":
                return "TRUE" if stored == "1" else "FALSE"
            case "e":
                return Trouble.ERROR
            case "d":
                return stored
        if not stored.strip():
            return ""
        style = int(element.get("s") or 0)
        shown = self._formats[style] if style < len(self._formats) else shown_as(GENERAL)
        try:
            text = shown(stored.strip())
        except (ArithmeticError, ValueError, OverflowError):
            return Trouble.FORMAT
        return Trouble.FORMAT if text is None else text

    def _read_book(self) -> tuple[list[Sheet], bool]:
        targets = {}
        for element in self._elements("xl/_rels/workbook.xml.rels", "Relationship"):
            target = element.get("Target", "")
            targets[element.get("Id")] = target.removeprefix("/") if target.startswith("/") else f"xl/{target}"
        sheets, from_1904 = [], False
        for element in self._elements(_BOOK, "sheet", "workbookPr"):
            if _name(element) == "workbookPr":
                from_1904 = element.get("date1904") in {"1", "true"}
                continue
            link = next((value for name, value in element.items() if name.endswith("}id")), None)
            if targets.get(link) in self._zip.namelist():
                hidden = element.get("state", "visible") != "visible"
                sheets.append(Sheet(element.get("name", ""), targets[link], hidden))
        return sheets, from_1904

    def _read_formats(self) -> list[Shown]:
        codes: dict[int, str] = dict(BUILT_IN)
        formats: list[Shown] = []
        for element in self._elements("xl/styles.xml", "numFmt", "cellXfs"):
            if _name(element) == "numFmt":
                codes[int(element.get("numFmtId", "0"))] = element.get("formatCode", GENERAL)
            else:
                ids = [int(style.get("numFmtId", "0")) for style in element]
                formats = [shown_as(codes.get(number, GENERAL), from_1904=self._from_1904) for number in ids]
        return formats

    def _read_texts(self) -> list[str]:
        return [_text_of(element) for element in self._elements("xl/sharedStrings.xml", "si")]

    def _elements(self, part: str, *names: str) -> Iterator[Element]:
        """The elements of a part that are called so, each whole, none kept."""
        with self._zip.open(part) as content:
            _refuse_declarations(content)
            content.seek(0)
            path: list[Element] = []
            # expat fetches nothing from outside, and what could make it expand entities was refused.
            for event, element in iterparse(content, events=("start", "end")):  # noqa: S314
                if event == "start":
                    path.append(element)
                    continue
                path.pop()
                if _name(element) in names:
                    yield element
                    element.clear()
                    if path:
                        path[-1].remove(element)

    def _check_sizes(self) -> None:
        for part in self._zip.infolist():
            ratio = part.file_size / max(part.compress_size, 1)
            if part.file_size > _LARGEST_PART or (part.file_size > _SMALL_ENOUGH and ratio > _HIGHEST_RATIO):
                raise NoWorkbook("a workbook that unpacks to far more than its size; save it as CSV")


def _refuse_declarations(content: IO[bytes]) -> None:
    head = content.read(4096).replace(b"\0", b"")
    if b"<!DOCTYPE" in head or b"<!ENTITY" in head:
        raise NoWorkbook("a workbook with a document type declaration, which no spreadsheet writes")


def _name(element: Element) -> str:
    return element.tag.rpartition("}")[2]


def _text_of(element: Element) -> str:
    """The text of a string item: its runs, without the phonetic readings beside them."""
    parts: list[str] = []
    for child in element:
        if _name(child) == "t":
            parts.append(child.text or "")
        elif _name(child) == "r":
            parts += [run.text or "" for run in child if _name(run) == "t"]
    return _unescaped("".join(parts))


def _unescaped(text: str) -> str:
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text) if "_x" in text else text


def _column(reference: str | None) -> int:
    found = _CELL.fullmatch(reference or "")
    if found is None:
        raise NoWorkbook("a workbook with a cell that is nowhere")
    number = 0
    for letter in found[1]:
        number = number * 26 + ord(letter) - 64
    return number - 1


def rows_of(reference: str) -> tuple[int, int]:
    """The first and the last row of a range such as B2:C7."""
    ends = [int(found[2]) for found in map(_CELL.fullmatch, reference.split(":")) if found]
    return (min(ends), max(ends)) if ends else (0, 0)
