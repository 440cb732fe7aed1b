"""Convert balances from text to exact integers of minor units, without floats or rounding.

The currency's exponent (ISO 4217) gives the decimals of major units; surplus decimals are refused.
"""

import polars as pl

from pipeline.domain.amount import Amount
from pipeline.domain.currency import exponents

_MOST_DIGITS = 18  #: significant digits that fit Int64; billing accepts far less
_DECIMAL = r"^[+-]?[0-9]*[.,][0-9]+$"
#: A word, sign or unit beside a number: the number alone is not the value.
_WORD = r"[\p{L}\p{Sc}%‰°§#№]"
_WITH_WORDS = rf"^[+(-]?\s*{_WORD}|{_WORD}\.?\s*[)-]?$"
_SPACES = r"[ \u00a0\u202f]"  # thousands separators if a space is declared


def balance_expressions(
    text: pl.Expr, unit: pl.Expr, currency: pl.Expr, written: Amount
) -> dict[str, pl.Expr]:
    """Text, `unit` (major or minor), `currency` -> `balance` (minor units), `kind.balance`.

    Kinds: ok, decimal (minor units with a decimal mark), too_many_decimals, too_large,
    not_a_number, no_exponent (major units without a valid currency). ASCII digits with an optional
    sign; `-0` is 0.
    """
    plain = _ungrouped(text, written)
    if written.unit.value == "minor":
        return _whole_numbers(plain)  # three times as fast, for files without a mapping
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
    """The kind of an amount: `words` if it has a word beside a number."""
    no_number = pl.when(kind == "not_a_number").then(text)  # the others are null, which is fast
    has_words = no_number.str.contains(_WITH_WORDS) & no_number.str.contains("[0-9]")
    return pl.when(has_words).then(pl.lit("words")).otherwise(kind)


def _whole_numbers(plain: pl.Expr) -> dict[str, pl.Expr]:
    """Amounts in minor units only: digits without a decimal mark."""
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
    """The text without declared, correctly placed thousands separators."""
    if written.thousands is None:
        return text
    mark = _SPACES if written.thousands == " " else f"[{written.thousands}]"
    is_grouped = text.str.contains(
        rf"^[+-]?[0-9]{{1,3}}(?:{mark}[0-9]{{3}})+(?:[{written.decimal_mark}][0-9]*)?$"
    )
    return pl.when(is_grouped).then(text.str.replace_all(mark, "")).otherwise(text)


def _parts(plain: pl.Expr, mark: str) -> tuple[pl.Expr, pl.Expr]:
    """The digits before and after the decimal mark; empty if there are none."""
    whole = plain.str.extract(r"^[+-]?([0-9]*)", 1).fill_null("")
    return whole, plain.str.extract(rf"{mark}([0-9]*)$", 1).fill_null("")


def _exponent(currency: pl.Expr, unit: pl.Expr) -> pl.Expr:
    """Decimals of the amount's unit; null for major units without a valid currency."""
    decimals = {code: exponent for code, exponent in exponents().items() if exponent is not None}
    of_major = currency.replace_strict(decimals, default=None, return_dtype=pl.Int64)
    return pl.when(unit == "minor").then(pl.lit(0, pl.Int64)).otherwise(of_major)
