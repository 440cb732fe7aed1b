"""Convert mapped texts to canonical columns; a text without one is null, with its kind.

`normalize` adds these columns to the `mapped.<field>` texts:
external_reference, name, email, phone, currency, billing_id, metadata.<key>
                 String, null if absent or not convertible
identity         String: a token in place of an identity number
phone_abroad     Boolean: of a country other than its record states
phone_unusual    Boolean: of unusual length in its country
balance          Int64 minor units, null if absent or not exact
sensitive.<key>  String: the sensitive kind of a metadata value
kind.email, kind.phone, kind.balance, kind.identity
                 the kind of the text, null if absent ("ok" = converted)
"""

from collections.abc import Collection
from dataclasses import dataclass, field

import polars as pl

from pipeline.domain import defaults
from pipeline.domain.column_mapping import Layout
from pipeline.domain.customer import METADATA_PREFIX, SENSITIVE_PREFIX
from pipeline.transforming.normalize.clues import find_clues
from pipeline.transforming.normalize.email import email_kinds
from pipeline.transforming.normalize.identity import identity_kinds
from pipeline.transforming.normalize.money import balance_expressions, words_named
from pipeline.transforming.normalize.phone import is_abroad, phone_kinds
from pipeline.transforming.normalize.sensitive import sensitive_kinds
from pipeline.transforming.normalize.subscribers import is_unusual_length
from pipeline.transforming.normalize.text import (
    Kinds,
    clean_text,
    code_text,
    currency_code,
    mapped_text,
)

__all__ = ["NORMALIZATION_VERSION", "Defaults", "find_clues", "normalize"]

#: The version of the normal forms; raised if an unchanged cell gets another value. See the
#: changelog.
NORMALIZATION_VERSION = 2


@dataclass(frozen=True, slots=True)
class Defaults:
    """Defaults for what a file omits; the plan depends on them."""

    region: str = defaults.REGION  #: ISO 3166 region of phone numbers in national form
    token_key: bytes = field(default=b"", repr=False)  #: the key of identity tokens


def normalize(
    records: pl.DataFrame, layout: Layout, defaults: Defaults, *, as_written: Collection[str] = ()
) -> pl.DataFrame:
    """Add the canonical columns and kinds to records mapped by the same layout.

    `as_written`: email and phone here are only trimmed and have no kind.
    """
    table = _texts(records, layout)
    unjudged = pl.repeat(None, table.height, dtype=pl.String, eager=True)
    email = (
        Kinds(table["email"], unjudged) if "email" in as_written else email_kinds(table["email"])
    )
    regions = table["region"].fill_null(defaults.region)
    phone = (
        Kinds(table["phone"], unjudged)
        if "phone" in as_written
        else phone_kinds(table["phone"], regions)
    )
    identity = _identity(table, layout, defaults)
    return table.with_columns(
        *(
            sensitive_kinds(table[METADATA_PREFIX + key]).alias(SENSITIVE_PREFIX + key)
            for key in sorted(layout.metadata)
        ),
        email.value.alias("email"),
        phone.value.alias("phone"),
        identity.value.alias("identity"),
        is_abroad(phone.value, table["region"]).alias("phone_abroad"),
        is_unusual_length(phone.value).alias("phone_unusual"),
        email.kind.alias("kind.email"),
        phone.kind.alias("kind.phone"),
        identity.kind.alias("kind.identity"),
    ).drop("region")


def _texts(records: pl.DataFrame, layout: Layout) -> pl.DataFrame:
    """The cleaned texts and codes, the region, and the balances with their kinds."""
    columns = set(records.columns)
    metadata = {
        METADATA_PREFIX + key: clean_text(mapped_text(METADATA_PREFIX + key, columns))
        for key in sorted(layout.metadata)
    }
    # Lazy, so that common parts of expressions run once. Metadata has none, and the search for them
    # is quadratic in the columns.
    return (
        records.with_columns(**metadata)
        .lazy()
        .with_columns(
            external_reference=code_text(mapped_text("external_reference", columns)),
            name=clean_text(mapped_text("name", columns)),
            email=code_text(mapped_text("email", columns)),
            phone=clean_text(mapped_text("phone", columns)),
            currency=currency_code(mapped_text("currency", columns)),
            billing_id=code_text(mapped_text("billing_id", columns)),
            region=code_text(mapped_text("region", columns)).str.to_uppercase(),
        )
        .with_columns(**_balance(layout, columns))
        .with_columns(
            words_named(_amount_text(layout), pl.col("kind.balance")).alias("kind.balance")
        )
        .collect()
    )


def _identity(table: pl.DataFrame, layout: Layout, defaults: Defaults) -> Kinds:
    if layout.identity is None:
        nothing = pl.repeat(None, table.height, dtype=pl.String, eager=True)
        return Kinds(nothing, nothing)
    mapped = table["mapped.identity_number"], table["mapped.identity_passport"]
    return identity_kinds(*mapped, layout.identity, defaults.token_key)


def _amount_text(layout: Layout) -> pl.Expr:
    return (
        code_text(pl.col("mapped.balance"))
        if layout.balance is not None
        else pl.lit(None, pl.String)
    )


def _balance(layout: Layout, columns: set[str]) -> dict[str, pl.Expr]:
    if layout.balance is None:
        return {"balance": pl.lit(None, pl.Int64), "kind.balance": pl.lit(None, pl.String)}
    found = balance_expressions(
        _amount_text(layout), pl.col("mapped.unit"), pl.col("currency"), layout.balance
    )
    if "fault.balance" not in columns:
        return found
    # An amount that mapping could not build still exists, but is unusable.
    fault = pl.col("fault.balance")
    kind = pl.when(fault.is_not_null()).then(pl.lit("unmapped")).otherwise(found["kind.balance"])
    return {"balance": pl.when(fault.is_null()).then(found["balance"]), "kind.balance": kind}
