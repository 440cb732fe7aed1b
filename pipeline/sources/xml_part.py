"""Parse one XML part of a package as a stream of elements.

The parser reports a document type declaration anywhere and in any encoding, and it is refused.
Without one, no entities can expand.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import IO, Protocol, TypeAlias
from xml.parsers import expat

_PIECE = 128 << 10
_PIECE_OF_PROLOG = 4 << 10
_DEEPEST = 256  #: elements within each other
_LONGEST_TAG = 8 << 20  #: bytes that the parser may buffer without reporting
#: Namespaces of the elements of a workbook; elements of other namespaces are ignored.
_NAMESPACES = (
    "http://schemas.openxmlformats.org/spreadsheetml/2006/main",
    "http://purl.oclc.org/ooxml/spreadsheetml/main",
    "http://schemas.openxmlformats.org/package/2006/relationships",
    "http://schemas.openxmlformats.org/package/2006/content-types",
)


Place: TypeAlias = "dict[str, Place]"
IGNORED: Place = {}  #: a place whose elements are ignored


class NoWorkbook(Exception):
    """The file is not a readable workbook; says why, and what to do."""


class Elements(Protocol):
    """A handler of the elements of a part."""

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """An element begins."""

    def end(self, name: str) -> None:
        """An element ends."""

    def text(self, text: str) -> None:
        """Some text between two tags."""


def parse(content: IO[bytes], elements: Elements) -> Iterator[None]:
    """Parse a part into `elements`; yield after each piece, so that results can be taken.

    Names of the workbook namespace, or without one, are local; others are `uri name`.
    """
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    parser.StartElementHandler = elements.start
    parser.EndElementHandler = elements.end
    parser.CharacterDataHandler = elements.text
    parser.StartDoctypeDeclHandler = _refuse_declaration
    read_bytes = 0
    while piece := content.read(_PIECE):
        parser.Parse(piece, False)
        read_bytes += len(piece)
        if read_bytes - parser.CurrentByteIndex > _LONGEST_TAG:
            raise NoWorkbook(
                f"a workbook with a tag of more than {_LONGEST_TAG >> 20} MiB; save it as CSV"
            )
        yield
    parser.Parse(b"", True)
    yield


def check_prolog(content: IO[bytes]) -> None:
    """Refuse a document type declaration before the first element, in XML only."""
    elements: list[str] = []
    parser = expat.ParserCreate()
    parser.StartElementHandler = lambda name, _attributes: elements.append(name)
    parser.StartDoctypeDeclHandler = _refuse_declaration
    read_bytes = 0
    while not elements and (piece := content.read(_PIECE_OF_PROLOG)):
        try:
            parser.Parse(piece, False)
        except (
            expat.ExpatError,
            LookupError,
            ValueError,
        ):  # not XML, or of an unknown encoding
            return
        read_bytes += len(piece)
        if not elements and read_bytes > _LONGEST_TAG:
            raise NoWorkbook(
                f"a workbook with a part that begins with {_LONGEST_TAG >> 20} MiB without an element; save it as CSV"
            )


def place(inside: Mapping[str, "Place"] | None = None) -> "Place":
    """A place in a part: its known elements, by every reported name."""
    return {
        spelling: child
        for name, child in (inside or {}).items()
        for spelling in (name, *(f"{uri} {name}" for uri in _NAMESPACES))
    }


def check_depth(depth: int) -> None:
    """Refuse elements that are nested deeper than in any spreadsheet."""
    if depth > _DEEPEST:
        raise NoWorkbook(
            f"a workbook whose elements are nested more than {_DEEPEST} deep; save it as CSV"
        )


class Found:
    """Passes attributes to handlers by element path: `workbook/sheets/sheet`."""

    def __init__(self, take: Mapping[str, Callable[[dict[str, str]], None]]) -> None:
        self._take: list[tuple[Place, Callable[[dict[str, str]], None]]] = []
        root: Place = {}
        for path, function in take.items():
            inside = root
            for name in path.split("/"):
                for spelling, child in place({name: {}}).items():
                    inside.setdefault(spelling, child)
                inside = inside[name]
            self._take.append((inside, function))
        self._places = [root]

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """Pass the attributes on if wanted."""
        inside = self._places[-1].get(name, IGNORED)
        self._places.append(inside)
        check_depth(len(self._places))
        for wanted, take in self._take:
            if inside is wanted:
                take(attributes)

    def end(self, _name: str) -> None:
        """Leave the element."""
        self._places.pop()

    def text(self, text: str) -> None:
        """Ignore texts."""


def _refuse_declaration(*_declaration: object) -> None:
    raise NoWorkbook(
        "a workbook with a document type declaration, which no spreadsheet writes; save it again"
    )
