"""One CSV file, read in blocks of bytes: physical lines, whole records, and a count of every line."""

import itertools
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from pipeline.domain.characters import escaped
from pipeline.domain.column_mapping import Layout
from pipeline.domain.file_issues import FileIssue, Finding
from pipeline.errors import SourceError
from pipeline.sources.byte_stream import ByteStream
from pipeline.sources.dialect import NO_QUOTE, Declared, Dialect, without_end_mark
from pipeline.sources.dialect_checks import UNDECODED, Spelling, Widths
from pipeline.sources.dialect_detection import Findings, find_dialect
from pipeline.sources.escapes import as_written, joined_lines, refuse_hidden
from pipeline.sources.fast_path import plain_cells
from pipeline.sources.file_access import opened_unchanged
from pipeline.sources.framing import blank_line, frame
from pipeline.sources.limits import MOST_CELLS_HELD
from pipeline.sources.names import Names
from pipeline.sources.physical_lines import cut, physical_lines
from pipeline.sources.repeated_header import HeaderText
from pipeline.sources.source_file import (
    BATCH_BYTES,
    GIVEN,
    MOST_RECORDS,
    Batch,
    Lines,
    empty_columns,
    origins,
    suppliers_columns,
)
from pipeline.sources.splitting import split_records
from pipeline.sources.table_head import HeadFinder

LONGEST_LINE = 64 << 20  #: the longest line; a file without line ends must not fill the memory

_UP_TO_THE_HEADER = 64 << 10  #: bytes that always take the slow path

_CR_AND_LF_SWAPPED = bytes.maketrans(b"\r\n", b"\n\r")


@dataclass(frozen=True, slots=True)
class _PlainBlock:
    """Records of one line each, and the number of the first."""

    cells: pl.DataFrame
    first_line: int


