"""Place the digits of a number in a section of a format; nothing is rounded."""

import re
from decimal import Decimal
from fractions import Fraction

from pipeline.sources.number_format import Kind, Part, Section, Shows

MOST_DIGITS = 15  #: digits that a spreadsheet keeps; the rest become zeros
_MOST_DENOMINATOR = 7  #: digits; Excel does not use more

_BESIDE_DIGITS = re.compile(
    r"[0-9]|[.,]\0|\0[.,]"
)  #: characters that would join the digits, which are at NUL
_SHOWN = {Kind.LITERAL, Kind.LETTER, Kind.LAYOUT, Kind.PERCENT}


def general_text(number: Decimal) -> str:
    """All digits without an exponent, unless digits are lost: then it is not exact."""
    if number.adjusted() >= MOST_DIGITS:
        return f"{number:.{MOST_DIGITS - 1}E}"
    return f"{number:f}"


def literal_text(section: Section, value: str = "") -> str:
    """The texts of a section, with the value in place of `@` or General."""
    return "".join(
        value if part.kind in {Kind.TEXT, Kind.GENERAL} else part.text for part in section.parts
    )


def surrounded_digits(section: Section) -> tuple[str, str, str] | None:
    """The text before the digits of a section, the digits (00.00), and the text after them.

    None if something is between the digits (a quoted "." is not a decimal point), if a digit or
    decimal mark is beside them, or if the number decides which digits are shown.
    """
    parts = [part for part in section.parts if part.kind is not Kind.GROUP]
    if section.shows is Shows.GENERAL and section.count(Kind.GENERAL) == 1:
        at = end = _first(parts, Kind.GENERAL) or 0
        digits = "0"
    elif section.shows is Shows.NUMBER:
        inside = [
            index for index, part in enumerate(parts) if part.kind in {Kind.DIGIT, Kind.POINT}
        ]
        at, end = inside[0], inside[-1]
        if not {part.kind for part in parts[at : end + 1]} <= {Kind.DIGIT, Kind.POINT}:
            return None
        digits = "".join(part.text for part in parts[at : end + 1]).lstrip("#")
    else:
        return None
    around = parts[:at] + parts[end + 1 :]
    if re.fullmatch(r"0+(?:\.0+)?", digits) is None or not {
        part.kind for part in around
    } <= _SHOWN - {Kind.PERCENT}:
        return None
    before, after = _texts(parts[:at]), _texts(parts[end + 1 :])
    return None if _BESIDE_DIGITS.search(f"{before}\0{after}") else (before, digits, after)


def number_text(section: Section, number: Decimal) -> str | None:
    """The text of a number >= 0; None if the section cannot show all its digits."""
    parts = [part for part in section.parts if part.kind not in {Kind.GROUP, Kind.SCALE}]
    if section.count(Kind.POINT) > 1 or section.count(Kind.EXPONENT) > 1:
        return None
    number = number.scaleb(2 * section.count(Kind.PERCENT) - 3 * section.count(Kind.SCALE))
    exponent = _first(parts, Kind.EXPONENT)
    if exponent is None:
        return _decimal_text(parts, number)
    return _power_text(parts[:exponent], parts[exponent], parts[exponent + 1 :], number)


def fraction_text(section: Section, number: Decimal) -> str | None:
    """A whole number and an exact fraction; None if the denominator is too short."""
    parts = list(section.parts)
    bar = _first(parts, Kind.SLASH) or 0
    runs = _digit_runs(parts[:bar])
    has_whole = len(runs) > 1
    denominator = _denominator(
        parts[bar].text, [part for part in parts[bar + 1 :] if part.kind is Kind.DIGIT], number
    )
    if (
        denominator is None
        or len(runs) > 2
        or section.count(Kind.SLASH) > 1
        or Fraction(number) * denominator % 1
    ):
        return None
    whole = int(number) if has_whole else 0
    over = int((Fraction(number) - whole) * denominator)
    before = _texts(parts[: runs[0][0]]) if runs else ""
    after = _texts([part for part in parts[bar + 1 :] if part.kind is not Kind.DIGIT])
    shown = [str(whole)] if has_whole and (whole or not over) else []
    shown += [f"{over}/{denominator}"] if over or not has_whole else []
    return before + " ".join(shown) + after


