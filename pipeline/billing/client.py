"""The HTTP calls, over pyreqwest. Every failure of a call is an `Outcome`, not an exception."""

import json
import time
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Self
from urllib.parse import quote
from uuid import uuid4

from pyreqwest.client import SyncClient, SyncClientBuilder
from pyreqwest.exceptions import PyreqwestError
from pyreqwest.response import SyncResponse, SyncResponseBodyReader

from pipeline.billing.address import Address
from pipeline.billing.api_key import ApiKey
from pipeline.billing.echoes import KeyEchoes
from pipeline.billing.responses import ErrorForm, Response, read_create, read_lookup
from pipeline.billing.trust import certificates, ignore_environment
from pipeline.domain.responses import AnotherCustomer, CertificateRefused, NoAnswer, Outcome

LARGEST_ANSWER = 1 << 20  #: bytes; a body beyond it is not read on
CONNECT_SECONDS = 10.0
SILENT_SECONDS = 60.0  #: between two pieces of an answer
LONGEST_CALL = 120.0  #: seconds from the first byte of a request to the last byte of its answer
_SECOND = timedelta(seconds=1)
_BELIEVABLE = timedelta(days=366)  #: a clock that differs by more is ignored
_HEADERS = {
    "Accept": "application/json, application/problem+json",
    "Accept-Encoding": "identity",  # a compressed answer could unpack to any size
    "User-Agent": "pipeline",
}
#: The headers that are read of an answer; all others are ignored.
_HEADERS_READ = ("content-type", "idempotent-replayed", "retry-after", "date")
_LISTS = frozenset({"idempotent-replayed", "retry-after"})  #: several values are read as a list
_UNREADABLE = "?"


@dataclass(frozen=True, slots=True)
class Create:
    """Ask billing to create a customer, once under this key."""

    external_reference: str
    key: str
    payload: bytes


@dataclass(frozen=True, slots=True)
class Lookup:
    """Ask billing what it holds under a reference; `payload` is what we would have sent, to compare with."""

    external_reference: str
    payload: bytes


Call = Create | Lookup


def preflight() -> Lookup:
    """A lookup of a customer that never exists, so that no cache remembers one of ours as absent."""
    reference = f"pipeline-preflight-{uuid4().hex}"
    return Lookup(reference, json.dumps({"external_reference": reference}).encode())


