"""Remove the API key from answers that repeat it, whole or in part, plain or encoded, before they are stored."""

import base64
import html
import json
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from dataclasses import fields, replace
from typing import Any
from urllib.parse import unquote

from pipeline.billing.api_key import ApiKey
from pipeline.domain.responses import Difference, Outcome

REDACTED = "[redacted]"
_SHOWS = 12  #: consecutive characters of a key that count as the key; four of the first twelve of sk_test_… are secret
_VARIED = 5  #: different characters that a piece must have: references often contain `000000000000`
_ROUNDS = 3  #: decodings of one text; two servers in a row encode it twice
_ESCAPE = re.compile(r"\\(?:u00|x|u\{0*)([0-9a-fA-F]{2})\}?|\\([01][0-7]{2})")
_QUOTED = re.compile("=([2-7][0-9a-fA-F])")
_BETWEEN = re.compile("[^A-Za-z0-9_-]+")
#: (character, decoding): a text without the character needs no decoding.
_DECODINGS: tuple[tuple[str, Callable[[str], str]], ...] = (
    ("%", unquote),
    ("&", html.unescape),
    (
        "\\",
        lambda text: _ESCAPE.sub(
            lambda found: chr(int(found[1], 16) if found[1] else int(found[2], 8)), text
        ),
    ),
    ("=", lambda text: _QUOTED.sub(lambda found: chr(int(found[1], 16)), text)),
)


class _Form:
    """One encoding of a key: the pieces that reveal it."""

    __slots__ = ("_in_any_case", "_parts", "_pattern")

    def __init__(self, texts: Iterable[str], length: int, *, in_any_case: bool) -> None:
        texts = list(texts)
        pieces = (text[at : at + length] for text in texts for at in range(len(text) - length + 1))
        varied = [piece for piece in dict.fromkeys(pieces) if len({*piece}) >= _VARIED]
        self._pattern = re.compile(
            f"(?=({'|'.join(map(re.escape, varied)) or '(?!)'}))",
            re.ASCII | (re.IGNORECASE if in_any_case else 0),
        )
        # Every piece contains one of these parts. This test is twenty times as fast as the pattern.
        half = length // 2
        parts = {
            text[at : at + half] for text in texts for at in range(0, len(text) - half + 1, half)
        }
        self._in_any_case = in_any_case
        self._parts = tuple({part.lower() if in_any_case else part for part in parts})

    def without(self, text: str) -> str:
        """A text with `[redacted]` in place of each part that reveals the key."""
        same = text.lower() if self._in_any_case else text
        if not any(part in same for part in self._parts):
            return text
        parts: list[str] = []
        end = 0
        for found in self._pattern.finditer(text):
            start, stop = found.span(1)
            if start > end or not parts:
                parts.append(text[end:start] + REDACTED)
            end = stop
        return "".join([*parts, text[end:]])


class KeyEchoes:
    """The forms that one key can have in an answer."""

    __slots__ = ("_forms",)

    def __init__(self, api_key: ApiKey) -> None:
        secret = api_key.reveal()
        length = min(_SHOWS, len(secret))
        self._forms = (
            _Form([secret], length, in_any_case=True),
            _Form([secret.encode().hex()], 2 * length, in_any_case=True),
            _Form(_in_base64(secret.encode()), 16, in_any_case=False),
            _Form(_in_base32(secret.encode()), 19, in_any_case=True),
        )

    def hidden(self, text: str) -> str:
        """A text with `[redacted]` in place of the key; unchanged if it does not contain the key."""
        if len(text) < _SHOWS - 1:
            return text
        found = decoded = self._plainly_hidden(text)
        for _ in range(_ROUNDS):
            before = decoded
            for sign, decode in _DECODINGS:
                if (
                    sign in decoded
                    and (without := self._plainly_hidden(plain := decode(decoded))) != plain
                ):
                    found = decoded = without
                elif sign in decoded:
                    decoded = plain
            if decoded == before:
                break
        return REDACTED if self._is_spread_over(decoded) else found

    def hidden_in(self, outcome: Outcome) -> Outcome:
        """An outcome with the key redacted in all of its texts."""
        changed: dict[str, Any] = {}
        for field in fields(outcome):
            value = getattr(outcome, field.name)
            if isinstance(value, str) and (text := self.hidden(value)) != value:
                changed[field.name] = text
            elif isinstance(value, tuple) and value:
                changed[field.name] = tuple(map(self._hidden_in_difference, value))
        return replace(outcome, **changed) if changed else outcome

    def _hidden_in_difference(self, one: Difference) -> Difference:
        if one.theirs is None or self.hidden(one.theirs) == one.theirs:
            return one
        redacted = json.dumps(
            self._hidden_in_value(json.loads(one.theirs)), sort_keys=True, ensure_ascii=False
        )
        return replace(one, theirs=redacted)

    def _hidden_in_value(self, value: Any) -> Any:
        match value:
            case str():
                return self.hidden(value)
            case list():
                return [self._hidden_in_value(one) for one in value]
            case dict():
                return {
                    self.hidden(name): self._hidden_in_value(one) for name, one in value.items()
                }
            case _:
                return value

    def _is_spread_over(self, text: str) -> bool:
        """Whether a text contains the key with separators between its characters, or in full-width characters."""
        if not _BETWEEN.search(text):
            return False
        joined = _BETWEEN.sub("", unicodedata.normalize("NFKC", text))
        return self._plainly_hidden(joined) != joined

    def _plainly_hidden(self, text: str) -> str:
        for form in self._forms:
            text = form.without(text)
        return text


def _in_base64(secret: bytes) -> Iterator[str]:
    """The part of each base64 form that depends on the key alone, for each of its three positions in a group of bytes."""
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        for shift in range(3):
            text = encode(bytes(shift) + secret).decode().rstrip("=")
            yield text[-(-shift * 8 // 6) : -1]


def _in_base32(secret: bytes) -> Iterator[str]:
    """The same for base32, with groups of five bytes."""
    for shift in range(5):
        text = base64.b32encode(bytes(shift) + secret).decode().rstrip("=")
        yield text[-(-shift * 8 // 5) : -1]
