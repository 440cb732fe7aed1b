"""Original lines of a file, to show to people."""

import codecs
from collections.abc import Iterator
from pathlib import Path

from pipeline.errors import SourceError
from pipeline.sources.byte_stream import ByteStream
from pipeline.sources.file_access import opened_unchanged

_BLOCK = 1 << 20
_CR_TO_LF = bytes.maketrans(b"\r", b"\n")


def lines_of(
    path: Path, sha256: str, written: dict[str, str], first: int, count: int
) -> str | None:
    """Physical lines of a CSV file from line `first` (1-based), unpacked and decoded.

    None if the file is missing or no longer has this SHA-256; `written` is its format in a run.
    """
    if not path.is_file():
        return None
    try:
        with opened_unchanged(path) as file:
            stream = ByteStream(file, path, written["encoding"])
            blocks = iter(lambda: stream.read(_BLOCK), b"")
            if written["line_end"] == "CR":
                blocks = (block.translate(_CR_TO_LF) for block in blocks)
            found = [
                line
                for number, line in enumerate(_lines(blocks), start=1)
                if first <= number < first + count
            ]
    except (OSError, SourceError):
        return None
    if stream.sha256 != sha256:
        return None
    codec = "utf-8" if stream.encoding is not None else codecs.lookup(written["encoding"]).name
    text = b"\n".join(found).removesuffix(b"\r")
    return text.removeprefix(codecs.BOM_UTF8 if first == 1 else b"").decode(
        codec, errors="backslashreplace"
    )


def _lines(blocks: Iterator[bytes]) -> Iterator[bytes]:
    begun = b""
    for block in blocks:
        *whole, begun = (begun + block).split(b"\n")
        yield from whole
    yield begun
