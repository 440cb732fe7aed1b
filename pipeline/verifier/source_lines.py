"""The physical lines of a CSV input, and which of them a record is: found from the lists' row ids, not by reading anew.

A row id names the line on which its record begins. How far the record reaches is told by its own text: a legal record ends
where its quotes are even, an unreadable one where its lines come to the text that the list shows.
"""

import codecs
import gzip
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from pipeline.domain.characters import INVISIBLE
from pipeline.storage.files import open_regular
from pipeline.verifier.csv_form import Columns, CsvForm

_CR_AND_LF_SWAPPED = bytes.maketrans(b"\r\n", b"\n\r")
_GZIP, _ZSTANDARD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_SHOWN = {code: f"\\x{code:02x}" for code in [*range(0x20), *range(0x7F, 0xA0)] if code != 9}
_DOS_END = re.compile(
    rb"\x1a+(?:\r?\n)?\Z"
)  #: Ctrl-Z, the end of a file, with a line end or without
_BLOCK = 1 << 20


@dataclass
class Lines:
    """A file's lines, taken one record at a time; what is between the records has to be accounted for as well."""

    name: str
    form: CsvForm
    columns: list[str]  #: the supplier's
    before: int  #: lines that the job says stand before the table
    behind: int  #: lines that it says stand behind it, blank ones not counted
    _lines: Iterator[str]
    number: int = 0  #: of the line that was taken last
    blank: int = 0
    others: list[int] = field(
        default_factory=list
    )  #: neither blank nor part of a record: header and skipped ones
    places: Columns | None = None  #: where the columns stand, once the header was read
    _has_records: bool = False

    @classmethod
    def of(cls, path: Path, described: dict[str, Any], before: int, behind: int) -> "Lines":
        """The lines of an input as its manifest entry says it is written."""
        written, columns = described["written"], described["columns"]
        form = CsvForm.of(written)
        lines = _physical_lines(path, written)
        if described["came_back"]:  # a list of ours has nothing around its table
            before = behind = 0
        places = None if form.has_header else Columns.by_position(len(columns))
        return cls(described["name"], form, columns, before, behind, lines, places=places)

    def skip_to(self, line: int) -> int | None:
        """Go on to the line before this one; the first line on the way that is neither blank nor expected there.

        Lines that stand before the first record or behind the last may be the header, a preamble, a footer.
        """
        first: int | None = None
        while self.number < line - 1:
            text = self._take()
            if text is None:
                return self.number + 1
            if not self._is_other(text):
                continue
            if self._has_records and first is None:
                first = self.number
        return first

    def take_record(self, cells: Sequence[str | None], text: str) -> str | None:
        """Take the record that begins at the next line; what is wrong where it does not say what the list says of it.

        `cells`: the supplier's columns as listed; `text`: what the list shows of an unreadable record, else empty.
        """
        self._has_records = True
        first = self.number + 1
        if text:
            return self._take_unreadable(first, text)
        lines: list[str] = []
        while True:
            line = self._take()
            if line is None:
                return (
                    f"{self.name}: line {first} is not there"
                    if not lines
                    else _other(self.name, first)
                )
            lines.append(line)
            whole = self._joined(lines)
            if self.form.is_whole(whole):
                break
        return self._other_cells(first, self._fields(whole), cells)

    def _other_cells(self, first: int, found: list[str], cells: Sequence[str | None]) -> str | None:
        """What is wrong where a record has other cells than those that are listed."""
        if self.places is None:
            return f"{self.name}: line {first} is a record, and no header stands before it"
        if len(found) != self.places.width:
            return (
                f"{self.name}: line {first} has {len(found)} fields instead of {self.places.width}"
            )
        if any(found[at].strip(INVISIBLE) for at in self.places.ignored):
            return f"{self.name}: line {first} holds something in a column that is taken for empty"
        there = [found[at] for at in self.places.listed]
        differing = [
            column
            for column, text, here in zip(self.columns, there, cells, strict=True)
            if here is not None and text != here
        ]
        return (
            f"{self.name}: line {first} says something else in column {differing[0]}"
            if differing
            else None
        )

    def finish(self, described: dict[str, Any]) -> str | None:
        """Take what is left; what is wrong where the lines are not as many as the manifest says, of each kind."""
        lines = described["lines"]
        while (text := self._take()) is not None:
            self._is_other(text)
        if self.places is None and lines["header"]:
            return f"{self.name}: no line is the header that the manifest names"
        allowed = lines["header"] + min(lines["skipped"], self.before + self.behind)
        if len(self.others) > allowed:
            # The last of them, where the header and what is skipped before it come first.
            return f"{self.name}: line {self.others[allowed]} is in no list"
        # A blank line before the header or behind the last record may be counted as skipped.
        found = {
            "physical": self.number,
            "header, skipped and blank": len(self.others) + self.blank,
        }
        told = {
            "physical": lines["physical"],
            "header, skipped and blank": lines["header"] + lines["skipped"] + lines["blank"],
        }
        wrong = [
            f"{found[kind]} {kind} lines, {told[kind]} in the manifest"
            for kind in found
            if found[kind] != told[kind]
        ]
        return f"{self.name}: {', '.join(wrong)}" if wrong else None

    def _take_unreadable(self, first: int, text: str) -> str | None:
        lines: list[str] = []
        while True:
            line = self._take()
            if line is None:
                return _other(self.name, first)
            lines.append(line)
            # A carriage return at the very end is a line's end, or, in a line that has none, a character like others.
            shown = self._joined(lines).translate(_SHOWN)
            if text in {shown, "\n".join(lines).translate(_SHOWN)}:
                return None
            if len(shown) >= len(text):
                return _other(self.name, first)

    def _joined(self, lines: list[str]) -> str:
        whole = "\n".join(lines).removesuffix("\r")
        return whole.replace("\r", "\n") if self.form.ends_with_cr else whole

    def _fields(self, text: str) -> list[str]:
        """The fields of a record, without the one behind a trailing delimiter."""
        fields = self.form.fields(text)
        return fields[:-1] if self.form.has_trailing_delimiter and not fields[-1] else fields

    def _is_other(self, text: str) -> bool:
        """Count a line that is part of no record; whether it is not blank. The first below the preamble is the header."""
        if self.form.is_blank(text):
            self.blank += 1
            return False
        self.others.append(self.number)
        if self.places is None and self.number > self.before:
            self._take_header(text)
        return True

    def _take_header(self, text: str) -> None:
        lines = [text]
        while (
            not self.form.is_whole(self._joined(lines)) and (text_below := self._take()) is not None
        ):
            lines.append(text_below)
            self.others.append(self.number)
        fields = self.form.fields(self._joined(lines))
        if self.form.has_trailing_delimiter and len(fields) > 1 and not fields[-1]:
            fields = fields[:-1]
        self.places = Columns.of_header(fields, self.columns)

    def _take(self) -> str | None:
        text = next(self._lines, None)
        self.number += text is not None
        return text


