"""The physical lines of a CSV input, from its bytes: unpacked, decoded, cut at line ends."""

import codecs
import gzip
import os
import re
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

from pipeline.storage.files import open_regular

_CR_AND_LF_SWAPPED = bytes.maketrans(b"\r\n", b"\n\r")
_GZIP, _ZSTANDARD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
#: Ctrl-Z, which DOS wrote at the end of a file, with a line end or without.
_DOS_END = re.compile(rb"\x1a+(?:\r?\n)?\Z")
_BLOCK = 1 << 20


class LineSource:
    r"""The lines of a file without their line feed, from its start.

    Bytes that are invalid in the encoding appear as \xNN. Lines can also be taken as bytes.
    """

    def __init__(self, path: Path, dialect: Mapping[str, str]) -> None:
        encoding = codecs.lookup(dialect["encoding"]).name
        self._codec = "utf-8" if encoding.startswith("utf") else encoding
        self._blocks = _prepared(path, encoding, ends_with_cr=dialect["line_end"] == "CR")
        self._back = b""  #: a block that goes before the others
        self._lines = deque[bytes]()  #: lines that were cut and not yet taken
        self._tail = b""  #: a line without its end

    def __iter__(self) -> Iterator[str]:
        while (line := self._line()) is not None:
            yield line.decode(self._codec, errors="backslashreplace")

    def whole_lines(self, count: int) -> bytes:
        """The next lines as UTF-8, each with its line feed; fewer if the file has fewer."""
        blocks = [*(line + b"\n" for line in self._lines), self._tail]
        self._lines.clear()
        found = sum(block.count(b"\n") for block in blocks)
        while found < count and (block := self._block()) is not None:
            blocks.append(block)
            found += block.count(b"\n")
        content, self._tail = b"".join(blocks), b""
        end = _end_of_line(content, count, found)
        self._back = content[end:]
        if self._codec == "utf-8":
            return content[:end]
        lines = content[:end].split(b"\n")
        return "\n".join(line.decode(self._codec, "backslashreplace") for line in lines).encode()

    def _line(self) -> bytes | None:
        """The next line; without the end-of-file mark of DOS after the last one."""
        while not self._lines:
            block = self._block()
            if block is None:
                last, self._tail = _DOS_END.sub(b"", self._tail), b""
                return last or None
            *whole, self._tail = (self._tail + block).split(b"\n")
            if not self._tail and whole and _DOS_END.search(whole[-1] + b"\n"):
                self._tail = whole.pop() + b"\n"  # this may be the last line
            self._lines.extend(whole)
        return self._lines.popleft()

    def _block(self) -> bytes | None:
        back, self._back = self._back, b""
        return back or next(self._blocks, None)


def _end_of_line(content: bytes, count: int, found: int) -> int:
    """The offset after the line feed of this number; `found` is the number of all."""
    if found < count:
        return len(content)
    end = len(content)
    for _ in range(found - count + 1):
        end = content.rindex(b"\n", 0, end)
    return end + 1


def _prepared(path: Path, encoding: str, *, ends_with_cr: bool) -> Iterator[bytes]:
    """Blocks in an encoding in which a line feed ends a line, without a byte order mark."""
    with os.fdopen(open_regular(path), "rb") as file:
        blocks = _unpacked(file)
        if encoding.startswith("utf-16"):
            blocks = _as_utf8(blocks, encoding)
        if ends_with_cr:
            blocks = (block.translate(_CR_AND_LF_SWAPPED) for block in blocks)
        first = b""
        while len(first) < len(codecs.BOM_UTF8) and (block := next(blocks, None)) is not None:
            first += block
        yield first.removeprefix(codecs.BOM_UTF8) if encoding.startswith("utf") else first
        yield from blocks


def _as_utf8(blocks: Iterable[bytes], encoding: str) -> Iterator[bytes]:
    """UTF-16 as UTF-8; half a surrogate pair or half a character becomes invalid UTF-8."""
    decoder = codecs.getincrementaldecoder(encoding)(errors="surrogatepass")
    for block in blocks:
        yield decoder.decode(block).removeprefix("\ufeff").encode(errors="surrogatepass")
    try:
        yield decoder.decode(b"", final=True).encode(errors="surrogatepass")
    except UnicodeDecodeError:
        yield b"\xff"


def _unpacked(file: BinaryIO) -> Iterator[bytes]:
    """The bytes of a file, decompressed if its first bytes are those of gzip or Zstandard."""
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
