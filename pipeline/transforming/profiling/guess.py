"""A guess: one line of a mapping, its certainty and its reason."""

from dataclasses import dataclass
from typing import Any, Literal

Sureness = Literal["sure", "likely", "a guess", "open"]


@dataclass(frozen=True, slots=True)
class Guess:
    """One line of a mapping: the declaration, its certainty and its reason."""

    field: str
    value: Any  #: as in the config; None if a person must decide
    sure: Sureness
    why: str
    asks_about: tuple[str, ...] = ()  #: columns in the remark, for a person to decide
