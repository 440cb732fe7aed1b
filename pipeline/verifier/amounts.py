"""Balances in minor units, as the job declares them. Nothing is guessed.

This is a second reading of each amount, which shares no code with the first one. It follows every
form of an amount that a job can declare, but no currency that is joined from several columns.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from pipeline.domain.characters import INVISIBLE
from pipeline.domain.currency import NO_CODE, NO_CURRENCY, exponents, known
from pipeline.domain.currency_signs import currencies_of, customary_signs
from pipeline.verifier.amount_form import AmountForm, SideMarks
from pipeline.verifier.declared_job import BalanceRule, MappingRules, MarksRule, TextRule

ABSENT, UNUSABLE = "absent", "unusable"  #: kinds of a balance that is in no sum
_ANY_CURRENCY = "*"  #: the key of signs that are declared without a currency
_ZERO = re.compile(r"[+-]?(?=.*0)0*[.,]?0*", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Amounts:
    """The columns of balance and currency, and how both are written."""

    columns: tuple[str, ...]  #: one column of signed amounts, or debits and credits
    form: AmountForm
    in_workbook: AmountForm  #: the same, with the customary signs of each currency
    unit: str | None
    unit_column: str | None
    units: Mapping[str, str]
    currency_column: str | None
    currency: TextRule
    absent: frozenset[str]

    def of(self, cells: Mapping[str, str], *, in_workbook: bool = False) -> tuple[str, int] | str:
        """Currency and minor units of a row, or ABSENT or UNUSABLE."""
        form = self.in_workbook if in_workbook else self.form
        code = self.code(cells)
        bare = self.bare(cells, in_workbook=in_workbook)
        unit = self.unit_of(cells)
        if not bare:
            has_text = len(self.columns) == 1 and self.present(cells[self.columns[0]]) is not None
            return UNUSABLE if bare is None or (unit is None and has_text) else ABSENT
        exponent = self.exponent(unit, code)
        if exponent is None:
            return UNUSABLE
        minor = form.minor_units(bare, exponent, is_minor=unit == "minor")
        return UNUSABLE if minor is None else (named(code), minor)

    def present(self, cell: str) -> str | None:
        """The text of a cell; None if it is empty or declared as absent."""
        text = cell.strip(INVISIBLE)
        return None if text == "" or text in self.absent else text

    def code(self, cells: Mapping[str, str]) -> str | None:
        """The currency of a row; a code in capitals."""
        code = self.currency.value
        if self.currency_column is not None:
            code = self.present(cells[self.currency_column])
            if code is None:
                code = self.currency.default
            elif (values := self.currency.values) is not None:
                other = self.currency.otherwise
                code = values.get(
                    code, other or (code if self.currency.unlisted == "keep" else None)
                )
        return code.upper() if code is not None and re.fullmatch("[A-Za-z]{3}", code) else code

    def mark(self, cells: Mapping[str, str]) -> str:
        """The cell of the marks' column; empty without one."""
        column = self.form.marks.column if self.form.marks else None
        return (self.present(cells[column]) or "") if column is not None else ""

    def unit_of(self, cells: Mapping[str, str]) -> str | None:
        """The unit of a row; None if its text is not listed."""
        if self.unit_column is None:
            return self.unit
        return self.units.get(self.present(cells[self.unit_column]) or "")

    def exponent(self, unit: str | None, code: str | None) -> int | None:
        """The decimals of an amount at most; None if it has no unit or no currency."""
        if unit is None:
            return None
        return 0 if unit == "minor" else exponents().get(code or "")

    def bare(self, cells: Mapping[str, str], *, in_workbook: bool = False) -> str | None:
        """The bare number; empty without an amount, None if it breaks a rule."""
        form, code = self.in_workbook if in_workbook else self.form, self.code(cells)
        mark = self.mark(cells)
        texts = (self.present(cells[name]) for name in self.columns)
        sides = ["" if text is None else form.bare(text, code, mark) for text in texts]
        if len(sides) == 1:
            return sides[0]
        debit, credit = sides
        return None if debit is None or credit is None else _of_sides(debit, credit)


def _of_sides(debit: str, credit: str) -> str | None:
    """The signed amount of both columns; None if both have one, or one has a sign."""
    owed, owing = (side != "" and not is_zero(side) for side in (debit, credit))
    if owed and owing:
        return None
    if owing or owed:
        side = credit if owing else debit
        is_signed = side.startswith(("+", "-")) or side.endswith("-")
        return None if is_signed else ("-" + side if owing else side)
    return debit or credit


def is_zero(bare: str) -> bool:
    """Whether an amount of one side is zero."""
    return _ZERO.fullmatch(bare) is not None


def declared(mapping: MappingRules | None, columns: Sequence[str]) -> Amounts | str | None:
    """How a job declares its amounts, or why this check cannot read them; None without amounts."""
    if mapping is None:
        if "balance" not in columns:
            return None
        column = "currency" if "currency" in columns else None
        plain, in_workbook = AmountForm(), AmountForm(signs=customary_signs())
        return Amounts(
            ("balance",), plain, in_workbook, "minor", None, {}, column, TextRule(), frozenset()
        )
    balance = mapping.balance
    if balance is None:
        return None
    currency = mapping.currency or TextRule()
    if currency.columns:
        return "the currency is joined from several columns"
    sides = (balance.column,) if balance.column else (balance.debit, balance.credit)
    form = _form(balance)
    return Amounts(
        tuple(column for column in sides if column is not None),
        form,
        replace(form, signs=_with_customary(form)),
        balance.unit.value,
        balance.unit.column,
        balance.unit.values or {},
        currency.column,
        currency,
        frozenset(mapping.absent or ()),
    )


def _form(balance: BalanceRule) -> AmountForm:
    return AmountForm(
        decimal_mark=balance.decimal_mark,
        thousands=balance.thousands,
        marks=_sides_by_mark(balance.marks) if balance.marks else None,
        parentheses=balance.parentheses,
        trailing_minus=balance.trailing_minus,
        positive_is_credit=balance.positive_means == "credit",
        surplus_zeros=balance.surplus_zeros,
        leading_apostrophe=balance.leading_apostrophe,
        signs=_signs(balance.currency_sign),
    )


def _sides_by_mark(marks: MarksRule) -> SideMarks:
    debit, credit = (frozenset(map(str.lower, side)) for side in (marks.debit, marks.credit))
    return SideMarks(debit, credit, marks.column)


def _signs(declared_signs: Mapping[str, Sequence[str]]) -> dict[str, frozenset[str]] | None:
    """Currency -> its signs; None without any.

    A sign without a currency is for every currency, unless it is customary for others only.
    """
    if not declared_signs:
        return None
    anyone = declared_signs.get(_ANY_CURRENCY, ())
    found = {}
    for code in customary_signs():
        shared = {sign for sign in anyone if code in (currencies_of(sign) or {code})}
        found[code] = frozenset({*shared, *declared_signs.get(code, ())})
    return found


def _with_customary(form: AmountForm) -> dict[str, frozenset[str]]:
    behind = {*form.marks.behind} if form.marks else set()
    mine = form.signs or {}
    return {
        code: frozenset(sign for sign in own if sign.lower() not in behind)
        | mine.get(code, frozenset())
        for code, own in customary_signs().items()
    }


def named(code: str | None) -> str:
    """The key under which amounts of a code are summed."""
    if not code:
        return NO_CURRENCY
    return code if code in known() else NO_CODE
