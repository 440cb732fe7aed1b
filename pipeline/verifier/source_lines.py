"""The physical lines of a CSV input, and the lines of each record, found by its row id.

A row id names the line on which its record begins. A legal record ends where its quotes are even.
An unreadable one ends where its lines equal the text in the list.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from pipeline.domain.characters import INVISIBLE
from pipeline.domain.plan_file import InputFile
from pipeline.verifier.csv_form import Columns, CsvForm
from pipeline.verifier.line_source import LineSource

_SHOWN = {code: f"\\x{code:02x}" for code in [*range(0x20), *range(0x7F, 0xA0)] if code != 9}


@dataclass
class Lines:
    """The lines of a file, one record at a time. The lines between records are counted too."""

    name: str
    form: CsvForm
    columns: Sequence[str]  #: the supplier's
    before: int  #: lines before the table, by the job
    behind: int  #: lines after the table, by the job, without blank ones
    _lines: Iterator[str]
    number: int = 0  #: of the last line taken
    blank: int = 0
    #: Lines that are neither blank nor part of a record: the header and skipped lines.
    others: list[int] = field(default_factory=list)
    places: Columns | None = None  #: the positions of the columns, once the header is read
    _has_records: bool = False

    @classmethod
    def of(cls, path: Path, described: InputFile, before: int, behind: int) -> "Lines":
        """The lines of an input, in the format that its manifest entry states."""
        return cls.over(LineSource(path, described.dialect), described, before, behind)

    @classmethod
    def over(cls, source: LineSource, described: InputFile, before: int, behind: int) -> "Lines":
        """The lines that are left in a source."""
        form, columns = CsvForm.of(described.dialect), described.columns
        if described.is_resubmission:  # lists of ours have no lines around their table
            before = behind = 0
        places = None if form.has_header else Columns.by_position(len(columns))
        return cls(described.name, form, columns, before, behind, iter(source), places=places)

    def within(self, lines: Iterator[str], number: int) -> "Lines":
        """Only these lines, which begin with a record; the first one has this number."""
        return replace(self, _lines=lines, number=number - 1, blank=0, others=[], _has_records=True)

    def skip_to(self, line: int) -> int | None:
        """Skip to the line before this one; return the first unexpected line between records.

        Lines before the first record or after the last may be the header, a preamble or a footer.
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
        """Take the record at the next line; return the problem if it differs from the list.

        Args:
            cells: the listed cells of the supplier's columns
            text: the listed text of an unreadable record, else empty
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
                    f"{self.name}: line {first} does not exist"
                    if not lines
                    else _other(self.name, first)
                )
            lines.append(line)
            whole = self._joined(lines)
            if self.form.is_whole(whole):
                break
        return self._other_cells(first, self._fields(whole), cells)

    def _other_cells(self, first: int, found: list[str], cells: Sequence[str | None]) -> str | None:
        """The problem of a record whose cells differ from the listed ones."""
        if self.places is None:
            return f"{self.name}: line {first} is a record without a header before it"
        if len(found) != self.places.width:
            return (
                f"{self.name}: line {first} has {len(found)} fields instead of {self.places.width}"
            )
        if any(found[at].strip(INVISIBLE) for at in self.places.ignored):
            return f"{self.name}: line {first} has text in a column that should be empty"
        texts = [found[at] for at in self.places.listed]
        differing = [
            column
            for column, text, cell in zip(self.columns, texts, cells, strict=True)
            if cell is not None and text != cell
        ]
        return f"{self.name}: line {first} differs in column {differing[0]}" if differing else None

    def finish(self, described: InputFile) -> str | None:
        """Take the remaining lines; return the problem if the manifest has other counts."""
        lines = described.lines
        while (text := self._take()) is not None:
            self._is_other(text)
        if self.places is None and lines.header:
            return f"{self.name}: no line is the header that the manifest states"
        allowed = lines.header + min(lines.skipped, self.before + self.behind)
        if len(self.others) > allowed:
            # The header and the lines skipped before it come first.
            return f"{self.name}: line {self.others[allowed]} is in no list"
        # The manifest may count a blank line before the header or after the last record as skipped.
        found = {
            "physical": self.number,
            "header, skipped and blank": len(self.others) + self.blank,
        }
        stated = {
            "physical": lines.physical,
            "header, skipped and blank": lines.header + lines.skipped + lines.blank,
        }
        wrong = [
            f"{found[kind]} {kind} lines, {stated[kind]} in the manifest"
            for kind in found
            if found[kind] != stated[kind]
        ]
        return f"{self.name}: {', '.join(wrong)}" if wrong else None

    def _take_unreadable(self, first: int, text: str) -> str | None:
        lines: list[str] = []
        while True:
            line = self._take()
            if line is None:
                return _other(self.name, first)
            lines.append(line)
            # A carriage return at the end is part of a line end, or text if there is no line feed.
            shown = self._joined(lines).translate(_SHOWN)
            if text in {shown, "\n".join(lines).translate(_SHOWN)}:
                return None
            if len(shown) >= len(text):
                return _other(self.name, first)

    def _joined(self, lines: list[str]) -> str:
        whole = "\n".join(lines).removesuffix("\r")
        return whole.replace("\r", "\n") if self.form.ends_with_cr else whole

    def _fields(self, text: str) -> list[str]:
        """The fields of a record, without the empty one after a trailing delimiter."""
        fields = self.form.fields(text)
        return fields[:-1] if self.form.has_trailing_delimiter and not fields[-1] else fields

    def _is_other(self, text: str) -> bool:
        """Count a line outside records; return whether it has text.

        The first such line after the preamble is the header.
        """
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
            not self.form.is_whole(self._joined(lines)) and (following := self._take()) is not None
        ):
            lines.append(following)
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
    return f"{name}: line {line} differs from the text in the list"
