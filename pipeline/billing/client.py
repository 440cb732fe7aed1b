"""The calls themselves, over httpx. Whatever happens on the way comes back as an `Outcome`, never as an exception."""

import contextlib
import ssl
import time
from dataclasses import dataclass
from types import TracebackType
from typing import Self
from urllib.parse import quote

import httpx

from pipeline.billing.address import Address
from pipeline.billing.answers import Response, read_create, read_look_up
from pipeline.billing.api_key import ApiKey
from pipeline.outcomes import CertificateRefused, NoAnswer, Outcome

LARGEST_ANSWER = 1 << 20  #: bytes; a body beyond it is not read on
LONGEST_CALL = 120.0  #: seconds from the first byte of a request to the last of its answer
_HEADERS = {
    "Accept": "application/json, application/problem+json",
    "Accept-Encoding": "identity",  # a compressed answer could unpack to any size
    "User-Agent": "pipeline",
}
_TIMEOUT = httpx.Timeout(connect=10, read=60, write=30, pool=30)


@dataclass(frozen=True, slots=True)
class Create:
    """Ask billing to create a customer, once under this key."""

    external_reference: str
    key: str
    payload: bytes


@dataclass(frozen=True, slots=True)
class LookUp:
    """Ask billing what it holds under a reference; `payload` is what we would have sent, to compare with."""

    external_reference: str
    payload: bytes


Call = Create | LookUp


class Billing:
    """An open connection to one billing address with one key; safe to share between worker threads.

    It speaks to httpx's transport, not to its client: the client keeps cookies, reads redirects that nobody follows
    (and fails on their nonsense), and takes proxies and certificates from the environment.
    """

    def __init__(self, address: Address, api_key: ApiKey, *, workers: int) -> None:
        limits = httpx.Limits(max_connections=workers, max_keepalive_connections=workers)
        self._transport = httpx.HTTPTransport(limits=limits, trust_env=False, retries=0)
        self._base_url = address.base_url
        self._api_key = api_key

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._transport.close()

    def make(self, call: Call) -> Outcome:
        """Make a call and say what came of it; ValueError for a reference that would be another path."""
        match call:
            case Create():
                headers = {"Idempotency-Key": call.key, "Content-Type": "application/json"}
                answer = self._exchange("POST", "/billing/customers", headers, call.payload)
                return read_create(answer, call.payload) if isinstance(answer, Response) else answer
            case LookUp():
                answer = self._exchange("GET", f"/billing/customers/{_as_path(call.external_reference)}", {}, None)
                return read_look_up(answer, call.payload) if isinstance(answer, Response) else answer

    def _exchange(
        self, method: str, path: str, headers: dict[str, str], content: bytes | None
    ) -> Response | NoAnswer | CertificateRefused:
        request = httpx.Request(
            method,
            self._base_url + path,
            # The key is put in here, at the moment of sending, and stands in no object that outlives the call.
            headers={**_HEADERS, **headers, "Authorization": f"Bearer {self._api_key.reveal()}"},
            content=content,
            extensions={"timeout": _TIMEOUT.as_dict()},
        )
        try:
            until = time.monotonic() + LONGEST_CALL
            with contextlib.closing(self._transport.handle_request(request)) as response:
                body = _limited(response, until)
                if isinstance(body, NoAnswer):
                    return body
                return Response(response.status_code, {k.lower(): v for k, v in response.headers.items()}, body)
        except (httpx.HTTPError, httpx.StreamError, OSError) as error:
            # Faster transports report "sent, answer lost" as a connect error, so no exception means "surely not sent".
            # The message may quote headers; the type's name says enough.
            return (CertificateRefused if is_about_certificates(error) else NoAnswer)(type(error).__name__)


def _as_path(reference: str) -> str:
    """A reference as one part of a path; `.` and `..` would be quietly removed on the way."""
    if reference in {"", ".", ".."}:
        raise ValueError(f"{reference!r} is no reference that can be looked up")
    return quote(reference, safe="")


def _limited(response: httpx.Response, until: float) -> bytes | NoAnswer:
    """The body, unless it is too large or drips in for too long: each byte in time does not make an answer in time."""
    pieces: list[bytes] = []
    length = 0
    for piece in response.iter_bytes():
        length += len(piece)
        if length > LARGEST_ANSWER:
            return NoAnswer("the answer is larger than 1 MiB")
        if time.monotonic() > until:
            return NoAnswer("the answer does not end")
        pieces.append(piece)
    return b"".join(pieces)


def is_about_certificates(error: BaseException) -> bool:
    """Whether an error says that the other side could not prove who it is."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, ssl.SSLCertVerificationError):
            return True
        seen = seen.__cause__ or seen.__context__
    return False