class Billing:
    """An open connection to one billing address with one key; safe to share between worker threads.

    Built on pyreqwest, which makes ten times the requests per second of httpx with an eighth of the CPU time
    (`tests/benches/transports.py`). It ignores environment variables, follows no redirect and keeps no cookie.
    """

    def __init__(
        self,
        address: Address,
        api_key: ApiKey,
        *,
        workers: int,
        errors: ErrorForm = ErrorForm.PROBLEM,
    ) -> None:
        self._open = ExitStack()
        self._workers = workers
        self._http = self._connect()
        self._base_url = address.base_url
        self._api_key = api_key
        self._echoes = KeyEchoes(api_key)
        self._errors = errors
        self._date = ""  #: the newest `Date` header
        self._dated: tuple[datetime, float] | None = (
            None  #: its time, and when it came by `_uptime`
        )

    def ahead(self) -> timedelta | None:
        """How far billing's clock is ahead of this machine's now, by the newest date of its answers; None if they have none.

        Between answers billing's clock goes on with the uptime of this machine, whatever is done to its date and time.
        """
        if self._dated is None:
            return None
        date, at = self._dated
        offset = date + timedelta(seconds=_uptime() - at) - datetime.now(UTC)
        return _least_ahead(offset) if abs(offset) < _BELIEVABLE else None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._open.close()

    def make(self, call: Call) -> Outcome:
        """Make a call and return its outcome; ValueError for a reference that would be another path."""
        match call:
            case Create():
                answer, read = (
                    self._exchange("POST", "/billing/customers", call.payload, call.key),
                    read_create,
                )
            case Lookup():
                path = f"/billing/customers/{_as_path(call.external_reference)}"
                answer, read = self._exchange("GET", path), read_lookup
        outcome = (
            read(answer, call.payload, self._errors) if isinstance(answer, Response) else answer
        )
        outcome = self._echoes.hidden_in(outcome)
        if isinstance(outcome, AnotherCustomer):
            # Answers on this connection may belong to other requests, so new calls use new connections only.
            self._http = self._connect()
        return outcome

    def _connect(self) -> SyncClient:
        ignore_environment()
        return self._open.enter_context(
            SyncClientBuilder()
            .no_proxy()
            .follow_redirects(enable=False)
            .http1_only()
            .gzip(enable=False)
            .brotli(enable=False)
            .zstd(enable=False)
            .deflate(enable=False)
            .connect_timeout(timedelta(seconds=CONNECT_SECONDS))
            .read_timeout(timedelta(seconds=SILENT_SECONDS))
            .timeout(timedelta(seconds=LONGEST_CALL))
            .pool_max_idle_per_host(self._workers)
            .add_root_certificate_pem(certificates())
            .default_headers(_HEADERS)
            .build()
        )

    def _exchange(
        self, method: str, path: str, content: bytes | None = None, key: str | None = None
    ) -> Response | NoAnswer | CertificateRefused:
        # The key is added here, at the moment of sending, and stays in no object that outlives the call.
        request = self._http.request(method, self._base_url + path).bearer_auth(
            self._api_key.reveal()
        )
        if content is not None and key is not None:
            request = request.header("Idempotency-Key", key).header(
                "Content-Type", "application/json"
            )
            request = request.body_bytes(content)
        try:
            with request.build_streamed() as response:
                body = _limited(response.body_reader)
                if isinstance(body, NoAnswer):
                    return body
                answer = Response(response.status, _headers(response), body)
        except PyreqwestError as error:
            # "Sent, answer lost" comes as a connect error too, so no exception means "surely not sent".
            # Its causes name the address, and might contain the key one day, so only the type's name is kept.
            return (CertificateRefused if _is_about_certificates(error) else NoAnswer)(
                type(error).__name__
            )
        self._read_clock(answer)
        return answer

    def _read_clock(self, answer: Response) -> None:
        """Read billing's clock when its date has changed: once a second, because parsing a date takes half as long as reading an answer."""
        text = answer.headers.get("date", "")
        if text != self._date and (date := answer.date) is not None:
            self._date, self._dated = text, (date, _uptime())


def _uptime() -> float:
    """Seconds since this machine was started, including those for which it was suspended where the system counts them."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def _least_ahead(offset: timedelta) -> timedelta:
    """The smallest clock offset that explains a measured one: a date drops the fraction of its second."""
    return min(offset + _SECOND, timedelta()) if offset < timedelta() else offset


def _as_path(reference: str) -> str:
    """A reference as one part of a path; clients and servers would silently remove `.` and `..`."""
    if reference in {"", ".", ".."}:
        raise ValueError(f"{reference!r} cannot be looked up")
    return quote(reference, safe="")


def _headers(response: SyncResponse) -> dict[str, str]:
    return {name: value for name in _HEADERS_READ if (value := _header(response, name))}


def _header(response: SyncResponse, name: str) -> str:
    """A header as text; `_UNREADABLE` if its bytes are not text, or if it has several values where only one makes sense."""
    try:
        values = list(dict.fromkeys(response.get_header_all(name)))
    except ValueError:
        return _UNREADABLE
    return ", ".join(values) if len(values) < 2 or name in _LISTS else _UNREADABLE


def _limited(reader: SyncResponseBodyReader) -> bytes | NoAnswer:
    """The body, unless it is too large."""
    pieces: list[bytes] = []
    length = 0
    while piece := reader.read_chunk():
        length += len(piece)
        if length > LARGEST_ANSWER:
            return NoAnswer("the answer is larger than 1 MiB")
        pieces.append(bytes(piece))
    return b"".join(pieces)


def _is_about_certificates(error: PyreqwestError) -> bool:
    """Whether the server's certificate was refused; pyreqwest passes on nothing but the text of rustls."""
    details = getattr(error, "details", None) or {}
    return any("peer certificate" in cause["message"] for cause in details.get("causes") or ())
