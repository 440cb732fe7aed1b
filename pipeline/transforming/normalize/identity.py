"""Identity and passport numbers: checked, and replaced by a keyed hash.

A token is HMAC-SHA256 over the normal form of the number, with a key that stays in the home.
Without the key nobody can try all possible numbers, which are few.
"""

import hashlib
import hmac

import polars as pl

from pipeline.domain.column_mapping import Identity
from pipeline.transforming.normalize.check_digits import is_date_of_birth, passes_luhn
from pipeline.transforming.normalize.text import Kinds

_SPACES = r"[ \t\u00a0-]"
_PASSPORT = r"^[A-Z0-9]{5,20}$"


def identity_kinds(
    numbers: pl.Series, passports: pl.Series, declared: Identity, key: bytes
) -> Kinds:
    """Texts -> token and kind: ok, not_13_digits, no_date, check_digit, passport, missing."""
    number = pl.col("number").str.replace_all(_SPACES, "")
    passport = pl.col("passport").str.replace_all(_SPACES, "").str.to_uppercase()
    table = pl.DataFrame({"number": numbers, "passport": passports}).with_columns(
        number=pl.when(number != "").then(number), passport=pl.when(passport != "").then(passport)
    )
    is_digits = pl.col("number").str.contains(r"^[0-9]{13}$")
    digits = pl.when(is_digits).then("number")
    table = table.with_columns(
        kind=pl.when(pl.col("number").is_not_null() & ~is_digits).then(pl.lit("not_13_digits"))
        .when(is_digits & ~is_date_of_birth(digits)).then(pl.lit("no_date"))
        .when(is_digits & ~passes_luhn(digits)).then(pl.lit("check_digit"))
        .when(pl.col("passport").is_not_null() & ~pl.col("passport").str.contains(_PASSPORT)).then(pl.lit("passport"))
        .when(pl.col("number").is_not_null() | pl.col("passport").is_not_null()).then(pl.lit("ok"))
        .when(pl.lit(declared.required)).then(pl.lit("missing"))
    )  # fmt: skip
    normal = (
        pl.when(pl.col("number").is_not_null())
        .then(pl.concat_str(pl.lit("za:"), "number"))
        .otherwise(pl.concat_str(pl.lit("passport:"), "passport"))
    )
    texts = table.select(text=pl.when(pl.col("kind") == "ok").then(normal))["text"]
    tokens = [
        None if text is None else hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
        for text in texts
    ]
    return Kinds(pl.Series("identity", tokens, dtype=pl.String), table["kind"])
