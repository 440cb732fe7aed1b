"""What reports show of people: nothing, a shape and a token, or all.

A token is HMAC-SHA256 over a person's external reference with the key of the home, cut to ten hexadecimal digits: the same
person has the same one in every report, and nobody finds out whose it is without the key. A shape keeps what is wrong with a
text (its length, its separators) and none of its letters and digits.
"""

import hashlib
import hmac
import unicodedata
from enum import StrEnum


class Pii(StrEnum):
    """How much of people's data is shown."""

    NONE = "none"
    MASKED = "masked"
    FULL = "full"


def token(key: bytes, reference: str) -> str:
    """The name of a person in reports."""
    return "person-" + hmac.new(key, reference.encode(), hashlib.sha256).hexdigest()[:10]


def pseudonym(key: bytes, text: str) -> str:
    """What stands in the place of a text that a person could be found by, wherever it stands; 128 bits, so that no two are alike."""
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()[:32]


def shape(text: str) -> str:
    """A text with x for every letter and 9 for every digit, of whatever script; the rest stands as it is."""
    return "".join(_shapes(character) for character in text)


def shown(text: str | None, pii: Pii) -> str | None:
    """A cell as a report may show it."""
    if text is None or pii is Pii.FULL:
        return text
    return shape(text) if pii is Pii.MASKED else None


def _shapes(character: str) -> str:
    kind = unicodedata.category(character)[0]
    return {"L": "X" if character.isupper() else "x", "M": "x", "N": "9", "S": "?", "C": "?"}.get(
        kind, character
    )
