"""Map a supplier's columns to ours: `map_columns` writes `mapped.<field>` by the layout.

Nothing is converted or guessed. If a declaration does not cover a record, `fault.<field>` says why:
unlisted        `values` (or marks) do not list the text; `unlisted:COLUMN` for a column other than
                the amount's
no_match        the text has no such part, or `extract` does not match
both_sides      a debit and a credit, both nonzero
signed          a sign in a debit or credit column, or beside a debit or credit mark
other_currency  the amount has the sign of another currency than its record
"""

import re
import string
from collections import Counter
from collections.abc import Iterable, Sequence

import polars as pl
import polars.selectors as cs

from pipeline.domain.amount import Amount, Marks
from pipeline.domain.characters import trimmed
from pipeline.domain.column_mapping import Layout, Text, When

_BLANK = " \t"
_ZERO = r"^[+-]?0*[.,]?0*$"
_MINUS = "\u2212"  #: the typographic minus sign, which some spreadsheets write
_APOSTROPHE = "'"
_BARE, _OTHER = (
    "bare.",
    "other.",
)  #: amounts without signs, and whether a sign is of another currency


def map_columns(records: pl.DataFrame, layout: Layout) -> pl.DataFrame:
    """Add `mapped.<field>` (String, null = absent) and `fault.<field>` to records.

    Fields: those of the layout, `balance` (a credit is negative) and `unit` of the balance (major
    or minor). The records have `given.<column>`.
    """
    added: dict[str, pl.Expr] = {}
    for field, text in layout.texts():
        added |= _mapped(field, text, layout.absent)
    if layout.identity is not None:
        for kind in ("number", "passport"):
            column = getattr(layout.identity, kind)
            added[f"mapped.identity_{kind}"] = (
                _cell(column, layout.absent) if column else pl.lit(None, pl.String)
            )
    if layout.balance is not None:
        currency = added.get("mapped.currency", pl.lit(None, pl.String))
        records = _with_bare_amounts(records, layout.balance, currency, layout.absent)
        added |= _balance(layout.balance, layout.absent)
    return records.with_columns(**added).drop(cs.starts_with(_BARE, _OTHER))


def count_absent(records: pl.DataFrame, layout: Layout) -> Counter[str]:
    """Count the mapped cells of each text that the layout declares as absent."""
    found: Counter[str] = Counter()
    for column in sorted(layout.columns) if layout.absent else ():
        texts = records.select(trimmed(pl.col(f"given.{column}"))).to_series()
        counted = texts.filter(texts.is_in(list(layout.absent))).value_counts(name="times")
        found.update(dict(counted.iter_rows()))
    return found


def _mapped(field: str, text: Text, absent: Sequence[str]) -> dict[str, pl.Expr]:
    if text.value is not None:
        return {f"mapped.{field}": _finished(pl.lit(text.value), text, absent)}
    given = _given(text, absent)
    if text.leading_apostrophe:
        given = given.str.strip_prefix(_APOSTROPHE)
    value, fault = _parts(given, text)
    if text.values is not None:
        listed = value.str.strip_chars(_BLANK).replace_strict(
            text.values, default=text.otherwise, return_dtype=pl.String
        )
        listed = pl.when(value.is_not_null()).then(listed)
        if text.unlisted == "reject" and text.otherwise is None:
            fault.append(pl.when(value.is_not_null() & listed.is_null()).then(pl.lit("unlisted")))
        # An unlisted text stays: lists show it, and `unlisted: keep` uses it.
        value = pl.coalesce(listed, value)
    finished = _finished(value, text, absent)
    if not fault:
        return {f"mapped.{field}": finished}
    faults = pl.coalesce(fault)
    if text.when is not None:
        faults = pl.when(_holds(text.when, absent)).then(faults)
    # Lists show the original text if it cannot be used.
    return {
        f"mapped.{field}": pl.when(faults.is_null()).then(finished).otherwise(given),
        f"fault.{field}": faults,
    }


