"""Independent totals of the input: amounts per currency, summed from the source text.

The accounting checks compare them with the sums over fates, which come from mapped and normalized
balances through planning, the ledger and SQL. Both share the layout but no code: here digits are
summed as written, in groups of one currency, unit and number of decimals, and the sums are scaled
afterwards.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

from pipeline.domain.amount import Amount, Marks
from pipeline.domain.characters import INVISIBLE
from pipeline.domain.column_mapping import Layout, Text
from pipeline.domain.currency import NO_CODE, NO_CURRENCY, exponents, known

_SIGNIFICANT = 18  #: digits; larger amounts are in no sum
_EDGES = " \t"
_MINUS, _APOSTROPHE = "\u2212", "'"
#: Signs around an amount, and around the amount of the other side.
_SIGNS = ("#before", "#after", "#before_other", "#after_other")


@dataclass(slots=True)
class ControlTotals:
    """Exact sums in minor units as Python integers (an Int64 sum of polars wraps silently)."""

    records: int = 0
    debits: Counter[str] = field(default_factory=Counter)  #: positive balances (customers owe)
    #: Negative balances (customers are owed).
    credits: Counter[str] = field(default_factory=Counter)

    def add(self, records: pl.DataFrame, layout: Layout) -> None:
        """Count the records of one batch, readable or not, and add their amounts."""
        self.records += records.height
        if layout.balance is None:
            return
        for group in _groups(records, layout):
            shift = _shift(group, layout)
            sign = _sign(group, layout)
            if shift is not None and sign is not None and _has_own_signs(group, layout):
                name = _name(_currency(group, layout))
                sides = (
                    (group.debits, group.credits) if sign > 0 else (-group.credits, -group.debits)
                )
                self.debits[name] += _moved(sides[0], shift)
                self.credits[name] += _moved(sides[1], shift)

    @property
    def net(self) -> dict[str, int]:
        """Debits and credits together, per currency."""
        return {
            code: self.debits[code] + self.credits[code]
            for code in sorted({*self.debits, *self.credits})
        }


def added_up(parts: Iterable[ControlTotals]) -> ControlTotals:
    """The totals of several files together."""
    whole = ControlTotals()
    for part in parts:
        whole.records += part.records
        for name in ("debits", "credits"):
            mine: Counter[str] = getattr(whole, name)
            for currency, amount in getattr(part, name).items():
                mine[currency] += amount
    return whole


@dataclass(frozen=True, slots=True)
class _Group:
    """Sums of amounts that have the same form and the same cells with currency, unit and marks."""

    debits: int
    credits: int
    decimals: int  #: digits after the decimal mark
    zeros: int  #: zeros at their end
    digits: int  #: significant digits
    signs: frozenset[str]
    cells: Mapping[str, str | None]  #: column -> its cell


def _groups(records: pl.DataFrame, layout: Layout) -> Iterator[_Group]:
    """Sums of bare digits, grouped by form and by the cells with currency, unit and marks."""
    context = _unit_and_currency_cells(layout)
    for column, other, sign in _sides(layout):
        cells = _cells_of(records, column, other, layout)
        amounts = records.lazy().select(*cells, *(pl.col(name) for name in context))
        summed = (
            amounts.select(*_amount(layout, other), *_SIGNS, *context)
            .filter(pl.col("#number").is_not_null())
            .with_columns(pl.col("#number") * sign)
            .group_by("#decimals", "#zeros", "#digits", *_SIGNS, *context)
            .agg(
                debits=pl.col("#number").filter(pl.col("#number") > 0).sum(),
                credits=pl.col("#number").filter(pl.col("#number") < 0).sum(),
            )
        )
        for row in summed.collect().iter_rows(named=True):
            yield _Group(
                row["debits"],
                row["credits"],
                row["#decimals"],
                row["#zeros"],
                row["#digits"],
                frozenset(row[name] for name in _SIGNS if row[name] is not None),
                {name: row[name] for name in context},
            )


def _cells_of(
    records: pl.DataFrame, column: str, other: str | None, layout: Layout
) -> list[pl.Series]:
    """The cells of an amount and of the other side without the declared signs; and the signs."""
    cell, before, after = _unsigned(records, column, layout)
    nothing = pl.repeat(None, records.height, dtype=pl.String, eager=True)
    other_side = (
        _unsigned(records, other, layout) if other is not None else (nothing, nothing, nothing)
    )
    return [
        series.alias(name)
        for name, series in zip(
            ("#cell", "#other_cell", *_SIGNS),
            (cell, other_side[0], before, after, *other_side[1:]),
            strict=True,
        )
    ]


def _sides(layout: Layout) -> list[tuple[str, str | None, int]]:
    """The amount columns, each with the column of the other side and its sign."""
    balance = layout.balance
    if balance is None:
        return []
    if balance.column is not None:
        return [(balance.column, None, 1)]
    return [
        (str(balance.debit), str(balance.credit), 1),
        (str(balance.credit), str(balance.debit), -1),
    ]


def _unit_and_currency_cells(layout: Layout) -> list[str]:
    """The columns with currency and unit."""
    currency = layout.currency.sources if layout.currency else ()
    balance = layout.balance
    others = (
        [balance.unit.column, balance.marks.column if balance.marks else None] if balance else []
    )
    return sorted({f"given.{name}" for name in (*currency, *others) if name is not None})


def _amount(layout: Layout, other: str | None) -> list[pl.Expr]:
    """The digits of a cell as a number without decimal mark, and how it was written."""
    written = layout.balance
    assert written is not None  # noqa: S101 - `add` checks it
    mark, parts = re.escape(written.decimal_mark), _parts_of_thousands(written.thousands)
    cell = pl.col("#cell")
    grouping = rf"[0-9]{{1,3}}(?:{parts}[0-9]{{3}})+|" if parts else ""
    cell, is_credit = _undecorated(cell, written)
    sign = "[+-]?" if other is None and written.marks is None else ""
    shape = rf"^{sign}(?:(?:{grouping}[0-9]+)(?:{mark}[0-9]+)?|{mark}[0-9]+)$"
    bare = cell.str.replace_all(parts, "") if parts else cell
    fraction = bare.str.extract(rf"{mark}([0-9]+)$", 1).fill_null("")
    digits = bare.str.replace_all(r"[^0-9]", "")
    counted = cell.str.contains(shape) & (digits.str.strip_chars_start("0").str.len_bytes() <= 30)
    if other is not None:
        counted &= _says_nothing(pl.col("#other_cell"))
    is_negative = bare.str.starts_with("-") ^ is_credit
    negative = pl.when(is_negative).then(-1).otherwise(1)
    return [
        pl.when(counted).then(digits.cast(pl.Int128, strict=False) * negative).alias("#number"),
        fraction.str.len_bytes().cast(pl.Int64).alias("#decimals"),
        (
            fraction.str.len_bytes()
            - fraction.str.strip_chars_end("0").str.len_bytes().cast(pl.Int64)
        ).alias("#zeros"),
        digits.str.strip_chars_start("0").str.len_bytes().cast(pl.Int64).alias("#digits"),
    ]


def _unsigned(
    records: pl.DataFrame, column: str, layout: Layout
) -> tuple[pl.Series, pl.Series, pl.Series]:
    """The cells without the declared signs around their amounts, and the signs."""
    written = layout.balance
    assert written is not None  # noqa: S101 - `add` checks it
    text = _present(column, layout).str.replace_all(_MINUS, "-", literal=True)
    if written.leading_apostrophe:
        text = text.str.strip_prefix(_APOSTROPHE)
    cell = records.select(text.str.strip_chars(_EDGES).alias("cell"))["cell"]
    signs = sorted(
        {sign for one in written.signs().values() for sign in one}, key=len, reverse=True
    )
    if not signs:
        nothing = pl.repeat(None, records.height, dtype=pl.String, eager=True)
        return cell, nothing, nothing
    # There are few different texts around digits; each is parsed once.
    parts = cell.to_frame().select("cell", head=pl.col("cell").str.extract("^([^0-9]*)"))
    parts = parts.with_columns(rest=pl.col("cell").str.strip_prefix(pl.col("head")))
    parts = parts.with_columns(foot=pl.col("rest").str.extract("([^0-9]*)$"))
    heads = {head: _before(head, signs) for head in parts["head"].drop_nulls().unique()}
    feet = {foot: _behind(foot, signs, written) for foot in parts["foot"].drop_nulls().unique()}
    found = parts.select(
        "cell",
        pl.concat_str(
            _looked_up("head", heads, 0),
            pl.col("rest").str.strip_suffix(pl.col("foot")),
            _looked_up("foot", feet, 0),
        ).alias("bare"),
        before=_looked_up("head", heads, 1),
        after=_looked_up("foot", feet, 1),
    )
    is_twice = (pl.col("before") == pl.col("after")).fill_null(value=False)
    bare = found.select(pl.when(is_twice).then("cell").otherwise("bare"))
    return bare.to_series(), found["before"], found["after"]


def _looked_up(part: str, found: dict[str, tuple[str, str | None]], at: int) -> pl.Expr:
    new = pl.Series([one[at] for one in found.values()], dtype=pl.String)
    return pl.col(part).replace_strict(
        pl.Series(list(found), dtype=pl.String), new, default=None, return_dtype=pl.String
    )


def _before(head: str, signs: Sequence[str]) -> tuple[str, str | None]:
    """The text before the digits without its sign; and the sign."""
    opening = head[:1] if head[:1] in {"+", "-", "("} else ""
    text = head.removeprefix(opening).lstrip()
    for sign in signs:
        rest = text.removeprefix(sign).lstrip()
        if text.startswith(sign) and (not rest or rest[0] in ".,(+-"):
            return opening + rest, sign
    return head, None


def _behind(foot: str, signs: Sequence[str], written: Amount) -> tuple[str, str | None]:
    """The text after the digits without its sign; and the sign."""
    closings = [
        foot[-len(mark) :] for mark in written.marks_behind if foot.lower().endswith(mark.lower())
    ]
    for closing in (*closings, *(one for one in (")", "-") if foot.endswith(one)), ""):
        text = foot.removesuffix(closing).rstrip()
        for sign in signs:
            rest = text.removesuffix(sign).rstrip()
            if text.endswith(sign) and (not rest or rest[-1] in ".,)-"):
                return rest + closing, sign
    return foot, None


def _has_own_signs(group: _Group, layout: Layout) -> bool:
    """Whether the signs of a group belong to its currency; true if the code is no currency."""
    signs = layout.balance.signs() if layout.balance else {}
    own = signs.get(_currency(group, layout) or "")
    return own is None or group.signs <= own


def _undecorated(cell: pl.Expr, written: Amount) -> tuple[pl.Expr, pl.Expr]:
    """The cell without declared signs other than a leading one, and whether they mean credit."""
    if written.marks is not None and written.marks.column is None:
        return _without_mark(cell, written.marks)
    is_credit = pl.lit(value=written.positive_means == "credit")
    for declared, shape in (
        (written.parentheses, r"^\([^()+-]*\)$"),
        (written.trailing_minus, r"^[^()+-]*-$"),
    ):
        if declared:
            is_so = cell.str.contains(shape)
            bare = cell.str.replace_all(r"[()-]", "").str.strip_chars(_EDGES)
            is_credit, cell = (
                is_credit ^ is_so.fill_null(value=False),
                pl.when(is_so).then(bare).otherwise(cell),
            )
    return cell, is_credit


def _without_mark(cell: pl.Expr, marks: Marks) -> tuple[pl.Expr, pl.Expr]:
    """The amount before the longest mark at the end; nothing without a mark."""
    spaces = _EDGES + "\u00a0\u202f"
    known = sorted({mark.lower() for mark in (*marks.debit, *marks.credit)}, key=len, reverse=True)
    bare, is_credit = pl.lit(None, pl.String), pl.lit(value=False)
    for mark in reversed(known):
        ends = cell.str.to_lowercase().str.ends_with(mark) & cell.str.contains(
            rf"[0-9]{{1}}[\s\u00a0\u202f]*{_letters(mark)}$"
        )
        rest = cell.str.head(cell.str.len_chars() - len(mark)).str.strip_chars(spaces)
        bare = pl.when(ends).then(rest).otherwise(bare)
        is_credit = (
            pl.when(ends)
            .then(pl.lit(value=mark in {one.lower() for one in marks.credit}))
            .otherwise(is_credit)
        )
    return bare, is_credit


def _letters(mark: str) -> str:
    return f"(?i:{re.escape(mark)})"


def _parts_of_thousands(mark: str | None) -> str | None:
    if mark is None:
        return None
    return "[ \u00a0\u202f]" if mark == " " else re.escape(mark)


def _present(column: str, layout: Layout) -> pl.Expr:
    cell = pl.col(f"given.{column}")
    beyond_ascii = pl.when(~cell.str.contains(r"^[\x00-\x7f]*$")).then(cell)
    bare = pl.coalesce(beyond_ascii.str.strip_chars(INVISIBLE), cell.str.strip_chars())
    return pl.when(~bare.is_in([*layout.absent, ""])).then(bare)


def _says_nothing(cell: pl.Expr) -> pl.Expr:
    """Whether the other side of a debit and credit pair is absent or zero."""
    return (cell.is_null() | cell.str.contains(r"^[+-]?0*[.,]?0+$|^[+-]?0+[.,]$")).fill_null(
        value=True
    )


def _shift(group: _Group, layout: Layout) -> int | None:
    """The decimal places from a group's sum to minor units; None if it is in no sum."""
    balance = layout.balance
    unit = balance.unit.value if balance else None
    if balance and balance.unit.column and balance.unit.values:
        unit = balance.unit.values.get(_cell_text(group, balance.unit.column, layout) or "")
    exponent = 0 if unit == "minor" else exponents().get(_currency(group, layout) or "")
    surplus_is_zeros = (
        balance is not None
        and balance.surplus_zeros
        and group.decimals - group.zeros <= (exponent or 0)
    )
    if unit is None or exponent is None or (unit == "minor" and group.decimals):
        return None
    if group.decimals > exponent and not surplus_is_zeros:
        return None
    shift = exponent - group.decimals
    return shift if group.digits + shift <= _SIGNIFICANT else None


