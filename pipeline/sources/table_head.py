"""Find the header of a table, framed like a record."""

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from pipeline.domain.characters import clean_name
from pipeline.domain.column_mapping import Layout
from pipeline.errors import NoHeader, SourceError
from pipeline.sources.dialect import Declared
from pipeline.sources.dialect_detection import Findings
from pipeline.sources.framing import blank_line
from pipeline.sources.header import Wording, advised, check_names, parse_header
from pipeline.sources.names import Names, numbered_names
from pipeline.sources.repeated_header import HeaderText
from pipeline.sources.source_file import LONGEST_RECORD

_BY_POSITION = " (a file without a header needs a mapping of column_1, column_2, …)"


@dataclass(frozen=True, slots=True)
class Head:
    """The columns of a table, and the physical lines up to its first record."""

    names: Names
    text: HeaderText
    lines: int  #: of the header
    blank: int


@dataclass(frozen=True, slots=True)
class HeadFinder:
    """Settings for finding the header; `decodable`: the advice if it is not text."""

    path: Path
    declared: Declared
    layout: Layout | None
    any_columns: bool
    findings: Findings
    decodable: str

    def find(self, lines: pl.DataFrame, *, at_end: bool) -> tuple[Head | None, pl.DataFrame]:
        """The head and the lines below; without a head the lines that need more of the file."""
        dialect = self.findings.dialect
        filled = (~lines.select(blank=blank_line(pl.col("raw"), dialect))["blank"]).arg_true()
        if not len(filled):
            return None, lines
        at = filled[0]
        if dialect.header == "none":
            return self._without_header(lines["raw"][at].removesuffix("\r")), lines
        where = f"{self.path}: line {lines['line'][at]}"
        if lines["undecoded"][at]:
            raise SourceError(f"{where}: the header is not {self.decodable}")
        text, end = self._framed(lines["raw"], at)
        if not end and not at_end:
            return None, lines
        names = self._names(text, where)
        below = lines.slice(end or at + 1)
        counts = lines["line_count"]
        written = [clean_name(name) for name in dialect.grammar.cells(text)]
        given = {position - 1: names.used[position - 1] for position in names.unnamed}
        head = Head(
            names,
            HeaderText(text, written, dialect, given),
            int(counts[at : end or at + 1].sum()),
            int(counts[:at].sum()),
        )
        return head, below

    def _framed(self, raw: pl.Series, at: int) -> tuple[str, int]:
        """The header at a line, and the line after it; 0 if its quotes stay open."""
        patterns, quote = self.findings.dialect.grammar, self.findings.dialect.quote
        first = raw[at].removesuffix("\r")
        if not patterns.opens(first):
            return first, at + 1
        # Only a line with an odd number of quotes can close a quote; earlier lines are matched
        # together.
        length = len(raw[at])
        for end in range(at + 1, len(raw)):
            if length >= LONGEST_RECORD:
                return first, at + 1
            length += 1 + len(raw[end])
            if raw[end].count(quote) % 2:
                text = "\n".join(raw[at : end + 1]).removesuffix("\r")
                return (text, end + 1) if patterns.is_legal(text) else (first, at + 1)
        return first, 0 if length < LONGEST_RECORD else at + 1

    def _names(self, text: str, where: str) -> Names:
        dialect, better = self.findings.dialect, self.findings.header_seems_at
        try:
            names = parse_header(
                text,
                where,
                dialect=dialect,
                layout=self.layout,
                any_columns=self.any_columns,
                sample=self.findings.sample,
            )
        except SourceError as refused:
            if better is None:
                raise
            if isinstance(refused, NoHeader):
                refused = SourceError(f"{where}: this line does not name the columns")
            raise advised(refused, self._advice(better)) from None
        if (
            better is not None
            and self.findings.is_title
            and self.any_columns
            and self.declared.header is None
        ):
            is_one_text = len(names.used) - len(names.unnamed) == 1
            what = (
                "is one text above several columns" if is_one_text else "does not name the columns"
            )
            raise SourceError(f"{where}: this line {what}{self._advice(better)}")
        if self.findings.is_shifted:
            raise SourceError(
                f"{where}: each record has one field more than this header has names, and that field is empty, so all "
                "columns may be shifted; nothing was sent. Correct the header. If each record ends with a surplus delimiter, "
                "declare it in the config: source.trailing_delimiter: true"
            )
        return names

    def _advice(self, better: int) -> str:
        """The declaration if a later line is more like a header."""
        skip = self.declared.skip_lines + better
        return (
            f". Line {skip + 1} looks more like the header: if the {skip} line{'s' * (skip > 1)} before it "
            f"{'are' if skip > 1 else 'is'} no part of the table, declare that: source.skip_lines: {skip} in the config "
            f"(inspect and init: --skip-lines {skip})"
        )

    def _without_header(self, first: str) -> Head:
        dialect = self.findings.dialect
        width = self.findings.usual_width or max(
            dialect.grammar.width(first) - dialect.trailing_delimiter, 1
        )
        names = numbered_names(width)
        check_names(
            names.used,
            Wording(f"{self.path}: source.header: none", "its columns", _BY_POSITION),
            self.layout,
            any_columns=self.any_columns,
            is_declared=True,
        )
        return Head(names, HeaderText("", (), dialect), 0, 0)
