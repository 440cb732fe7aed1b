"""One CSV file, read in blocks of bytes: physical lines, whole records, and a count of every line."""

import hashlib
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import polars as pl

from pipeline.customer import is_import_column
from pipeline.errors import SourceError
from pipeline.layout import Layout
from pipeline.sources.dialect import RFC_4180, Dialect
from pipeline.sources.framing import blank_line, frame
from pipeline.sources.grammar import grammar
from pipeline.sources.header import parse_header
from pipeline.sources.opening import known_format, opened_unchanged
from pipeline.sources.source_file import BATCH_BYTES, GIVEN, Batch, Lines, shown

LONGEST_LINE = 64 << 20  #: without a line end for so long it is no file of lines, and must not fill the memory

_BOM = b"\xef\xbb\xbf"


class CsvFile:
    """A CSV file being read; `lines` and `sha256` are true of the whole file once `batches` has ended."""

    format = "csv"

    def __init__(self, path: Path, name: str, dialect: Dialect = RFC_4180, layout: Layout | None = None) -> None:
        self.path = path
        self.name = name
        self.dialect = dialect
        self.layout = layout
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
        waiting = _physical_lines(b"", 1, self.dialect)
        with opened_unchanged(self.path) as file:
            for lines, at_end in self._blocks(file, digest, batch_bytes):
                records, waiting = self._records(pl.concat([waiting, lines]), position, at_end=at_end)
                if records.height:
                    position += records.height
                    yield Batch(records)
            size = os.fstat(file.fileno()).st_size
        self.sha256 = digest.hexdigest()
        self.size = size

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
            lines = _physical_lines(whole, first_line, self.dialect)
            first_line += lines.height
            if not block:
                unended = last[-1:] not in {b"", b"\n"}
                self.lines = replace(self.lines, physical=line_ends + unended)
            yield lines, not block
            if not block:
                return

    def _without_bom(self, head: bytes) -> bytes:
        if what := known_format(head):
            raise SourceError(f"{self.path}: this is {what}, whatever its name says; a CSV file is expected")
        if head.startswith(_BOM) and not self.dialect.is_utf8:
            raise SourceError(
                f"{self.path}: begins with the byte order mark of UTF-8, and the config declares the encoding "
                f"{self.dialect.encoding}; declare utf-8, or save the file anew"
            )
        return head.removeprefix(_BOM)

    def _records(self, lines: pl.DataFrame, position: int, *, at_end: bool) -> tuple[pl.DataFrame, pl.DataFrame]:
        """The records of these lines, and the lines that need more of the file before they can be judged."""
        if self.header is None:
            lines = self._take_header(lines)
        if self.header is None:
            return pl.DataFrame(), lines
        frames = frame(lines, len(self.header), self.dialect, at_end=at_end)
        blank = int(frames.table["blank"].sum())
        records = frames.table.filter(~pl.col("blank"))
        self.lines = replace(
            self.lines, blank=self.lines.blank + blank, records=self.lines.records + int(records["line_count"].sum())
        )
        table = _split(records, self.header, self.dialect.delimiter).select(
            position=pl.int_range(pl.len(), dtype=pl.Int64) + position,
            row_id=pl.format("{}:{}", pl.lit(self.name), pl.col("line")),
            line=pl.col("line"),
            line_count=pl.col("line_count"),
            reason=pl.col("reason"),
            text=pl.when(pl.col("reason").is_not_null()).then(shown(pl.col("raw"))),
            **{GIVEN + name: pl.col(GIVEN + name) for name in self.columns},
        )
        return table, lines.slice(frames.rest)

    def _take_header(self, lines: pl.DataFrame) -> pl.DataFrame:
        """Find the header, the first line that is not blank, and return the lines after it."""
        blank = lines.select(blank=blank_line(pl.col("raw"), self.dialect))["blank"]
        at = (~blank).arg_true()
        if not len(at):
            self.lines = replace(self.lines, blank=self.lines.blank + lines.height)
            return lines.clear()
        where = f"{self.path}: line {lines['line'][at[0]]}"
        if lines["undecoded"][at[0]]:
            raise SourceError(f"{where}: the header is not {_called(self.dialect)}")
        line = lines["raw"][at[0]].removesuffix("\r")
        self.header = parse_header(line, where, delimiter=self.dialect.delimiter, layout=self.layout)
        self.lines = replace(self.lines, header=1, blank=self.lines.blank + at[0])
        return lines.slice(at[0] + 1)


