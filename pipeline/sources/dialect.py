"""The dialect of a CSV file: declared and detected parts."""

import codecs
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Literal

from pipeline.errors import ConfigError
from pipeline.sources.csv_grammar import Grammar, grammar

DELIMITERS = (",", ";", "\t", "|")
Header = Literal["none", "first_line"]
NO_QUOTE = "none"
UTF_16 = frozenset({"utf-16", "utf-16-le", "utf-16-be"})

_END_MARK = re.compile(
    rb"\x1a+(?:\r?\n|\r)?\Z"
)  #: Ctrl-Z, with which CP/M and DOS end a file, and a line end after it
_POSSIBLE = "utf-8, utf-16, ascii, cp1252, latin-1, iso-8859-15, cp850, mac-roman, koi8-r, shift_jis, euc-kr, big5, gb18030 …"
_ASCII = bytes(range(128))
# Characters that codecs with states or escapes change: utf-7, hz, iso-2022, unicode-escape,
# punycode.
_ESCAPES = (b"+AGE-", b"~{0!~}", b"\x1b$B0!\x1b(B", b"\x0e0!\x0f", b"\\u0041\\x41", b"xn--a-0ga")


def without_end_mark(content: bytes) -> bytes:
    """The bytes without the end mark of DOS."""
    return _END_MARK.sub(b"", content)


@dataclass(frozen=True, slots=True)
class Declared:
    """The declared dialect of CSV files (None: detect it); a ConfigError names all faults.

    Any stateless codec of Python that keeps ASCII works, because lines are cut before they are
    decoded. UTF-16 is converted to UTF-8 while it streams.
    """

    delimiter: str | None = None
    encoding: str | None = None
    trailing_delimiter: bool | None = None  #: whether each record ends with a surplus delimiter
    quote: str = '"'  #: the character that quotes fields, or "none"
    escape: str | None = None  #: the character that escapes the next one, such as a backslash
    header: Header | None = None  #: None: the first line must look like one
    skip_lines: int = 0  #: physical lines before the header that are not part of the table
    footer_lines: int = 0  #: lines after the table, without blank ones
    sheet: str | None = None  #: of a workbook, by its name

    def __post_init__(self) -> None:
        """Refuse invalid declarations before any file is opened."""
        if faults := list(_faults(self)):
            raise ConfigError("; ".join(faults))


@dataclass(frozen=True, slots=True)
class Dialect:
    """The dialect that reads a file: declared or detected."""

    delimiter: str = ","
    encoding: str = "utf-8"
    trailing_delimiter: bool = False
    quote: str = '"'  #: empty: no quoting
    escape: str = ""  #: empty: no escaping
    header: Header | None = None
    line_end: str = "LF or CRLF"  #: or "CR"
    found: Mapping[str, str] = field(
        default_factory=dict
    )  #: detected part (delimiter, encoding, …) -> reason

    @property
    def is_utf8(self) -> bool:
        """Whether the streamed lines are UTF-8, with or without a byte order mark."""
        return _normal(self.encoding) in {"utf-8", "utf-8-sig", *UTF_16}

    @property
    def codec(self) -> str:
        """The codec of lines, without the byte order mark, which is removed before."""
        return "utf-8" if self.is_utf8 else self.encoding

    @property
    def grammar(self) -> Grammar:
        """The grammar of a record."""
        return grammar(self.delimiter, self.quote)

    @property
    def ends_with_cr(self) -> bool:
        """Whether single carriage returns end the lines, as on old Macs."""
        return self.line_end == "CR"


def _normal(encoding: str) -> str:
    return codecs.lookup(encoding).name


def _faults(declared: Declared) -> Iterator[str]:
    delimiter, encoding = declared.delimiter, declared.encoding
    if delimiter is not None and delimiter not in DELIMITERS:
        yield f"the delimiter {delimiter!r} cannot be read; possible are ',' ';' '|' and a tab"
    if encoding is not None and (why := _unsuitable(encoding)):
        yield f"the encoding {encoding!r} cannot be read: {why}; possible are {_POSSIBLE}"
    marks = {
        "quote": None if declared.quote == NO_QUOTE else declared.quote,
        "escape": declared.escape,
    }
    for name, mark in marks.items():
        if mark is not None and not is_mark(mark):
            yield f"the {name} {mark!r} cannot be read; one ASCII punctuation character is possible, and no delimiter"
    if declared.escape is not None and declared.escape == declared.quote:
        yield f"quote and escape are both {declared.escape!r}; doubled quotes need no escape"


def is_mark(text: str) -> bool:
    """Whether a text may be a quote or escape: one ASCII punctuation character."""
    return len(text) == 1 and "!" <= text <= "~" and not text.isalnum() and text not in DELIMITERS


@cache
def _unsuitable(encoding: str) -> str | None:
    """Why lines in this encoding cannot be cut and decoded one by one; None if they can."""
    try:
        if _normal(encoding) in UTF_16:
            return None
        plain = all(text.decode(encoding) == text.decode("ascii") for text in (*_ESCAPES, _ASCII))
        keeps_line_ends = all(_keeps_line_end(lead, encoding) for lead in range(0x80, 0x100))
    except UnicodeError:
        return "it does not leave ASCII as it is"
    except (LookupError, ValueError):  # a ValueError if the name contains NUL
        return "Python knows no such text encoding"
    return (
        None
        if plain and keeps_line_ends
        else "it does not leave ASCII as it is, or has states or escapes"
    )


def _keeps_line_end(lead: int, encoding: str) -> bool:
    """Whether a line end survives after this byte, and the byte itself makes none."""
    for end in (b"\n", b"\r"):
        try:
            text = (bytes([lead]) + end).decode(encoding)
        except UnicodeDecodeError:
            continue
        if not text.endswith(end.decode()) or text.count("\n") + text.count("\r") != 1:
            return False
    return True
