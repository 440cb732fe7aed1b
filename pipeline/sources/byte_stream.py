"""The bytes of a file for its reader: hashed as delivered, unpacked, UTF-16 converted to UTF-8.

The size of a packed file is unknown, so the output has two limits: a ratio to the input, and a
total.
"""

import codecs
import hashlib
from pathlib import Path
from typing import BinaryIO, Protocol

import pyarrow as pa

from pipeline.errors import SourceError
from pipeline.sources.dialect import UTF_16
from pipeline.sources.file_access import PACKED, known_format
from pipeline.sources.limits import check_limits

HEAD_BYTES = 256 << 10  #: the part of a file that is examined before reading
LARGEST_UNPACKED = 256 << 30  #: bytes; a hundred million customers are some ten

_A_LOOK = 2_000
_MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
#: Encoding of a byte order mark -> declarations that agree with it.
_AGREES = {
    "utf-8": {"utf-8", "utf-8-sig"},
    "utf-16-le": {"utf-16", "utf-16-le"},
    "utf-16-be": {"utf-16", "utf-16-be"},
}


class ByteStream:
    """`head` has the first bytes; `read` yields all bytes from the first on.

    `declared` is an encoding of the config; UTF-16 needs only the byte order mark.
    """

    def __init__(
        self,
        file: BinaryIO,
        path: Path,
        declared: str | None = None,
        largest: int = LARGEST_UNPACKED,
    ) -> None:
        self._delivered = _Hashed(file)
        self._source = _unpacked(self._delivered, path, largest)
        self.encoding: str | None = None  #: from its first bytes: utf-8, utf-16-le, utf-16-be
        first = self._source.read(4)
        self._refuse_other_formats(first, path)
        self._begin(first, declared, path)
        self.head = self._next(HEAD_BYTES)
        if self._utf16 is not None and self.head and not any(byte < 0x80 for byte in self.head):
            raise SourceError(
                f"{path}: read in the declared encoding {declared}, the file has neither a line end nor a delimiter; "
                "declare its true encoding as source.encoding, or remove that key from the config"
            )
        if self._utf16 is None and (order := _looks_like_utf16(self.head[:_A_LOOK])):
            raise SourceError(
                f"{path}: looks like UTF-16 without a byte order mark; if it is, declare that in the config: "
                f"source.encoding: {order}"
            )
        self._unread = self.head

    @property
    def sha256(self) -> str:
        """SHA-256 of the delivered bytes, once all are read."""
        return self._delivered.digest.hexdigest()

    def read(self, size: int) -> bytes:
        """About `size` bytes; empty at the end."""
        if self._unread:
            block, self._unread = self._unread[:size], self._unread[size:]
            return block
        return self._next(size)

    def _begin(self, first: bytes, declared: str | None, path: Path) -> None:
        mark = next((mark for mark in _MARKS if first.startswith(mark)), b"")
        marked = _MARKS.get(mark)
        name = codecs.lookup(declared).name if declared else None
        if marked and name and name not in _AGREES[marked]:
            shown = marked.upper().removesuffix("-LE").removesuffix("-BE")
            raise SourceError(
                f"{path}: begins with the byte order mark of {shown}, and the config declares the encoding {declared}; "
                f"declare {shown.lower()}, or save the file anew"
            )
        self.encoding = marked
        codec = marked or ("utf-16-le" if name == "utf-16" else name)
        self._utf16 = (
            codecs.getincrementaldecoder(codec)("surrogatepass") if codec in UTF_16 else None
        )
        self._kept = first[len(mark) :]
        self._ended = False

    def _next(self, size: int) -> bytes:
        block, self._kept = self._kept, b""
        if len(block) < size:
            block += self._source.read(size - len(block))
        if self._utf16 is None or self._ended:
            return block
        self._ended = not block
        return _as_utf8(self._utf16, block)

    def _refuse_other_formats(self, first: bytes, path: Path) -> None:
        if what := known_format(first):
            raise SourceError(
                f"{path}: this is {what}, whatever its name says; a CSV file is expected"
            )


class _Hashed:
    """A file that adds every byte it reads to a digest."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.digest = hashlib.sha256()
        self.size = 0

    def read(self, size: int = -1) -> bytes:
        block = self.file.read(size)
        self.digest.update(block)
        self.size += len(block)
        return block


class _Readable(Protocol):
    def read(self, size: int) -> bytes: ...


class _Given:
    """An unpacked file, with the first few bytes put back."""

    def __init__(self, first: bytes, rest: _Hashed) -> None:
        self.first = first
        self.rest = rest
        self.closed = False  # pyarrow reads this

    def close(self) -> None:
        """Do nothing: the opener closes the file."""

    def read(self, size: int) -> bytes:
        block, self.first = self.first[:size], self.first[size:]
        return block + self.rest.read(size - len(block)) if len(block) < size else block


class _Unpacked:
    """The content of a packed file; refused if damaged, truncated or far too large."""

    def __init__(self, packed: _Hashed, first: bytes, path: Path, largest: int) -> None:
        self.packed = packed
        self.path = path
        self.largest = largest
        self.size = 0
        self._what, codec = PACKED[next(magic for magic in PACKED if first.startswith(magic))]
        self._stream = pa.CompressedInputStream(
            pa.PythonFile(_Given(first, packed), mode="r"), codec
        )

    def read(self, size: int) -> bytes:
        try:
            block: bytes = self._stream.read(size)
        except (pa.ArrowException, OSError) as error:
            raise SourceError(
                f"{self.path}: {self._what} that is damaged or not wholly written ({error}); nothing was sent. "
                "Fetch or write it again"
            ) from None
        self.size += len(block)
        if self.size > self.largest:
            raise SourceError(
                f"{self.path}: unpacks to more than {self.largest >> 20:,} MiB, which is not read"
            )
        check_limits(str(self.path), expanded=self.size, packed=self.packed.size)
        return block


def _unpacked(delivered: _Hashed, path: Path, largest: int) -> _Readable:
    first = delivered.read(4)
    if any(first.startswith(magic) for magic in PACKED):
        return _Unpacked(delivered, first, path, largest)
    return _Given(first, delivered)


def _looks_like_utf16(head: bytes) -> str | None:
    """The byte order of probable UTF-16 (every other byte zero); NULs in padding are adjacent."""
    shares = {"utf-16-le": head[1::2].count(0), "utf-16-be": head[0::2].count(0)}
    order = max(shares, key=lambda name: shares[name])
    is_every_other = 5 * shares[order] > len(head) and 5 * min(shares.values()) < shares[order]
    return order if is_every_other else None


def _as_utf8(decoder: codecs.IncrementalDecoder, block: bytes) -> bytes:
    """UTF-16 -> UTF-8; half a pair or half a character becomes bytes that are invalid UTF-8."""
    try:
        return decoder.decode(block, final=not block).encode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        decoder.reset()
        return b"\xff"
