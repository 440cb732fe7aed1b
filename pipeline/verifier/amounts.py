"""What an amount comes to in minor units, by Decimal, where the job declares it plainly; elsewhere nothing is guessed.

This is no second mapping language. A balance that needs marks, parentheses, grouped thousands or joined columns to be read
is said to be beyond this check; the report's own two computations stand for those.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from pipeline.domain.characters import INVISIBLE
from pipeline.domain.currency import NO_CODE, NO_CURRENCY, exponents, known
from pipeline.domain.currency_signs import customary_signs

_SIGNIFICANT = 18  #: digits of minor units; an amount beyond them is no amount


@dataclass(frozen=True, slots=True)
class Amounts:
    """Where a balance and its currency stand, and how they are written."""

    columns: tuple[str, ...]  #: one of signed amounts, or debits and credits
    decimal_mark: str
    unit: str | None
    unit_column: str | None
    units: dict[str, str]
    sign: int
    currency_column: str | None
    currency: dict[str, Any]
    absent: frozenset[str]

    def of(self, cells: dict[str, str], *, in_workbook: bool = False) -> tuple[str, int] | None:
        """Currency and minor units of a row; None where it states no amount that can be read.

        In a workbook the words of its own currency may stand beside an amount.
        """
        code = self._code(cells)
        own_words = _words_of(code) if in_workbook else ()
        texts = [self._text(cells, column, own_words) for column in self.columns]
        if len(texts) == 1:
            return self._read(cells, texts[0], code, self.sign, signed=True)
        debit, credit = texts
        if _says_nothing(credit):
            return self._read(cells, debit, code, 1, signed=False)
        return self._read(cells, credit, code, -1, signed=False) if _says_nothing(debit) else None

    def says_nothing(self, cells: dict[str, str]) -> bool:
        """Whether no amount stands there at all, readable or not."""
        return all(self._present(cells, column) is None for column in self.columns)

    def _text(self, cells: dict[str, str], column: str, own_words: Collection[str]) -> str | None:
        text = self._present(cells, column)
        return None if text is None else _without(text.replace("\u2212", "-"), own_words)

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
        said = self.currency.get("value")
        if self.currency_column is not None:
            said = self._present(cells, self.currency_column)
            if said is None:
                said = self.currency.get("default")
            elif (values := self.currency.get("values")) is not None:
                other = self.currency.get("otherwise")
                said = values.get(
                    said, other or (said if self.currency.get("unlisted") == "keep" else None)
                )
        return said.upper() if said is not None and re.fullmatch("[A-Za-z]{3}", said) else said


def declared(mapping: dict[str, Any] | None, columns: list[str]) -> Amounts | str | None:
    """What a job says of its amounts; in words why it is beyond this check; None where there are none."""
    if mapping is None:
        if "balance" not in columns:
            return None
        currency = "currency" if "currency" in columns else None
        return Amounts(("balance",), ".", "minor", None, {}, 1, currency, {}, frozenset())
    balance = mapping.get("balance")
    if balance is None:
        return None
    said: dict[str, Any] = mapping.get("currency") or {}
    declared_otherwise = (
        "thousands", "marks", "parentheses", "trailing_minus", "surplus_zeros", "currency_sign", "leading_apostrophe",
    )  # fmt: skip
    beyond = [name for name in declared_otherwise if balance.get(name)]
    beyond += [f"currency.{name}" for name in ("columns",) if said.get(name)]
    if beyond:
        return f"balances are written with {', '.join(beyond)}"
    columns_of = (
        (balance["column"],) if balance.get("column") else (balance["debit"], balance["credit"])
    )
    unit = balance["unit"]
    return Amounts(
        columns_of,
        balance["decimal_mark"],
        unit.get("value"),
        unit.get("column"),
        unit.get("values") or {},
        -1 if balance.get("positive_means") == "credit" else 1,
        said.get("column"),
        said,
        frozenset(mapping.get("absent") or ()),
    )


def _words_of(code: str | None) -> Collection[str]:
    """The customary signs of a currency; all signs where the code is no currency."""
    signs = customary_signs()
    return signs.get(code or "") or frozenset().union(*signs.values())


def _says_nothing(text: str | None) -> bool:
    return text is None or re.fullmatch(r"[+-]?(?:0*[.,]?0+|0+[.,])", text) is not None


def _without(text: str, words: Collection[str]) -> str:
    """An amount without the words beside it, each at most once; the text as it is where they are not these."""
    if not words:
        return text
    listed = "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))
    found = re.fullmatch(rf"([+-]?)(?:\s*({listed})\s*)?([+-]?[0-9.,]+)(?:\s*({listed}))?", text)
    if found is None or (found[2] is not None and found[2] == found[4]):
        return text
    return found[1] + found[3]


def _named(code: str | None) -> str:
    if not code:
        return NO_CURRENCY
    return code if code in known() else NO_CODE
