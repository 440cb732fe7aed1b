"""The content of a workbook cell: a text, a number, or the reason why it has no text."""

from dataclasses import dataclass
from enum import Enum


class Trouble(Enum):
    """Why a cell has no text."""

    ERROR = "an error such as #N/A"
    NO_VALUE = "a formula without its result"
    FORMAT = "a format that shows no exact text"
    AMOUNT = "an amount that its format shows with another value or sign"
    DIGITS = "an amount with more digits than the 15 that a spreadsheet shows"
    MALFORMED = "a value that is none of its type"


Text = str | Trouble


@dataclass(frozen=True, slots=True)
class Number:
    """A number whose text in an amount column differs from its formatted text."""

    shown: Text
    amount: Text


Cell = Text | Number


def shown_text(cell: Cell) -> Text:
    """The text that a cell shows in any column."""
    return cell.shown if isinstance(cell, Number) else cell
