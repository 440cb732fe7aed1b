"""Open a regular file by its exact name, identify it, and check that it stays unchanged."""

import codecs
import contextlib
import os
import re
import stat
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path

from pipeline.domain.customer import ROW_ID, RUN_ID
from pipeline.errors import SourceError

PARQUET = b"PAR1"
ZIP = b"PK\x03\x04"  #: a workbook is one

_ORIGIN = [re.compile(rf'(?:^|[,;\t])"?{name}"?(?:[,;\t]|$)') for name in (ROW_ID, RUN_ID)]
_BLOCK = 1 << 20
_LONGEST_HEADER = 1 << 20

_FORMATS = {
    PARQUET: "a Parquet file",
    b"PARE": "an encrypted Parquet file",
    ZIP: "a ZIP or Excel file",
    b"\xd0\xcf\x11\xe0": "an old Excel file, or one with a password (save it as .xlsx without one)",
    b"\x1f\x8b": "a gzip file",
    b"\x28\xb5\x2f\xfd": "a Zstandard file",
    b"\x37\x7a\xbc\xaf": "a 7-Zip file",
    b"Rar!": "a RAR file",
    b"BZh": "a bzip2 file",
    b"\xfd7zX": "an xz file",
    b"%PDF": "a PDF",
    b"SQLi": "an SQLite database",
}

#: Packed formats: first bytes -> name and codec.
PACKED = {b"\x1f\x8b": ("a gzip file", "gzip"), b"\x28\xb5\x2f\xfd": ("a Zstandard file", "zstd")}


def first_bytes(path: Path) -> bytes:
    """The first bytes, which identify the format."""
    with open_regular(path) as file:
        return file.read(4)


def is_list_of_ours(path: Path) -> bool:
    """Whether this is a list of an earlier run: its header has our run and row columns."""
    with open_regular(path) as file:
        head = file.readline(_LONGEST_HEADER)
    text = (
        head.decode("utf-16", errors="replace")
        if head.startswith((b"\xff\xfe", b"\xfe\xff"))
        else head.decode("latin-1")
    )
    return all(name.search(text.rstrip("\r\n")) for name in _ORIGIN)


def is_utf8(path: Path) -> bool:
    """Whether a whole file is UTF-8, or has a mark of UTF-16."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    with open_regular(path) as file:
        block = file.read(_BLOCK)
        if block.startswith((b"\xff\xfe", b"\xfe\xff")):
            return True
        try:
            while block:
                decoder.decode(block)
                block = file.read(_BLOCK)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return False
    return True


def beside(path: Path, name: str) -> str | None:
    """The text of a small file in the same folder; None if missing; refuse other content."""
    neighbour = path.parent / name
    if not neighbour.exists():
        return None
    with open_regular(neighbour) as file:
        content = file.read(_LONGEST_HEADER + 1)
    try:
        if len(content) > _LONGEST_HEADER:
            raise SourceError(f"{neighbour}: longer than 1 MiB; this is no control file")
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise SourceError(f"{neighbour}: not UTF-8 text; a control file is expected") from None


def known_format(head: bytes) -> str | None:
    """The format of these first bytes in words; None if it may be text."""
    return next((what for magic, what in _FORMATS.items() if head.startswith(magic)), None)


@contextlib.contextmanager
def opened_unchanged(path: Path) -> Iterator[BufferedReader]:
    """Yield the file; refuse it if inode, size or change time differ afterwards."""
    with open_regular(path) as file:
        before = _identity(os.fstat(file.fileno()))
        failure: SourceError | None = None
        try:
            yield file
        except SourceError as error:
            failure = error
        if _identity(os.fstat(file.fileno())) != before or _identity_of(path) != before:
            raise SourceError(
                f"{path}: the file changed while it was read; nothing was sent. Wait until it is whole"
            ) from failure
        if failure is not None:
            raise failure


def open_regular(path: Path) -> BufferedReader:
    """Open a regular file by its literal name; refuse links, pipes and folders."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        raise SourceError(f"{path}: no such file") from None
    except OSError as error:
        reason = "a symbolic link" if path.is_symlink() else (error.strerror or "unreadable")
        raise SourceError(
            f"{path}: cannot be read ({reason}); a regular file is expected"
        ) from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise SourceError(f"{path}: not a regular file; folders, pipes and devices are not read")
    return os.fdopen(descriptor, "rb")


def _identity(found: os.stat_result) -> tuple[int, int, int]:
    return found.st_ino, found.st_size, found.st_mtime_ns


def _identity_of(path: Path) -> tuple[int, int, int] | None:
    try:
        return _identity(os.lstat(path))
    except FileNotFoundError:
        return None
