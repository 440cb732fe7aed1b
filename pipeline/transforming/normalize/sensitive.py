"""Metadata that looks like a card number, a bank account or an identity number.

One number in ten passes the Luhn check by chance, so the warning states counts and the config
decides.
"""

import polars as pl

from pipeline.transforming.normalize.check_digits import (
    is_south_african_identity,
    passes_iban,
    passes_luhn,
)

#: 13 to 19 digits, perhaps in groups; 15 to 34 characters that begin like an IBAN.
_NUMBER = r"^[0-9](?:[ -]?[0-9]){12,18}$"
_CARD = r"^(?:4|5[1-5]|2[2-7]|3[47]|36|38|30[0-5]|6(?:011|4|5|2))"  #: first digits of card schemes
_IBAN = r"^[A-Z]{2}[0-9]{2}(?: ?[A-Za-z0-9]){11,30}$"

SENSITIVE = ("card", "iban", "identity")


def sensitive_kinds(texts: pl.Series) -> pl.Series:
    """card, iban, identity or null for each text; only texts of such shapes are checked."""
    frame = texts.alias("text").to_frame().with_row_index("at")
    kinds = pl.repeat(None, len(texts), dtype=pl.String, eager=True).alias("kind")
    shaped = frame.filter(pl.col("text").str.contains(_NUMBER) | pl.col("text").str.contains(_IBAN))
    if not shaped.height:
        return kinds
    bare = pl.col("text").str.replace_all(r"[ -]", "").str.to_uppercase()
    is_number = pl.col("bare").str.contains(r"^[0-9]+$")
    found = shaped.with_columns(bare=bare).select(
        "at",
        kind=pl.when(is_number & is_south_african_identity(pl.col("bare"))).then(pl.lit("identity"))
        .when(is_number & pl.col("bare").str.contains(_CARD) & passes_luhn(pl.when(is_number).then("bare"))).then(pl.lit("card"))
        .when(~is_number & passes_iban(pl.when(~is_number).then("bare"))).then(pl.lit("iban")),
    )  # fmt: skip
    return frame.join(found, on="at", how="left", maintain_order="left")["kind"]
