"""Balances as text -> exact integers of minor units. Never a float, never rounded: digits are moved, not computed.

The exponent of the currency (ISO 4217) says how many decimals major units have; surplus decimals are refused on the text.
"""

import polars as pl

from pipeline.domain.amount import Amount
from pipeline.domain.currency import exponents

_MOST_DIGITS = (
    18  #: significant digits that fit Int64; anything longer is far beyond what billing takes
)
_DECIMAL = r"^[+-]?[0-9]*[.,][0-9]+$"
#: A word, currency sign or unit before or after a number: its value is not that of the number alone.
_WORD = r"[\p{L}\p{Sc}%‰°§#№]"
_WITH_WORDS = rf"^[+(-]?\s*{_WORD}|{_WORD}\.?\s*[)-]?$"
_SPACES = r"[ \u00a0\u202f]"  # what separates thousands where a space is declared


def balance_expressions(
    text: pl.Expr, unit: pl.Expr, currency: pl.Expr, written: Amount
) -> dict[str, pl.Expr]:
    """Text in `unit` (major or minor) of `currency` -> `balance` (Int64 minor units) and `kind.balance`.

    Kinds: ok, decimal (minor units with a decimal mark), too_many_decimals, too_large, not_a_number, no_exponent (major
    units of what is no currency). ASCII digits with an optional sign; `-0` is 0.
    """
    plain = _ungrouped(text, written)
    if written.unit.value == "minor":
        return _whole_numbers(plain)  # three times as fast, and what a file without a mapping has
    is_minor = unit == "minor"
    mark = f"[{written.decimal_mark}]"
    is_number = plain.str.contains(rf"^[+-]?(?:[0-9]+(?:{mark}[0-9]+)?|{mark}[0-9]+)$")
    whole, decimals = _parts(plain, mark)
    exponent = _exponent(currency, unit)
    if written.surplus_zeros:
        decimals = (
            pl.when(decimals.str.len_bytes() > exponent)
            .then(decimals.str.strip_chars_end("0"))
            .otherwise(decimals)
        )
    shown = decimals.str.len_bytes().cast(pl.Int64)
    digits = pl.concat_str(
        whole, decimals.str.pad_end(exponent.fill_null(0), "0")
    ).str.strip_chars_start("0")
    kind = (
        pl.when(text.is_null()).then(None)
        .when(is_minor & plain.str.contains(_DECIMAL)).then(pl.lit("decimal"))
        .when(~is_number).then(pl.lit("not_a_number"))
        .when(exponent.is_null()).then(pl.lit("no_exponent"))
        .when(shown > exponent).then(pl.lit("too_many_decimals"))
        .when(digits.str.len_bytes() > _MOST_DIGITS).then(pl.lit("too_large"))
        .otherwise(pl.lit("ok"))
    )  # fmt: skip
    sign = pl.when(plain.str.starts_with("-")).then(pl.lit("-")).otherwise(pl.lit(""))
    value = pl.when(kind == "ok").then(pl.concat_str(sign, pl.lit("0"), digits))
    return {"balance": value.cast(pl.Int64), "kind.balance": kind}


def words_named(text: pl.Expr, kind: pl.Expr) -> pl.Expr:
    """The kind of an amount: `words` where the text is no number and one stands beside a word."""
    no_number = pl.when(kind == "not_a_number").then(text)  # the others are passed over as nulls
    has_words = no_number.str.contains(_WITH_WORDS) & no_number.str.contains("[0-9]")
    return pl.when(has_words).then(pl.lit("words")).otherwise(kind)


def _whole_numbers(plain: pl.Expr) -> dict[str, pl.Expr]:
    """Amounts that are all in minor units: digits and nothing to move."""
    whole = plain.str.contains(r"^[+-]?[0-9]+$")
    fits = (
        plain.str.strip_chars_start("+-").str.strip_chars_start("0").str.len_bytes() <= _MOST_DIGITS
    )
    kind = (
        pl.when(plain.is_null()).then(None)
        .when(whole & fits).then(pl.lit("ok"))
        .when(whole).then(pl.lit("too_large"))
        .when(plain.str.contains(_DECIMAL)).then(pl.lit("decimal"))
        .otherwise(pl.lit("not_a_number"))
    )  # fmt: skip
    value = pl.when(whole & fits).then(plain.str.strip_prefix("+"))
    return {"balance": value.cast(pl.Int64), "kind.balance": kind}


def _ungrouped(text: pl.Expr, written: Amount) -> pl.Expr:
    """The text without the marks between groups of three digits, where they are declared and stand where they must."""
    if written.thousands is None:
        return text
    mark = _SPACES if written.thousands == " " else f"[{written.thousands}]"
    is_grouped = text.str.contains(
        rf"^[+-]?[0-9]{{1,3}}(?:{mark}[0-9]{{3}})+(?:[{written.decimal_mark}][0-9]*)?$"
    )
    return pl.when(is_grouped).then(text.str.replace_all(mark, "")).otherwise(text)


def _parts(plain: pl.Expr, mark: str) -> tuple[pl.Expr, pl.Expr]:
    """The digits before the decimal mark and those after it, empty where there are none."""
    whole = plain.str.extract(r"^[+-]?([0-9]*)", 1).fill_null("")
    return whole, plain.str.extract(rf"{mark}([0-9]*)$", 1).fill_null("")


def _exponent(currency: pl.Expr, unit: pl.Expr) -> pl.Expr:
    """Decimals of the amount as written; null for major units of what is no currency."""
    decimals = {code: exponent for code, exponent in exponents().items() if exponent is not None}
    of_major = currency.replace_strict(decimals, default=None, return_dtype=pl.Int64)
    return pl.when(unit == "minor").then(pl.lit(0, pl.Int64)).otherwise(of_major)
