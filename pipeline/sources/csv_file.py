"""One UTF-8 CSV file, read in blocks of bytes: physical lines, whole records, and a count of every line."""

import hashlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

import polars as pl

from pipeline.customer import is_import_column
from pipeline.errors import SourceError
from pipeline.sources.framing import ONE_FIELD, frame
from pipeline.sources.header import GIVEN, parse_header

#: About 250,000 records of the usual hundred bytes. No result depends on it (a property test says so).
BATCH_BYTES = 24 << 20
LONGEST_LINE = 64 << 20  #: without a line end for so long it is no file of lines, and must not fill the memory

_OTHER_FORMATS = {
    b"PAR1": "a Parquet file",
    b"PK\x03\x04": "a ZIP or Excel file",
    b"\xd0\xcf\x11\xe0": "an old Excel file",
    b"\x1f\x8b": "a gzip file",
    b"\x28\xb5\x2f\xfd": "a Zstandard file",
    b"\xff\xfe": "UTF-16 text",
    b"\xfe\xff": "UTF-16 text",
}
_BOM = b"\xef\xbb\xbf"
# Shown as \xNN in the lists, so that the text of an unreadable record can stand in a file that is readable.
_SHOWN = {chr(code): f"\\x{code:02x}" for code in [*range(0x20), *range(0x7F, 0xA0)] if code != 9}


@dataclass(frozen=True, slots=True)
class Lines:
    """Physical lines of a file: all of them, counted on the bytes, and by what framing made of them.

    `records` counts the lines of all records, readable or not; physical = header + blank + records, or a line is lost.
    """

    physical: int = 0
    header: int = 0
    blank: int = 0
    records: int = 0


@dataclass(frozen=True, slots=True)
class Batch:
    """Some records of one file, in the order of the file.

    `records`: position (Int64, counts all records of the run from 0), row_id, line and line_count (Int64), reason
    (READ.… or null), text (of an unreadable record, else null) and the cells as text under `given.<column>`.
    """

    records: pl.DataFrame


class CsvFile:
    """A file being read; `lines` and `sha256` are true of the whole file once `batches` has ended."""

    def __init__(self, path: Path, name: str) -> None:
        self.path = path
        self.name = name
        self.lines = Lines()
        self.sha256 = ""
        self.size = 0
        self.header: tuple[str, ...] | None = None

    @property
    def columns(self) -> list[str]:
        """The columns that are the supplier's: without those that an earlier run of ours added."""
        return [name for name in self.header or () if not is_import_column(name)]

    def batches(self, *, first_position: int = 0, batch_bytes: int = BATCH_BYTES) -> Iterator[Batch]:
        """Yield the records; raise SourceError where the file is none that can be read, or changes meanwhile."""
        digest = hashlib.sha256()
        position = first_position
        waiting = _physical_lines(b"", 1)
        with _opened(self.path) as file:
            before = _identity(file)
            for lines, at_end in self._blocks(file, digest, batch_bytes):
                records, waiting = self._records(pl.concat([waiting, lines]), position, at_end=at_end)
                if records.height:
                    position += records.height
                    yield Batch(records)
            if _identity(file) != before or _identity_of(self.path) != before:
                raise SourceError(
                    f"{self.path}: the file changed while it was read; nothing was sent. Wait until it is whole"
                )
        self.sha256 = digest.hexdigest()
        self.size = before[1]

    def _blocks(self, file: BinaryIO, digest: "hashlib._Hash", batch_bytes: int) -> Iterator[tuple[pl.DataFrame, bool]]:
        """Blocks of whole physical lines; the last is marked."""
        head = file.read(4)
        digest.update(head)
        line_ends = head.count(b"\n")
        tail = last = self._without_bom(head)
        first_line = 1
        while True:
            block = file.read(batch_bytes)
            digest.update(block)
            line_ends += block.count(b"\n")
            last = block or last
            whole, tail = _cut(tail + block, at_end=not block)
            if not block and whole.endswith(b"\r"):
                whole += (
                    b"\r"  # a CR that no LF follows, even at the end of the file: framing takes one for the line's end
                )
            if len(tail) > LONGEST_LINE:
                raise SourceError(
                    f"{self.path}: line {first_line + whole.count(10)} does not end within 64 MiB: no file of lines"
                )
            lines = _physical_lines(whole, first_line)
            first_line += lines.height
            if not block:
                unended = last[-1:] not in {b"", b"\n"}
                self.lines = replace(self.lines, physical=line_ends + unended)
            yield lines, not block
            if not block:
                return

    def _without_bom(self, head: bytes) -> bytes:
        for magic, what in _OTHER_FORMATS.items():
            if head.startswith(magic):
                raise SourceError(
                    f"{self.path}: this is {what}, whatever its name says; a CSV file in UTF-8 is expected"
                )
        return head.removeprefix(_BOM)

    def _records(self, lines: pl.DataFrame, position: int, *, at_end: bool) -> tuple[pl.DataFrame, pl.DataFrame]:
        """The records of these lines, and the lines that need more of the file before they can be judged."""
        if self.header is None:
            lines = self._take_header(lines)
        if self.header is None:
            return pl.DataFrame(), lines
        frames = frame(lines, len(self.header), at_end=at_end)
        blank = int(frames.table["blank"].sum())
        records = frames.table.filter(~pl.col("blank"))
        self.lines = replace(
            self.lines, blank=self.lines.blank + blank, records=self.lines.records + int(records["line_count"].sum())
        )
        table = _split(records, self.header).select(
            position=pl.int_range(pl.len(), dtype=pl.Int64) + position,
            row_id=pl.format("{}:{}", pl.lit(self.name), pl.col("line")),
            line=pl.col("line"),
            line_count=pl.col("line_count"),
            reason=pl.col("reason"),
            text=pl.when(pl.col("reason").is_not_null()).then(pl.col("raw").str.replace_many(_SHOWN)),
            **{GIVEN + name: pl.col(GIVEN + name) for name in self.columns},
        )
        return table, lines.slice(frames.rest)

    def _take_header(self, lines: pl.DataFrame) -> pl.DataFrame:
        """Find the header, the first line that is not blank, and return the lines after it."""
        blank = lines["raw"].str.strip_chars(" \t\r") == ""
        at = (~blank).arg_true()
        if not len(at):
            self.lines = replace(self.lines, blank=self.lines.blank + lines.height)
            return lines.clear()
        where = f"{self.path}: line {lines['line'][at[0]]}"
        if lines["not_utf8"][at[0]]:
            raise SourceError(f"{where}: the header is not UTF-8 text; save the file as UTF-8")
        self.header = parse_header(lines["raw"][at[0]].removesuffix("\r"), where)
        self.lines = replace(self.lines, header=1, blank=self.lines.blank + at[0])
        return lines.slice(at[0] + 1)


