"""Personal data in reports: none, masked (a shape and a token), or full.

A token is HMAC-SHA256 over a person's external reference with the key of the home, cut to ten
hexadecimal digits. The same person has the same token in every report; without the key it
identifies nobody. A shape keeps the length and the separators of a text, but none of its letters
and digits.
"""

import hashlib
import hmac
import unicodedata
from enum import StrEnum


class Pii(StrEnum):
    """How much personal data is shown."""

    NONE = "none"
    MASKED = "masked"
    FULL = "full"


def token(key: bytes, reference: str) -> str:
    """The token of a person in reports."""
    return "person-" + hmac.new(key, reference.encode(), hashlib.sha256).hexdigest()[:10]


def pseudonym(key: bytes, text: str) -> str:
    """A 128-bit replacement for a text that could identify a person."""
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()[:32]


def shape(text: str) -> str:
    """A text with x for every letter and 9 for every digit of any script; the rest stays."""
    return "".join(_shapes(character) for character in text)


def shown(text: str | None, pii: Pii) -> str | None:
    """A cell with the redaction of a report."""
    if text is None or pii is Pii.FULL:
        return text
    return shape(text) if pii is Pii.MASKED else None


def _shapes(character: str) -> str:
    kind = unicodedata.category(character)[0]
    return {"L": "X" if character.isupper() else "x", "M": "x", "N": "9", "S": "?", "C": "?"}.get(
        kind, character
    )
