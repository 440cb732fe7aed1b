"""An .xlsx workbook (ECMA-376, strict or transitional): its sheets, and the rows of one as a stream."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from pipeline.sources.cell import Text
from pipeline.sources.cell_format import CellFormat, UnknownFormat
from pipeline.sources.number_format import BUILT_IN, GENERAL
from pipeline.sources.shared_texts import shared_texts
from pipeline.sources.sheet_rows import Book, Format, Row, SheetRows
from pipeline.sources.workbook_parts import Link, Package
from pipeline.sources.xml_part import NoWorkbook

_TRUE = {"1", "true"}
_MOST_STYLES = 100_000  #: Excel has 65,490
_LONGEST_CODE = 1000  #: characters of a format; Excel takes 255
#: The last word of a relationship's type -> the kind of sheet.
_NO_TABLES = {
    "chartsheet": "a chart sheet",
    "dialogsheet": "a dialog sheet",
    "xlMacrosheet": "a sheet of old macros",
    "xlIntlMacrosheet": "a sheet of old macros",
}


@dataclass(frozen=True, slots=True)
class Sheet:
    """A sheet: its name and its part (empty if missing)."""

    name: str
    part: str
    kind: str  #: `worksheet`, or another kind
    is_hidden: bool

    @property
    def is_table(self) -> bool:
        """Whether it has rows."""
        return self.kind == "worksheet"

    @property
    def what(self) -> str:
        """The kind in words."""
        return "a worksheet" if self.is_table else _NO_TABLES.get(self.kind, "no worksheet")


class Workbook:
    """An open workbook; raises NoWorkbook, or errors of zipfile and the XML parser."""

    def __init__(self, file: BinaryIO) -> None:
        self._package = Package(file)
        book = self._package.workbook()
        self._package.check_declarations()
        self._links = self._package.links(book)
        self._from_1904 = False
        self.sheets: list[Sheet] = []
        self._package.collect(
            book,
            {
                "workbook/workbookPr": self._take_properties,
                "workbook/sheets/sheet": self._take_sheet,
            },
        )
        self._book = Book(self._texts(), self._formats(), UnknownFormat())
        self._reading = SheetRows(self._book)

    @property
    def merged(self) -> tuple[int, int]:
        """The first and last row of the lowest merged range, after reading."""
        return self._reading.merged

    def rows(self, sheet: Sheet) -> Iterator[Row]:
        """The rows of a sheet, in order."""
        if not sheet.part:
            raise NoWorkbook(
                f"a workbook that lacks the rows of its sheet {sheet.name!r}; save it again"
            )
        self._reading = SheetRows(self._book)
        with self._package.open(sheet.part) as content:
            yield from self._reading.read(content)

    def limit_width(self, columns: int) -> None:
        """Limit the columns of later rows, plus one cell beyond if there is any."""
        self._reading.width = columns

    def _take_properties(self, attributes: dict[str, str]) -> None:
        self._from_1904 = attributes.get("date1904") in _TRUE

    def _take_sheet(self, attributes: dict[str, str]) -> None:
        id_ = next(
            (value for name, value in attributes.items() if name.endswith("relationships id")), ""
        )
        link = self._links.get(id_, Link("worksheet", ""))
        part = link.part if link.part in self._package else ""
        is_hidden = attributes.get("state", "visible") != "visible"
        self.sheets.append(Sheet(attributes.get("name", ""), part, link.kind, is_hidden))

    def _texts(self) -> list[Text]:
        part = self._package.linked(self._links, "sharedStrings")
        if part is None:
            return []
        with self._package.open(part) as content:
            return shared_texts(content)

    def _formats(self) -> dict[str, Format]:
        part = self._package.linked(self._links, "styles")
        styles = _Styles()
        if part is not None:
            take = {
                "styleSheet/numFmts/numFmt": styles.take_format,
                "styleSheet/cellXfs/xf": styles.take_style,
            }
            self._package.collect(part, take)
        return styles.formats(from_1904=self._from_1904)


class _Styles:
    """The formats of a workbook, by style."""

    def __init__(self) -> None:
        self._codes = {str(number): code for number, code in BUILT_IN.items()}
        self._ids: list[str] = []

    def take_format(self, attributes: dict[str, str]) -> None:
        """Add a format of the workbook."""
        self._codes[attributes.get("numFmtId", "")] = attributes.get("formatCode", GENERAL)

    def take_style(self, attributes: dict[str, str]) -> None:
        """Add a cell style, by the id of its format."""
        self._ids.append(attributes.get("numFmtId", "0"))

    def formats(self, *, from_1904: bool) -> dict[str, Format]:
        """Style number as text -> format; without styles all cells are General."""
        ids = self._ids or ["0"]
        if max(len(ids), len(self._codes)) > _MOST_STYLES:
            raise NoWorkbook(f"a workbook with more than {_MOST_STYLES:,} styles; save it as CSV")
        known: dict[str, Format] = {
            id_: CellFormat(self._codes[id_], from_1904=from_1904)
            for id_ in set(ids)
            if len(self._codes.get(id_, "?" * _LONGEST_CODE)) < _LONGEST_CODE
        }
        return {str(style): known.get(id_, UnknownFormat()) for style, id_ in enumerate(ids)}
