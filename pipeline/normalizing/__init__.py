"""Cells as text -> canonical columns. Nothing is judged here: what cannot be made canonical stays null beside its kind.

`normalize` adds, to the `given.<column>` text that sources read:
external_reference, name, email, phone, currency, metadata.<key>   String, null where absent or not convertible
balance                                                            Int64 minor units, null where absent or not exact
kind.email, kind.phone, kind.balance                               what the text is, null where absent ("ok" = converted)
"""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from pipeline.customer import FIELDS, metadata_columns
from pipeline.normalizing.email import email_kinds
from pipeline.normalizing.money import balance_expressions
from pipeline.normalizing.phone import phone_kinds
from pipeline.normalizing.text import clean_text, code_text, currency_code, given_text

__all__ = ["Defaults", "normalize"]


@dataclass(frozen=True, slots=True)
class Defaults:
    """What a file may leave unsaid; these take part in the plan, so another value makes another plan."""

    region: str = "ZA"  #: ISO 3166 region of phone numbers in national form


def normalize(records: pl.DataFrame, defaults: Defaults, columns: Sequence[str]) -> pl.DataFrame:
    """Add the canonical columns and kinds to records; `columns` are the supplier's column names, in order."""
    present = set(columns)
    cells = {field: given_text(field, present=field in present) for field in FIELDS}
    table = records.with_columns(
        external_reference=code_text(cells["external_reference"]),
        name=clean_text(cells["name"]),
        currency=currency_code(cells["currency"]),
        **balance_expressions(code_text(cells["balance"])),
        **{column: clean_text(given_text(column, present=True)) for column in metadata_columns(columns)},
    )
    texts = table.select(pl.col("row_id"), email=code_text(cells["email"]), phone=clean_text(cells["phone"]))
    email, phone = email_kinds(texts["email"]), phone_kinds(texts["phone"], defaults.region)
    return table.with_columns(email=email.value, phone=phone.value).with_columns(
        email.kind.alias("kind.email"), phone.kind.alias("kind.phone")
    )
