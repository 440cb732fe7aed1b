"""Decide whether a line is a header or a record, from the line, later records and expected names.

Personal data must never become a column name, so a line without evidence for a header is `UNCLEAR`.
"""

import re
from collections.abc import Collection, Sequence
from enum import Enum, auto

from pipeline.domain.characters import fold_name
from pipeline.domain.customer import is_import_column

#: Patterns of personal data, which names do not match: an email, a long number, a date.
_DATUM = re.compile(r"@|\d{5}|\d{1,4}([-/.])\d{1,2}\1\d{1,4}")
_NUMBER = re.compile(r"[-+(]?\s*\d[\d.,' \u00a0]*\)?[-+]?")
_IDENTIFIER = re.compile(r"[a-z_][a-zA-Z0-9_.\-]*")
_WORD = re.compile(r"[^\W\d_]+")
_CASE_CHANGE = re.compile(r"(?<=[a-z])(?=[A-Z])")
_VOCABULARY = frozenset(
    _WORD.findall("""
    aantal acc account accountnumber acct achternaam additional address adres adresse age ageing agent aging
    allocated allocation alternate alternative amount anrede anzahl apellido apellidos area arrears artikel
    artikelnummer at avg balance bank bedrag bemerkung bestelling bestellung betrag betreff bezeichnung billing
    birth birthday branch brand bucket buyer by campaign cantidad category cell cellphone channel charge charges
    cidade city ciudad class client cliente closing code codepostal codes col color colour column commande comment
    company consent contact contract correo count country courriel created credit currency current customer data
    date datum day days dealer debit debtor default delivery department dept desc descr description devise direccion
    discount due email employee end endereco exchange extern external factura facture factuur fatura fax fecha fee
    fees field file firma first firstname for full fullname gender given gross group guid header height home host
    hour id identifier identity idx importe index initial initials interest international invoice ip is item items
    kategorie key kind klant klantnaam kunde kunden kundennr kundennummer label land language last lastname lat
    latitude legal length level libelle limit line list lng local longitude loyalty mail main make manager marketing
    mean member membership menge merchant metadata meter method middle minute mobiel mobile mode model modified
    moeda moneda montant month monthly months munt naam nachname name national nationality net new no nom nombre
    nombres note notes nr num number numero nummer of old on opening opt order orders ort other out outstanding
    overdue owner paid pais parent passport path payment pays pedido percent percentage person personal phone plaats
    plan plz policy position postal postcode precio preco preferred preis prenom price prijs primary priority prix
    product products province qty quantidade quantite quantity quarter rank rate rating reading reason rechnung
    rechnungsnummer record ref reference referenz refund region registration remark remarks residential role route
    row saldo sample score second secondary segment seller seq service sex share short since site size sku sobrenome
    solde source species staff start state status strasse street subscriber subscription subtotal suburb sum
    supplier surname symbol tag tariff tax team tel telefon telefone telefono telefoon telephone term terms test
    text ticker tier time timestamp title token total town trade type unallocated unique unit unpaid updated url
    user username uuid valor value vat vendor version ville voornaam vorname waehrung web website week weight wert
    whatsapp width work year zip zone
    """)
)


class Likeness(Enum):
    """The kind of a line."""

    HEADER = auto()
    RECORD = auto()
    UNCLEAR = auto()


def likeness_of(
    cells: Sequence[str], sample: Sequence[Sequence[str]] = (), expected: Collection[str] = ()
) -> Likeness:
    """The kind of a line; `sample`: records below, `expected`: names in the config."""
    if any(map(is_import_column, cells)):
        return Likeness.HEADER
    rows = [row for row in sample if len(row) == len(cells) and list(row) != list(cells)]
    filled = [cell for cell in cells if cell.strip()]
    hits = _expected_names(cells, rows, expected)
    has_data = any(map(looks_like_data, filled))
    if 0 < len(filled) <= 2 * hits or (
        hits > 1 and not has_data
    ):  # a single one may be a cell, such as email
        return Likeness.HEADER
    if 2 * sum(map(_is_known_word, filled)) > len(filled):
        return Likeness.HEADER
    if has_data:
        return Likeness.RECORD
    votes = sum(
        _vote(cell, [row[at] for row in rows]) for at, cell in enumerate(cells) if cell.strip()
    )
    if votes:
        return Likeness.HEADER if votes > 0 else Likeness.RECORD
    return Likeness.HEADER if filled and _has_style_of_names(filled, rows) else Likeness.UNCLEAR


def looks_like_data(cell: str) -> bool:
    """Whether a cell has an email, a long number or a date, as no name does."""
    return _DATUM.search(cell) is not None


def _expected_names(
    cells: Sequence[str], rows: Sequence[Sequence[str]], expected: Collection[str]
) -> int:
    """How many cells are expected names, and not values of their columns."""
    folded = set(map(fold_name, expected))
    return sum(
        fold_name(cell) in folded and all(row[at] != cell for row in rows)
        for at, cell in enumerate(cells)
    )


def _vote(cell: str, below: Sequence[str]) -> int:
    """1 if a cell differs in kind from those below, as names do; -1 if it occurs there; else 0."""
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
    """Whether all words of a cell are common in names; single letters do not count."""
    words = {word.casefold() for part in _CASE_CHANGE.split(cell) for word in _WORD.findall(part)}
    return any(len(word) > 1 for word in words) and all(
        len(word) == 1 or word in _VOCABULARY for word in words
    )


def _has_style_of_names(filled: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
    """Whether all cells are identifiers, and most cells below are not."""
    if not all(map(_IDENTIFIER.fullmatch, filled)):
        return False
    below = [cell for row in rows for cell in row if cell.strip()]
    return 2 * sum(_IDENTIFIER.fullmatch(cell) is not None for cell in below) <= len(below)
