"""The kind of closed list that our vocabularies are: each member carries a sentence."""

from enum import StrEnum
from typing import Self


class ClosedList(StrEnum):
    """A closed list whose members each carry one sentence that explains them."""

    sentence: str

    def __new__(cls, value: str, sentence: str) -> Self:
        """Make the member of a value and its sentence."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.sentence = sentence
        return member