def _other(name: str, line: int) -> str:
    return f"{name}: line {line} is not the text that the list shows"


def _physical_lines(path: Path, written: dict[str, Any]) -> Iterator[str]:
    r"""Lines without their line feed; bytes that are no text of the encoding are shown as \xNN."""
    encoding = codecs.lookup(str(written["encoding"])).name
    with os.fdopen(open_regular(path), "rb") as file:
        blocks = _unpacked(file)
        if encoding.startswith("utf-16"):
            blocks = _as_utf8(blocks, encoding)
        codec = "utf-8" if encoding.startswith("utf") else encoding
        if written["line_end"] == "CR":
            blocks = (block.translate(_CR_AND_LF_SWAPPED) for block in blocks)
        is_first = True
        for line in _cut(blocks):
            bare = line.removeprefix(codecs.BOM_UTF8) if is_first and codec == "utf-8" else line
            is_first = False
            yield bare.decode(codec, errors="backslashreplace")


def _cut(blocks: Iterable[bytes]) -> Iterator[bytes]:
    tail = b""
    for block in blocks:
        *whole, tail = (tail + block).split(b"\n")
        if not tail and whole and _DOS_END.search(whole[-1] + b"\n"):
            tail = whole.pop() + b"\n"  # it may be the last line
        yield from whole
    if tail := _DOS_END.sub(b"", tail):
        yield tail


def _as_utf8(blocks: Iterable[bytes], encoding: str) -> Iterator[bytes]:
    """UTF-16 as UTF-8; half a pair, or half a character at the end, becomes bytes that no UTF-8 has."""
    decoder = codecs.getincrementaldecoder(encoding)(errors="surrogatepass")
    for block in blocks:
        yield decoder.decode(block).removeprefix("\ufeff").encode(errors="surrogatepass")
    try:
        yield decoder.decode(b"", final=True).encode(errors="surrogatepass")
    except UnicodeDecodeError:
        yield b"\xff"


def _unpacked(file: BinaryIO) -> Iterator[bytes]:
    """The bytes of a file, unpacked where its first ones say that it is packed."""
    head = file.read(4)
    file.seek(0)
    if head.startswith(_GZIP):
        with gzip.open(file) as inner:
            yield from iter(lambda: inner.read(_BLOCK), b"")
    elif head == _ZSTANDARD:
        import pyarrow as pa

        with pa.CompressedInputStream(file, "zstd") as stream:
            yield from iter(lambda: stream.read(_BLOCK), b"")
    else:
        yield from iter(lambda: file.read(_BLOCK), b"")
