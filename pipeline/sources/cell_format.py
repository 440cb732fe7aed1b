"""From what a cell stores and the format of its style to what it holds for us."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache

from pipeline.sources.amount_text import amount_text
from pipeline.sources.cell import Cell, Number, Text, Trouble
from pipeline.sources.digits_text import MOST_DIGITS, general_text, surrounded_digits
from pipeline.sources.number_format import NumberFormat, Section, Shows, parsed
from pipeline.sources.number_text import number_writer, section_of, section_text, text_writer

_STORED = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?")
_PLAIN = re.compile(r"(-?)(0|[1-9][0-9]{0,14})(?:\.([0-9]{1,15}))?")
_LONGEST = 400  #: characters of a number; what a spreadsheet writes has 24 at most
_HIGHEST_EXPONENT = 308  #: of the numbers that a spreadsheet can hold
_FORMATS_KEPT = 4096
_LEAST_MONEY = Decimal("0.00005")  #: half of the smallest minor unit of ISO 4217, that of CLF
_NUMBERS_KEPT = 1024  #: texts of each format; columns repeat their numbers


class CellFormat:
    """What the cells of one style hold: `number` of a stored number, `text` of a text (None: as it is)."""

    def __init__(self, code: str, *, from_1904: bool = False) -> None:
        self.number = _number_reader(code, from_1904=from_1904)
        self._write_text = text_writer(code)

    @property
    def shows_texts_as_they_are(self) -> bool:
        """Whether the format adds nothing to texts."""
        return self._write_text is None

    def text(self, text: str) -> Text:
        """A text as the format shows it."""
        shown = self._write_text(text) if self._write_text else text
        return Trouble.FORMAT if shown is None else shown


class UnknownFormat:
    """A style whose format the workbook does not state: its numbers have no text."""

    shows_texts_as_they_are = True

    def number(self, _stored: str) -> Cell:
        """No text: nobody knows what is shown."""
        return Trouble.FORMAT

    def text(self, text: str) -> Text:
        """A text as it is."""
        return text


def exact_number(stored: str) -> Decimal | None:
    """The number as a spreadsheet keeps it: 15 digits, without the noise of its binary form (0.30000000000000004).

    None where the text is no number: ASCII digits only, no `1_000`, no exponent beyond that of any spreadsheet.
    """
    if len(stored) > _LONGEST or _STORED.fullmatch(stored) is None:
        return None
    number = Decimal(stored)
    if number and abs(number.adjusted()) > _HIGHEST_EXPONENT:
        return None
    if len(number.as_tuple().digits) > MOST_DIGITS:
        # What a spreadsheet rounds to 15 digits is its binary number, not the 17 digits that it writes of it.
        number = Decimal(f"{Decimal(float(stored)):.{MOST_DIGITS - 1}E}")
    return number.normalize() or Decimal(0)


@dataclass(frozen=True, slots=True)
class _Template:
    """How a section shows its numbers where only digits change: what stands around them, in all columns and in amounts."""

    before: str
    zeros: int
    decimals: int
    after: str
    amount_before: str | None  #: None: no amount may be shown so
    amount_after: str

    def write(self, whole: str, fraction: str) -> Cell:
        """The cell for a number of these digits, without zeros at either end."""
        digits = whole.zfill(self.zeros)
        if fraction or self.decimals:
            digits = f"{digits}.{fraction.ljust(self.decimals, '0')}"
        shown = self.before + digits + self.after
        if self.amount_before is None:
            return Number(shown, Trouble.AMOUNT)
        amount = self.amount_before + digits + self.amount_after
        return shown if shown == amount else Number(shown, amount)


@lru_cache(_FORMATS_KEPT)
def _number_reader(code: str, *, from_1904: bool) -> Callable[[str], Cell]:
    """A format -> what reads a stored number; formats that only surround digits do without decimal arithmetic."""
    read = lru_cache(_NUMBERS_KEPT)(_Reader(code, from_1904=from_1904).read)
    found = parsed(code)
    signs = {sign: _template(found, is_negative=sign == "-") for sign in ("", "-")} if found else {}

    def read_number(stored: str) -> Cell:
        digits = _PLAIN.fullmatch(stored)
        if digits is None or len(stored) > MOST_DIGITS:
            return read(stored)
        sign, whole, fraction = digits.groups("")
        template = signs.get(sign)
        fraction = fraction.rstrip("0")
        if template is None or not (fraction or whole != "0"):
            return read(stored)
        return template.write(whole, fraction)

    return read_number


def _template(found: NumberFormat, *, is_negative: bool) -> _Template | None:
    """The template of positive or negative numbers; None of a format whose digits are not all together."""
    probe = Decimal(-7 if is_negative else 7)
    chosen = (
        section_of(found, probe)
        if not any(section.condition for section in found.numbers)
        else None
    )
    around = surrounded_digits(chosen[0]) if chosen else None
    if chosen is None or around is None:
        return None
    before, digits, after = around
    whole, _, decimals = digits.partition(".")
    sign = "-" if is_negative and not chosen[1] else ""
    seven = "7".zfill(whole.count("0")) + ("." if decimals else "") + "0" * len(decimals)
    amount = amount_text(sign + before + seven + after, probe)
    amount_before, _, amount_after = (amount or "").partition(seven)
    return _Template(
        sign + before.lstrip(),
        whole.count("0"),
        len(decimals),
        after.rstrip(),
        None if amount is None else amount_before,
        amount_after,
    )


class _Reader:
    """Reads numbers by one format, whatever it shows."""

    def __init__(self, code: str, *, from_1904: bool) -> None:
        self._write = number_writer(code, from_1904=from_1904)
        found = parsed(code)
        first = found.numbers[0] if found and found.numbers else None
        self._zero = _digits_of_zero(first) if first else None
        self._format = found

    def read(self, stored: str) -> Cell:
        """What a stored number is; nothing where only spaces are stored."""
        stored = stored.strip(" \t\r\n")
        if not stored:
            return ""
        number = exact_number(stored)
        if number is None:
            return Trouble.MALFORMED
        shown = self._write(number)
        if shown is not None and number.adjusted() >= MOST_DIGITS and shown == general_text(number):
            return shown
        if _loses_money(stored, number):
            return Number(Trouble.FORMAT if shown is None else shown, Trouble.DIGITS)
        amount = amount_text(shown, number, self._zero)
        if shown == amount or self._is_moment(number):
            return Trouble.FORMAT if shown is None else shown
        return Number(
            Trouble.FORMAT if shown is None else shown, Trouble.AMOUNT if amount is None else amount
        )

    def _is_moment(self, number: Decimal) -> bool:
        """Whether a date or time is shown: it is no amount, and is refused as one where amounts are read."""
        chosen = section_of(self._format, number) if self._format else None
        return chosen is not None and chosen[0].shows is Shows.MOMENT


def _loses_money(stored: str, number: Decimal) -> bool:
    """Whether the 15 digits of a number are another amount than the stored one, and no other spelling of the same value."""
    return abs(Decimal(stored) - number) >= _LEAST_MONEY and float(stored) != float(number)


def _digits_of_zero(section: Section) -> str | None:
    """Zero as the section of positive numbers shows it, without words."""
    shown = section_text(section, Decimal(0)) if section.shows is Shows.NUMBER else None
    found = re.search(r"[0-9.]+", shown or "")
    return (
        found[0] if found and re.fullmatch(r"0*\.?0*[0.]", found[0]) and "0" in found[0] else None
    )
