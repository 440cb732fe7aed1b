"""What a guess is: one line of a mapping, how sure it is, and why."""

from dataclasses import dataclass
from typing import Any, Literal

Sureness = Literal["sure", "likely", "a guess", "to be said"]


@dataclass(frozen=True, slots=True)
class Guess:
    """One line of a mapping: what is declared, how sure we are, and why."""

    field: str
    value: Any  #: as the config writes it; None where a person has to say it
    sure: Sureness
    why: str
