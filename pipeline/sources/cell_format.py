"""Convert a stored value and the format of its style to the content of a cell."""

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
_LONGEST = 400  #: characters of a number; spreadsheets write at most 24
_HIGHEST_EXPONENT = 308  #: of spreadsheet numbers
_FORMATS_KEPT = 4096
_LEAST_MONEY = Decimal("0.00005")  #: half of the smallest minor unit in ISO 4217 (CLF)
_NUMBERS_KEPT = 1024  #: cached texts of each format; columns repeat their numbers


class CellFormat:
    """Cell content by style: `number` for a number, `text` for a text (None: unchanged)."""

    def __init__(self, code: str, *, from_1904: bool = False) -> None:
        self.number = _number_reader(code, from_1904=from_1904)
        self._write_text = text_writer(code)

    @property
    def shows_texts_as_they_are(self) -> bool:
        """Whether the format adds nothing to texts."""
        return self._write_text is None

    def text(self, text: str) -> Text:
        """The text in this format."""
        shown = self._write_text(text) if self._write_text else text
        return Trouble.FORMAT if shown is None else shown


class UnknownFormat:
    """A style without a format in the workbook: its numbers have no text."""

    shows_texts_as_they_are = True

    def number(self, _stored: str) -> Cell:
        """No text, because the format is unknown."""
        return Trouble.FORMAT

    def text(self, text: str) -> Text:
        """The unchanged text."""
        return text


def exact_number(stored: str) -> Decimal | None:
    """The number with the 15 digits of a spreadsheet, without binary noise (0.30000000000000004).

    None if the text is not a number: ASCII digits only, no `1_000`, no exponent beyond
    spreadsheets.
    """
    if len(stored) > _LONGEST or _STORED.fullmatch(stored) is None:
        return None
    number = Decimal(stored)
    if number and abs(number.adjusted()) > _HIGHEST_EXPONENT:
        return None
    if len(number.as_tuple().digits) > MOST_DIGITS:
        # A spreadsheet rounds its binary number to 15 digits, not the 17 digits that it stores.
        number = Decimal(f"{Decimal(float(stored)):.{MOST_DIGITS - 1}E}")
    return number.normalize() or Decimal(0)


@dataclass(frozen=True, slots=True)
class _Template:
    """The text of a section whose numbers differ only in digits, for all columns and amounts."""

    before: str
    zeros: int
    decimals: int
    after: str
    amount_before: str | None  #: None: not allowed for an amount
    amount_after: str

    def write(self, whole: str, fraction: str) -> Cell:
        """The cell for a number with these digits, without zeros at either end."""
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
    """A reader of stored numbers; simple formats avoid decimal arithmetic."""
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
    """The template of positive or negative numbers; None if the digits are not adjacent."""
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
    """Reads numbers by any format."""

    def __init__(self, code: str, *, from_1904: bool) -> None:
        self._write = number_writer(code, from_1904=from_1904)
        found = parsed(code)
        first = found.numbers[0] if found and found.numbers else None
        self._zero = _digits_of_zero(first) if first else None
        self._format = found

    def read(self, stored: str) -> Cell:
        """The content of a stored number; empty if only spaces are stored."""
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
        """Whether a date or time is shown, which cannot be an amount."""
        chosen = section_of(self._format, number) if self._format else None
        return chosen is not None and chosen[0].shows is Shows.MOMENT


def _loses_money(stored: str, number: Decimal) -> bool:
    """Whether 15 digits change the amount, and not only its spelling."""
    return abs(Decimal(stored) - number) >= _LEAST_MONEY and float(stored) != float(number)


def _digits_of_zero(section: Section) -> str | None:
    """Zero in the section of positive numbers, without words."""
    shown = section_text(section, Decimal(0)) if section.shows is Shows.NUMBER else None
    found = re.search(r"[0-9.]+", shown or "")
    return (
        found[0] if found and re.fullmatch(r"0*\.?0*[0.]", found[0]) and "0" in found[0] else None
    )