class CsvFile:
    """A CSV file being read; `lines` and `sha256` are complete once `batches` has ended."""

    format = "csv"

    def __init__(
        self,
        path: Path,
        name: str,
        declared: Declared | None = None,
        layout: Layout | None = None,
        *,
        any_columns: bool = False,
        ignores_unnamed: bool = True,
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
        self.names = Names(())
        self.footer: tuple[str, ...] = ()
        self.ignored: tuple[str, ...] = ()  #: empty columns without a name
        self._ignores_unnamed = ignores_unnamed
        self._ends_with_mark = False  #: Ctrl-Z
        self._is_last_unended = False
        self._header_text = HeaderText("", (), self.dialect)
        self._to_skip = self.declared.skip_lines
        self._waits = False  #: the last lines need more of the file before framing
        self._widths = Widths()
        self._spelling = Spelling()
        self._may_be_no_utf8 = True  #: not declared as UTF-8

    @property
    def columns(self) -> list[str]:
        """The supplier's columns, without our own and empty unnamed ones."""
        return suppliers_columns(self.header or (), self.ignored)

    @property
    def written(self) -> dict[str, str]:
        """The format of the file, and what was detected."""
        dialect = self.dialect
        facts = {
            "delimiter": dialect.delimiter,
            "encoding": dialect.encoding,
            "line_end": dialect.line_end,
        }
        unusual = {
            "trailing_delimiter": "dropped" if dialect.trailing_delimiter else "",
            "quote": "" if dialect.quote == '"' else dialect.quote or NO_QUOTE,
            "escape": dialect.escape,
            "header": "none" if dialect.header == "none" else "",
            "end_mark": "Ctrl-Z" if self._ends_with_mark else "",
            "last_line": "no line end" if self._is_last_unended else "",
            "not_in_encoding": str(self._spelling.undecoded or ""),
            **self.names.facts(self.ignored),
        }
        return {
            **facts,
            **{name: fact for name, fact in unusual.items() if fact},
            "found": " ".join(dialect.found),
        }

    @property
    def findings(self) -> list[Finding]:
        """Warnings about the whole file, after reading."""
        unended = [
            Finding(
                FileIssue.LAST_LINE_UNENDED,
                f"{self.name}: line {self.lines.physical:,} has no line end",
            )
        ]
        return [
            *self.names.findings(self.name, self.ignored),
            *(unended if self._is_last_unended else []),
        ]

    @property
    def why(self) -> dict[str, str]:
        """What was detected, and why."""
        found = dict(self.dialect.found)
        if self._spelling.undecoded and "encoding" in found:
            found["encoding"] = self._spelling.why
        return found

    @property
    def unsendable(self) -> dict[str, str]:
        """None: all cells are text."""
        return {}

    def batches(
        self, *, first_position: int = 0, batch_bytes: int = BATCH_BYTES
    ) -> Iterator[Batch]:
        """Yield the records; raise SourceError if the file is invalid or changes."""
        batches = self._batches(first_position, batch_bytes)
        # The rows read with the header are too few for a batch of their own.
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
            waiting = physical_lines(b"", 1, self.dialect)
            for lines, at_end in self._without_footer(self._blocks(stream, batch_bytes)):
                if isinstance(lines, _PlainBlock):
                    records = self._plain_records(lines, position)
                else:
                    if self.dialect.escape:
                        refuse_hidden(lines["raw"], self.path)
                    table = pl.concat([waiting, self._skip(lines)])
                    records, waiting = self._records(table, position, findings, at_end=at_end)
                    self._waits = bool(waiting.height)
                if records.height:
                    position += records.height
                    yield Batch(records)
            size = os.fstat(file.fileno()).st_size
            self._spelling.judge(self.path)
            self._widths.judge(self.path, self.dialect, len(self.header or ()))
        self.sha256 = stream.sha256
        self.size = size

    def _blocks(
        self, stream: ByteStream, batch_bytes: int
    ) -> "Iterator[tuple[pl.DataFrame | _PlainBlock, bool]]":
        """Blocks of whole physical lines, or of plain records; the last is marked."""
        line_ends = taken = 0
        tail = b""
        first_line = 1
        while True:
            block = stream.read(self._next_size(batch_bytes, taken, line_ends))
            taken += len(block)
            if self.dialect.ends_with_cr:
                block = block.translate(_CR_AND_LF_SWAPPED)
            whole, tail = cut(tail + block, at_end=not block)
            if not block:
                whole = self._last_line(whole, line_ends)
            if len(tail) > LONGEST_LINE:
                raise SourceError(
                    f"{self.path}: line {first_line + whole.count(10)} does not end within 64 MiB: no file of lines"
                )
            if (cells := self._plain_cells(whole)) is not None:
                self._spelling.seen += len(whole)
                yield _PlainBlock(cells, first_line), False
                line_ends += cells.height
                first_line += cells.height
                continue
            line_ends += whole.count(b"\n")
            lines = physical_lines(whole, first_line, self.dialect)
            if self._may_be_no_utf8 and not whole.isascii():
                self._spelling.add(whole, lines)
            self._spelling.seen += len(whole)
            first_line += lines.height
            if not block:
                self.lines = replace(self.lines, physical=line_ends + bool(whole))
            yield lines, not block
            if not block:
                return

    def _last_line(self, whole: bytes, line_ends: int) -> bytes:
        """The last line, without a line end and without the end mark of DOS."""
        kept = without_end_mark(whole)
        self._ends_with_mark = kept != whole
        self._is_last_unended = bool(kept.strip()) and not self._ends_with_mark and line_ends > 0
        # A CR without LF, even at the end of the file: framing reads it as a line end.
        return kept + b"\r" if kept.endswith(b"\r") else kept

    def _next_size(self, batch_bytes: int, taken: int, line_ends: int) -> int:
        """The bytes of a full batch, estimated from the records read."""
        if not taken:
            return min(batch_bytes, _UP_TO_THE_HEADER)
        records = min(MOST_RECORDS, max(1, MOST_CELLS_HELD // max(1, len(self.header or ()))))
        return min(batch_bytes, max(1, records * taken // max(1, line_ends)))

    def _plain_cells(self, whole: bytes) -> pl.DataFrame | None:
        """The cells of a block without framing, if no line waits and no footer is in it."""
        if self.header is None or self._waits or self._to_skip or self.declared.footer_lines:
            return None
        cells = plain_cells(whole, self.header, self._header_text, self.dialect)
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
        """Blocks without the declared footer lines, and any number of blank ones."""
        if not self.declared.footer_lines:
            yield from blocks
            return
        kept = physical_lines(b"", 1, self.dialect)
        for lines, at_end in blocks:
            assert isinstance(lines, pl.DataFrame)  # noqa: S101 - with a footer no block is plain
            kept = pl.concat([kept, lines])
            filled = kept.select(filled=~blank_line(pl.col("raw"), self.dialect))[
                "filled"
            ].arg_true()
            footer = filled[-min(self.declared.footer_lines, len(filled))] if len(filled) else 0
            if at_end:
                footer_count = kept.height - footer
                self.lines = replace(self.lines, skipped=self.lines.skipped + footer_count)
                texts = kept.slice(footer).filter(~blank_line(pl.col("raw"), self.dialect))["raw"]
                self.footer = tuple(text.removesuffix("\r") for text in texts)
            yield kept.head(footer), at_end
            kept = kept.slice(footer)

    def _records(
        self, lines: pl.DataFrame, position: int, findings: Findings, *, at_end: bool
    ) -> tuple[pl.DataFrame, pl.DataFrame]:
        """The records of these lines, and the lines that need more of the file."""
        lines, unjoined = self._joined(lines, at_end=at_end)
        if self.header is None:
            lines = self._take_header(lines, findings, at_end=at_end)
        if self.header is None:
            return pl.DataFrame(), pl.concat([lines, unjoined])
        frames = frame(
            lines, len(self.header), self.dialect, at_end=at_end, header=self._header_text
        )
        blank = int(frames.table["blank"].sum())
        records = frames.table.filter(~pl.col("blank"))
        self.lines = replace(
            self.lines,
            blank=self.lines.blank + blank,
            records=self.lines.records + int(records["line_count"].sum()),
        )
        self._widths.add(records["reason"])
        self._spelling.undecoded += int(records["reason"].is_in(UNDECODED).sum())
        if self.dialect.ends_with_cr:
            records = records.with_columns(pl.col("raw").str.replace_all("\r", "\n", literal=True))
        raw = (
            as_written(pl.col("raw"), self.dialect.escape) if self.dialect.escape else pl.col("raw")
        )
        table = split_records(records, self.header, self.dialect).select(
            position=pl.int_range(pl.len(), dtype=pl.Int64) + position,
            row_id=pl.format("{}:{}", pl.lit(self.name), pl.col("line")),
            line=pl.col("line"),
            line_count=pl.col("line_count"),
            reason=pl.col("reason"),
            text=pl.when(pl.col("reason").is_not_null()).then(escaped(raw)),
            **origins(self.header),
            **{GIVEN + name: pl.col(GIVEN + name) for name in self.columns},
        )
        return table, pl.concat([lines.slice(frames.rest), unjoined])

    def _joined(self, lines: pl.DataFrame, *, at_end: bool) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Lines joined at escaped line ends, and the last ones that need the next."""
        if not self.dialect.escape:
            return lines, lines.clear()
        return joined_lines(lines, self.dialect, at_end=at_end)

    def _skip(self, lines: pl.DataFrame) -> pl.DataFrame:
        """Lines without the declared preamble."""
        skipped = min(self._to_skip, lines.height)
        if not skipped:
            return lines
        self._to_skip -= skipped
        self.lines = replace(self.lines, skipped=self.lines.skipped + skipped)
        return lines.slice(skipped)

    def _take_header(
        self, lines: pl.DataFrame, findings: Findings, *, at_end: bool
    ) -> pl.DataFrame:
        """Find the header, and return the lines after it."""
        finder = HeadFinder(
            self.path, self.declared, self.layout, self.any_columns, findings, self._decodable()
        )
        head, below = finder.find(lines, at_end=at_end)
        if head is None:
            blank = below.select(blank=blank_line(pl.col("raw"), self.dialect))["blank"].all()
            self.lines = replace(
                self.lines, blank=self.lines.blank + int(below["line_count"].sum()) * blank
            )
            return below.clear() if blank else below
        self.names, self._header_text = head.names, head.text
        self.header = head.names.used
        self.lines = replace(self.lines, header=head.lines, blank=self.lines.blank + head.blank)
        if head.names.unnamed and self._ignores_unnamed:
            again = CsvFile(
                self.path,
                self.name,
                self.declared,
                self.layout,
                any_columns=self.any_columns,
                ignores_unnamed=False,
            )
            self.ignored = empty_columns(again.batches(), head.names.of_unnamed)
        return below

    def _decodable(self) -> str:
        if not self.dialect.is_utf8:
            return f"{self.dialect.encoding} text, as the config declares; declare the encoding that the file is written in"
        if not self._spelling.examples:
            return "UTF-8 text; save the file as UTF-8, or declare its encoding in the config: source.encoding"
        return f"UTF-8 text. {self._spelling.way_out}"
