"""The format of a CSV input, from its manifest entry: fields, columns and blank lines."""

import csv
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline.domain.characters import BLANK, INVISIBLE

_LINE_BREAKS = re.compile("[ \t]*[\r\n\v\f\x85\u2028\u2029]+[ \t]*")
_LETTERS = {"n": "\n", "t": "\t"}
_NULL = "\0N"
_OURS = "_import_"


@dataclass(frozen=True, slots=True)
class CsvForm:
    """The format of a file; `quote` and `escape` are empty if the file uses none."""

    delimiter: str
    quote: str
    escape: str
    has_trailing_delimiter: bool
    has_header: bool
    ends_with_cr: bool

    @classmethod
    def of(cls, dialect: Mapping[str, str]) -> "CsvForm":
        """The format that a manifest entry states, with defaults for what it leaves out."""
        quote = dialect.get("quote", '"')
        return cls(
            delimiter=dialect["delimiter"],
            quote="" if quote == "none" else quote,
            escape=dialect.get("escape", ""),
            has_trailing_delimiter="trailing_delimiter" in dialect,
            has_header=dialect.get("header") != "none",
            ends_with_cr=dialect["line_end"] == "CR",
        )

    def is_whole(self, text: str) -> bool:
        """Whether these lines end outside quotes and their last line end is not escaped."""
        if not self.escape:
            return not self.quote or text.count(self.quote) % 2 == 0
        quotes, at = 0, 0
        while at < len(text):
            quotes += bool(self.quote) and text[at] == self.quote
            at += 1 + (text[at] == self.escape)
        return at == len(text) and quotes % 2 == 0

    def fields(self, text: str) -> list[str]:
        """The fields of one readable record; it may contain line ends."""
        if self.escape:
            return _escaped_fields(text, self)
        lines = io.StringIO(text, newline="") if "\n" in text else [text]
        try:
            if not self.quote:
                return next(
                    csv.reader(lines, delimiter=self.delimiter, quoting=csv.QUOTE_NONE), [""]
                )
            return next(csv.reader(lines, delimiter=self.delimiter, quotechar=self.quote), [""])
        except csv.Error:  # such as a carriage return within a line; no list has cells of that
            return [text]

    def is_blank(self, text: str) -> bool:
        """Whether all fields of a line are empty or have only spaces and invisible characters."""
        delimiter, quote = re.escape(self.delimiter), re.escape(self.quote)
        field = f"[{re.escape(BLANK.replace(self.delimiter, ''))}]*"
        if quote:
            field = f"(?:{field}|{quote}[{re.escape(BLANK)}]*{quote})"
        return re.fullmatch(f"{field}(?:{delimiter}{field})*", text.removesuffix("\r")) is not None


@dataclass(frozen=True, slots=True)
class Columns:
    """The positions of the listed columns in a record."""

    width: int  #: fields of a record
    listed: tuple[int, ...]
    ignored: tuple[int, ...] = ()  #: columns without a name, which must be empty

    @classmethod
    def by_position(cls, count: int) -> "Columns":
        """The columns of a table without a header."""
        return cls(count, tuple(range(count)))

    @classmethod
    def of_header(cls, fields: Sequence[str], names: Sequence[str]) -> "Columns | None":
        """The positions of these names in a header; None if it has other names than these."""
        written = {clean_name(field) for field in fields} | set(fields)
        wanted = set(names)
        # We gave these names by position, to columns without a name.
        unnamed = [name for name in names if name not in written]
        places: list[int] = []
        found: list[str] = []
        ignored: list[int] = []
        for at, field in enumerate(fields):
            clean = clean_name(field)
            numbered = re.compile(rf"column_{at + 1}(?:_[0-9]+)?")
            possible = (
                [field, clean] if clean else [name for name in unnamed if numbered.fullmatch(name)]
            )
            name = next((name for name in possible if name in wanted), None)
            if name is not None:
                places.append(at)
                found.append(name)
            elif not clean:
                ignored.append(at)
            elif not clean.casefold().startswith(_OURS):
                return None
        return cls(len(fields), tuple(places), tuple(ignored)) if found == list(names) else None


def clean_name(name: str) -> str:
    """A name without spaces and invisible characters at its ends; line breaks become spaces."""
    return _LINE_BREAKS.sub(" ", name).strip(INVISIBLE)


def _escaped_fields(text: str, form: CsvForm) -> list[str]:
    fields: list[str] = []
    cell: list[str] = []
    is_quoted = False
    at = 0
    while at < len(text):
        letter, following = text[at], text[at + 1 : at + 2]
        taken = 1
        if letter == form.escape and following:
            meaning, taken = _escaped(text, at, form.escape)
            cell.append(meaning)
        elif form.quote and letter == form.quote:
            is_double = is_quoted and following == form.quote
            cell.append(form.quote * is_double)
            taken += is_double
            is_quoted = is_quoted == is_double
        elif letter == form.delimiter and not is_quoted:
            fields.append("".join(cell))
            cell = []
        else:
            cell.append(letter)
        at += taken
    fields.append("".join(cell))
    return ["" if field == _NULL else field for field in fields]


def _escaped(text: str, at: int, escape: str) -> tuple[str, int]:
    """The text that an escape sequence stands for, and the length of the sequence."""
    if text.startswith(f"{escape}r{escape}n", at):
        return "\r\n", 4
    if text.startswith("\r\n", at + 1):
        return "\r\n", 3
    following = text[at + 1]
    return (_NULL if following == "N" else _LETTERS.get(following, following)), 2
