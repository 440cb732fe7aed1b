"""One CSV file, read in blocks of bytes: physical lines, whole records, and a count of every line."""

import itertools
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from pipeline.customer import is_import_column
from pipeline.errors import SourceError
from pipeline.layout import Layout
from pipeline.outcomes import Finding
from pipeline.sources.byte_stream import ByteStream
from pipeline.sources.consistency import UNDECODED, Spelling, Widths
from pipeline.sources.dialect import Declared, Dialect
from pipeline.sources.finding import Findings, find_dialect
from pipeline.sources.framing import blank_line, frame
from pipeline.sources.grammar import grammar
from pipeline.sources.header import parse_header
from pipeline.sources.opening import opened_unchanged
from pipeline.sources.plain_block import parsed_together, plain_cells
from pipeline.sources.source_file import BATCH_BYTES, GIVEN, MOST_RECORDS, Batch, Lines, origins, shown

LONGEST_LINE = 64 << 20  #: without a line end for so long it is no file of lines, and must not fill the memory

_UP_TO_THE_HEADER = 64 << 10  #: bytes that go the long way in any case

_CR_AND_LF_SWAPPED = bytes.maketrans(b"\r\n", b"\n\r")


@dataclass(frozen=True, slots=True)
class _PlainBlock:
    """Records that are a line each, and the number of the first."""

    cells: pl.DataFrame
    first_line: int


