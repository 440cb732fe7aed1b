"""The contract of a create: the vendor's field rules, all checked at once."""

import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache

from . import problems, strict_json
from .problems import FieldError, Problem

#: Says what is wrong with a value, or None.
Rule = Callable[[object], str | None]

#: The integers that every JSON reader reads exactly.
LARGEST_BALANCE = 2**53 - 1

IDEMPOTENCY_KEY = re.compile(r"[a-zA-Z0-9-]{1,255}")


def check_content_type(content_type: str | None) -> Problem | None:
    """Return the problem with a request's content type; parameters such as a charset are allowed."""
    media_type = (content_type or "").partition(";")[0].strip().lower()
    return None if media_type == "application/json" else problems.UNSUPPORTED_MEDIA_TYPE


def check_idempotency_key(keys: list[str]) -> Problem | None:
    """Return the problem with the values of the header Idempotency-Key; exactly one is required."""
    if not keys:
        return problems.KEY_MISSING
    is_one_key = len(keys) == 1 and IDEMPOTENCY_KEY.fullmatch(keys[0])
    return None if is_one_key else problems.KEY_MALFORMED


def read_customer(payload: bytes) -> dict[str, object] | Problem:
    """Return the fields in the body of a create, or the one problem that names every fault of them."""
    fields = _object_in(payload)
    return (
        fields if isinstance(fields, Problem) else check_customer(fields) or _with_integers(fields)
    )


def read_changes(payload: bytes, stored: Mapping[str, object]) -> dict[str, object] | Problem:
    """Return the fields of a stored customer after an update, or the one problem that names every fault of it."""
    changes = _object_in(payload)
    if isinstance(changes, Problem):
        return changes
    if not changes:
        return problems.MISSING_PARAMETER.about("Name at least one field to change.")
    fixed = FieldError("external_reference", "cannot be changed")
    if "external_reference" in changes:
        return problems.UNKNOWN_PARAMETER.about("Faults found: 1. See errors.", fixed)
    fields = {**stored, **changes}
    return check_customer(fields) or _with_integers(fields)


def _object_in(payload: bytes) -> dict[str, object] | Problem:
    try:
        found = strict_json.loads(payload)
    except ValueError as error:
        return problems.MALFORMED_REQUEST.about(f"The body is not valid JSON: {error}.")
    return found if isinstance(found, dict) else problems.MALFORMED_REQUEST


def _with_integers(fields: dict[str, object]) -> dict[str, object]:
    """JSON has one kind of number: 5.0 is the integer 5, also for JSON Schema."""
    balance = fields.get("balance")
    return {**fields, "balance": int(balance)} if isinstance(balance, float) else fields


def check_customer(fields: Mapping[str, object]) -> Problem | None:
    """Return the problem with a customer's fields: 400 for a missing or unknown field, 422 for a wrong value."""
    found = (
        (problems.MISSING_PARAMETER, tuple(_missing(fields))),
        (problems.UNKNOWN_PARAMETER, tuple(_unknown(fields))),
        (problems.INVALID_PARAMETER, tuple(_invalid(fields))),
    )
    errors = tuple(error for _, some in found for error in some)
    first = next((problem for problem, some in found if some), None)
    return first and first.about(f"Faults found: {len(errors)}. See errors.", *errors)


def _missing(fields: Mapping[str, object]) -> Iterator[FieldError]:
    if "external_reference" not in fields:
        yield FieldError("external_reference", "is required")
    if "balance" in fields and "currency" not in fields:
        yield FieldError("currency", "is required with balance")


def _unknown(fields: Mapping[str, object]) -> Iterator[FieldError]:
    return (
        FieldError(name, "is not a field of a customer") for name in fields if name not in RULES
    )


def _invalid(fields: Mapping[str, object]) -> Iterator[FieldError]:
    for name, value in fields.items():
        fault = RULES[name](value) if name in RULES else None
        if fault:
            yield FieldError(name, fault)


def _text(at_least: int, at_most: int, pattern: str = r"(?s:.*)", meaning: str = "text") -> Rule:
    """Return the rule of a string of some length that matches `pattern` from end to end."""
    matches = re.compile(pattern).fullmatch

    def rule(value: object) -> str | None:
        if not isinstance(value, str):
            return "must be a string"
        if not at_least <= len(value) <= at_most:
            return f"must have {at_least} to {at_most} characters"
        return None if matches(value) else f"must be {meaning}"

    return rule


def _balance(value: object) -> str | None:
    is_whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
    if not is_whole or isinstance(value, bool) or not isinstance(value, int | float):
        return "must be an integer of minor units"
    return None if abs(value) <= LARGEST_BALANCE else f"must lie within ±{LARGEST_BALANCE}"


def _currency(value: object) -> str | None:
    return (
        None
        if isinstance(value, str) and value in currencies()
        else "must be a current ISO 4217 code"
    )


@cache
def currencies() -> frozenset[str]:
    """Every current ISO 4217 code."""
    from iso4217 import Currency

    return frozenset(currency.code for currency in Currency)


_metadata_key = _text(1, 40)
_metadata_value = _text(1, 500)


def _metadata(value: object) -> str | None:
    if not isinstance(value, dict):
        return "must be an object of strings"
    if len(value) > 10:
        return "must have at most 10 keys"
    if any(map(_metadata_key, value)):
        return "must have keys of 1 to 40 characters"
    return (
        "must have strings of 1 to 500 characters as values"
        if any(map(_metadata_value, value.values()))
        else None
    )


#: White space as every dialect of regular expressions knows it, and control characters.
_GAPS = r"\s\x00-\x1f\x7f-\x9f\ufeff"

RULES: dict[str, Rule] = {
    "external_reference": _text(
        1, 255, "[a-zA-Z0-9_-]*", "letters, digits, underscores and hyphens"
    ),
    "name": _text(0, 255),
    "email": _text(1, 255, rf"[^@{_GAPS}]+@[^@.{_GAPS}]+(\.[^@.{_GAPS}]+)+", "an email address"),
    "phone": _text(1, 255, r"\+[1-9][0-9]{1,14}", "an E.164 number such as +27123456789"),
    "currency": _currency,
    "balance": _balance,
    "metadata": _metadata,
}
