"""Whether a line names columns or is a record: judged by the line itself, the records below it and the names that a job expects.

A cell of a person must never be taken for a column name, so a line without any evidence for a header is `UNCLEAR`.
"""

import re
from collections.abc import Collection, Sequence
from enum import Enum, auto

from pipeline.customer import is_import_column
from pipeline.sources.names import fold_name

#: What column names do not hold and people's data does: an email, a long number, a date.
_DATUM = re.compile(r"@|\d{5}|\d{1,4}([-/.])\d{1,2}\1\d{1,4}")
_NUMBER = re.compile(r"[-+(]?\s*\d[\d.,' \u00a0]*\)?[-+]?")
_IDENTIFIER = re.compile(r"[a-z_][a-zA-Z0-9_.\-]*")
_WORD = re.compile(r"[^\W\d_]+")
_CASE_CHANGE = re.compile(r"(?<=[a-z])(?=[A-Z])")
_VOCABULARY = frozenset(
    _WORD.findall("""
    account acct accountnumber acc additional address adres adresse age alternate alternative amount anrede area balance
    bank betrag billing birth birthday branch category cell cellphone city class client closing code comment company contact
    contract correo country created credit currency current customer date day debit debtor default delivery description due
    email end extern external fax field file firma first firstname full fullname gender given group guid home id identifier
    identity initial initials international invoice is key kind klant klantnaam kunde kunden kundennr kundennummer label land
    language last lastname legal level limit line list local loyalty mail main marketing merchant metadata middle mobile
    mobiel modified month monthly name naam nachname national new nom nombre note notes nr num number nummer of old opening
    opt order ort other outstanding owner parent passport payment person personal phone plan plz postal postcode preferred
    prenom price primary priority product province quantity rate reason ref reference referenz region registration remark
    remarks residential row saldo second secondary segment seq short since source species start state status strasse street
    suburb sum surname tag tax telefon telefoon telephone tel term terms text tier time timestamp title total town trade
    type unique unit updated url user username uuid value vat vorname waehrung web website whatsapp width work year zip
    """)
)


class Likeness(Enum):
    """What a line looks like."""

    HEADER = auto()
    RECORD = auto()
    UNCLEAR = auto()


def likeness_of(cells: Sequence[str], sample: Sequence[Sequence[str]] = (), expected: Collection[str] = ()) -> Likeness:
    """What the line with these cells is; `sample` are records below it, `expected` the names that a job looks for."""
    if any(map(is_import_column, cells)):
        return Likeness.HEADER
    rows = [row for row in sample if len(row) == len(cells) and list(row) != list(cells)]
    filled = [cell for cell in cells if cell.strip()]
    hits = _expected_names(cells, rows, expected)
    has_data = any(map(looks_like_data, filled))
    if 0 < len(filled) <= 2 * hits or (hits > 1 and not has_data):  # one may be the text of a cell, such as email
        return Likeness.HEADER
    if 2 * sum(map(_is_known_word, filled)) > len(filled):
        return Likeness.HEADER
    if has_data:
        return Likeness.RECORD
    votes = sum(_vote(cell, [row[at] for row in rows]) for at, cell in enumerate(cells) if cell.strip())
    if votes:
        return Likeness.HEADER if votes > 0 else Likeness.RECORD
    return Likeness.HEADER if filled and _has_style_of_names(filled, rows) else Likeness.UNCLEAR


def looks_like_data(cell: str) -> bool:
    """Whether a cell holds an email, a long number or a date, as no column name does."""
    return _DATUM.search(cell) is not None


def _expected_names(cells: Sequence[str], rows: Sequence[Sequence[str]], expected: Collection[str]) -> int:
    """How many cells are names that a job expects, and no values of their columns."""
    folded = set(map(fold_name, expected))
    return sum(fold_name(cell) in folded and all(row[at] != cell for row in rows) for at, cell in enumerate(cells))


def _vote(cell: str, below: Sequence[str]) -> int:
    """1 where a cell differs in kind from those below it, as a name does; -1 where it is one of them; else 0."""
    filled = [other for other in below if other.strip()]
    if not filled:
        return -(_NUMBER.fullmatch(cell.strip()) is not None)
    numbers = sum(_NUMBER.fullmatch(other.strip()) is not None for other in filled)
    if _has_digits(cell):
        is_number = _NUMBER.fullmatch(cell.strip()) is not None
        alike = numbers if is_number else sum(map(_has_digits, filled)) - numbers
        return -1 if 2 * alike >= len(filled) else int(not is_number and 2 * numbers > len(filled))
    if 2 * filled.count(cell) >= len(filled):
        return -1
    return int(2 * sum(map(_has_digits, filled)) > len(filled))


def _has_digits(cell: str) -> bool:
    return "@" in cell or any(letter.isdigit() for letter in cell)


def _is_known_word(cell: str) -> bool:
    """Whether all words of a cell are words that name columns; single letters do not count."""
    words = {word.casefold() for part in _CASE_CHANGE.split(cell) for word in _WORD.findall(part)}
    return any(len(word) > 1 for word in words) and all(len(word) == 1 or word in _VOCABULARY for word in words)


def _has_style_of_names(filled: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
    """Whether all cells are written as identifiers are, and most cells below them are not."""
    if not all(map(_IDENTIFIER.fullmatch, filled)):
        return False
    below = [cell for row in rows for cell in row if cell.strip()]
    return 2 * sum(_IDENTIFIER.fullmatch(cell) is not None for cell in below) <= len(below)