class CsvFile:
    """A CSV file being read; `lines` and `sha256` are true of the whole file once `batches` has ended."""

    format = "csv"

    def __init__(
        self,
        path: Path,
        name: str,
        declared: Declared | None = None,
        layout: Layout | None = None,
        *,
        any_columns: bool = False,
    ) -> None:
        self.path = path
        self.name = name
        self.declared = declared or Declared()
        self.layout = layout
        self.any_columns = any_columns
        self.dialect = Dialect()
        self.lines = Lines()
        self.sha256 = ""
        self.size = 0
        self.header: tuple[str, ...] | None = None
        self.header_line = ""
        self.footer: tuple[str, ...] = ()
        self._to_skip = self.declared.skip_lines
        self._waits = False  #: lines that were read need more of the file before they can be judged
        self._widths = Widths()
        self._spelling = Spelling()
        self._may_be_no_utf8 = True  #: nobody has said that it is

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Nothing."""
        return ()

    @property
    def columns(self) -> list[str]:
        """The columns that are the supplier's: without those that an earlier run of ours added."""
        return [name for name in self.header or () if not is_import_column(name)]

    @property
    def written(self) -> dict[str, str]:
        """How the file is written, and what of that nobody declared."""
        dialect = self.dialect
        told = {"delimiter": dialect.delimiter, "encoding": dialect.encoding, "line_end": dialect.line_end}
        if dialect.trailing_delimiter:
            told["trailing_delimiter"] = "dropped"
        if self._spelling.undecoded:
            told["not_in_encoding"] = str(self._spelling.undecoded)
        return {**told, "found": " ".join(dialect.found)}

    @property
    def why(self) -> dict[str, str]:
        """What of that nobody declared, and why it was taken to be so."""
        found = dict(self.dialect.found)
        if self._spelling.undecoded and "encoding" in found:
            found["encoding"] = self._spelling.why
        return found

    def batches(self, *, first_position: int = 0, batch_bytes: int = BATCH_BYTES) -> Iterator[Batch]:
        """Yield the records; raise SourceError where the file is none that can be read, or changes meanwhile."""
        batches = self._batches(first_position, batch_bytes)
        # What came with the header is too little to be worth a round of its own through all stages.
        first = list(itertools.islice(batches, 2))
        if first:
            yield Batch(pl.concat([batch.records for batch in first], rechunk=len(first) > 1))
        yield from batches

    def _batches(self, position: int, batch_bytes: int) -> Iterator[Batch]:
        with opened_unchanged(self.path) as file:
            stream = ByteStream(file, self.path, self.declared.encoding)
            self._may_be_no_utf8 = self.declared.encoding is None and stream.encoding is None
            findings = find_dialect(stream.head, stream.encoding, self.declared, self.layout)
            self.dialect = findings.dialect
            waiting = _physical_lines(b"", 1, self.dialect)
            for lines, at_end in self._without_footer(self._blocks(stream, batch_bytes)):
                if isinstance(lines, _PlainBlock):
                    records = self._plain_records(lines, position)
                else:
                    records, waiting = self._records(pl.concat([waiting, lines]), position, findings, at_end=at_end)
                    self._waits = bool(waiting.height)
                if records.height:
                    position += records.height
                    yield Batch(records)
            size = os.fstat(file.fileno()).st_size
            self._spelling.judge(self.path)
            self._widths.judge(self.path, self.dialect, len(self.header or ()))
        self.sha256 = stream.sha256
        self.size = size

    def _blocks(self, stream: ByteStream, batch_bytes: int) -> "Iterator[tuple[pl.DataFrame | _PlainBlock, bool]]":
        """Blocks of whole physical lines, or of plain records; the last is marked."""
        line_ends = taken = 0
        tail = last = b""
        first_line = 1
        size = min(batch_bytes, _UP_TO_THE_HEADER)
        while True:
            block = stream.read(size)
            taken += len(block)
            if self.dialect.ends_with_cr:
                block = block.translate(_CR_AND_LF_SWAPPED)
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
            size = min(batch_bytes, max(1, MOST_RECORDS * taken // max(1, line_ends + whole.count(b"\n"))))
            if (cells := self._plain_cells(whole)) is not None:
                self._spelling.seen += len(whole)
                yield _PlainBlock(cells, first_line), False
                line_ends += cells.height
                first_line += cells.height
                continue
            line_ends += whole.count(b"\n")
            lines = _physical_lines(whole, first_line, self.dialect)
            if self._may_be_no_utf8 and not whole.isascii():
                self._spelling.add(whole, lines)
            self._spelling.seen += len(whole)
            first_line += lines.height
            if not block:
                unended = last[-1:] not in {b"", b"\n"}
                self.lines = replace(self.lines, physical=line_ends + unended)
            yield lines, not block
            if not block:
                return

    def _plain_cells(self, whole: bytes) -> pl.DataFrame | None:
        """The cells of a block that needs no framing, where nothing before it waits and nothing of it is a footer."""
        if self.header is None or self._waits or self._to_skip or self.declared.footer_lines:
            return None
        cells = plain_cells(whole, self.header, self.header_line, self.dialect)
        if cells is not None and self._may_be_no_utf8 and not whole.isascii():
            beyond_ascii = pl.any_horizontal(pl.all().str.len_bytes() != pl.all().str.len_chars())
            self._spelling.good += cells.select(beyond_ascii.sum()).item()
        return cells

    def _plain_records(self, block: "_PlainBlock", position: int) -> pl.DataFrame:
        height = block.cells.height
        self.lines = replace(self.lines, records=self.lines.records + height)
        self._widths.add(pl.repeat(None, height, dtype=pl.String, eager=True))
        number = pl.int_range(pl.len(), dtype=pl.Int64)
        return block.cells.select(
            position=number + position,
            row_id=pl.format("{}:{}", pl.lit(self.name), number + block.first_line),
            line=number + block.first_line,
            line_count=pl.lit(1, pl.Int64),
            reason=pl.lit(None, pl.String),
            text=pl.lit(None, pl.String),
            **origins(self.header or ()),
            **{GIVEN + name: pl.col(GIVEN + name) for name in self.columns},
        )

    def _without_footer(
        self, blocks: "Iterator[tuple[pl.DataFrame | _PlainBlock, bool]]"
    ) -> "Iterator[tuple[pl.DataFrame | _PlainBlock, bool]]":
        """The same without the last lines that are declared to be no part of the table; of blank ones any number."""
        if not self.declared.footer_lines:
            yield from blocks
            return
        kept = _physical_lines(b"", 1, self.dialect)
        for lines, at_end in blocks:
            assert isinstance(lines, pl.DataFrame)  # noqa: S101 - with a footer no block is plain
            kept = pl.concat([kept, lines])
            filled = kept.select(filled=~blank_line(pl.col("raw"), self.dialect))["filled"].arg_true()
            footer = filled[-min(self.declared.footer_lines, len(filled))] if len(filled) else 0
            if at_end:
                told = kept.height - footer
                self.lines = replace(self.lines, skipped=self.lines.skipped + told)
                texts = kept["raw"].slice(footer).str.strip_suffix("\r")
                self.footer = tuple(text for text in texts if text.strip())
            yield kept.head(footer), at_end
            kept = kept.slice(footer)

    def _records(
        self, lines: pl.DataFrame, position: int, findings: Findings, *, at_end: bool
    ) -> tuple[pl.DataFrame, pl.DataFrame]:
        """The records of these lines, and the lines that need more of the file before they can be judged."""
        lines = self._skip(lines)
        if self.header is None:
            lines = self._take_header(lines, findings)
        if self.header is None:
            return pl.DataFrame(), lines
        frames = frame(lines, len(self.header), self.dialect, at_end=at_end, header=self.header_line)
        blank = int(frames.table["blank"].sum())
        records = frames.table.filter(~pl.col("blank"))
        self.lines = replace(
            self.lines, blank=self.lines.blank + blank, records=self.lines.records + int(records["line_count"].sum())
        )
        self._widths.add(records["reason"])
        self._spelling.undecoded += int(records["reason"].is_in(UNDECODED).sum())
        if self.dialect.ends_with_cr:
            records = records.with_columns(pl.col("raw").str.replace_all("\r", "\n", literal=True))
        table = _split(records, self.header, self.dialect).select(
            position=pl.int_range(pl.len(), dtype=pl.Int64) + position,
            row_id=pl.format("{}:{}", pl.lit(self.name), pl.col("line")),
            line=pl.col("line"),
            line_count=pl.col("line_count"),
            reason=pl.col("reason"),
            text=pl.when(pl.col("reason").is_not_null()).then(shown(pl.col("raw"))),
            **origins(self.header),
            **{GIVEN + name: pl.col(GIVEN + name) for name in self.columns},
        )
        return table, lines.slice(frames.rest)

    def _skip(self, lines: pl.DataFrame) -> pl.DataFrame:
        """Without the lines before the header that are declared to be no part of the table."""
        skipped = min(self._to_skip, lines.height)
        if not skipped:
            return lines
        self._to_skip -= skipped
        self.lines = replace(self.lines, skipped=self.lines.skipped + skipped)
        return lines.slice(skipped)

    def _take_header(self, lines: pl.DataFrame, findings: Findings) -> pl.DataFrame:
        """Find the header, the first line that is not blank, and return the lines after it."""
        blank = lines.select(blank=blank_line(pl.col("raw"), self.dialect))["blank"]
        at = (~blank).arg_true()
        if not len(at):
            self.lines = replace(self.lines, blank=self.lines.blank + lines.height)
            return lines.clear()
        where = f"{self.path}: line {lines['line'][at[0]]}"
        if lines["undecoded"][at[0]]:
            raise SourceError(f"{where}: the header is not {self._called()}")
        line = lines["raw"][at[0]].removesuffix("\r")
        try:
            self.header = parse_header(
                line, where, dialect=self.dialect, layout=self.layout, any_columns=self.any_columns
            )
        except SourceError as refused:
            if (better := findings.header_seems_at) is None:
                raise
            skip = self.declared.skip_lines + better
            raise SourceError(
                f"{refused}. Line {skip + 1} looks more like the header: if the {skip} line{'s' * (skip > 1)} before it "
                f"{'are' if skip > 1 else 'is'} no part of the table, say so in the config: source.skip_lines: {skip}"
            ) from None
        self.header_line = line
        self.lines = replace(self.lines, header=1, blank=self.lines.blank + at[0])
        return lines.slice(at[0] + 1)

    def _called(self) -> str:
        if not self.dialect.is_utf8:
            return f"{self.dialect.encoding} text, as the config declares; declare the encoding that the file is written in"
        if not self._spelling.examples:
            return "UTF-8 text; save the file as UTF-8, or declare its encoding in the config: source.encoding"
        return f"UTF-8 text. {self._spelling.way_out}"


def _split(records: pl.DataFrame, header: tuple[str, ...], dialect: Dialect) -> pl.DataFrame:
    """Add `given.<column>` to each record, null where the record is unreadable; the order stays."""
    # The empty cell behind a trailing delimiter takes a name that no column has.
    names = [*(GIVEN + name for name in header), *(["trailing"] if dialect.trailing_delimiter else [])]
    whole = pl.col("reason").is_null()
    good = records.filter(whole)
    parts = [
        *_with_cells(good, names, dialect.delimiter),
        records.filter(~whole).with_columns(pl.lit(None, pl.String).alias(name) for name in names),
    ]
    filled = [part for part in parts if part.height] or parts[:1]
    return filled[0] if len(filled) == 1 else pl.concat(filled).sort("line")


def _with_cells(records: pl.DataFrame, names: list[str], delimiter: str) -> list[pl.DataFrame]:
    """Split legal records: at once where their text bears it, else those with quotes and those without apart."""
    cells = parsed_together(records["raw"], names, delimiter)
    if cells is not None:
        return [records.hstack(cells)]
    return [
        _with_plain_cells(records.filter(~pl.col("quoted")), names, delimiter),
        _with_quoted_cells(records.filter("quoted"), names, delimiter),
    ]


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
