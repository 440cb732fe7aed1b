"""The faults of the sandbox: their kinds, their settings, and the random numbers that decide when one happens."""

import difflib
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from math import isfinite
from types import MappingProxyType
from typing import Any, Self


class Mishap(StrEnum):
    """Random faults of a create, in the order in which they are drawn."""

    LOST_REQUEST = "lost_request"  #: the connection is closed before anything happened
    RATE_LIMITED = "rate_limited"  #: 429 without effect, not stored
    ERROR_BEFORE = "error_before"  #: 503 without effect, not stored
    ERROR_STORED = "error_stored"  #: 503 without effect, stored under the key and so replayed
    LOST_REPLY = "lost_reply"  #: everything done and stored, then the connection is closed
    ERROR_AFTER = "error_after"  #: everything done and stored, but this answer is a 502
    NO_PAYMENT_RULES = "no_payment_rules"  #: the customer is created without payment rules
    REDIRECT = "redirect"  #: 307 to another address, without effect
    ERROR_STORED_AFTER = "error_stored_after"  #: the customer is created, but a 500 is stored under the key and replayed
    GARBLED = "garbled"  #: everything done and stored, but this answer's body is no JSON
    LYING = "lying"  #: everything done and stored, but this answer has another name
    CUT_BODY = "cut_body"  #: everything done and stored, but the connection is closed in the middle of the body
    SLOW_BODY = "slow_body"  #: everything done and stored, and the answer drips


class LookupMishap(StrEnum):
    """Random faults of a lookup; they have their own random numbers, so that lookups do not change the faults of creates."""

    STALE = "stale_look_up"  #: 404 for a customer that is there
    LOST = "lost_look_up"  #: the connection is closed


#: Without a setting, nothing happens by chance.
_NEVER: Mapping[str, float] = MappingProxyType(dict.fromkeys((*Mishap, *LookupMishap), 0.0))


@dataclass(frozen=True)
class Faults:
    """How the sandbox misbehaves."""

    #: The probability of each mishap, for each create or lookup.
    chances: Mapping[str, float] = field(default_factory=lambda: _NEVER)
    latency: float = 0.0  #: seconds between marking a key as running and the effect
    #: The Retry-After header of a 429, none if empty; "date:7" is the date in 7 seconds.
    retry_after: str = "1"
    #: Creates under these settings, after which the key is refused.
    revoked_after: int | None = None
    opaque_types: bool = False  #: every problem has the type about:blank
    uniqueness_off: bool = False  #: an external_reference may be taken twice

    @classmethod
    def of(cls, **settings: Any) -> Self:
        """Faults from flat settings, by name: `Faults.of(lost_reply=0.1, latency=2)`."""
        chances = {name: settings.pop(name, chance) for name, chance in _NEVER.items()}
        return cls(chances, **settings)


NO_FAULTS = Faults()
NAMES = (*map(str, _NEVER), *(one.name for one in fields(Faults) if one.name != "chances"))
_FLAGS = {"true": True, "on": True, "1": True, "": True, "false": False, "off": False, "0": False}


class Dice:
    """A seeded sequence of faults: the same seed and the same creates in the same order give the same faults."""

    def __init__(self, seed: int | None = None) -> None:
        """Start the sequence of `seed`; without a seed, a random one."""
        self._random = random.Random(seed)
        self._for_lookups = random.Random(None if seed is None else seed + 1)

    def throw_for_lookup(self, faults: Faults) -> frozenset[LookupMishap]:
        """Return the mishaps of one lookup."""
        return frozenset(
            one for one in LookupMishap if self._for_lookups.random() < faults.chances[one]
        )

    def throw(self, faults: Faults) -> frozenset[Mishap]:
        """Return the mishaps of one create.

        Each kind of fault draws a number even with probability 0, so that one setting does not change the others.
        """
        return frozenset(
            mishap for mishap in Mishap if self._random.random() < faults.chances[mishap]
        )


def parse_faults(text: str) -> Faults:
    """Read `lost_reply=0.05,opaque_types` as settings; ValueError naming every unknown name and every wrong value."""
    pairs = [item.partition("=")[::2] for item in text.split(",") if item.strip()]
    settings = {name.strip(): value.strip() for name, value in pairs}
    if len(settings) < len(pairs):
        raise ValueError("a fault is given twice")
    return faults_from({name: _from_text(name, value) for name, value in settings.items()})


def faults_from(settings: Mapping[str, object]) -> Faults:
    """Return these settings; ValueError naming every unknown name with its nearest, and every wrong value."""
    wrong = [*_unknown_names(settings), *_wrong_values(settings)]
    if wrong:
        raise ValueError("; ".join(wrong))
    return Faults.of(**settings)  # every value was checked above


def _from_text(name: str, text: str) -> object:
    """Return the value of `text` for that fault, or `text` itself if it has none, to be refused with the others."""
    if name == "retry_after":
        return text
    if name in ("opaque_types", "uniqueness_off"):
        return _FLAGS.get(text.lower(), text)
    try:
        return int(text) if name == "revoked_after" else float(text)
    except ValueError:
        return text


def _unknown_names(settings: Mapping[str, object]) -> Iterator[str]:
    for name in settings:
        if name not in NAMES:
            nearest = difflib.get_close_matches(name, NAMES, 1, cutoff=0.0)[0]
            yield f"unknown fault {name!r}, did you mean {nearest!r}?"


def _wrong_values(settings: Mapping[str, object]) -> Iterator[str]:
    return (
        fault
        for name, value in settings.items()
        if name in NAMES and (fault := _wrong_value(name, value))
    )


def _wrong_value(name: str, value: object) -> str | None:
    match name:
        case "latency":
            return (
                None
                if _is_number(value) and value >= 0  # type: ignore[operator]
                else "latency must be seconds, 0 or more"
            )
        case "retry_after":
            is_header = isinstance(value, str) and value.isprintable() and value.isascii()
            is_date = is_header and (
                not str(value).startswith("date:") or str(value)[5:].isdecimal()
            )
            return (
                None
                if is_date
                else "retry_after must be the text of a header, date:SECONDS, or empty"
            )
        case "revoked_after":
            is_count = value is None or (
                isinstance(value, int) and not isinstance(value, bool) and value >= 0
            )
            return None if is_count else "revoked_after must be a count of creates"
        case "opaque_types" | "uniqueness_off":
            return None if isinstance(value, bool) else f"{name} must be true or false"
        case _:
            return (
                None
                if _is_number(value) and 0 <= value <= 1  # type: ignore[operator]
                else f"{name} must be a probability from 0 to 1"
            )


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)
