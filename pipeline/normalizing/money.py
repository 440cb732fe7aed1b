"""Balances in minor units as text -> exact integers. Never a float, never rounded."""

import polars as pl

_WHOLE = r"^[+-]?[0-9]+$"
_DECIMAL = r"^[+-]?[0-9]*[.,][0-9]+$"


def balance_expressions(text: pl.Expr) -> dict[str, pl.Expr]:
    """Text in minor units -> `balance` (Int64) and `kind.balance`: ok, decimal, too_large or not_a_number.

    ASCII digits with an optional sign; `-0` is 0; more than 18 significant digits do not fit and are too large anyway.
    """
    digits = text.str.strip_chars_start("+-").str.strip_chars_start("0")
    whole = text.str.contains(_WHOLE)
    fits = digits.str.len_bytes() <= 18
    value = pl.when(whole & fits).then(text.str.strip_prefix("+"))
    kind = (
        pl.when(text.is_null()).then(None)
        .when(whole & fits).then(pl.lit("ok"))
        .when(whole).then(pl.lit("too_large"))
        .when(text.str.contains(_DECIMAL)).then(pl.lit("decimal"))
        .otherwise(pl.lit("not_a_number"))
    )  # fmt: skip
    return {"balance": value.cast(pl.Int64), "kind.balance": kind}