def _split(records: pl.DataFrame, header: tuple[str, ...]) -> pl.DataFrame:
    """Add `given.<column>` to each record, null where the record is unreadable; the order stays."""
    names = [GIVEN + name for name in header]
    whole = pl.col("reason").is_null()
    parts = [
        _with_plain_cells(records.filter(whole & ~pl.col("quoted")), names),
        _with_quoted_cells(records.filter(whole & pl.col("quoted")), names),
        records.filter(~whole).with_columns(pl.lit(None, pl.String).alias(name) for name in names),
    ]
    filled = [part for part in parts if part.height] or parts[:1]
    return filled[0] if len(filled) == 1 else pl.concat(filled).sort("line")


def _with_plain_cells(records: pl.DataFrame, names: list[str]) -> pl.DataFrame:
    """Split records that hold no quote."""
    cells = pl.col("raw").str.split_exact(",", len(names) - 1).struct.rename_fields(names)
    return records.with_columns(cells.alias("cells")).unnest("cells")


def _with_quoted_cells(records: pl.DataFrame, names: list[str]) -> pl.DataFrame:
    """Split legal records that hold quotes; with a comma put before the record every match is one field."""
    cells = pl.format(",{}", pl.col("raw")).str.extract_all(ONE_FIELD).list.to_struct(fields=names)
    split = records.with_columns(cells.alias("cells")).unnest("cells")
    return split.with_columns(_cell(pl.col(name)).alias(name) for name in names)


def _cell(field: pl.Expr) -> pl.Expr:
    """A field with its comma before it -> its text, the quotes that wrap it taken off."""
    body = field.str.slice(1)
    unwrapped = body.str.strip_prefix('"').str.strip_suffix('"').str.replace_all('""', '"', literal=True)
    return pl.when(body.str.starts_with('"')).then(unwrapped).otherwise(body)


def _physical_lines(whole: bytes, first_line: int) -> pl.DataFrame:
    """Bytes that end with a line end (or are the last of the file) -> line, raw (String, its CR kept), not_utf8."""
    parts = whole.split(b"\n")
    if parts and not parts[-1]:
        parts.pop()
    try:
        whole.decode()
        raw = pl.Series("raw", parts, dtype=pl.Binary).cast(pl.String)
        bad = pl.repeat(value=False, n=len(parts), eager=True, dtype=pl.Boolean)
    except UnicodeDecodeError:
        texts = [_decoded(part) for part in parts]
        raw = pl.Series("raw", [text for text, _ in texts], dtype=pl.String)
        bad = pl.Series([is_bad for _, is_bad in texts], dtype=pl.Boolean)
    line = pl.int_range(first_line, first_line + len(parts), dtype=pl.Int64, eager=True)
    return pl.DataFrame({"line": line, "raw": raw, "not_utf8": bad})


def _decoded(part: bytes) -> tuple[str, bool]:
    try:
        return part.decode(), False
    except UnicodeDecodeError:
        return part.decode(errors="backslashreplace"), True


def _cut(content: bytes, *, at_end: bool) -> tuple[bytes, bytes]:
    """Whole lines, and the begun line after them."""
    if at_end:
        return content, b""
    end = content.rfind(b"\n") + 1
    return content[:end], content[end:]


def _opened(path: Path) -> BinaryIO:
    """Open a regular file; the name is never interpreted, and a link, a pipe or a folder is refused."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        raise SourceError(f"{path}: no such file") from None
    except OSError as error:
        reason = "a symbolic link" if path.is_symlink() else (error.strerror or "unreadable")
        raise SourceError(f"{path}: cannot be read ({reason}); a regular file is expected") from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise SourceError(f"{path}: not a regular file; folders, pipes and devices are not read")
    return os.fdopen(descriptor, "rb")


def _identity(file: BinaryIO) -> tuple[int, int, int]:
    found = os.fstat(file.fileno())
    return found.st_ino, found.st_size, found.st_mtime_ns


def _identity_of(path: Path) -> tuple[int, int, int] | None:
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns
