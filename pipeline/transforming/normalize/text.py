"""Trim invisible characters around a text, and give each character one spelling."""

from dataclasses import dataclass

import polars as pl

from pipeline.domain.characters import trimmed


@dataclass(frozen=True, slots=True)
class Kinds:
    """A normalized column and the kind of each text; both null if the cell is absent."""

    value: pl.Series
    kind: pl.Series


def mapped_text(field: str, columns: set[str]) -> pl.Expr:
    """The mapped text of a field; null if there is none or it is not listed."""
    if f"mapped.{field}" not in columns:
        return pl.lit(None, pl.String)
    text = pl.col(f"mapped.{field}")
    return (
        pl.when(pl.col(f"fault.{field}").is_null()).then(text)
        if f"fault.{field}" in columns
        else text
    )


def clean_text(cell: pl.Expr) -> pl.Expr:
    """Names and metadata: NFC (é is one character), trimmed; null if nothing is left."""
    text = trimmed(cell)
    beyond_ascii = pl.when(text.str.len_bytes() != text.str.len_chars()).then(text)
    return _or_absent(pl.coalesce(beyond_ascii.str.normalize("NFC"), text))


def code_text(cell: pl.Expr) -> pl.Expr:
    """References, codes, amounts: trimmed; validation checks the rest."""
    return _or_absent(trimmed(cell))


def currency_code(cell: pl.Expr) -> pl.Expr:
    """Three ASCII letters in upper case; other texts stay: a long s would become S."""
    code = code_text(cell)
    return (
        pl.when(code.str.contains(r"^[A-Za-z]{3}$")).then(code.str.to_uppercase()).otherwise(code)
    )


def _or_absent(text: pl.Expr) -> pl.Expr:
    return text.replace("", None)  # evaluates the text once; when(…).then(…) does it twice
