"""The text that a number format shows for a value.

It is the text of Excel (in English), with these deliberate differences:

- No thousands separators: `#,##0.00` of 1234.5 is 1234.50.
- No rounding. If a format shows fewer decimals than the value has, all are given: `0` of 240.1 is
  240.1.
  If that is impossible (a fraction such as 2/7, digits around literals such as `00-00`), there is
  no text.
- Numbers have 15 digits, as in Excel. General shows all 15 of larger ones, and a number with more has
  an exponent.
- Dates and times are complete ISO 8601, whatever the format shows (`moment_text`).
- Spaces at both ends are layout and are left out.
- There is no text for a nonzero value that is hidden (`;;;`), for digits of another script, and for
  formats that programs read differently.
- A negative number in a conditional section has no text, unless the condition separates the signs.
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

FORMATS_KEPT = 4096  #: cached formats
Writer = Callable[[Decimal], str | None]


@lru_cache(FORMATS_KEPT)
def number_writer(code: str, *, from_1904: bool = False) -> Writer:
    """A writer of numbers for a format, or None if it has no exact text."""
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
    """A writer of texts for a format; None if texts stay unchanged."""
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
    """The text of a number in a section; the negative section shows its sign itself."""
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
    """The section for a number, and whether it shows the sign itself."""
    sections = found.numbers
    if not sections:  # a format for texts only shows a number as General if it adds nothing
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
    """The section whose condition holds, else the last; None if programs differ."""
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
    """The section of a number that fails the first condition."""
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
    """A text in its section; None if it is hidden or undecidable."""
    if section.shows not in {Shows.TEXT, Shows.GENERAL, Shows.WORDS}:
        return text if not text else None
    shown = literal_text(section, text)
    return shown if shown.strip() or not text.strip() else None
