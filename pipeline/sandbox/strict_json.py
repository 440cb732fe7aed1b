"""Strict JSON: what two parsers could read differently is refused."""

import json
from typing import NoReturn


def loads(payload: bytes) -> object:
    """Return the value in `payload`; ValueError if it is not UTF-8, not JSON, or ambiguous (duplicate key, NaN)."""
    try:
        value: object = _decode(payload.decode())
        dumps(value)  # an escaped lone surrogate parses, but is no text
    except RecursionError:
        raise ValueError("nested too deeply") from None
    except UnicodeError:
        raise ValueError("not UTF-8 text") from None
    return value


def dumps(value: object) -> bytes:
    """Return `value` as compact JSON in UTF-8."""
    return _encode(value).encode()


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("an object has the same key twice")
    return found


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


# Made once: json.loads() and json.dumps() make anew what has options, at 10 µs a call.
_decode = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_refuse_constant).decode
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
