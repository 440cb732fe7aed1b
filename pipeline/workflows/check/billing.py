"""Check the key, the address, the certificate and the clock of billing."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

from pipeline.billing import ApiKey, parse_address
from pipeline.billing.probe import Probe
from pipeline.config import KEY_FILE_VARIABLE, SANDBOX, Job, read_api_key, target_from
from pipeline.errors import AddressRefused, ConfigError, KeyProblem
from pipeline.workflows.check.finding import Finding, Verdict, fault
from pipeline.workflows.check.request import CheckRequest, naming_of
from pipeline.workflows.progress import CLOCK

CLOCK_WARNING, CLOCK_FAULT = timedelta(seconds=30), timedelta(minutes=5)
CERTIFICATE_WARNING = timedelta(days=14)


def of_billing(
    request: CheckRequest, place: str | None, job: Job | None, ask: Callable[..., Probe]
) -> Iterator[Finding]:
    """Key, address, certificate and clock."""
    if place is None or place == SANDBOX:
        why = "no destination was given" if place is None else "the sandbox is inside this process"
        yield from (
            Finding(what, Verdict.NOT_CHECKED, why)
            for what in ("key", "address", "certificate", "clock")
        )
        return
    key, key_fault = _key(request, place, job)
    try:
        address = parse_address(place)
    except AddressRefused as refused:
        yield key_fault or Finding(
            "key", Verdict.OK, "it has the form of a secret key; it was not tested"
        )
        yield fault(
            "address", str(refused), "correct the address; a key is sent only to a valid one"
        )
        yield from (
            Finding(what, Verdict.NOT_CHECKED, "there is no address")
            for what in ("certificate", "clock")
        )
        return
    answer = ask(address)
    yield key_fault or _tested_key(key, answer, lambda: ask(address, key))
    yield _address(place, answer)
    yield of_certificate(place, answer)
    yield of_clock(answer)


def _key(
    request: CheckRequest, place: str, job: Job | None
) -> tuple[ApiKey | None, Finding | None]:
    try:
        key = read_api_key(request.variables)
        target_from(place, key, naming_of(request, place, job))
    except KeyProblem as problem:
        return None, fault(
            "key",
            str(problem),
            "set a secret key of this merchant, in the variable or in a file",
        )
    except AddressRefused as refused:
        if key.is_live:
            return None, fault("key", str(refused), "use a test key here, or correct the address")
    except ConfigError:
        pass  # names are missing; the check of the environment reports it
    path = request.variables.get(KEY_FILE_VARIABLE)
    if path and Path(path).stat().st_mode & 0o077:
        return None, Finding(
            "key", Verdict.WARNING, f"{path} can be read by others", f"chmod 600 {path}"
        )
    return key, None


def _tested_key(key: ApiKey | None, answer: Probe, ask: Callable[[], Probe]) -> Finding:
    """Whether billing accepts the key, which is sent only to a server that answers as it does."""
    if key is None or not answer.is_billings:
        return Finding("key", Verdict.OK, "it has the form of a secret key; it was not tested")
    reply = ask()
    if reply.status in {401, 403}:
        return fault(
            "key",
            f"billing refuses it ({reply.status})",
            "set a key of this merchant that is not deleted or expired",
        )
    if reply.silence:
        return Finding(
            "key",
            Verdict.WARNING,
            f"billing does not answer it ({reply.silence})",
            "try again; if it fails again, ask billing",
        )
    if not reply.is_billings:
        return Finding(
            "key",
            Verdict.WARNING,
            f"billing answers it with {reply.status}",
            "try again; if it fails again, ask billing",
        )
    return Finding(
        "key", Verdict.OK, f"billing accepts it ({'live' if key.is_live else 'test'} key)"
    )


def _address(place: str, answer: Probe) -> Finding:
    if answer.silence:
        return fault(
            "address",
            f"{place} does not answer ({answer.silence})",
            "correct the name or the port, or check that the network lets this machine through",
        )
    if answer.certificate_refused:
        return Finding(
            "address", Verdict.NOT_CHECKED, "its certificate is refused, so nothing was sent"
        )
    if not answer.is_billings:
        content_type = answer.content_type or "no content type"
        detail = f"{place} answers {answer.status} ({content_type}), which the billing API does not"
        return fault("address", detail, "set the address of the billing API, without a path")
    return Finding("address", Verdict.OK, f"{place} answers as billing does")


def of_certificate(place: str, answer: Probe) -> Finding:
    """The certificate is valid, and not about to expire."""
    if answer.certificate_refused:
        remedy = (
            "do not continue: this may be another server;"
            " ask billing, and check this machine's clock"
        )
        return fault("certificate", f"{place}: {answer.certificate_refused}", remedy)
    until = answer.certificate_until
    if until is None:
        why = "plain HTTP to this machine" if place.startswith("http://") else "there was no answer"
        return Finding("certificate", Verdict.NOT_CHECKED, why)
    left = until - CLOCK.now()
    detail = f"valid until {until:%Y-%m-%d}, {left.days} days"
    if left < CERTIFICATE_WARNING:
        return Finding(
            "certificate",
            Verdict.WARNING,
            detail,
            "ask billing when it will be renewed; runs stop when it expires",
        )
    return Finding("certificate", Verdict.OK, detail)


def of_clock(answer: Probe) -> Finding:
    """This machine's clock agrees with that of the server."""
    ahead = answer.clock_ahead
    if ahead is None:
        return Finding("clock", Verdict.NOT_CHECKED, "the server sent no time")
    direction = "ahead of" if ahead > timedelta() else "behind"
    detail = f"this machine is {abs(ahead.total_seconds()):.0f} s {direction} the server"
    remedy = "set this machine's clock (NTP): idempotency keys expire by the server's clock"
    if abs(ahead) > CLOCK_FAULT:
        return fault("clock", detail, remedy)
    if abs(ahead) > CLOCK_WARNING:
        return Finding("clock", Verdict.WARNING, detail, remedy)
    return Finding("clock", Verdict.OK, detail)
