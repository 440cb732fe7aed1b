"""Clues for the hint of a rejected row: invisible characters, apostrophes, dashes, words.

A clue quotes only such words of a cell, between “ and ”, so that reports can hide them.
"""

import re
from collections.abc import Callable, Iterator, Mapping

import polars as pl

from pipeline.domain.characters import HIDDEN, name_of
from pipeline.domain.currency import known
from pipeline.domain.currency_signs import currencies_of, customary_signs
from pipeline.domain.reasons import Reason

_FIELDS = ("external_reference", "email", "phone", "balance")
_APOSTROPHE = r"^(['\x{2018}\x{2019}\x{2BC}`\x{B4}])"
_DASH = r"([\x{2010}-\x{2015}\x{2043}\x{FE58}\x{FE63}\x{FF0D}])"
_WORD = r"([\p{L}\p{Sc}%‰°§#№][^0-9()+\-“”]{0,30})"
_MARKS = frozenset(
    {"CR", "DR", "DB", "C", "D", "H", "S", "CREDIT", "DEBIT"}
)  #: of debit and credit, in upper case
_OF_WORDS = [
    f"{reason.value}:balance"
    for reason in (Reason.VALIDATE_BALANCE_WITH_WORDS, Reason.MAP_SIGN_OF_ANOTHER_CURRENCY)
]


_NOTHING_DECLARED: Mapping[str, frozenset[str]] = {}


def find_clues(
    customers: pl.DataFrame,
    reasons: pl.Series,
    signs: Mapping[str, frozenset[str]] = _NOTHING_DECLARED,
) -> pl.Series:
    """A sentence for each rejected row that explains its reasons, else null.

    `signs`: currency -> the signs allowed beside its amounts (`Amount.signs`).
    """
    texts = [f"mapped.{field}" for field in _FIELDS if f"mapped.{field}" in customers.columns]
    rejected = customers.select("currency", *texts, reasons=reasons).with_row_index("at")
    rejected = rejected.filter(pl.col("reasons").list.len() > 0)
    if not rejected.height:
        return pl.repeat(None, customers.height, dtype=pl.String, eager=True).alias("clue")
    clues = [
        clue for name in texts for clue in _clues(rejected, name.removeprefix("mapped."), signs)
    ]
    found = rejected.select(
        "at", clue=pl.concat_str(clues, separator=" ", ignore_nulls=True).replace("", None)
    )
    every = customers.select(at=pl.int_range(pl.len(), dtype=pl.UInt32))
    return every.join(found, on="at", how="left", maintain_order="left")["clue"]


def _clues(
    rejected: pl.DataFrame, field: str, signs: Mapping[str, frozenset[str]]
) -> Iterator[pl.Series]:
    is_faulty = rejected["reasons"].list.eval(pl.element().str.ends_with(f":{field}")).list.any()
    text = rejected.select(pl.when(is_faulty).then(f"mapped.{field}"))[f"mapped.{field}"]
    yield _named(text.str.extract(f"({HIDDEN})"), lambda one: f"The {field} holds {name_of(one)}.")
    if field != "email":
        yield _named(text.str.extract(_APOSTROPHE), lambda one: _begins_with(field, one))
    if field == "balance":
        yield _named(
            text.str.extract(_DASH),
            lambda one: f"The balance holds {name_of(one)}, which is no minus sign.",
        )
        yield _words(text, rejected, signs)


def _named(found: pl.Series, sentence: Callable[[str], str]) -> pl.Series:
    """A sentence for each distinct text."""
    each = found.drop_nulls().unique()
    return found.replace_strict(
        each,
        pl.Series([sentence(one) for one in each], dtype=pl.String),
        default=None,
        return_dtype=pl.String,
    )


def _begins_with(field: str, character: str) -> str:
    if field == "external_reference":
        return f"The external_reference begins with an apostrophe ({name_of(character)})."
    drops_it = f"; {field}.leading_apostrophe: true drops it" if character == "'" else ""
    return f"The {field} begins with an apostrophe ({name_of(character)}){drops_it}."


def _words(
    text: pl.Series, rejected: pl.DataFrame, signs: Mapping[str, frozenset[str]]
) -> pl.Series:
    """A sentence about the words beside each amount, by currency."""
    has_words = rejected["reasons"].list.eval(pl.element().is_in(_OF_WORDS)).list.any()
    found = pl.when(has_words).then(text).str.extract_all(_WORD)
    words = found.list.eval(pl.element().str.strip_chars().str.strip_chars_end(" ,"))
    joined = pl.when(words.list.len() > 0).then(words.list.join("\n"))
    pairs = rejected.select("currency", words=joined)
    each = pairs.drop_nulls("words").unique()
    sentences = [
        _of_words(currency, words.split("\n"), signs) for currency, words in each.iter_rows()
    ]
    each = each.with_columns(sentence=pl.Series(sentences, dtype=pl.String))
    return pairs.join(
        each, on=["currency", "words"], how="left", nulls_equal=True, maintain_order="left"
    )["sentence"]


def _of_words(currency: str | None, words: list[str], signs: Mapping[str, frozenset[str]]) -> str:
    """The first word that is not a declared sign; if all are, they are in a wrong place."""
    code = currency if currency in known() else None
    declared = signs.get(code or "", frozenset())
    word = next((word for word in words if word not in declared), None)
    if word is None:
        return f"The balance holds “{words[0]}”, a declared sign of {code}, twice or where no sign may stand."
    if word in customary_signs().get(code or "", frozenset()):
        way = f"declare balance.currency_sign: {{{code}: {_yaml(declared, word)}}}"
        if any(signs.values()):
            way = f"{way} beside the signs of other currencies"
        return f"The balance holds “{word}”, a sign of {code}; to read it, {way}."
    if word.upper() in _MARKS:
        return f"The balance holds “{word}”, which may mark a debit or a credit; declare its meaning in balance.marks."
    others = sorted(currencies_of(word))
    if others:
        listed = ", ".join(others[:3]) + (" …" if len(others) > 3 else "")
        return f"The balance holds “{word}”, a sign of {listed}; the currency of the record is {code or 'unknown'}."
    return f"The balance holds “{word}”, which is no sign of {code or 'a known currency'}."


def _yaml(declared: frozenset[str], sign: str) -> str:
    """The YAML that declares this sign in addition to the others."""
    if not declared:
        return f'"{sign}"'
    signs = (
        one if re.fullmatch("[A-Za-z]+", one) else f'"{one}"' for one in [*sorted(declared), sign]
    )
    return f"[{', '.join(signs)}]"
