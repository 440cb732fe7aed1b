"""Read an amount as a job declares it: signs of currencies, marks, parentheses, thousands.

`bare` gives the number alone, with its sign in front; `minor_units` gives its exact value.
"""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from pipeline.domain.characters import INVISIBLE

_SIGNIFICANT = 18  #: digits of minor units; a longer number is not an amount
_EDGES = " \t"
_SPACES = " \u00a0\u202f"  #: between groups of digits, if a space is declared
_AROUND_MARK = _EDGES + _SPACES
_BEGINS_NUMBER = frozenset("0123456789.,(+-")


@dataclass(frozen=True, slots=True)
class SideMarks:
    """The marks of debits and credits, in lower case; in a column of their own or after amounts."""

    debit: frozenset[str]
    credit: frozenset[str]
    column: str | None

    @property
    def behind(self) -> list[str]:
        """The marks that follow an amount, longest first."""
        marks = (self.debit | self.credit) - {""} if self.column is None else set()
        return sorted(marks, key=lambda mark: (-len(mark), mark))


@dataclass(frozen=True, slots=True)
class AmountForm:
    """How the amounts of a job are written."""

    decimal_mark: str = "."
    thousands: str | None = None
    marks: SideMarks | None = None
    parentheses: bool = False
    trailing_minus: bool = False
    positive_is_credit: bool = False
    surplus_zeros: bool = False
    leading_apostrophe: bool = False
    #: Currency -> the signs that may be beside its amounts.
    signs: Mapping[str, frozenset[str]] | None = None

    def bare(self, text: str, code: str | None, mark: str) -> str | None:
        """The number with its sign in front; empty without any, None if it breaks a rule.

        Args:
            text: the cell without spaces at its ends
            code: the currency of the record
            mark: the cell of the marks' column, else empty
        """
        text = text.replace("\u2212", "-")
        if self.leading_apostrophe:
            text = text.removeprefix("'")
        unsigned = self._without_currency_signs(text, code) if self.signs else text
        signed = unsigned and self._signed(unsigned.strip(_EDGES), mark)
        return signed and signed.strip(INVISIBLE)

    def _signed(self, text: str, mark: str) -> str | None:
        """The number with its sign in front, by marks, parentheses and minus signs."""
        if self.marks is not None:
            return self._marked(text, self.marks, mark) if text else ""
        for is_declared, shape in (
            (self.parentheses, r"\(([^()+-]*)\)"),
            (self.trailing_minus, r"([^()+-]*)-"),
        ):
            inner = re.fullmatch(shape, text, re.DOTALL) if is_declared else None
            text = "-" + inner[1].strip(_EDGES) if inner else text
        return _negated(text) if text and self.positive_is_credit else text

    def minor_units(self, bare: str, exponent: int, *, is_minor: bool) -> int | None:
        """The exact value of a bare number; None if it is no number or is not exact."""
        mark = re.escape(self.decimal_mark)
        if self.thousands is not None:
            between = f"[{_SPACES}]" if self.thousands == " " else re.escape(self.thousands)
            if re.fullmatch(rf"[+-]?[0-9]{{1,3}}(?:{between}[0-9]{{3}})+(?:{mark}[0-9]*)?", bare):
                bare = re.sub(between, "", bare)
        number = re.fullmatch(rf"([+-]?)([0-9]*)(?:{mark}([0-9]+))?", bare)
        if number is None or not (number[2] or number[3]):
            return None
        decimals = number[3] or ""
        if is_minor and decimals:
            return None
        if self.surplus_zeros and len(decimals) > exponent:
            decimals = decimals.rstrip("0")
        if len(decimals) > exponent:
            return None
        minor = Decimal(f"{number[2] or 0}.{decimals or 0}").scaleb(exponent)
        if minor >= Decimal(10) ** _SIGNIFICANT:
            return None
        return int(minor) * (-1 if number[1] == "-" else 1)

    def _marked(self, text: str, marks: SideMarks, in_column: str) -> str | None:
        mark, rest = in_column, text
        if marks.column is None:
            mark = self._mark_behind(text, marks)
            rest = text[: len(text) - len(mark)].strip(_AROUND_MARK)
        folded = mark.lower()
        is_listed = folded in marks.debit or folded in marks.credit
        if not is_listed or rest.startswith(("+", "-")) or rest.endswith("-"):
            return None
        return "-" + rest if folded in marks.credit else rest

    def _mark_behind(self, text: str, marks: SideMarks) -> str:
        """The longest declared mark after a digit or sign, else the word at the end."""
        for mark in marks.behind:
            at = len(text) - len(mark)
            if (
                at > 0
                and text[at:].lower() == mark
                and text[at - 1] in f"0123456789.,'()+-{_SPACES}"
            ):
                return text[at:]
        word = re.search(r"[^0-9.,' \u00a0\u202f()+-]*\Z", text)
        return word[0] if word else ""

    def _without_currency_signs(self, text: str, code: str | None) -> str | None:
        """The amount without its signs, each at most once; None with one of another currency."""
        signs = self.signs or {}
        every = sorted(set().union(*signs.values()), key=lambda sign: (-len(sign), sign))
        own = signs.get(code or "", every)
        rest, before = _sign_before(text, every)
        rest, after = self._sign_after(rest, every)
        if before is not None and before == after:
            return text
        return rest if {before, after} - {None} <= {*own} else None

    def _sign_after(self, text: str, signs: list[str]) -> tuple[str, str | None]:
        if re.search("[0-9]\\Z", text):
            return text, None
        behind = self.marks.behind if self.marks else []
        ends = "|".join(map(re.escape, behind))
        closing = f"[)-]?|(?i:{ends})" if ends else "[)-]?"
        listed = "|".join(map(re.escape, signs))
        found = re.fullmatch(rf"(.*[0-9.,)-])\s*({listed})\s*({closing})", text, re.DOTALL)
        if found is None or any(_is_word(character) for character in found[1]):
            return text, None
        return found[1] + found[3], found[2]


def _sign_before(text: str, signs: list[str]) -> tuple[str, str | None]:
    opening = text[:1] if text[:1] in {"+", "-", "("} else ""
    inner = text[len(opening) :].lstrip()
    for sign in signs:
        rest = inner[len(sign) :].lstrip()
        if inner.startswith(sign) and rest[:1] in _BEGINS_NUMBER and rest:
            return opening + rest, sign
    return text, None


def _is_word(character: str) -> bool:
    category = unicodedata.category(character)
    return category.startswith("L") or category == "Sc"


def _negated(text: str) -> str:
    """The text with the other sign; unchanged if a further sign makes it no number."""
    if not re.fullmatch(r"[+-]?[^+-]*", text, re.DOTALL):
        return text
    bare = text.removeprefix("+")
    return bare[1:] if bare.startswith("-") else "-" + bare
