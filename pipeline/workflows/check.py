"""`pipeline check`: check everything that a run needs, and state a remedy for each fault."""

import errno
import os
import secrets
import shutil
import stat
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from pipeline.billing import Address, ApiKey, parse_address
from pipeline.billing.probe import Probe, probe
from pipeline.config import (
    KEY_FILE_VARIABLE,
    SANDBOX,
    ConfigFile,
    Job,
    Naming,
    Settings,
    environment_from,
    load_config,
    read_api_key,
    target_from,
)
from pipeline.domain.customer import Environment
from pipeline.errors import AddressRefused, ConfigError, KeyProblem, PipelineError
from pipeline.storage.known_customers import known_to
from pipeline.storage.ledger import Ledger, disk_fault, lock_holder
from pipeline.workflows.progress import CLOCK

PROBE_BYTES = 1 << 20
LITTLE_SPACE, NO_SPACE = 1 << 30, 100 << 20
CLOCK_WARNING, CLOCK_FAULT = timedelta(seconds=30), timedelta(minutes=5)
CERTIFICATE_WARNING = timedelta(days=14)
SECONDS = 30.0  #: for all checks together
T = TypeVar("T")


class Verdict(StrEnum):
    """The result of a check."""

    OK = "ok"
    WARNING = "warning"
    FAULT = "fault"
    NOT_CHECKED = "not checked"


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check, with what was seen and what to do about it."""

    what: str
    verdict: Verdict
    detail: str
    remedy: str | None = None
    suggests: tuple[str, ...] = ()  #: the words of a command that helps, such as ("resume",)

    def content(self) -> dict[str, Any]:
        """The finding for programs."""
        return {
            "what": self.what,
            "verdict": self.verdict,
            "told": self.detail,
            "mend": self.remedy,
            "suggests": self.suggests,
        }


@dataclass(frozen=True, slots=True)
class CheckRequest:
    """What to check: a config, a destination, the folders, and the variables with the key."""

    config: Path | None
    destination: str | None
    home: Path | None  #: None: that of the config, else the default
    reports: Path | None
    variables: Mapping[str, str]
    environment: str | None = None
    merchant: str | None = None
    live: bool = False


@dataclass(frozen=True, slots=True)
class _Deadline:
    """One time limit for all checks."""

    ends: float  #: monotonic

    def wait_for(self, work: Callable[[], T], late: T) -> T:
        """What `work` returns or raises, or `late` after the time limit."""
        done: list[T] = []
        raised: list[BaseException] = []

        def run() -> None:
            try:
                done.append(work())
            except BaseException as error:  # noqa: BLE001 - raised again by the waiting thread
                raised.append(error)

        thread = threading.Thread(target=run, name="check", daemon=True)
        thread.start()
        thread.join(max(0.0, self.ends - CLOCK.monotonic()))
        if raised:
            raise raised[0]
        return done[0] if done else late


def check(request: CheckRequest, seconds: float = SECONDS) -> list[Finding]:
    """Run every check within `seconds`; a fault in one does not prevent the others."""
    deadline = _Deadline(CLOCK.monotonic() + seconds)
    config, file = _config(request.config)
    job = file.job if file else None
    place = request.destination or (job.address if job else None)
    places, other_ledger = _places(request, file, place)
    environment, unnamed = _environment(request, place, job)
    is_undecided = any(one.verdict is Verdict.FAULT for one in other_ledger)
    folder = places.home / environment.name if environment and not is_undecided else None
    local = [  # first, so that a slow server cannot use up their time
        *_disks(places, deadline),
        *(
            Finding(what, Verdict.NOT_CHECKED, "no home is chosen")
            for what in ("lock", "references")
            if is_undecided
        ),
        *(
            deadline.wait_for(partial(look, folder, environment), _late(name, folder))
            for name, look in (("ledger", _ledger), ("lock", _lock), ("references", _references))
            if folder and environment
        ),
    ]
    remote = _remote(request, place, job, partial(_probe_in_time, deadline, seconds))
    return [config, *unnamed, *other_ledger, *remote, *local]


def _probe_in_time(
    deadline: _Deadline, seconds: float, address: Address, key: ApiKey | None = None
) -> Probe:
    """Probe within the time limit; the limits of `probe` itself start again with each byte."""
    late = Probe(None, silence=f"no complete answer within {seconds:g} s, the time limit of check")
    return deadline.wait_for(partial(probe, address, key), late)


def _late(what: str, folder: Path) -> Finding:
    return _fault(
        what,
        f"{folder} does not answer in time",
        "check that its disk responds, or choose another folder",
    )


# -- config and names ------------------------------------------------------------------------------


def _config(path: Path | None) -> tuple[Finding, ConfigFile | None]:
    if path is None:
        return Finding(
            "config", Verdict.OK, "none given: canonical columns and default settings are used"
        ), None
    try:
        file = load_config(path)
    except ConfigError as broken:
        return _fault(
            "config", str(broken), "fix these lines; the schema lists what is allowed", "schema"
        ), None
    job = file.job
    return Finding(
        "config", Verdict.OK, f"{path}: {job.merchant} in {job.environment} ({job.mode})"
    ), file


def _places(
    request: CheckRequest, file: ConfigFile | None, place: str | None
) -> tuple[Settings, list[Finding]]:
    """The folders of ledgers and runs, and a finding if another ledger is next to the config."""
    known, job = (
        partial(Settings.of, home=request.home, reports=request.reports),
        file.job if file else None,
    )
    try:
        settings = known(file, destination=place, environment=request.environment)
    except ConfigError as refused:
        return known(), [
            _fault("ledger", str(refused), "choose one with home in the config, or --home")
        ]
    environment, _ = _environment(request, place, job)
    unused = settings.unused_ledger(environment.name) if environment else None
    return settings, [
        Finding("ledger", Verdict.WARNING, unused, "use the same home for both")
    ] if unused else []


def _environment(
    request: CheckRequest, place: str | None, job: Job | None
) -> tuple[Environment | None, list[Finding]]:
    """The environment whose ledger and known customers are checked, or a finding without one."""
    if place is None:
        return None, []
    try:
        return environment_from(place, _naming(request, place, job)), []
    except AddressRefused:
        return None, []  # the check of the address reports it
    except ConfigError as unnamed:
        return None, [
            _fault("environment", str(unnamed), "give the names, or a config that has them")
        ]


def _naming(request: CheckRequest, place: str, job: Job | None) -> Naming:
    return Naming.from_options(
        place,
        job=job,
        environment=request.environment,
        merchant=request.merchant,
        live=request.live,
    )


# -- billing ---------------------------------------------------------------------------------------


def _remote(
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
        yield _fault(
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
    yield _certificate(place, answer)
    yield _clock(answer)


def _key(
    request: CheckRequest, place: str, job: Job | None
) -> tuple[ApiKey | None, Finding | None]:
    try:
        key = read_api_key(request.variables)
        target_from(place, key, _naming(request, place, job))
    except KeyProblem as problem:
        return None, _fault(
            "key",
            str(problem),
            "set a secret key of this merchant, in the variable or in a file",
        )
    except AddressRefused as refused:
        if key.is_live:
            return None, _fault("key", str(refused), "use a test key here, or correct the address")
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
        return _fault(
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
        return _fault(
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
        return _fault("address", detail, "set the address of the billing API, without a path")
    return Finding("address", Verdict.OK, f"{place} answers as billing does")


def _certificate(place: str, answer: Probe) -> Finding:
    if answer.certificate_refused:
        remedy = (
            "do not continue: this may be another server;"
            " ask billing, and check this machine's clock"
        )
        return _fault("certificate", f"{place}: {answer.certificate_refused}", remedy)
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


def _clock(answer: Probe) -> Finding:
    ahead = answer.clock_ahead
    if ahead is None:
        return Finding("clock", Verdict.NOT_CHECKED, "the server sent no time")
    direction = "ahead of" if ahead > timedelta() else "behind"
    detail = f"this machine is {abs(ahead.total_seconds()):.0f} s {direction} the server"
    remedy = "set this machine's clock (NTP): idempotency keys expire by the server's clock"
    if abs(ahead) > CLOCK_FAULT:
        return _fault("clock", detail, remedy)
    if abs(ahead) > CLOCK_WARNING:
        return Finding("clock", Verdict.WARNING, detail, remedy)
    return Finding("clock", Verdict.OK, detail)


# -- this machine ----------------------------------------------------------------------------------


def _disks(places: Settings, deadline: _Deadline) -> Iterator[Finding]:
    """Check the folders that a run writes to; for a missing one, its nearest existing parent."""
    for name, folder in (("home", places.home), ("reports", places.reports)):
        existing = next(
            path for path in (folder.absolute(), *folder.absolute().parents) if path.is_dir()
        )
        yield deadline.wait_for(partial(_disk, name, folder, existing), _late("disk", folder))


def _disk(name: str, folder: Path, existing: Path) -> Finding:
    if fault := _cannot_write(existing):
        return _fault(
            "disk",
            f"{name} {folder}: {fault}",
            f"free some space, or choose another folder (--{name})",
        )
    free = shutil.disk_usage(existing).free
    detail = f"{name} {folder}: writable, {free / (1 << 30):.1f} GiB free"
    if free < NO_SPACE:
        return _fault("disk", detail, "free some space: a run that cannot write stops")
    if free < LITTLE_SPACE:
        return Finding(
            "disk",
            Verdict.WARNING,
            detail,
            "free some space: staged tables and lists need several times the size of the input",
        )
    if existing == folder.absolute() and stat.S_IMODE(existing.stat().st_mode) & 0o077:
        detail = f"{name} {folder}: other users may read it"
        remedy = f"chmod 700 {folder}: it holds personal data"
        return Finding("disk", Verdict.WARNING, detail, remedy)
    return Finding("disk", Verdict.OK, detail)


def _cannot_write(folder: Path) -> str | None:
    """Why a small file cannot be written durably; None if it can. The file is removed again."""
    path = folder / f".check.{secrets.token_hex(8)}.part"
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        return _reason_of(error)
    try:
        written = os.write(descriptor, bytes(PROBE_BYTES))
        os.fsync(descriptor)
    except OSError as error:
        return _reason_of(error)
    finally:
        os.close(descriptor)
        path.unlink(missing_ok=True)
    return None if written == PROBE_BYTES else "the disk is full"


def _reason_of(error: OSError) -> str:
    full = {errno.ENOSPC: "the disk is full", errno.EDQUOT: "the quota is used up"}
    return full.get(error.errno or 0, error.strerror or type(error).__name__)


def _ledger(folder: Path, environment: Environment) -> Finding:
    if (elsewhere := disk_fault(folder)) is not None:
        return _fault("ledger", f"{folder}: {elsewhere}", "choose a --home on a local disk")
    try:
        with Ledger.read(folder) as ledger:
            if ledger is None:
                return Finding("ledger", Verdict.OK, f"{folder}: none yet")
            owner, unsettled, damage = ledger.environment(), ledger.in_doubt(), ledger.damage()
    except PipelineError as broken:
        return _fault(
            "ledger",
            broken.message,
            "restore it from a copy, or resume with the version that wrote it",
        )
    if owner is not None and owner != environment:
        return _fault(
            "ledger",
            f"{folder}: it belongs to {owner}",
            "give this environment its own home (--home), or correct the settings",
        )
    if damage:
        return Finding(
            "ledger",
            Verdict.WARNING,
            f"{folder}: {damage[-1]}",
            "from now on, every customer is looked up before it is sent; to see the damage",
            ("audit", "verify"),
        )
    if unsettled:
        detail = f"{folder}: {unsettled:,} requests are unsettled"
        remedy = "the next run settles them first; to settle them now"
        return Finding("ledger", Verdict.WARNING, detail, remedy, ("resume",))
    return Finding("ledger", Verdict.OK, f"{folder}: every request is settled")


def _lock(folder: Path, _environment: Environment) -> Finding:
    holder = lock_holder(folder)
    if holder:
        return Finding(
            "lock",
            Verdict.WARNING,
            f"held by {holder}",
            "wait for it, or stop it; another run ends with exit 75",
        )
    return Finding("lock", Verdict.OK, "free")


def _references(folder: Path, _environment: Environment) -> Finding:
    try:
        known = known_to(folder)
    except PipelineError as broken:
        return _fault(
            "references", broken.message, "load the known customers again", *broken.suggests
        )
    if known is None:
        return Finding("references", Verdict.OK, "none are loaded")
    return Finding(
        "references",
        Verdict.OK,
        f"{known.rows:,} known customers, loaded {known.loaded_at} ({known.version[:12]})",
    )


def _fault(what: str, detail: str, remedy: str, *suggests: str) -> Finding:
    return Finding(what, Verdict.FAULT, detail, remedy, suggests)
