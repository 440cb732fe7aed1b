"""A supplier's columns -> ours: `map_columns` puts the text of each field under `mapped.<field>`, as the layout declares.

Nothing is converted here and nothing is guessed. Where a declaration does not cover a record, `fault.<field>` says how:
unlisted     the layout's `values` do not list the text
both_sides   a debit and a credit, both other than zero
signed       a sign in a column of debits or credits
"""

from collections import Counter
from collections.abc import Sequence

import polars as pl

from pipeline.layout import Amount, Layout, Text

_BLANK = " \t"
_ZERO = r"^[+-]?0*[.,]?0*$"


def map_columns(records: pl.DataFrame, layout: Layout) -> pl.DataFrame:
    """Add `mapped.<field>` (String, null = absent) to records with `given.<column>`, and `fault.<field>` where one can be.

    Fields: those of the layout, `balance` (a credit as a negative amount) and `unit` (of the balance: major or minor).
    """
    added: dict[str, pl.Expr] = {}
    for field, text in layout.texts():
        added |= _mapped(field, text, layout.absent)
    if layout.balance is not None:
        added |= _balance(layout.balance, layout.absent)
    return records.with_columns(**added)


def count_absent(records: pl.DataFrame, layout: Layout) -> Counter[str]:
    """How many mapped cells hold each text that the layout declares to mean "nothing is given"."""
    found: Counter[str] = Counter()
    for column in sorted(layout.columns) if layout.absent else ():
        texts = records[f"given.{column}"].str.strip_chars(_BLANK)
        counted = texts.filter(texts.is_in(list(layout.absent))).value_counts(name="times")
        found.update(dict(counted.iter_rows()))
    return found


def _mapped(field: str, text: Text, absent: Sequence[str]) -> dict[str, pl.Expr]:
    if text.value is not None:
        return {f"mapped.{field}": pl.lit(text.value)}
    value = _joined([_cell(column, absent) for column in text.sources], text.separator)
    if text.values is None:
        return {f"mapped.{field}": _or_default(value, text.default)}
    trimmed = value.str.strip_chars(_BLANK)
    listed = trimmed.replace_strict(text.values, default=None, return_dtype=pl.String)
    # An unlisted text stays as it came: it is what the list shows and, where the layout says keep, what is taken.
    mapped = {f"mapped.{field}": _or_default(pl.coalesce(listed, value), text.default)}
    if text.unlisted == "keep":
        return mapped
    unlisted = value.is_not_null() & listed.is_null()
    return {**mapped, f"fault.{field}": pl.when(unlisted).then(pl.lit("unlisted"))}


def _balance(amount: Amount, absent: Sequence[str]) -> dict[str, pl.Expr]:
    unit, unit_fault = _unit(amount, absent)
    if amount.column is not None:
        given = _cell(amount.column, absent)
        side_fault = pl.lit(None, pl.String)
    else:
        given, side_fault = _from_sides(_cell(str(amount.debit), absent), _cell(str(amount.credit), absent))
    fault = pl.coalesce(side_fault, pl.when(given.is_not_null()).then(unit_fault))
    return {"mapped.balance": given, "mapped.unit": unit, "fault.balance": fault}


def _from_sides(debit: pl.Expr, credit: pl.Expr) -> tuple[pl.Expr, pl.Expr]:
    """Debit and credit cells -> one signed text, and what is wrong with them."""
    debit, credit = _trimmed(debit), _trimmed(credit)
    owed, owing = _is_not_zero(debit), _is_not_zero(credit)
    both = owed & owing
    fault = (
        pl.when(both).then(pl.lit("both_sides"))
        .when(owed & _is_signed(debit) | owing & _is_signed(credit)).then(pl.lit("signed"))
    )  # fmt: skip
    negated = pl.when(_is_signed(credit)).then(credit).otherwise(pl.concat_str(pl.lit("-"), credit))
    text = (
        pl.when(both).then(pl.concat_str(debit, credit, separator=" / "))
        .when(owing).then(negated)
        .otherwise(pl.coalesce(debit, credit))
    )  # fmt: skip
    return text, fault


def _unit(amount: Amount, absent: Sequence[str]) -> tuple[pl.Expr, pl.Expr]:
    if amount.unit.column is None or amount.unit.values is None:
        return pl.lit(amount.unit.value), pl.lit(None, pl.String)
    told = _cell(amount.unit.column, absent).str.strip_chars(_BLANK)
    unit = told.replace_strict(dict(amount.unit.values), default=None, return_dtype=pl.String)
    return unit, pl.when(unit.is_null()).then(pl.lit("unlisted"))


def _cell(column: str, absent: Sequence[str]) -> pl.Expr:
    """The cell as it came; null where it is empty, quoted or not, or holds a text that is declared to mean that."""
    cell = pl.col(f"given.{column}")
    if not absent:
        return pl.when(cell != "").then(cell)
    return pl.when((cell != "") & ~cell.str.strip_chars(_BLANK).is_in(list(absent))).then(cell)


def _trimmed(cell: pl.Expr) -> pl.Expr:
    text = cell.str.strip_chars(_BLANK)
    return pl.when(text != "").then(text)


def _joined(cells: list[pl.Expr], separator: str) -> pl.Expr:
    if len(cells) == 1:
        return cells[0]
    trimmed = [cell.str.strip_chars() for cell in cells]
    present = [pl.when(cell != "").then(cell) for cell in trimmed]
    joined = pl.concat_str(present, separator=separator, ignore_nulls=True)
    return pl.when(joined != "").then(joined)


def _or_default(value: pl.Expr, default: str | None) -> pl.Expr:
    return value if default is None else value.fill_null(default)


def _is_not_zero(cell: pl.Expr) -> pl.Expr:
    return (cell.is_not_null() & ~(cell.str.contains(_ZERO) & cell.str.contains("0", literal=True))).fill_null(
        value=False
    )


def _is_signed(cell: pl.Expr) -> pl.Expr:
    return cell.str.contains(r"^[+-]|-$").fill_null(value=False)