def _called(dialect: Dialect) -> str:
    if dialect.is_utf8:
        return "UTF-8 text; save the file as UTF-8, or declare its encoding in the config: source.encoding"
    return f"{dialect.encoding} text, as the config declares; declare the encoding that the file is written in"


def _split(records: pl.DataFrame, header: tuple[str, ...], delimiter: str) -> pl.DataFrame:
    """Add `given.<column>` to each record, null where the record is unreadable; the order stays."""
    names = [GIVEN + name for name in header]
    whole = pl.col("reason").is_null()
    parts = [
        _with_plain_cells(records.filter(whole & ~pl.col("quoted")), names, delimiter),
        _with_quoted_cells(records.filter(whole & pl.col("quoted")), names, delimiter),
        records.filter(~whole).with_columns(pl.lit(None, pl.String).alias(name) for name in names),
    ]
    filled = [part for part in parts if part.height] or parts[:1]
    return filled[0] if len(filled) == 1 else pl.concat(filled).sort("line")


def _with_plain_cells(records: pl.DataFrame, names: list[str], delimiter: str) -> pl.DataFrame:
    """Split records that hold no quote."""
    cells = pl.col("raw").str.split_exact(delimiter, len(names) - 1).struct.rename_fields(names)
    return records.with_columns(cells.alias("cells")).unnest("cells")


def _with_quoted_cells(records: pl.DataFrame, names: list[str], delimiter: str) -> pl.DataFrame:
    """Split legal records that hold quotes; with a delimiter put before the record every match is one field."""
    fields = pl.concat_str(pl.lit(delimiter), "raw").str.extract_all(grammar(delimiter).one_field_text)
    split = records.with_columns(fields.list.to_struct(fields=names).alias("cells")).unnest("cells")
    return split.with_columns(_cell(pl.col(name)).alias(name) for name in names)


def _cell(field: pl.Expr) -> pl.Expr:
    """A field with its delimiter before it -> its text, the quotes that wrap it taken off."""
    body = field.str.slice(1)
    unwrapped = body.str.strip_prefix('"').str.strip_suffix('"').str.replace_all('""', '"', literal=True)
    return pl.when(body.str.starts_with('"')).then(unwrapped).otherwise(body)


def _physical_lines(whole: bytes, first_line: int, dialect: Dialect) -> pl.DataFrame:
    """Bytes that end with a line end (or are the last of the file) -> line, raw (String, its CR kept), undecoded."""
    try:
        parts = _lines_of(_as_utf8(whole, dialect))
        raw = pl.Series("raw", parts, dtype=pl.Binary).cast(pl.String)
        bad = pl.repeat(value=False, n=len(parts), eager=True, dtype=pl.Boolean)
    except UnicodeDecodeError:
        texts = [_decoded(part, dialect.codec) for part in _lines_of(whole)]
        raw = pl.Series("raw", [text for text, _ in texts], dtype=pl.String)
        bad = pl.Series([is_bad for _, is_bad in texts], dtype=pl.Boolean)
    line = pl.int_range(first_line, first_line + len(raw), dtype=pl.Int64, eager=True)
    return pl.DataFrame({"line": line, "raw": raw, "undecoded": bad})


def _as_utf8(whole: bytes, dialect: Dialect) -> bytes:
    text = whole.decode(dialect.codec)
    return whole if dialect.is_utf8 else text.encode()


def _lines_of(whole: bytes) -> list[bytes]:
    parts = whole.split(b"\n")
    if parts and not parts[-1]:
        parts.pop()
    return parts


def _decoded(part: bytes, codec: str) -> tuple[str, bool]:
    try:
        return part.decode(codec), False
    except UnicodeDecodeError:
        return part.decode(codec, errors="backslashreplace"), True


def _cut(content: bytes, *, at_end: bool) -> tuple[bytes, bytes]:
    """Whole lines, and the begun line after them."""
    if at_end:
        return content, b""
    end = content.rfind(b"\n") + 1
    return content[:end], content[end:]
