"""What an answer means: status, headers and body -> an `Outcome`. Pure and strict.

Only an answer of billing itself is final: a problem document that repeats the HTTP status, or a success that names our
external reference. A gateway or a proxy in front of billing may answer with any status; that says nothing about the customer.
A replay is recognized before its status is read: a replayed 401 says nothing about the present key.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import NoReturn

from pipeline.domain.responses import (
    Accepted,
    AnotherCustomer,
    Conflicting,
    CredentialRefused,
    Difference,
    Found,
    KeyReused,
    Limited,
    Misaddressed,
    NotFound,
    Outcome,
    RequestRefused,
    RowRefused,
    ServerTrouble,
    Unexpected,
    Unintelligible,
)

_BILLING_ID = re.compile(r"bcus_[a-zA-Z0-9]+")
_LONGEST_DETAIL = 300
_TYPES_ABOUT_THE_ROW = frozenset({"invalid-parameter", "missing-parameter", "malformed-request"})
_TYPES_ABOUT_THE_KEY = frozenset({"idempotency-key-missing", "idempotency-key-malformed"})
_ECHOED = ("external_reference", "name", "email", "phone", "currency", "balance", "metadata")


class ErrorForm(StrEnum):
    """How this billing API writes its errors; anything else comes from a gateway in front of it."""

    PROBLEM = (
        "problem"  #: `application/problem+json` (RFC 9457) whose `status` repeats the HTTP status
    )
    JSON = "json"  #: a JSON object of either media type; where it has a `status`, that repeats the HTTP status


@dataclass(frozen=True, slots=True)
class Response:
    """An HTTP answer as received, header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def is_marked_replayed(self) -> bool:
        """Whether a header marks it as the stored first answer of its idempotency key; trust it only in an answer of billing itself."""
        # A gateway may repeat or rewrite a header. Any value but `false` counts, because a replay proves less than a fresh answer.
        values = self.headers.get("idempotent-replayed", "false").lower().split(",")
        return any(value.strip() != "false" for value in values)

    def problem(self, form: ErrorForm) -> Mapping[str, object] | None:
        """The body of an error that billing itself wrote; None if a gateway may have written it."""
        is_problem = self.is_of("application/problem+json")
        if not is_problem and not (form is ErrorForm.JSON and self.is_of("application/json")):
            return None
        try:
            content = _strict_json(self.body)
        except ValueError:
            return None
        if not isinstance(content, dict):
            return None
        stated = (
            content.get("status")
            if form is ErrorForm.PROBLEM
            else content.get("status", self.status)
        )
        return content if stated == self.status and type(stated) is int else None

    @property
    def date(self) -> datetime | None:
        """When the server sent it, by its own clock, in whole seconds."""
        return _date(self.headers.get("date", ""))

    def is_of(self, content_type: str) -> bool:
        """Whether the body says that it is of this media type."""
        return (
            self.headers.get("content-type", "").partition(";")[0].strip().lower() == content_type
        )


def read_create(response: Response, payload: bytes, form: ErrorForm = ErrorForm.PROBLEM) -> Outcome:
    """The answer to a create of `payload`."""
    status = response.status
    if status in {200, 201}:
        return _accepted(response, payload)
    problem = response.problem(form)
    replayed = problem is not None and response.is_marked_replayed
    match status:
        case 406 | 415:
            return RequestRefused(status, _detail(problem, status), replayed)
        case 404 | 405:
            return Misaddressed(status, replayed)
        case 400 | 409 | 413 | 414 | 422 | 431 if problem is None:
            return _not_billings(status)
        case 409:
            return Conflicting(_conflict_kind(_kind_of(problem)), replayed)
        case 400 | 422:
            return _about_the_row(problem or {}, status, replayed=replayed)
        case 413 | 414 | 431:
            return RowRefused(status, "too large", replayed, certain=True)
        case _:
            return _about_the_service(response, replayed=replayed)


def read_lookup(response: Response, payload: bytes, form: ErrorForm = ErrorForm.PROBLEM) -> Outcome:
    """The answer to a lookup; found only if it echoes our reference byte for byte, for the path takes ids too."""
    match response.status:
        case 200:
            answer = _accepted(response, payload)
            if not isinstance(answer, Accepted):
                return answer
            return Found(answer.billing_id, answer.differences, answer.payable)
        case 404:
            # A gateway's 404 never reached billing, and must not lead to a new key.
            return NotFound() if response.problem(form) is not None else _not_billings(404)
        case 405:
            return Misaddressed(405)
        case 406 | 415 as status:
            return RequestRefused(status, f"status {status}")
        case _:
            problem = response.problem(form)
            return _about_the_service(
                response, replayed=problem is not None and response.is_marked_replayed
            )


def as_billing_holds_it(payload: str, answer: Found) -> dict[str, object]:
    """The customer that a lookup found: our payload, with billing's value in each field that differs."""
    theirs = {
        one.field: None if one.theirs is None else json.loads(one.theirs)
        for one in answer.differences
    }
    return {**json.loads(payload), **theirs, "billing_id": answer.billing_id}


def _not_billings(status: int) -> Unexpected:
    return Unexpected(status, f"a {status} that is not billing's own")