def _decimal_text(parts: list[Part], number: Decimal) -> str | None:
    whole, _, decimals = f"{number.normalize():f}".partition(".")
    point = _first(parts, Kind.POINT)
    before, after = (parts, []) if point is None else (parts[:point], parts[point + 1 :])
    if point is None and decimals and _has_gaps(parts):
        return None
    left = _whole_text(
        before, whole.lstrip("0"), "." + decimals if point is None and decimals else ""
    )
    right = _decimals_text(after, decimals) if point is not None else ""
    if left is None or right is None:
        return None
    return left + ("." if point is not None else "") + right


def _whole_text(parts: list[Part], digits: str, surplus: str) -> str | None:
    """The digits of a whole number from the right; surplus digits join the first place.

    `surplus`: decimals after the last digit, for a format without decimals.
    """
    places = [index for index, part in enumerate(parts) if part.kind is Kind.DIGIT]
    if not places:
        return None if digits or surplus else _texts(parts)
    if surplus and not digits:
        digits = "0"
    zero = next((index for index in places if parts[index].text == "0"), len(parts))
    digits = digits.rjust(len(places), "\0")
    surplus_digits, digits = digits[: -len(places)], digits[-len(places) :]
    laid = dict(zip(places, digits, strict=True))
    text = []
    for index, part in enumerate(parts):
        if part.kind is not Kind.DIGIT:
            text.append(part.text)
            continue
        digit = laid[index] if laid[index] != "\0" else _padding(part, is_needed=index >= zero)
        text.append(surplus_digits * (index == places[0]) + digit + surplus * (index == places[-1]))
    return "".join(text)


def _decimals_text(parts: list[Part], digits: str) -> str | None:
    """The decimals from the left; surplus digits join the last place."""
    places = [index for index, part in enumerate(parts) if part.kind is Kind.DIGIT]
    if len(digits) > len(places) and _has_gaps(parts):
        return None
    if not places:
        return digits + _texts(parts)
    zero = max((index for index in places if parts[index].text == "0"), default=-1)
    own, surplus = digits[: len(places)], digits[len(places) :]
    laid = dict(zip(places, own.ljust(len(places), "\0"), strict=True))
    text = []
    for index, part in enumerate(parts):
        if part.kind is not Kind.DIGIT:
            text.append(part.text)
            continue
        digit = laid[index] if laid[index] != "\0" else _padding(part, is_needed=index <= zero)
        text.append(digit + surplus * (index == places[-1]))
    return "".join(text)


def _power_text(mantissa: list[Part], mark: Part, power: list[Part], number: Decimal) -> str | None:
    """A number as mantissa and exponent, a multiple of the digits before the point."""
    point = _first(mantissa, Kind.POINT)
    places = max(sum(part.kind is Kind.DIGIT for part in mantissa[:point]), 1)
    exponent = number.adjusted() // places * places if number else 0
    shown = _decimal_text(mantissa, number.scaleb(-exponent))
    digits = _whole_text(power, str(abs(exponent)).lstrip("0"), "")
    if shown is None or digits is None or not _digit_runs(mantissa[:point]):
        return None
    sign = "-" if exponent < 0 else "+" * mark.text.endswith("+")
    return shown + mark.text[0] + sign + digits


def _denominator(fixed: str, places: list[Part], number: Decimal) -> int | None:
    """The fixed denominator of a format, or the smallest one that is exact."""
    if written := fixed.lstrip("/ "):
        zeros = "".join(part.text for part in places)
        return None if zeros.strip("0") else int(written + zeros)
    most = min(len(places), _MOST_DENOMINATOR)
    exact = Fraction(number).denominator
    return exact if exact < 10**most else None


def _digit_runs(parts: list[Part]) -> list[list[int]]:
    runs: list[list[int]] = []
    for index, part in enumerate(parts):
        if part.kind is Kind.DIGIT:
            if runs and runs[-1][-1] == index - 1:
                runs[-1].append(index)
            else:
                runs.append([index])
    return runs


def _has_gaps(parts: list[Part]) -> bool:
    return len(_digit_runs(parts)) > 1


def _padding(part: Part, *, is_needed: bool) -> str:
    return "0" if is_needed else {"?": " "}.get(part.text, "")


def _first(parts: list[Part], kind: Kind) -> int | None:
    return next((index for index, part in enumerate(parts) if part.kind is kind), None)


def _texts(parts: list[Part]) -> str:
    return "".join(part.text for part in parts if part.kind in _SHOWN)
