"""Recognise what spreadsheets change in the texts of a CSV file, from two texts alone.

`damage` compares two texts. `marks` and `marks_when_shown` find candidates among many texts.

Observed in Excel and LibreOffice: numbers lose leading zeros, plus signs, trailing zeros and digits
after the 15th, or get an exponent. Dates change their order, and MAR1 becomes a day in March.
Formulas are computed. Characters outside cp1252 become question marks. UTF-8 read as cp1252 shows
two characters for one.
"""

import re
import unicodedata
from collections.abc import Hashable, Iterator
from datetime import date, timedelta
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal

#: Replaces a text in a sheet that is longer than a cell allows.
TOO_LONG_FOR_A_CELL = "[longer than a cell of a sheet holds: see the CSV file]"

_KEPT_DIGITS = 15
_FEWEST_SHOWN = 6  #: significant digits of a rounded number
_MONTHS = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november", "december",
)  # fmt: skip
_PIVOT = 30  #: two-digit years below it are of this century
_SERIALS = range(1, 80_000)  #: days since 1899-12-30
_ERRORS = {"#NAME?", "#VALUE!", "#REF!", "#N/A", "#DIV/0!", "#NUM!", "#NULL!", "#SPILL!", "#CALC!"}
_EXPONENT = re.compile(r"[+-]?[0-9](?:[.,][0-9]+)?[Ee]\+[0-9]{2,3}")

_NUMBERS = {
    mark: re.compile(
        rf"(?P<paren>\()?(?P<sign>[+-])?(?P<whole>[0-9]{{1,3}}(?:{parts}[0-9]{{3}})+|[0-9]*)(?:\{mark}(?P<decimals>[0-9]*))?"
        r"(?:[Ee](?P<exponent>[+-]?[0-9]{1,3}))?(?P<percent> ?%)?(?P<close>\))?(?P<after>-)?"
    )
    for mark, parts in ((".", "[, \u00a0\u202f]"), (",", "[. \u00a0\u202f]"))
}

#: A spreadsheet that changes one text of a column also changes all others of the same form.
_FORMS = {
    "plus": re.compile(r"\+[0-9]+"),
    "zeros": re.compile("-?0[0-9]+"),
    "digits": re.compile("-?[1-9][0-9]{15,}"),
    "point": re.compile(r"-?[0-9]+\.[0-9]*0"),
    "comma": re.compile("-?[0-9]+,[0-9]*0"),
}


def damage(original: str, came_back: str) -> str | None:
    """The damage that turns one text into the other; None if no spreadsheet does.

    zeros, plus, exponent, digits, number, date, boolean, formula, encoding, line_end, too_long.
    """
    if original == came_back:
        return None
    if came_back == TOO_LONG_FOR_A_CELL:
        return "too_long"
    if _joined_lines(original) == _joined_lines(came_back):
        return "line_end"
    before, after = original.strip(), came_back.strip()
    return (
        _as_number(before, after)
        or ("date" if _is_same_day(before, after) else None)
        or ("boolean" if before.upper() == after and after in {"TRUE", "FALSE"} else None)
        or ("formula" if _is_computed(before, after) else None)
        or ("encoding" if _is_other_encoding(original, came_back) else None)
    )


def form_that_changes(text: str) -> str | None:
    """The form that spreadsheets change: plus, zeros, digits, point or comma; else None."""
    return next((form for form, pattern in _FORMS.items() if pattern.fullmatch(text.strip())), None)


def looks_lost(text: str) -> bool:
    """Whether a text is a spreadsheet's display that hides the real text."""
    return hides_all(text) or _EXPONENT.fullmatch(text.strip()) is not None


def hides_all(text: str) -> bool:
    """Whether a text hides the whole cell: an error, or a cell too narrow."""
    return text.strip() in _ERRORS or re.fullmatch("#{3,}", text.strip()) is not None


def marks(original: str) -> set[Hashable]:
    """Search keys of a text.

    One of them is in `marks_when_shown` of each text that `damage` relates to it or that equals it.
    """
    bare = original.strip()
    found: set[Hashable] = {
        ("text", _joined_lines(original)),
        ("text", unicodedata.normalize("NFC", original)),
    }
    for mark in _NUMBERS:
        if (number := _number(bare, mark)) is not None:
            found.update(("number", shown) for shown in _to_digits(number, 1))
    found.update(("day", month, day) for _, month, day in _days(bare))
    if bare.upper() in {"TRUE", "FALSE"}:
        found.add(("text", bare.upper()))
    if bare[:1] in {"=", "+", "-", "@"}:
        found.update({("formula", bare[:1] == "="), ("text", f"={bare}")})
    if not all(map(_in_cp1252, original)):
        found.add(("characters", len(original)))
    return found


