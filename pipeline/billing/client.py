"""The calls themselves, over httpx. Whatever happens on the way comes back as an `Outcome`, never as an exception."""

import ssl
from collections.abc import Generator
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
    """An open connection to one billing address with one key; safe to share between worker threads."""

    def __init__(self, address: Address, api_key: ApiKey, *, workers: int) -> None:
        self._client = httpx.Client(
            base_url=address.base_url,
            auth=_Bearer(api_key),
            timeout=_TIMEOUT,
            limits=httpx.Limits(max_connections=workers, max_keepalive_connections=workers),
            follow_redirects=False,
            # Proxies, netrc and certificates from the environment would send the key elsewhere.
            trust_env=False,
            headers={
                "Accept": "application/json, application/problem+json",
                "Accept-Encoding": "identity",  # a compressed answer could unpack to any size
                "User-Agent": "pipeline",
            },
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def make(self, call: Call) -> Outcome:
        """Make a call and say what came of it."""
        match call:
            case Create():
                headers = {"Idempotency-Key": call.key, "Content-Type": "application/json"}
                answer = self._exchange("POST", "/billing/customers", headers, call.payload)
                return read_create(answer, call.payload) if isinstance(answer, Response) else answer
            case LookUp():
                answer = self._exchange(
                    "GET", f"/billing/customers/{quote(call.external_reference, safe='')}", {}, None
                )
                return read_look_up(answer, call.payload) if isinstance(answer, Response) else answer

    def _exchange(
        self, method: str, path: str, headers: dict[str, str], content: bytes | None
    ) -> Response | NoAnswer | CertificateRefused:
        try:
            with self._client.stream(method, path, headers=headers, content=content) as response:
                body = _limited(response)
                if body is None:
                    return NoAnswer("the answer is larger than 1 MiB")
                return Response(response.status_code, {k.lower(): v for k, v in response.headers.items()}, body)
        except (httpx.HTTPError, httpx.StreamError, OSError) as error:
            # Faster transports report "sent, answer lost" as a connect error, so no exception means "surely not sent".
            # The message may quote headers; the type's name says enough.
            return (
                CertificateRefused(type(error).__name__)
                if _is_about_certificates(error)
                else NoAnswer(type(error).__name__)
            )


class _Bearer(httpx.Auth):
    """Puts the key in at the moment of sending, so that it stands in no client's headers meanwhile."""

    def __init__(self, api_key: ApiKey) -> None:
        self._api_key = api_key

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        request.headers["Authorization"] = f"Bearer {self._api_key.reveal()}"
        yield request


def _limited(response: httpx.Response) -> bytes | None:
    pieces: list[bytes] = []
    length = 0
    for piece in response.iter_bytes():
        length += len(piece)
        if length > LARGEST_ANSWER:
            return None
        pieces.append(piece)
    return b"".join(pieces)


def _is_about_certificates(error: BaseException) -> bool:
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, ssl.SSLCertVerificationError):
            return True
        seen = seen.__cause__ or seen.__context__
    return False
