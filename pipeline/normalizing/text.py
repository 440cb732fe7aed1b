"""Text as it came -> text without what nobody meant: spaces around it, and two spellings of one character."""

from dataclasses import dataclass

import polars as pl


@dataclass(frozen=True, slots=True)
class Kinds:
    """A normalized column beside what each text was; both null where the cell is absent."""

    value: pl.Series
    kind: pl.Series


def given_text(column: str, *, present: bool) -> pl.Expr:
    """The cell as it came; an empty cell is absent, quoted or not, and so is a column that the file does not have."""
    if not present:
        return pl.lit(None, pl.String)
    cell = pl.col(f"given.{column}")
    return pl.when(cell != "").then(cell)


def clean_text(cell: pl.Expr) -> pl.Expr:
    """Names and metadata: NFC (é in one character), trimmed of all Unicode white space; null where nothing is left."""
    return _or_absent(cell.str.normalize("NFC").str.strip_chars())


def code_text(cell: pl.Expr) -> pl.Expr:
    """References, codes, amounts: trimmed of ASCII spaces and tabs only; anything else in them is for validation to see."""
    return _or_absent(cell.str.strip_chars(" \t"))


def currency_code(cell: pl.Expr) -> pl.Expr:
    """Three ASCII letters in upper case; other text stays as it is, for a long s in Unicode's upper case would be S."""
    code = code_text(cell)
    return pl.when(code.str.contains(r"^[A-Za-z]{3}$")).then(code.str.to_uppercase()).otherwise(code)


def _or_absent(text: pl.Expr) -> pl.Expr:
    return pl.when(text != "").then(text)
