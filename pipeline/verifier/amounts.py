"""Balances in minor units, by Decimal, if the job declares them plainly. Nothing is guessed.

This is no second mapping language. It does not check balances that are written with marks,
parentheses, grouped thousands or joined columns. The report computes those twice itself.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from decimal import Decimal

from pipeline.domain.characters import INVISIBLE
from pipeline.domain.currency import NO_CODE, NO_CURRENCY, exponents, known
from pipeline.domain.currency_signs import customary_signs
from pipeline.verifier.declared_job import MappingRules, TextRule

_SIGNIFICANT = 18  #: digits of minor units; a longer number is not an amount


@dataclass(frozen=True, slots=True)
class Amounts:
    """The columns of balance and currency, and how both are written."""

    columns: tuple[str, ...]  #: one column of signed amounts, or debits and credits
    decimal_mark: str
    unit: str | None
    unit_column: str | None
    units: dict[str, str]
    sign: int
    currency_column: str | None
    currency: TextRule
    absent: frozenset[str]

    def of(self, cells: dict[str, str], *, in_workbook: bool = False) -> tuple[str, int] | None:
        """Currency and minor units of a row; None if it has no readable amount.

        In a workbook, a sign of the row's own currency may precede or follow the amount.
        """
        code = self._code(cells)
        signs = _signs_of(code) if in_workbook else ()
        texts = [self._text(cells, column, signs) for column in self.columns]
        if len(texts) == 1:
            return self._read(cells, texts[0], code, self.sign, signed=True)
        debit, credit = texts
        if _is_empty_or_zero(credit):
            return self._read(cells, debit, code, 1, signed=False)
        if _is_empty_or_zero(debit):
            return self._read(cells, credit, code, -1, signed=False)
        return None

    def is_absent(self, cells: dict[str, str]) -> bool:
        """Whether the row has no amount at all, readable or not."""
        return all(self._present(cells, column) is None for column in self.columns)

    def _text(self, cells: dict[str, str], column: str, signs: Collection[str]) -> str | None:
        text = self._present(cells, column)
        return None if text is None else _without(text.replace("\u2212", "-"), signs)

    def _read(
        self, cells: dict[str, str], text: str | None, code: str | None, sign: int, *, signed: bool
    ) -> tuple[str, int] | None:
        if text is None:
            return None
        mark = re.escape(self.decimal_mark)
        number = re.fullmatch(
            rf"([+-]{'?' if signed else '{0}'})([0-9]*)(?:{mark}([0-9]+))?", text, re.ASCII
        )
        if number is None or not (number[2] or number[3]):
            return None
        unit = (
            self.unit
            if self.unit_column is None
            else self.units.get(self._present(cells, self.unit_column) or "")
        )
        exponent = 0 if unit == "minor" else exponents().get(code or "")
        decimals = number[3] or ""
        if (
            unit is None
            or exponent is None
            or len(decimals) > exponent
            or (unit == "minor" and decimals)
        ):
            return None
        minor = Decimal(f"{number[2] or 0}.{decimals or 0}").scaleb(exponent)
        if minor >= Decimal(10) ** _SIGNIFICANT or minor != int(minor):
            return None
        return _named(code), int(minor) * sign * (-1 if number[1] == "-" else 1)

    def _present(self, cells: dict[str, str], column: str) -> str | None:
        text = cells[column].strip(INVISIBLE)
        return None if text == "" or text in self.absent else text

    def _code(self, cells: dict[str, str]) -> str | None:
        code = self.currency.value
        if self.currency_column is not None:
            code = self._present(cells, self.currency_column)
            if code is None:
                code = self.currency.default
            elif (values := self.currency.values) is not None:
                other = self.currency.otherwise
                code = values.get(
                    code, other or (code if self.currency.unlisted == "keep" else None)
                )
        return code.upper() if code is not None and re.fullmatch("[A-Za-z]{3}", code) else code


def declared(mapping: MappingRules | None, columns: Sequence[str]) -> Amounts | str | None:
    """How a job declares its amounts, or why this check cannot read them; None without amounts."""
    if mapping is None:
        if "balance" not in columns:
            return None
        column = "currency" if "currency" in columns else None
        return Amounts(("balance",), ".", "minor", None, {}, 1, column, TextRule(), frozenset())
    balance = mapping.balance
    if balance is None:
        return None
    currency = mapping.currency or TextRule()
    unsupported = [*balance.not_plain, *(["currency.columns"] if currency.columns else [])]
    if unsupported:
        return f"balances are written with {', '.join(unsupported)}"
    sides = (balance.column,) if balance.column else (balance.debit, balance.credit)
    unit = balance.unit
    return Amounts(
        tuple(column for column in sides if column is not None),
        balance.decimal_mark,
        unit.value,
        unit.column,
        unit.values or {},
        -1 if balance.positive_means == "credit" else 1,
        currency.column,
        currency,
        frozenset(mapping.absent or ()),
    )


def _signs_of(code: str | None) -> Collection[str]:
    """The customary signs of a currency; all signs if the code is not a currency."""
    signs = customary_signs()
    return signs.get(code or "") or frozenset().union(*signs.values())


def _is_empty_or_zero(text: str | None) -> bool:
    return text is None or re.fullmatch(r"[+-]?(?:0*[.,]?0+|0+[.,])", text) is not None


def _without(text: str, signs: Collection[str]) -> str:
    """An amount without its currency signs, each at most once; unchanged if it has other text."""
    if not signs:
        return text
    listed = "|".join(re.escape(sign) for sign in sorted(signs, key=len, reverse=True))
    found = re.fullmatch(rf"([+-]?)(?:\s*({listed})\s*)?([+-]?[0-9.,]+)(?:\s*({listed}))?", text)
    if found is None or (found[2] is not None and found[2] == found[4]):
        return text
    return found[1] + found[3]


def _named(code: str | None) -> str:
    if not code:
        return NO_CURRENCY
    return code if code in known() else NO_CODE
