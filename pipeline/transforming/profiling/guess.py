"""What a guess is: one line of a mapping, how sure it is, and why."""

from dataclasses import dataclass
from typing import Any, Literal

Sureness = Literal["sure", "likely", "a guess", "open"]


@dataclass(frozen=True, slots=True)
class Guess:
    """One line of a mapping: what is declared, how sure we are, and why."""

    field: str
    value: Any  #: as the config writes it; None where a person has to decide
    sure: Sureness
    why: str
    asks_about: tuple[str, ...] = ()  #: columns that the remark names, for a person to decide on