def _given(text: Text, absent: Sequence[str]) -> pl.Expr:
    cells = [_cell(column, absent) for column in text.cells]
    return pl.coalesce(cells) if text.take == "first" else _joined(cells, text.separator)


def _parts(value: pl.Expr, text: Text) -> tuple[pl.Expr, list[pl.Expr]]:
    """The text after `split` and `extract`, and its fault."""
    found = value
    if text.split is not None:
        at = text.split.part - 1 if text.split.part > 0 else text.split.part
        part = found.str.split(text.split.at).list.get(at, null_on_oob=True).str.strip_chars(_BLANK)
        found = pl.when(part != "").then(part)
    if text.extract is not None:
        found = found.str.extract(text.extract, min(re.compile(text.extract).groups, 1))
        found = pl.when(found != "").then(found)
    if not (text.split or text.extract) or text.unmatched == "absent":
        return found, []
    if text.unmatched == "keep":
        return pl.coalesce(found, value), []
    return found, [pl.when(value.is_not_null() & found.is_null()).then(pl.lit("no_match"))]


def _finished(value: pl.Expr, text: Text, absent: Sequence[str]) -> pl.Expr:
    """The final text: escaped, with prefix and suffix, its condition, and its default."""
    if text.escape is not None:
        value = value.str.strip_chars(_BLANK).str.replace_many(_escapes(text.escape))
    if text.prefix or text.suffix:
        bare = value.str.strip_chars(_BLANK)
        value = pl.when(bare != "").then(
            pl.concat_str(pl.lit(text.prefix), bare, pl.lit(text.suffix))
        )
    if text.when is not None:
        value = pl.when(_holds(text.when, absent)).then(value)
    return _or_default(value, text.default)


def _escapes(mark: str) -> dict[str, str]:
    """ASCII not allowed in references, and the mark itself -> mark and two hexadecimal digits."""
    taken = set(string.ascii_letters + string.digits + "_-") - {mark}
    return {
        character: f"{mark}{ord(character):02X}"
        for character in map(chr, range(128))
        if character not in taken
    }


def _holds(when: When, absent: Sequence[str]) -> pl.Expr:
    text = _cell(when.column, absent).fill_null("")
    listed = text.is_in(list(when.is_one_of or when.is_none_of or ()))
    return listed if when.is_one_of is not None else ~listed


def _balance(amount: Amount, absent: Sequence[str]) -> dict[str, pl.Expr]:
    unit, unit_fault = _unit(amount, absent)
    bare = [pl.col(_BARE + name) for name in amount.sources]
    given, side_fault = (
        _signed(bare[0], amount, absent) if amount.column is not None else _from_sides(*bare)
    )
    is_other = pl.any_horizontal(pl.col(_OTHER + name) for name in amount.sources)
    other_currency = pl.when(is_other).then(pl.lit("other_currency"))
    fault = pl.coalesce(other_currency, side_fault, pl.when(given.is_not_null()).then(unit_fault))
    return {"mapped.balance": given, "mapped.unit": unit, "fault.balance": fault}


def _amount_cell(column: str, amount: Amount, absent: Sequence[str]) -> pl.Expr:
    """The cell with an ASCII minus, and without a declared apostrophe before it."""
    cell = _cell(column, absent).str.replace_all(_MINUS, "-", literal=True)
    return cell.str.strip_prefix(_APOSTROPHE) if amount.leading_apostrophe else cell