def _about_the_service(response: Response, *, replayed: bool) -> Outcome:
    status = response.status
    match status:
        case 401 | 402 | 403:
            return CredentialRefused(status, replayed)
        case 429:
            return Limited(replayed, _retry_after(response))
        case 408 | 425:
            return ServerTrouble(status, replayed, _retry_after(response))
        case _ if 500 <= status <= 599:
            return ServerTrouble(status, replayed, _retry_after(response))
        case _ if 300 <= status <= 399:
            return Misaddressed(status, replayed)
        case _ if 200 <= status <= 299:
            return Unintelligible(status, "a status that says nothing about the customer")
        case _:
            return Unexpected(status)


def _kind_of(problem: Mapping[str, object] | None) -> str:
    """The last part of a problem's type, empty where it has none."""
    kind = (problem or {}).get("type")
    return kind.rpartition("#")[2] if isinstance(kind, str) and "#" in kind else ""


def _conflict_kind(problem: str) -> str:
    return {"request-in-progress": "running", "reference-taken": "taken"}.get(problem, "unknown")


def _about_the_row(problem: Mapping[str, object], status: int, *, replayed: bool) -> Outcome:
    kind = _kind_of(problem)
    if kind == "idempotency-key-reused":
        return KeyReused(status)
    if kind in _TYPES_ABOUT_THE_KEY:
        return RequestRefused(status, _detail(problem, status))
    return RowRefused(
        status, _detail(problem, status), replayed, certain=kind in _TYPES_ABOUT_THE_ROW
    )


def _accepted(response: Response, payload: bytes) -> Accepted | AnotherCustomer | Unintelligible:
    status = response.status
    if not response.is_of("application/json"):
        return Unintelligible(status, "its content is not application/json")
    try:
        echo = _strict_json(response.body)
    except ValueError as error:
        return Unintelligible(status, f"its body is no strict JSON: {error}")
    if not isinstance(echo, dict):
        return Unintelligible(status, "its body is no JSON object")
    billing_id = echo.get("id")
    if not isinstance(billing_id, str) or not _BILLING_ID.fullmatch(billing_id):
        return Unintelligible(status, "it carries no customer id")
    sent, reference = json.loads(payload), echo.get("external_reference")
    if not isinstance(reference, str):
        return Unintelligible(status, "it names no external reference")
    if reference != sent["external_reference"]:
        return AnotherCustomer(status)
    differences, payable = tuple(_differences(sent, echo)), bool(echo.get("payment_rules"))
    return Accepted(billing_id, response.is_marked_replayed, differences, payable, status)


#: Changes that a server may make to a field without changing its meaning: texts with the same form are no difference.
_SAME_WITH: dict[str, Callable[[str], str]] = {"email": str.lower}


def _differences(sent: Mapping[str, object], echo: Mapping[str, object]) -> list[Difference]:
    """Fields in which the echo is not what was sent; an absent field and null are the same, 1 and true are not."""
    return [
        Difference(field, _as_json(ours), _as_json(theirs))
        for field in _ECHOED
        # Equal texts and integers need no JSON. Other values do: 1 == True == Decimal("1.0") in Python.
        if not (
            (ours := sent.get(field)) == (theirs := echo.get(field))
            and type(ours) is type(theirs) in {str, int}
        )
        and _as_json(ours) != _as_json(theirs)
        and not _is_equivalent(field, ours, theirs)
    ]


def _is_equivalent(field: str, ours: object, theirs: object) -> bool:
    same_with = _SAME_WITH.get(field)
    return (
        same_with is not None
        and isinstance(ours, str)
        and isinstance(theirs, str)
        and same_with(ours) == same_with(theirs)
    )


def _as_json(value: object) -> str | None:
    """A value as JSON text; a number with decimals differs from the integer and from the text that look like it."""
    if value is None or value == {}:
        return None
    return json.dumps(
        value, sort_keys=True, ensure_ascii=False, default=lambda number: {"decimal": str(number)}
    )


def _strict_json(body: bytes) -> object:
    """JSON without what parsers disagree about: duplicate names, NaN and infinities."""
    try:
        found = json.loads(
            body.decode(),
            object_pairs_hook=_unique,
            parse_constant=_no_number,
            parse_float=_decimal,
        )
        if b"\\u" in body:  # a lone surrogate parses, and fails only when it is encoded
            json.dumps(found, ensure_ascii=False, default=str).encode()
    except RecursionError:
        raise ValueError("too deeply nested") from None
    return found


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("an object has the same name twice")
    return found


def _decimal(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        raise ValueError(f"the exponent of a number is out of range ({text[:40]})") from None


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no JSON number")


def _detail(problem: Mapping[str, object] | None, status: int) -> str:
    """Billing's text about a refusal, short enough for a list. It may quote the row, so it appears nowhere else."""
    texts = [(problem or {}).get("title"), (problem or {}).get("detail")]
    return (
        ": ".join(part for part in texts if isinstance(part, str))[:_LONGEST_DETAIL]
        or f"status {status}"
    )


def _retry_after(response: Response) -> float | None:
    """Seconds to wait, from seconds or from a date against the server's own `Date`; None where it is missing or nonsense."""
    text = response.headers.get("retry-after", "").strip()
    if re.fullmatch(r"[0-9]{1,12}(\s*,\s*[0-9]{1,12})*", text):
        return max(map(float, text.split(",")))  # the longest of several
    until, now = _date(text), response.date
    return max(0.0, (until - now).total_seconds()) if until and now else None


def _date(text: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
