"""The parts of a workbook (ECMA-376, Open Packaging Conventions).

Relationships and content types identify the parts; names, case and separators mean nothing.
"""

import contextlib
import posixpath
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import IO, BinaryIO
from urllib.parse import unquote

from pipeline.sources.limits import HIGHEST_RATIO
from pipeline.sources.xml_part import Found, NoWorkbook, check_prolog, parse

_SMALL_ENOUGH = 64 << 20  #: bytes of one part; the ratio of smaller parts is not checked
_LARGEST_PART = 4 << 30
_LARGEST_INDEX = 64 << 20  #: bytes of a part with names or styles
_ENCRYPTED = 0x1  #: flag of a part
#: Errors of a part that cannot be unpacked; only reading it refuses the workbook.
_UNREADABLE = (zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError)
_TYPES = "[Content_Types].xml"
#: The start or end of a main part's content type -> the kind of file.
_WORKBOOKS = (
    ".spreadsheetml.sheet.main+xml",
    ".spreadsheetml.template.main+xml",
    ".ms-excel.sheet.macroenabled.main+xml",
    ".ms-excel.template.macroenabled.main+xml",
    ".ms-excel.addin.macroenabled.main+xml",
)
_COPY = "copy its table into a spreadsheet and save that as .xlsx or CSV"
WORD_DOCUMENT = f"a Word document; {_COPY}"
_OTHERS = {  # and what to do
    "sheet.binary.macroenabled.main": "a binary workbook (.xlsb); save it as .xlsx or CSV",
    **dict.fromkeys(("wordprocessingml", "ms-word"), WORD_DOCUMENT),
    **dict.fromkeys(("presentationml", "ms-powerpoint"), f"a PowerPoint presentation; {_COPY}"),
}


@dataclass(frozen=True, slots=True)
class Link:
    """A relationship: the last word of its type (`worksheet`), and its part."""

    kind: str
    part: str