def marks_when_shown(came_back: str) -> set[Hashable]:
    """The search keys of all possible originals of this text; empty if any text is possible."""
    if came_back == TOO_LONG_FOR_A_CELL:
        return set()
    bare = came_back.strip()
    found: set[Hashable] = {
        ("text", _joined_lines(came_back)),
        ("text", bare),
        ("formula", True),
        ("characters", len(came_back)),
    }
    found.update(("text", unicodedata.normalize("NFC", text)) for text in readings(came_back))
    found.update(("text", text) for text in readings(came_back))
    for mark in _NUMBERS:
        if (number := _number(bare, mark)) is not None:
            found.add(("number", _to_digits(number, 1)[0]))
    found.update(("day", month, day) for _, month, day in _days(bare))
    if (day_of_serial := _day_of_serial(bare)) is not None:
        found.add(("day", day_of_serial.month, day_of_serial.day))
    if bare in _ERRORS:
        found.add(("formula", False))
    return found


def readings(text: str) -> Iterator[str]:
    """A text, and the same text with UTF-8 that was read as cp1252 undone once or twice."""
    found: str | None = text
    for _ in range(3):
        if found is None:
            return
        yield found
        found = _untaken(found)


def _joined_lines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _as_number(before: str, after: str) -> str | None:
    for mark in _NUMBERS:
        was, now = _number(before, mark), _number(after, mark)
        if was is not None and now is not None and _shows(was, now, after):
            return _kind(before, after)
    return None


def _kind(before: str, after: str) -> str:
    if re.search("[Ee]", after):
        return "exponent"
    if before.startswith("+"):
        return "plus"
    if re.match("-?0[0-9]", before):
        return "zeros"
    return "digits" if len(re.sub("[^0-9]", "", before)) > _KEPT_DIGITS else "number"


def _number(text: str, mark: str) -> Decimal | None:
    """The number that a spreadsheet reads in a text; None if none."""
    found = _NUMBERS[mark].fullmatch(text)
    if (
        found is None
        or not (found["whole"] or found["decimals"])
        or bool(found["paren"]) != bool(found["close"])
    ):
        return None
    negative = [bool(found["paren"]), found["sign"] == "-", bool(found["after"])]
    if sum(negative) > 1 or (found["sign"] and (found["paren"] or found["after"])):
        return None
    digits = re.sub("[^0-9]", "", found["whole"]) or "0"
    number = Decimal(f"{digits}.{found['decimals'] or '0'}E{found['exponent'] or '0'}")
    if found["percent"]:
        number = number.scaleb(-2)
    return -number if any(negative) else number


def _shows(was: Decimal, now: Decimal, shown: str) -> bool:
    """Whether a number shows another: its first 15 digits, or as many as are visible."""
    if was == now or now in _to_digits(was, _KEPT_DIGITS):
        return True
    mantissa = re.split("[Ee]", shown)[0]
    digits = len(re.sub("[^0-9]", "", mantissa).lstrip("0"))
    is_rounded = bool(re.search("[Ee]", shown)) or (
        digits >= _FEWEST_SHOWN and was != was.to_integral_value()
    )
    return is_rounded and digits > 0 and now in _to_digits(was, digits)


def _to_digits(number: Decimal, digits: int) -> tuple[Decimal, ...]:
    """The number with this many significant digits, cut and rounded."""
    if not number:
        return (number,)
    unit = Decimal((0, (1,), number.adjusted() - digits + 1))
    return tuple(
        (number / unit).to_integral_value(rounding) * unit
        for rounding in (ROUND_DOWN, ROUND_HALF_UP)
    )


def _is_same_day(before: str, after: str) -> bool:
    was = set(_days(before))
    if not was:
        return False
    if (day_of_serial := _day_of_serial(after)) is not None:
        return (day_of_serial.year, day_of_serial.month, day_of_serial.day) in was
    return any(
        (month, day) == (other_month, other_day)
        and (year == other_year or year is None or other_year is None)
        for year, month, day in was
        for other_year, other_month, other_day in _days(after)
    )


def _day_of_serial(text: str) -> date | None:
    """The date of a serial day number."""
    is_one = re.fullmatch("[0-9]{1,5}", text) and int(text) in _SERIALS
    return date(1899, 12, 30) + timedelta(days=int(text)) if is_one else None


