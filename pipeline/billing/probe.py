"""One harmless request to a billing address: does it answer like billing, until when is its certificate valid, what is its time."""

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from pipeline.billing.address import Address
from pipeline.billing.api_key import ApiKey
from pipeline.billing.trust import tls_context

#: A reference that no customer has: billing answers 401 without a key and 404 with one.
NOBODY = "pipeline-check-nobody-has-this-reference"
_TIMEOUT = httpx.Timeout(10.0, connect=5.0)


@dataclass(frozen=True, slots=True)
class Probe:
    """The result of the request."""

    status: int | None  #: None: no answer
    content_type: str = ""
    clock_ahead: timedelta | None = (
        None  #: how far this machine's clock is ahead of the server's; None: the answer has no date
    )
    certificate_until: datetime | None = None
    silence: str | None = None  #: why there is no answer
    certificate_refused: str | None = None  #: why the certificate is not accepted

    @property
    def is_billings(self) -> bool:
        """Whether the answer has the form of billing's answer to this request."""
        return self.status in {401, 403, 404} and self.content_type == "application/problem+json"


def probe(address: Address, api_key: ApiKey | None = None) -> Probe:
    """Send the request, with or without a key; redirects are not followed, environment variables are ignored."""
    authorization = {"Authorization": f"Bearer {api_key.reveal()}"} if api_key else {}
    request = httpx.Request(
        "GET",
        f"{address.base_url}/billing/customers/{NOBODY}",
        headers={"Accept": "application/json", **authorization},
        extensions={"timeout": _TIMEOUT.as_dict()},
    )
    with httpx.HTTPTransport(verify=tls_context(), trust_env=False, retries=0) as transport:
        asked = datetime.now(UTC)
        try:
            response = transport.handle_request(request)
        except (httpx.HTTPError, OSError) as error:
            return _no_answer(error)
        answered = datetime.now(UTC)
        found = Probe(
            status=response.status_code,
            content_type=response.headers.get("content-type", "").partition(";")[0].strip().lower(),
            clock_ahead=_ahead(response.headers.get("date", ""), asked + (answered - asked) / 2),
            certificate_until=_certificate_until(response.extensions.get("network_stream")),
        )
        response.close()
        return found


def _is_about_certificates(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return True
        error = error.__cause__ or error.__context__
    return False


def _no_answer(error: BaseException) -> Probe:
    if _is_about_certificates(error):
        return Probe(None, certificate_refused=_certificate_fault(error))
    return Probe(None, silence=type(error).__name__)  # its text may quote headers


def _certificate_fault(error: BaseException | None) -> str:
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return error.verify_message
        error = error.__cause__ or error.__context__
    return "it cannot be verified"


def _ahead(date: str, now: datetime) -> timedelta | None:
    try:
        theirs = parsedate_to_datetime(date)
    except (ValueError, TypeError):
        return None
    return now - (theirs if theirs.tzinfo else theirs.replace(tzinfo=UTC))


def _certificate_until(stream: Any) -> datetime | None:
    tls = stream.get_extra_info("ssl_object") if stream is not None else None
    until = tls.getpeercert().get("notAfter") if tls is not None else None
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(until), UTC) if until else None