class Package:
    """The parts of a ZIP file; raises NoWorkbook, or errors of zipfile and the XML parser."""

    def __init__(self, file: BinaryIO) -> None:
        self._zip = zipfile.ZipFile(file)
        self._parts: dict[str, list[zipfile.ZipInfo]] = {}
        for info in self._zip.infolist():
            _check_size(info)
            self._parts.setdefault(_normal(info.filename), []).append(info)
        self._types: dict[str, str] = {}
        self._defaults: dict[str, str] = {}
        if _normal(_TYPES) in self._parts:
            self.collect(
                _TYPES, {"Types/Override": self._take_type, "Types/Default": self._take_default}
            )

    def __contains__(self, part: str) -> bool:
        return _normal(part) in self._parts

    def open(self, part: str) -> IO[bytes]:
        """The content of a part; refuse two parts with one name."""
        infos = self._parts[_normal(part)]
        if len(infos) > 1:
            raise NoWorkbook(f"a workbook with {len(infos)} parts called {part!r}; save it again")
        if infos[0].flag_bits & _ENCRYPTED:
            raise NoWorkbook("a ZIP file with a password; save the workbook without one")
        return self._zip.open(infos[0])

    def collect(self, part: str, take: Mapping[str, Callable[[dict[str, str]], None]]) -> None:
        """Pass the attributes of a part's elements to handlers by path."""
        with self.open(part) as content:
            if self._parts[_normal(part)][0].file_size > _LARGEST_INDEX:
                raise NoWorkbook(
                    f"a workbook whose part {part!r} has more than {_LARGEST_INDEX >> 20} MiB; save it as CSV"
                )
            for _ in parse(content, Found(take)):
                pass

    def workbook(self) -> str:
        """The main part; refuse and name another kind of package."""
        linked = [
            link.part
            for link in self.links("").values()
            if link.kind == "officeDocument" and link.part in self
        ]
        typed = [
            part
            for part, type_ in self._types.items()
            if type_.endswith(_WORKBOOKS) and part in self
        ]
        for part in (*linked, *typed):
            if self.type_of(part).endswith(_WORKBOOKS) or (
                part in linked and not typed and self._may_be_one(part)
            ):
                return part
        raise NoWorkbook(self._what_it_is())

    def check_declarations(self) -> None:
        """Refuse a document type declaration in any part, read or not."""
        for info in self._zip.infolist():
            if info.flag_bits & _ENCRYPTED or info.is_dir():
                continue
            with contextlib.suppress(*_UNREADABLE), self._zip.open(info) as content:
                check_prolog(content)

    def links(self, part: str) -> dict[str, Link]:
        """The relationships of a part by id; of the package if `part` is empty."""
        folder, _, name = part.rpartition("/")
        relationships = posixpath.join(folder, "_rels", f"{name}.rels")
        found: dict[str, Link] = {}

        def take(attributes: dict[str, str]) -> None:
            target = attributes.get("Target", "")
            if attributes.get("TargetMode", "Internal").casefold() != "external":
                kind = attributes.get("Type", "").rpartition("/")[2]
                found[attributes.get("Id", "")] = Link(kind, self._resolved(folder, target))

        if relationships in self:
            self.collect(relationships, {"Relationships/Relationship": take})
        return found

    def linked(self, links: Mapping[str, Link], kind: str) -> str | None:
        """The part of a kind, by relationship or content type; None if missing."""
        by_link = [link.part for link in links.values() if link.kind == kind]
        by_type = [
            part for part, type_ in self._types.items() if type_.endswith(f".{kind}+xml".casefold())
        ]
        return next((part for part in (*by_link, *by_type) if part in self), None)

    def type_of(self, part: str) -> str:
        """The content type of a part, in lower case."""
        extension = part.rpartition(".")[2]
        return self._types.get(_normal(part)) or self._defaults.get(extension.casefold(), "")

    def _take_type(self, attributes: dict[str, str]) -> None:
        self._types[_normal(attributes.get("PartName", ""))] = attributes.get(
            "ContentType", ""
        ).casefold()

    def _take_default(self, attributes: dict[str, str]) -> None:
        self._defaults[attributes.get("Extension", "").casefold()] = attributes.get(
            "ContentType", ""
        ).casefold()

    def _resolved(self, folder: str, target: str) -> str:
        """The part of a target, relative to a folder; some writers start at the root."""
        names = [
            name
            for raw in (target, unquote(target))
            for name in (_joined(folder, raw), _joined("", raw))
        ]
        return next((name for name in names if name in self), names[0])

    def _may_be_one(self, part: str) -> bool:
        """Whether a part without a content type may be a workbook."""
        return self.type_of(part) in {"", "application/xml", "text/xml"}

    def _what_it_is(self) -> str:
        types = " ".join((*self._types.values(), *self._defaults.values()))
        for mark, what in _OTHERS.items():
            if mark in types:
                return what
        if "xl/workbook.bin" in self:
            return _OTHERS["sheet.binary.macroenabled.main"]
        if any(part.endswith(".iwa") for part in self._parts):
            return "an Apple Numbers file; export it as .xlsx or CSV"
        if "mimetype" in self:
            return "an OpenDocument file (.ods); save it as .xlsx or CSV"
        return "a ZIP file and no workbook; unpack it first"


def _normal(name: str) -> str:
    """The form for comparing names: case and separators do not matter."""
    return _joined("", name).casefold()


def _joined(folder: str, target: str) -> str:
    path = target.replace("\\", "/")
    return posixpath.normpath(posixpath.join("/", folder, path)).lstrip("/")


def _check_size(part: zipfile.ZipInfo) -> None:
    ratio = part.file_size / max(part.compress_size, 1)
    if part.file_size > _LARGEST_PART or (part.file_size > _SMALL_ENOUGH and ratio > HIGHEST_RATIO):
        raise NoWorkbook("a workbook that unpacks to far more than its size; save it as CSV")
