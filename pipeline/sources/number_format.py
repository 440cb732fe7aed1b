"""What a spreadsheet shows of a number: the text that a person saw, where it can be told without doubt.

A stored number has no leading zeros and no decimals that are zero; both are in its format alone (00123, 240.10). So the
format is read. Nothing is rounded: where a format shows fewer decimals than are stored, all that are stored are given.
"""

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cache

GENERAL = "General"
#: ECMA-376, 18.8.30: the formats that have a number and no text of their own in the file.
BUILT_IN = {
    0: GENERAL, 1: "0", 2: "0.00", 3: "#,##0", 4: "#,##0.00", 9: "0%", 10: "0.00%", 11: "0.00E+00", 12: "# ?/?",
    13: "# ??/??", 14: "yyyy-mm-dd", 15: "d-mmm-yy", 16: "d-mmm", 17: "mmm-yy", 18: "h:mm AM/PM", 19: "h:mm:ss AM/PM",
    20: "h:mm", 21: "h:mm:ss", 22: "yyyy-mm-dd h:mm", 37: "#,##0;-#,##0", 38: "#,##0;-#,##0", 39: "#,##0.00;-#,##0.00",
    40: "#,##0.00;-#,##0.00", 41: "#,##0", 42: "#,##0", 43: "#,##0.00", 44: "#,##0.00", 45: "mm:ss", 46: "[h]:mm:ss",
    47: "mm:ss.0", 48: "##0.0E+0", 49: "@",
}  # fmt: skip

_MOST_DIGITS = 15  #: what a spreadsheet itself keeps of a number; beyond, digits are lost and shown as zeros
_QUOTED = re.compile(r'"([^"]*)"|\\(.)')
_LAYOUT_ONLY = re.compile(r"\[(?:Black|Blue|Cyan|Green|Magenta|Red|White|Yellow|Color ?\d+)\]|_.|\*.", re.IGNORECASE)
_CURRENCY = re.compile(r"\[\$[^\]]*\]|[$€£¥₦₹]")
_A_CURRENCY_S_NAME = re.compile(r"\s*(?:R|Rs|kr|zł|[A-Z]{3}|[A-Z]{0,2}[$€£¥₦₹])\s*")
_DATES = re.compile(r"[ymdhs]", re.IGNORECASE)
_PLAIN = re.compile(r"(?:#,##)?[#0]*(?:\.([0#?]+))?")
_1900, _1904 = datetime(1899, 12, 30), datetime(1904, 1, 1)  # noqa: DTZ001 - a sheet's dates have no zone
_AFTER_FEBRUARY_1900 = 61  # Lotus took 1900 for a leap year, and every spreadsheet after it

Shown = Callable[[str], str | None]


@cache
def shown_as(code: str, *, from_1904: bool = False) -> Shown:
    """A number format -> what turns a stored number into the text that it shows; None where that cannot be told."""
    section = code.split(";", 1)[0]
    section = _CURRENCY.sub("", _LAYOUT_ONLY.sub("", section))
    if section.strip() in {GENERAL, "@", ""}:
        return _general
    bare = _QUOTED.sub("", section).strip()
    if _DATES.search(re.sub(r"\[[^\]]*\]", "h", bare)) and "0" not in bare.replace(".0", "") and "#" not in bare:
        return lambda stored: _date(stored, from_1904=from_1904)
    literals = [text for pair in _QUOTED.findall(section) if (text := pair[0] or pair[1]).strip()]
    number = _PLAIN.fullmatch(bare.replace(" ", ""))
    if number is None or any(not _A_CURRENCY_S_NAME.fullmatch(text) and text not in "()-+" for text in literals):
        return lambda _: None
    decimals = number[1] or ""
    whole = bare.partition(".")[0]
    zeros = whole.count("0") if "," not in whole else 1
    return lambda stored: _fixed(stored, zeros, decimals.count("0"))


def _general(stored: str) -> str:
    """All digits, without an exponent; a number that has lost digits keeps one, for it is no reference and no amount."""
    number = _exact(stored)
    if number.adjusted() >= _MOST_DIGITS:
        return f"{number:.14E}"
    return f"{number:f}"


def _fixed(stored: str, zeros: int, decimals: int) -> str:
    number = _exact(stored)
    if number.adjusted() >= _MOST_DIGITS:
        return f"{number:.14E}"
    whole, _, fraction = f"{abs(number):f}".partition(".")
    text = whole.zfill(zeros) + (f".{fraction.ljust(decimals, '0')}" if fraction or decimals else "")
    return f"-{text}" if number < 0 else text


def _exact(stored: str) -> Decimal:
    """The number as a spreadsheet keeps it: 15 digits, without the noise of its binary form (0.30000000000000004)."""
    number = Decimal(stored)
    if not number.is_finite():
        raise ArithmeticError(stored)
    if len(number.as_tuple().digits) > _MOST_DIGITS:
        number = Decimal(f"{number:.{_MOST_DIGITS - 1}E}")
    number = number.normalize()
    return number or Decimal(0)


def _date(stored: str, *, from_1904: bool) -> str | None:
    """2026-11-22, with a time where there is one: in ISO 8601, whatever order the format shows."""
    days = Decimal(stored)
    if not 0 <= days < 2_958_466:
        return None
    seconds = round(days * 86_400)
    begin = _1904 if from_1904 else _1900
    if not from_1904 and days < _AFTER_FEBRUARY_1900:
        begin += timedelta(days=1)
    moment = begin + timedelta(seconds=seconds)
    if days < 1:
        return f"{moment:%H:%M:%S}"
    return f"{moment:%Y-%m-%d}" if seconds % 86_400 == 0 else f"{moment:%Y-%m-%dT%H:%M:%S}"
