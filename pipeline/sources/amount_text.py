"""The text of a number in an amount column: its format must show the exact number and sign.

Words around the number stay: `"Ksh" #,##0.00` of 1234.5 is `Ksh 1234.50`; parsing of the amount
decides whether they name its currency. The sign goes in front: `(5.00)` and `5.00-` are `-5.00`.
"""

import re
from decimal import Decimal

#: The last group has three digits, as in 1,234,567 or 12,34,567; other digits after a mark (123,45)
#: may be decimals.
_GROUPED = r"(?![0-9]{4,},[0-9]{3}(?![0-9.,]))[1-9][0-9]*([,'\u2019 \u00a0\u202f])(?:[0-9]{2,3}\3)*[0-9]{3}(?![0-9])"
_FROM_ONE = re.compile(rf"([^0-9]*)((?:{_GROUPED}|[0-9]+)\.?[0-9]*)([^0-9]*)")
_BELOW_ONE = re.compile(r"([^0-9]*?)([0-9]*\.?[0-9]+|0+\.)()([^0-9]*)")
_MARK_BEFORE = re.compile(
    r"(?<!\w)\s*[.,]$"
)  #: it may mean decimals; the full stop of a word (Rs.) does not
_MARKS_OF_GROUPS = str.maketrans("", "", ",'\u2019 \u00a0\u202f")
_MINUS = "-\u2212\u2013\u2010\u2011("
_SIGNS = re.compile(r"[-+\u2212\u2013\u2010\u2011()]")
_UNITS = re.compile(r"[%‰]")


def amount_text(shown: str | None, number: Decimal, zero: str | None = None) -> str | None:
    """The amount in a formatted text; None if it shows another number or sign, or a percentage.

    `zero`: zero with digits, for formats that show a dash or nothing instead.
    """
    if shown is None:
        return None
    if not number and not re.search(r"[0-9]", shown):
        return zero or "0"
    found = (_BELOW_ONE if abs(number) < 1 else _FROM_ONE).fullmatch(shown)
    if found is None:
        return None
    before, digits, after = found[1], found[2].translate(_MARKS_OF_GROUPS), found[4]
    if _MARK_BEFORE.search(before):
        return None
    around = before + after
    is_negative = any(sign in around for sign in _MINUS)
    if (
        Decimal(digits) != abs(number)
        or _UNITS.search(around)
        or (number and is_negative != (number < 0))
    ):
        return None
    return (
        ("-" if number < 0 else "")
        + _words(before).lstrip()
        + _plain(digits)
        + _words(after).rstrip()
    )


def _words(around: str) -> str:
    """The words beside the digits, without signs and group marks; only spaces count as none."""
    words = _SIGNS.sub("", around)
    return words if words.strip(" ,'\u2019\u00a0\u202f") else ""


def _plain(digits: str) -> str:
    return f"0{digits}" if digits.startswith(".") else digits.removesuffix(".")
