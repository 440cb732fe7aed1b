"""Clues for the hint of a rejected row: invisible characters, apostrophes, dashes and words that its texts hold.

A clue quotes nothing of a cell but such a word, between “ and ”, so that reports can hide it.
"""

from collections.abc import Callable, Iterator

import polars as pl

from pipeline.characters import HIDDEN, name_of
from pipeline.currency import known
from pipeline.currency_signs import currencies_of, customary_signs
from pipeline.outcomes import Reason

_FIELDS = ("external_reference", "email", "phone", "balance")
_APOSTROPHE = r"^(['\x{2018}\x{2019}\x{2BC}`\x{B4}])"
_DASH = r"([\x{2010}-\x{2015}\x{2043}\x{FE58}\x{FE63}\x{FF0D}])"
_WORD = r"([\p{L}\p{Sc}%‰°§#№][^0-9()+\-“”]{0,30})"
_OF_WORDS = [
    f"{reason.value}:balance" for reason in (Reason.VALIDATE_BALANCE_WITH_WORDS, Reason.MAP_SIGN_OF_ANOTHER_CURRENCY)
]


def find_clues(customers: pl.DataFrame, reasons: pl.Series) -> pl.Series:
    """Normalized customers and the reasons of each -> a sentence for each row that has reasons and shows why, else null."""
    texts = [f"mapped.{field}" for field in _FIELDS if f"mapped.{field}" in customers.columns]
    rejected = customers.select("currency", *texts, reasons=reasons).with_row_index("at")
    rejected = rejected.filter(pl.col("reasons").list.len() > 0)
    if not rejected.height:
        return pl.repeat(None, customers.height, dtype=pl.String, eager=True).alias("clue")
    clues = [clue for name in texts for clue in _clues(rejected, name.removeprefix("mapped."))]
    found = rejected.select("at", clue=pl.concat_str(clues, separator=" ", ignore_nulls=True).replace("", None))
    every = customers.select(at=pl.int_range(pl.len(), dtype=pl.UInt32))
    return every.join(found, on="at", how="left", maintain_order="left")["clue"]


def _clues(rejected: pl.DataFrame, field: str) -> Iterator[pl.Series]:
    is_faulty = rejected["reasons"].list.eval(pl.element().str.ends_with(f":{field}")).list.any()
    text = rejected.select(pl.when(is_faulty).then(f"mapped.{field}"))[f"mapped.{field}"]
    yield _named(text.str.extract(f"({HIDDEN})"), lambda one: f"The {field} holds {name_of(one)}.")
    if field != "email":
        yield _named(text.str.extract(_APOSTROPHE), lambda one: _begins_with(field, one))
    if field == "balance":
        yield _named(text.str.extract(_DASH), lambda one: f"The balance holds {name_of(one)}, which is no minus sign.")
        yield _words(text, rejected)


def _named(found: pl.Series, sentence: Callable[[str], str]) -> pl.Series:
    """A sentence for each text; there are few different ones."""
    each = found.drop_nulls().unique()
    return found.replace_strict(
        each, pl.Series([sentence(one) for one in each], dtype=pl.String), default=None, return_dtype=pl.String
    )


def _begins_with(field: str, character: str) -> str:
    if field == "external_reference":
        return f"The external_reference begins with an apostrophe ({name_of(character)})."
    drops_it = f"; {field}.leading_apostrophe: true drops it" if character == "'" else ""
    return f"The {field} begins with an apostrophe ({name_of(character)}){drops_it}."


def _words(text: pl.Series, rejected: pl.DataFrame) -> pl.Series:
    """A sentence about the word beside each amount, by currency."""
    has_words = rejected["reasons"].list.eval(pl.element().is_in(_OF_WORDS)).list.any()
    word = pl.when(has_words).then(text).str.extract(_WORD).str.strip_chars().str.strip_chars_end(" ,")
    pairs = rejected.select("currency", word=word)
    each = pairs.drop_nulls("word").unique()
    sentences = [_of_word(*pair) for pair in each.iter_rows()]
    each = each.with_columns(sentence=pl.Series(sentences, dtype=pl.String))
    return pairs.join(each, on=["currency", "word"], how="left", nulls_equal=True, maintain_order="left")["sentence"]


def _of_word(currency: str | None, word: str) -> str:
    code = currency if currency in known() else None
    if word in customary_signs().get(code or "", frozenset()):
        return f'The balance holds “{word}”, a sign of {code}; to read it, declare balance.currency_sign: {{{code}: "{word}"}}.'
    others = sorted(currencies_of(word))
    if others:
        listed = ", ".join(others[:3]) + (" …" if len(others) > 3 else "")
        return f"The balance holds “{word}”, a sign of {listed}; the currency of the record is {code or 'unknown'}."
    return f"The balance holds “{word}”, which is no sign of {code or 'a known currency'}."