def _with_bare_amounts(
    records: pl.DataFrame, amount: Amount, currency: pl.Expr, absent: Sequence[str]
) -> pl.DataFrame:
    """The records with an extra column per amount, without the declared signs."""
    cells = {_BARE + name: _amount_cell(name, amount, absent) for name in amount.sources}
    nothing = {_OTHER + name: pl.lit(None, pl.Boolean) for name in amount.sources}
    records = records.with_columns(**cells, **nothing)
    signs = amount.signs()
    if not signs:
        return records
    own = [f"{code} {sign}" for code, of_one in signs.items() for sign in of_one]
    for name in amount.sources:
        found = _parted(records.select(cell=_BARE + name, code=currency.str.to_uppercase()), amount)
        fits = [
            pl.col(sign).is_null() | pl.concat_str("code", pl.lit(" "), sign).is_in(own)
            for sign in ("before", "after")
        ]
        is_twice = (pl.col("before") == pl.col("after")).fill_null(value=False)
        found = found.with_columns(
            is_twice=is_twice, other=pl.col("code").is_in(list(signs)) & ~(fits[0] & fits[1])
        )
        bare = pl.when(pl.col("is_twice") | pl.col("other")).then("cell").otherwise("bare")
        added = found.select(
            bare.alias(_BARE + name), (pl.col("other") & ~pl.col("is_twice")).alias(_OTHER + name)
        )
        records = records.with_columns(added)
    return records


def _parted(amounts: pl.DataFrame, amount: Amount) -> pl.DataFrame:
    """Split amounts (`cell`) into `bare` and the signs `before` and `after`."""
    known = _any_of({sign for one in amount.signs().values() for sign in one})
    before_it = rf"^([+(-]?)\s*({known})\s*([0-9.,(+-].*)$"
    after_it = rf"^([^\p{{L}}\p{{Sc}}]*[0-9.,)-])\s*({known})\s*({_tail(amount)})$"
    # Most amounts have a sign on one side at most, so only texts with something there are searched.
    begins, ends = (~pl.col("cell").str.contains("^[0-9]"), ~pl.col("bare").str.contains("[0-9]$"))
    return (
        amounts.with_columns(found=pl.when(begins).then("cell").str.extract_groups(before_it))
        .with_columns(pl.col("found").struct.rename_fields(["opens", "before", "rest"])).unnest("found")
        .with_columns(bare=pl.when(pl.col("before").is_not_null()).then(pl.concat_str("opens", "rest")).otherwise("cell"))
        .drop("opens", "rest")
        .with_columns(found=pl.when(ends).then("bare").str.extract_groups(after_it))
        .with_columns(pl.col("found").struct.rename_fields(["rest", "after", "closes"])).unnest("found")
        .with_columns(bare=pl.when(pl.col("after").is_not_null()).then(pl.concat_str("rest", "closes")).otherwise("bare"))
    )  # fmt: skip


def _tail(amount: Amount) -> str:
    """What may follow a sign after the amount: a parenthesis, a minus, a debit or credit mark."""
    marks = amount.marks_behind
    return f"[)-]?|(?i:{_any_of(marks)})" if marks else "[)-]?"


def _any_of(texts: Iterable[str]) -> str:
    """A regular expression for any of these texts, longest first."""
    longest_first = sorted(texts, key=lambda text: (-len(text), text))
    return "|".join(
        "".join(rf"\x{{{ord(character):X}}}" for character in text) for text in longest_first
    )


def _from_sides(debit: pl.Expr, credit: pl.Expr) -> tuple[pl.Expr, pl.Expr]:
    """Combine debit and credit cells into one signed text, and its fault."""
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


def _signed(cell: pl.Expr, amount: Amount, absent: Sequence[str]) -> tuple[pl.Expr, pl.Expr]:
    """The amount with its sign in front, by the layout, and its fault."""
    if not (
        amount.marks
        or amount.parentheses
        or amount.trailing_minus
        or amount.positive_means == "credit"
    ):
        return cell, pl.lit(None, pl.String)
    text = _trimmed(cell)
    if amount.marks is not None:
        return _marked(text, amount.marks, absent)
    if amount.parentheses:
        inner = text.str.extract(r"^\(([^()+-]*)\)$", 1)
        text = pl.coalesce(pl.concat_str(pl.lit("-"), inner.str.strip_chars(_BLANK)), text)
    if amount.trailing_minus:
        inner = text.str.extract(r"^([^()+-]*)-$", 1)
        text = pl.coalesce(pl.concat_str(pl.lit("-"), inner.str.strip_chars(_BLANK)), text)
    if amount.positive_means == "credit":
        bare = text.str.strip_prefix("+")
        flipped = (
            pl.when(bare.str.starts_with("-"))
            .then(bare.str.slice(1))
            .otherwise(pl.concat_str(pl.lit("-"), bare))
        )
        # A double sign is invalid; it stays, so that parsing rejects the amount.
        text = pl.when(text.str.contains(r"^[+-]?[^+-]*$")).then(flipped).otherwise(text)
    return text, pl.lit(None, pl.String)