def _sign(group: _Group, layout: Layout) -> int | None:
    """The sign of a mark in a column of its own; None if the mark is not listed."""
    marks = layout.balance.marks if layout.balance else None
    if marks is None or marks.column is None:
        return 1
    text = (_cell_text(group, marks.column, layout) or "").lower()
    if text in {mark.lower() for mark in marks.credit}:
        return -1
    return 1 if text in {mark.lower() for mark in marks.debit} else None


def _moved(number: int, shift: int) -> int:
    """Move the decimal point; to the left only past zeros, which `_shift` ensures."""
    return number * int(10**shift) if shift >= 0 else number // int(10**-shift)


def _currency(group: _Group, layout: Layout) -> str | None:
    """The currency code of a record's cells; None if there is none."""
    text = layout.currency
    if text is None:
        return None
    found = text.value if text.value is not None else _joined(group, text, layout)
    found = found.strip(_EDGES) if found is not None else None
    return (
        found.upper() if found is not None and re.fullmatch("[A-Za-z]{3}", found) else found or None
    )


def _joined(group: _Group, text: Text, layout: Layout) -> str | None:
    cells = _cell_texts(group, text.sources, layout)
    found = text.separator.join(cells) if cells else None
    if found is not None and text.values is not None:
        return text.values.get(
            found.strip(_EDGES),
            text.otherwise or (found if text.unlisted == "keep" else None),
        )
    return found if found is not None else text.default


def _cell_texts(group: _Group, columns: Sequence[str], layout: Layout) -> list[str]:
    texts = (_cell_text(group, column, layout) for column in columns)
    return [cell for cell in texts if cell is not None]


def _cell_text(group: _Group, column: str, layout: Layout) -> str | None:
    found = (group.cells[f"given.{column}"] or "").strip(INVISIBLE)
    return None if found == "" or found in layout.absent else found


def _name(currency: str | None) -> str:
    """The key under which amounts of this code are summed."""
    if not currency:
        return NO_CURRENCY
    return currency if currency in known() else NO_CODE
