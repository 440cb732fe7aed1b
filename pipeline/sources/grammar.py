"""RFC 4180 as regular expressions, for each character that may part the fields."""

import re
from dataclasses import dataclass
from functools import cache


@dataclass(frozen=True, slots=True)
class Grammar:
    """The patterns of one delimiter: compiled ones for Python, texts for expressions.

    Rust's regex engine has no possessive quantifiers and needs none: it is linear.
    """

    delimiter: str
    legal: re.Pattern[str]  #: a record
    one_field: re.Pattern[str]  #: as `one_field_text`
    opens_text: str  #: the beginning of a record that ends inside quotes
    legal_text: str
    one_field_text: str  #: with a delimiter put before the record, every match is one field and none is empty


@cache
def grammar(delimiter: str) -> Grammar:
    """The patterns for this delimiter, made once."""
    # The quoted form stands first: a possessive group never comes back to try its second branch.
    # Runs are taken at once ([^"]++): Python keeps a frame for each turn of a group, 148 bytes a character.
    part, other = f"[{delimiter}]", f'[^"{delimiter}'
    field = rf'(?:"(?:[^"]++|"")*+"|{other}\n]*+)'
    plain, quoted = f"{other}]*", '"(?:[^"]|"")*"'
    return Grammar(
        delimiter=delimiter,
        legal=re.compile(rf"{field}(?:{part}{field})*+\Z"),
        one_field=re.compile(rf'{part}(?:"(?:[^"]++|"")*+"|{other}]*+)'),
        opens_text=rf'^(?:(?:{plain}|{quoted}){part})*"(?:[^"]|"")*$',
        legal_text=rf"^(?:{plain}|{quoted})(?:{part}(?:{plain}|{quoted}))*$",
        one_field_text=rf"{part}(?:{quoted}|{plain})",
    )