def _marked(text: pl.Expr, marks: Marks, absent: Sequence[str]) -> tuple[pl.Expr, pl.Expr]:
    debit, credit = ([mark.casefold() for mark in side] for side in (marks.debit, marks.credit))
    if marks.column is not None:
        mark = _cell(marks.column, absent).fill_null("")
        bare = text
    else:
        # A declared mark may contain a space (C R); otherwise the mark follows the digits and
        # signs.
        known = rf"[0-9.,' \u00a0\u202f()+-]((?i:{_any_of({*marks.debit, *marks.credit} - {''})}))$"
        mark = pl.coalesce(
            text.str.extract(known, 1), text.str.extract(r"([^0-9.,' \u00a0\u202f()+-]*)$", 1)
        )
        bare = text.str.strip_suffix(mark).str.strip_chars(_BLANK + "\u00a0\u202f")
    folded = mark.str.to_lowercase()
    unlisted = "unlisted" if marks.column is None else f"unlisted:{marks.column}"
    is_credit = folded.is_in(credit)
    fault = (
        pl.when(text.is_not_null() & ~is_credit & ~folded.is_in(debit)).then(pl.lit(unlisted))
        .when(_is_signed(bare)).then(pl.lit("signed"))
    )  # fmt: skip
    signed = pl.when(is_credit).then(pl.concat_str(pl.lit("-"), bare)).otherwise(bare)
    return pl.when(fault.is_null()).then(signed).otherwise(text), fault


def _unit(amount: Amount, absent: Sequence[str]) -> tuple[pl.Expr, pl.Expr]:
    if amount.unit.column is None or amount.unit.values is None:
        return pl.lit(amount.unit.value), pl.lit(None, pl.String)
    unit_text = _cell(amount.unit.column, absent)
    unit = unit_text.replace_strict(dict(amount.unit.values), default=None, return_dtype=pl.String)
    return unit, pl.when(unit.is_null()).then(pl.lit(f"unlisted:{amount.unit.column}"))


def _cell(column: str, absent: Sequence[str]) -> pl.Expr:
    """The cell, trimmed; null if empty (also quoted) or declared as absent."""
    cell = trimmed(pl.col(f"given.{column}"))
    return pl.when(~cell.is_in(["", *absent])).then(cell)


def _trimmed(cell: pl.Expr) -> pl.Expr:
    text = cell.str.strip_chars(_BLANK)
    return pl.when(text != "").then(text)


def _joined(cells: list[pl.Expr], separator: str) -> pl.Expr:
    if len(cells) == 1:
        return cells[0]
    joined = pl.concat_str(cells, separator=separator, ignore_nulls=True)
    return pl.when(joined != "").then(joined)


def _or_default(value: pl.Expr, default: str | None) -> pl.Expr:
    return value if default is None else value.fill_null(default)


def _is_not_zero(cell: pl.Expr) -> pl.Expr:
    return (
        cell.is_not_null() & ~(cell.str.contains(_ZERO) & cell.str.contains("0", literal=True))
    ).fill_null(value=False)


def _is_signed(cell: pl.Expr) -> pl.Expr:
    return cell.str.contains(r"^[+-]|-$").fill_null(value=False)
