"""The text that a number format shows of a value.

It is the text that Excel shows (in English), with these differences, each of them on purpose:

- No thousands separators are added: `#,##0.00` of 1234.5 is 1234.50.
- Nothing is rounded. Where a format shows fewer decimals than the value has, all are given: `0` of 240.1 is 240.1. Where
  that is not possible (a fraction such as 2/7, digits around literals such as `00-00`) there is no text.
- Numbers have 15 digits, as in Excel. Of larger ones General shows all 15, and a number with more has an exponent.
- Dates and times are given in ISO 8601, whole, however the format orders or shortens them (`moment_text`).
- Spaces at both ends are layout and are left out.
- A value other than zero of which nothing is shown (`;;;`), digits of another script, and formats that programs read
  differently have no text.
- A negative number in a section that a condition chose has no text, unless the condition separates the signs.
"""

from collections.abc import Callable
from decimal import Decimal
from functools import lru_cache

from pipeline.sources.digits_text import (
    MOST_DIGITS,
    fraction_text,
    general_text,
    literal_text,
    number_text,
)
from pipeline.sources.moment_text import moment_text
from pipeline.sources.number_format import Kind, NumberFormat, Part, Section, Shows, parsed

FORMATS_KEPT = 4096  #: formats whose meaning is remembered
Writer = Callable[[Decimal], str | None]


@lru_cache(FORMATS_KEPT)
def number_writer(code: str, *, from_1904: bool = False) -> Writer:
    """A number format -> what writes a number as the format shows it, or None where it has no exact text."""
    found = parsed(code)

    def write(number: Decimal) -> str | None:
        if found is None:
            return None
        chosen = section_of(found, number)
        if chosen is None:
            return None
        section, has_own_sign = chosen
        return section_text(section, number, has_own_sign=has_own_sign, from_1904=from_1904)

    return write


@lru_cache(FORMATS_KEPT)
def text_writer(code: str) -> Callable[[str], str | None] | None:
    """A number format -> what writes a text as the format shows it; None where it shows texts as they are."""
    found = parsed(code)
    section = found.text if found else None
    if section is None or (
        section.shows in {Shows.TEXT, Shows.GENERAL} and len(section.parts) == 1
    ):
        return None
    return lambda text: _text_in(section, text)


def section_text(
    section: Section, number: Decimal, *, has_own_sign: bool = False, from_1904: bool = False
) -> str | None:
    """What a section shows of a number; the section of negative numbers shows their sign itself."""
    shows = section.shows
    if shows is Shows.MOMENT:
        return moment_text(section, number, from_1904=from_1904)
    if shows in {Shows.NUMBER, Shows.FRACTION, Shows.GENERAL} and number.adjusted() >= MOST_DIGITS:
        return general_text(number)
    text = _unsigned(section, shows, abs(number))
    if text is None or (number and not text.strip()):
        return None
    return ("-" if number < 0 and not has_own_sign else "") + text.strip()


def section_of(found: NumberFormat, number: Decimal) -> tuple[Section, bool] | None:
    """The section that fits a number, and whether it shows the sign itself."""
    sections = found.numbers
    if (
        not sections
    ):  # the format shows texts only, and a number by General where it adds nothing to a text
        bare = found.text if found.text and len(found.text.parts) == 1 else None
        return (Section((Part(Kind.GENERAL, ""),)), False) if bare else None
    if any(section.condition for section in sections):
        return _by_condition(sections, number)
    if len(sections) == 1 or number > 0:
        return sections[0], False
    if number < 0:
        return sections[1], True
    return (sections[2] if len(sections) > 2 else sections[0]), False


def _by_condition(sections: tuple[Section, ...], number: Decimal) -> tuple[Section, bool] | None:
    """The section whose condition holds, else the last one; None where programs choose differently."""
    first, *others = sections
    if first.condition is None:
        return None
    separates = not first.condition.limit and first.condition.operator in {">", ">=", "<"}
    if first.condition.holds(number):
        own_sign = number < 0
        return (
            (first, own_sign)
            if number >= 0 or (separates and first.condition.operator == "<")
            else None
        )
    if number < 0 and not separates:
        return None
    return _other(others, number)


def _other(others: list[Section], number: Decimal) -> tuple[Section, bool] | None:
    """The section of a number that does not meet the condition of the first."""
    if not others:
        return None
    second = others[0].condition
    if second is not None and not second.holds(number):
        return (others[1], False) if len(others) > 1 and number >= 0 else None
    if second is None and len(others) > 1 and number >= 0:
        return None
    return others[0], number < 0


def _unsigned(section: Section, shows: Shows, number: Decimal) -> str | None:
    match shows:
        case Shows.WORDS | Shows.NOTHING:
            return literal_text(section)
        case Shows.NUMBER:
            return number_text(section, number)
        case Shows.FRACTION:
            return fraction_text(section, number)
        case Shows.GENERAL:
            return literal_text(section, general_text(number))
        case Shows.TEXT if len(section.parts) == 1:
            return general_text(number)
    return None


def _text_in(section: Section, text: str) -> str | None:
    """A text as its section shows it; None where nothing of a text is shown, or no text can be decided."""
    if section.shows not in {Shows.TEXT, Shows.GENERAL, Shows.WORDS}:
        return text if not text else None
    shown = literal_text(section, text)
    return shown if shown.strip() or not text.strip() else None
