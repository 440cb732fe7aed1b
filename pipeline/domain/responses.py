"""Every kind of response of billing to one request, as a value.

The row numbers are those of the outcome table in `docs/explanation/exactly-once.md`.
"""

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Difference:
    """One field in which billing's echo is not what was sent; `None` where a side has no such field."""

    field: str
    ours: str | None
    theirs: str | None


@dataclass(frozen=True, slots=True)
class Accepted:
    """201 (or 200) with a customer that carries our reference: rows 22 and 23."""

    billing_id: str
    replayed: bool
    differences: tuple[Difference, ...] = ()
    payable: bool = (
        True  #: payment rules came with it; without them the customer cannot be paid against
    )
    status: int = 201


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """The request may or may not have arrived: rows 1 and 3. Never read as "surely not sent"."""

    why: str


@dataclass(frozen=True, slots=True)
class CertificateRefused:
    """The other side could not prove who it is: row 2."""

    why: str


@dataclass(frozen=True, slots=True)
class ServerTrouble:
    """5xx, 408 or 425: rows 4, 5 and 16."""

    status: int
    replayed: bool
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class Limited:
    """429: rows 18 to 20; `retry_after` in seconds."""

    replayed: bool
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class Conflicting:
    """409: the key's first request still runs (row 6), the reference is taken (row 7), or the kind is unknown (row 8)."""

    kind: str  #: "running", "taken" or "unknown"
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class AnotherCustomer:
    """A success that names another external reference than was asked for: it proves nothing about ours. Row 22."""

    status: int


@dataclass(frozen=True, slots=True)
class RowRefused:
    """400, 422, 413, 414 or 431 about the row itself, with billing's own text: rows 10 and 17."""

    status: int
    detail: str
    replayed: bool
    certain: (
        bool  #: the problem's type says that it is about the row, not about the idempotency key
    )


@dataclass(frozen=True, slots=True)
class KeyReused:
    """422: the idempotency key was used with another payload, so ledger and server disagree: row 9."""

    status: int = 422


@dataclass(frozen=True, slots=True)
class RequestRefused:
    """400 about the key header, 406 or 415: our own fault, row 11."""

    status: int
    detail: str
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class CredentialRefused:
    """401, 403 or 402: rows 12 to 14."""

    status: int
    replayed: bool


@dataclass(frozen=True, slots=True)
class Misaddressed:
    """404 or 405 on the collection, or a redirect, which is never followed: rows 15 and 24."""

    status: int
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class Unintelligible:
    """2xx whose body is malformed, empty or without id: row 21."""

    status: int
    why: str


@dataclass(frozen=True, slots=True)
class Unexpected:
    """Any other status, and every refusal that is not billing's own, such as a gateway's: row 25. It settles nothing."""

    status: int
    why: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """A lookup found a customer whose echoed reference is ours, byte for byte."""

    status: ClassVar[int] = 200
    billing_id: str
    differences: tuple[Difference, ...] = ()
    payable: bool = True


@dataclass(frozen=True, slots=True)
class NotFound:
    """Billing's own answer that it holds nothing under this reference. A lookup may show an earlier state."""

    status: ClassVar[int] = 404


Outcome = (
    Accepted
    | AnotherCustomer
    | NoAnswer
    | CertificateRefused
    | ServerTrouble
    | Limited
    | Conflicting
    | RowRefused
    | KeyReused
    | RequestRefused
    | CredentialRefused
    | Misaddressed
    | Unintelligible
    | Unexpected
    | Found
    | NotFound
)
