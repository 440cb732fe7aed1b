"""RFC 4180 as regular expressions for each delimiter and quote character."""

import re
from dataclasses import dataclass
from functools import cache

from pipeline.domain.characters import BLANK_CLASS


@dataclass(frozen=True, slots=True)
class Grammar:
    """The patterns of one delimiter and one quote (empty: none), compiled and as text.

    Rust's regex engine has no possessive quantifiers and needs none, because it is linear.
    """

    delimiter: str
    quote: str
    legal: re.Pattern[str]  #: a record
    one_field: re.Pattern[str]  #: as `one_field_text`
    quoted: re.Pattern[str]  #: as `quoted_text`
    opens_text: str  #: the beginning of a record that ends inside quotes
    legal_text: str
    one_field_text: (
        str  #: with a delimiter put before the record, every match is one field and none is empty
    )
    quoted_text: str  #: a field in its quotes; matches nothing where nothing quotes
    blank_text: str  #: a record of empty fields, in Rust's syntax: nothing or invisible characters, in quotes or not

    def is_legal(self, record: str) -> bool:
        """Whether a text is one record."""
        return self.legal.match(record) is not None

    def opens(self, text: str) -> bool:
        """Whether a text is the beginning of a record that ends inside quotes."""
        return bool(self.quote) and re.match(self.opens_text, text) is not None

    def width(self, record: str) -> int:
        """The number of fields; 0 if the text is not a legal record."""
        if not self.is_legal(record):
            return 0
        return self.quoted.sub("", record).count(self.delimiter) + 1

    def cells(self, record: str) -> list[str]:
        """The fields of a legal record without quotes; empty for any other text."""
        if not self.is_legal(record):
            return []
        return [
            self._unquoted(field[1:]) for field in self.one_field.findall(self.delimiter + record)
        ]

    def _unquoted(self, field: str) -> str:
        if not self.quote or not field.startswith(self.quote):
            return field
        return field[1:-1].replace(2 * self.quote, self.quote)


@cache
def grammar(delimiter: str, quote: str = '"') -> Grammar:
    """The patterns for these characters, made once."""
    part, mark = f"[{re.escape(delimiter)}]", re.escape(quote)
    # The quoted form comes first: a possessive group never tries its second branch later. Runs are
    # taken at once ([^"]++): Python keeps a frame for each turn of a group, 148 bytes a character.
    other = f"[^{mark}{re.escape(delimiter)}"
    quoted, quoted_at_once = (
        rf"{mark}(?:[^{mark}]|{mark}{mark})*{mark}",
        rf"{mark}(?:[^{mark}]++|{mark}{mark})*+{mark}",
    )
    if not quote:
        quoted = quoted_at_once = r"[^\s\S]"
    field, plain = rf"(?:{quoted_at_once}|{other}\n]*+)", f"{other}]*"
    space = f"[{BLANK_CLASS}&&[^{re.escape(delimiter)}]]*"
    blank = rf"(?:{space}|{mark}[{BLANK_CLASS}]*{mark})" if quote else space
    return Grammar(
        delimiter=delimiter,
        quote=quote,
        legal=re.compile(rf"{field}(?:{part}{field})*+\Z"),
        one_field=re.compile(rf"{part}(?:{quoted_at_once}|{other}]*+)"),
        quoted=re.compile(quoted_at_once),
        opens_text=rf"^(?:(?:{plain}|{quoted}){part})*{mark}(?:[^{mark}]|{mark}{mark})*$"
        if quote
        else r"[^\s\S]",
        legal_text=rf"^(?:{plain}|{quoted})(?:{part}(?:{plain}|{quoted}))*$",
        one_field_text=rf"{part}(?:{quoted}|{plain})",
        quoted_text=quoted,
        blank_text=rf"^{blank}(?:{part}{blank})*\r?$",
    )