def _days(text: str) -> Iterator[tuple[int | None, int, int]]:
    """Every day that a text may mean: year (None if missing), month, day."""
    if found := re.fullmatch(
        r"([0-9]{4})[-/.]([0-9]{1,2})[-/.]([0-9]{1,2})(?:[ T]0{1,2}:00(?::00)?)?", text
    ):
        yield from _valid(int(found[1]), int(found[2]), int(found[3]))
    elif found := re.fullmatch(
        r"([0-9]{1,2})[-/.]([0-9]{1,2})[-/.]([0-9]{4}|[0-9]{2})(?: 0{1,2}:00(?::00)?)?", text
    ):
        yield from _valid(_year(found[3]), int(found[2]), int(found[1]))
        yield from _valid(_year(found[3]), int(found[1]), int(found[2]))
    elif found := re.fullmatch(r"([0-9]{1,2})[-/. ]([A-Za-z]{3,9})[-/. ]([0-9]{4}|[0-9]{2})", text):
        yield from _valid(_year(found[3]), _month(found[2]), int(found[1]))
    elif found := re.fullmatch(
        r"([A-Za-z]{3,9})[-/. ]([0-9]{1,2})(?:, ?|[-/. ])([0-9]{4}|[0-9]{2})", text
    ):
        yield from _valid(_year(found[3]), _month(found[1]), int(found[2]))
    elif found := re.fullmatch(r"([0-9]{4})[-/]([0-9]{1,2})", text):
        yield from _valid(int(found[1]), int(found[2]), 1)
    elif found := re.fullmatch(r"([0-9]{1,2})[-/]([0-9]{4})", text):
        yield from _valid(int(found[2]), int(found[1]), 1)
    elif found := re.fullmatch(r"([0-9]{1,2})[-/]([0-9]{1,2})", text):
        yield from _valid(None, int(found[2]), int(found[1]))
        yield from _valid(None, int(found[1]), int(found[2]))
        yield from _valid(_year(found[2].zfill(2)), int(found[1]), 1)
    elif found := re.fullmatch(r"([0-9]{1,2})[-/. ]?([A-Za-z]{3,9})", text):
        yield from _valid(None, _month(found[2]), int(found[1]))
        yield from _valid(_year(found[1].zfill(2)), _month(found[2]), 1)
    elif found := re.fullmatch(r"([A-Za-z]{3,9})[-/. ]?([0-9]{4}|[0-9]{1,2})", text):
        yield from _valid(_year(found[2].zfill(2)), _month(found[1]), 1)
        if len(found[2]) < 4:
            yield from _valid(None, _month(found[1]), int(found[2]))


def _valid(year: int | None, month: int, day: int) -> Iterator[tuple[int | None, int, int]]:
    try:
        date(2000 if year is None else year, month, day)
    except ValueError:
        return
    yield year, month, day


def _year(text: str) -> int:
    return int(text) if len(text) == 4 else int(text) + (2000 if int(text) < _PIVOT else 1900)


def _month(text: str) -> int:
    """The number of an English month by its name or abbreviation; 0 if it is none."""
    named = {"sept": "september"}.get(text.lower(), text.lower())
    return next(
        (number for number, month in enumerate(_MONTHS, start=1) if month.startswith(named)), 0
    )


def _is_computed(before: str, after: str) -> bool:
    """Whether a text may be the result of a formula: an error, a value, or a text in it."""
    if before[:1] not in {"=", "+", "-", "@"}:
        return False
    if after in _ERRORS or f"={before}" == after:
        return True
    value = _number(after, ".") is not None or after in {"TRUE", "FALSE"}
    return before.startswith("=") and (value or after in before)


def _is_other_encoding(original: str, came_back: str) -> bool:
    """UTF-8 read as cp1252, perhaps twice; or characters outside cp1252, replaced."""
    if unicodedata.normalize("NFC", original) == unicodedata.normalize("NFC", came_back):
        return True
    if original in set(readings(came_back)):
        return True
    return len(original) == len(came_back) and all(
        was == now or (not _in_cp1252(was) and now in {"?", _base(was)})
        for was, now in zip(original, came_back, strict=True)
    )


def _untaken(text: str) -> str | None:
    """Undo UTF-8 read as cp1252; bytes undefined in cp1252 pass as in Windows."""
    try:
        return b"".join(_byte(character) for character in text).decode("utf-8")
    except (UnicodeEncodeError, UnicodeDecodeError):
        return None


def _byte(character: str) -> bytes:
    return bytes([ord(character)]) if "\x80" <= character <= "\x9f" else character.encode("cp1252")


def _in_cp1252(character: str) -> bool:
    try:
        character.encode("cp1252")
    except UnicodeEncodeError:
        return False
    return True


def _base(character: str) -> str:
    """The letter without its marks, which Windows uses for characters outside a code page."""
    bases = {"Ł": "L", "ł": "l", "Đ": "D", "đ": "d", "\u0131": "i"}
    return bases.get(character, unicodedata.normalize("NFKD", character)[0])
