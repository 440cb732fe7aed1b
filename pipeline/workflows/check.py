"""The story of a look before the run: everything that can be known beforehand, all of it at once, each with what to do."""

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
from typing import TypeVar

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
SECONDS = 30.0  #: for everything together, whoever answers slowly
T = TypeVar("T")


class Verdict(StrEnum):
    """How a check came out."""

    OK = "ok"
    WARNING = "warning"
    FAULT = "fault"
    NOT_CHECKED = "not checked"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at: what was seen, and what to do about it."""

    what: str
    verdict: Verdict
    told: str
    mend: str | None = None
    suggests: tuple[str, ...] = ()  #: the words of a command that helps, such as ("resume",)


@dataclass(frozen=True, slots=True)
class Asked:
    """What to look at: a config, a destination, the places of a run, and the variables that hold the key."""

    config: Path | None
    destination: str | None
    home: Path | None  #: None: as the config says, else the default
    reports: Path | None
    variables: Mapping[str, str]
    environment: str | None = None
    merchant: str | None = None
    live: bool = False


@dataclass(frozen=True, slots=True)
class _Deadline:
    """One end of time for all that is looked at."""

    ends: float  #: monotonic

    def wait_for(self, work: Callable[[], T], late: T) -> T:
        """What the work returns or raises, or `late` where it takes too long; then it goes on in a thread that holds up nobody."""
        done: list[T] = []
        raised: list[BaseException] = []

        def run() -> None:
            try:
                done.append(work())
            except BaseException as error:  # noqa: BLE001 - raised again where it is waited for
                raised.append(error)

        thread = threading.Thread(target=run, name="check", daemon=True)
        thread.start()
        thread.join(max(0.0, self.ends - CLOCK.monotonic()))
        if raised:
            raise raised[0]
        return done[0] if done else late


def check(asked: Asked, seconds: float = SECONDS) -> list[Finding]:
    """Look at everything, for so long at most; a fault in one place keeps no other from being looked at."""
    deadline = _Deadline(CLOCK.monotonic() + seconds)
    found, file = _config(asked.config)
    job = file.job if file else None
    place = asked.destination or (job.address if job else None)
    places, other_ledger = _places(asked, file, place)
    environment, unnamed = _environment(asked, place, job)
    is_undecided = any(one.verdict is Verdict.FAULT for one in other_ledger)
    folder = places.home / environment.name if environment and not is_undecided else None
    here = [  # first, for nobody from outside can take the time that they need
        *_disks(places, deadline),
        *(
            Finding(what, Verdict.NOT_CHECKED, "no home is chosen")
            for what in ("lock", "references")
            if is_undecided
        ),
        *(
            deadline.wait_for(partial(looked, folder, environment), _late(name, folder))
            for name, looked in (("ledger", _ledger), ("lock", _lock), ("references", _references))
            if folder and environment
        ),
    ]
    outside = _outside(asked, place, job, partial(_probe_in_time, deadline, seconds))
    return [found, *unnamed, *other_ledger, *outside, *here]


def _probe_in_time(
    deadline: _Deadline, seconds: float, address: Address, key: ApiKey | None = None
) -> Probe:
    """Ask as `probe` does: its own limits begin anew with each byte that arrives."""
    late = Probe(None, silence=f"no complete answer within {seconds:g} s, the time limit of check")
    return deadline.wait_for(partial(probe, address, key), late)


def _late(what: str, folder: Path) -> Finding:
    return _fault(
        what,
        f"{folder} does not answer in time",
        "check that its disk responds, or choose another folder",
    )


# -- what was said ----------------------------------------------------------------------------------------------------


def _config(path: Path | None) -> tuple[Finding, ConfigFile | None]:
    if path is None:
        return Finding(
            "config", Verdict.OK, "none was named: canonical columns and default settings are taken"
        ), None
    try:
        file = load_config(path)
    except ConfigError as broken:
        return _fault(
            "config", str(broken), "fix these places; the schema says what is allowed", "schema"
        ), None
    job = file.job
    return Finding(
        "config", Verdict.OK, f"{path}: {job.merchant} in {job.environment} ({job.mode})"
    ), file


def _places(
    asked: Asked, file: ConfigFile | None, place: str | None
) -> tuple[Settings, list[Finding]]:
    """Where ledgers and runs are kept, and whether another ledger of this environment is beside the config."""
    known, job = (
        partial(Settings.of, home=asked.home, reports=asked.reports),
        file.job if file else None,
    )
    try:
        settings = known(file, destination=place, environment=asked.environment)
    except ConfigError as refused:
        return known(), [
            _fault("ledger", str(refused), "say which with home in the config, or --home")
        ]
    environment, _ = _environment(asked, place, job)
    unused = settings.unused_ledger(environment.name) if environment else None
    return settings, [
        Finding("ledger", Verdict.WARNING, unused, "name one home for both")
    ] if unused else []


def _environment(
    asked: Asked, place: str | None, job: Job | None
) -> tuple[Environment | None, list[Finding]]:
    """Whose ledger and known customers are looked at, and what keeps that from being known."""
    if place is None:
        return None, []
    try:
        return environment_from(place, _naming(asked, place, job)), []
    except AddressRefused:
        return None, []  # told where the address is looked at
    except ConfigError as unnamed:
        return None, [_fault("environment", str(unnamed), "name them, or a config that does")]


def _naming(asked: Asked, place: str, job: Job | None) -> Naming:
    return Naming.said(
        place, job=job, environment=asked.environment, merchant=asked.merchant, live=asked.live
    )


# -- billing ----------------------------------------------------------------------------------------------------------


def _outside(
    asked: Asked, place: str | None, job: Job | None, ask: Callable[..., Probe]
) -> Iterator[Finding]:
    """Key, address, certificate and clock."""
    if place is None or place == SANDBOX:
        why = "no destination was given" if place is None else "the sandbox is inside this process"
        yield from (
            Finding(what, Verdict.NOT_CHECKED, why)
            for what in ("key", "address", "certificate", "clock")
        )
        return
    key, key_fault = _key(asked, place, job)
    try:
        address = parse_address(place)
    except AddressRefused as refused:
        yield key_fault or Finding(
            "key", Verdict.OK, "it has the form of a secret key; nobody was asked about it"
        )
        yield _fault("address", str(refused), "mend the address; a key is sent to no other")
        yield from (
            Finding(what, Verdict.NOT_CHECKED, "there is no address")
            for what in ("certificate", "clock")
        )
        return
    answer = ask(address)
    yield key_fault or _asked_about(key, answer, lambda: ask(address, key))
    yield _address(place, answer)
    yield _certificate(place, answer)
    yield _clock(answer)


def _key(asked: Asked, place: str, job: Job | None) -> tuple[ApiKey | None, Finding | None]:
    try:
        key = read_api_key(asked.variables)
        target_from(place, key, _naming(asked, place, job))
    except KeyProblem as problem:
        return None, _fault(
            "key",
            str(problem),
            "set a secret key of this merchant, in a variable or a file of its own",
        )
    except AddressRefused as refused:
        if key.is_live:
            return None, _fault("key", str(refused), "use a test key here, or mend the address")
    except ConfigError:
        pass  # names are missing, and that is told apart
    path = asked.variables.get(KEY_FILE_VARIABLE)
    if path and Path(path).stat().st_mode & 0o077:
        return None, Finding(
            "key", Verdict.WARNING, f"{path} can be read by others", f"chmod 600 {path}"
        )
    return key, None


def _asked_about(key: ApiKey | None, answer: Probe, ask: Callable[[], Probe]) -> Finding:
    """Whether billing takes the key, asked only of what answers as billing does: nobody else is told it."""
    if key is None or not answer.is_billings:
        return Finding(
            "key", Verdict.OK, "it has the form of a secret key; nobody was asked about it"
        )
    told = ask()
    if told.status in {401, 403}:
        return _fault(
            "key",
            f"billing refuses it ({told.status})",
            "set a key of this merchant that is not deleted or expired",
        )
    if told.silence:
        return Finding(
            "key",
            Verdict.WARNING,
            f"billing does not answer it ({told.silence})",
            "try again; then ask billing",
        )
    if not told.is_billings:
        return Finding(
            "key",
            Verdict.WARNING,
            f"billing answers it with {told.status}",
            "try again; then ask billing",
        )
    return Finding("key", Verdict.OK, f"billing takes it ({'live' if key.is_live else 'test'} key)")


def _address(place: str, answer: Probe) -> Finding:
    if answer.silence:
        told = f"{place} does not answer ({answer.silence})"
        return _fault(
            "address",
            told,
            "mend the name or the port, or see whether the network lets this machine through",
        )
    if answer.certificate_refused:
        return Finding(
            "address", Verdict.NOT_CHECKED, "its certificate is refused, so nothing was asked"
        )
    if not answer.is_billings:
        told = f"{place} answers {answer.status} ({answer.content_type or 'no content type'}), which the billing API does not"
        return _fault("address", told, "set the address of the billing API, without a path")
    return Finding("address", Verdict.OK, f"{place} answers as billing does")


def _certificate(place: str, answer: Probe) -> Finding:
    if answer.certificate_refused:
        mend = "do not go on: this may be somebody else's machine; ask billing, and see whether this machine's time is right"
        return _fault("certificate", f"{place}: {answer.certificate_refused}", mend)
    until = answer.certificate_until
    if until is None:
        why = "plain HTTP to this machine" if place.startswith("http://") else "there was no answer"
        return Finding("certificate", Verdict.NOT_CHECKED, why)
    left = until - CLOCK.now()
    told = f"valid until {until:%Y-%m-%d}, {left.days} days"
    if left < CERTIFICATE_WARNING:
        return Finding(
            "certificate",
            Verdict.WARNING,
            told,
            "ask billing when it is renewed; runs stop once it is not",
        )
    return Finding("certificate", Verdict.OK, told)


def _clock(answer: Probe) -> Finding:
    ahead = answer.clock_ahead
    if ahead is None:
        return Finding("clock", Verdict.NOT_CHECKED, "the server told no time")
    told = f"this machine is {abs(ahead.total_seconds()):.0f} s {'ahead of' if ahead > timedelta() else 'behind'} the server"
    mend = "set this machine's clock (NTP): how long an idempotency key lives is counted by the server's"
    if abs(ahead) > CLOCK_FAULT:
        return _fault("clock", told, mend)
    return (
        Finding("clock", Verdict.WARNING, told, mend)
        if abs(ahead) > CLOCK_WARNING
        else Finding("clock", Verdict.OK, told)
    )


# -- this machine -----------------------------------------------------------------------------------------------------


def _disks(places: Settings, deadline: _Deadline) -> Iterator[Finding]:
    """The folders that a run writes to; where one does not exist yet, the folder that it would be made in."""
    for name, folder in (("home", places.home), ("reports", places.reports)):
        existing = next(
            path for path in (folder.absolute(), *folder.absolute().parents) if path.is_dir()
        )
        yield deadline.wait_for(partial(_disk, name, folder, existing), _late("disk", folder))


def _disk(name: str, folder: Path, existing: Path) -> Finding:
    if fault := _cannot_write(existing):
        return _fault(
            "disk", f"{name} {folder}: {fault}", f"make room, or choose another place (--{name})"
        )
    free = shutil.disk_usage(existing).free
    told = f"{name} {folder}: writable, {free / (1 << 30):.1f} GiB free"
    if free < NO_SPACE:
        return _fault("disk", told, "make room: a run that cannot write stops")
    if free < LITTLE_SPACE:
        return Finding(
            "disk",
            Verdict.WARNING,
            told,
            "make room: staged tables and lists need some times the input's size",
        )
    if existing == folder.absolute() and stat.S_IMODE(existing.stat().st_mode) & 0o077:
        told = f"{name} {folder}: others may look into it"
        return Finding("disk", Verdict.WARNING, told, f"chmod 700 {folder}: it holds people's data")
    return Finding("disk", Verdict.OK, told)


def _cannot_write(folder: Path) -> str | None:
    """What keeps a small file from being written, durably; it is removed again."""
    path = folder / f".check.{secrets.token_hex(8)}.part"
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        return _told(error)
    try:
        written = os.write(descriptor, bytes(PROBE_BYTES))
        os.fsync(descriptor)
    except OSError as error:
        return _told(error)
    finally:
        os.close(descriptor)
        path.unlink(missing_ok=True)
    return None if written == PROBE_BYTES else "the disk is full"


def _told(error: OSError) -> str:
    full = {errno.ENOSPC: "the disk is full", errno.EDQUOT: "the quota is used up"}
    return full.get(error.errno or 0, error.strerror or type(error).__name__)


def _ledger(folder: Path, environment: Environment) -> Finding:
    if (elsewhere := disk_fault(folder)) is not None:
        return _fault("ledger", f"{folder}: {elsewhere}", "choose a --home on a local disk")
    try:
        with Ledger.read(folder) as ledger:
            if ledger is None:
                return Finding("ledger", Verdict.OK, f"{folder}: none yet")
            owner, unsettled, damage = ledger.environment(), ledger.unsettled(), ledger.damage()
    except PipelineError as broken:
        return _fault(
            "ledger",
            broken.message,
            "restore it from a copy, or resume with the program that wrote it",
        )
    if owner is not None and owner != environment:
        told = f"{folder}: it belongs to {owner}"
        return _fault(
            "ledger", told, "give this environment a home of its own (--home), or mend the settings"
        )
    if damage:
        return Finding(
            "ledger",
            Verdict.WARNING,
            f"{folder}: {damage[-1]}",
            "every customer is looked up before it is sent from here on; to see what is broken",
            ("audit", "verify"),
        )
    if unsettled:
        told = f"{folder}: {unsettled} requests are unsettled"
        mend = "the next run settles them first; to settle them now"
        return Finding("ledger", Verdict.WARNING, told, mend, ("resume",))
    return Finding("ledger", Verdict.OK, f"{folder}: everything that was begun is settled")


def _lock(folder: Path, _environment: Environment) -> Finding:
    holder = lock_holder(folder)
    if holder:
        return Finding(
            "lock",
            Verdict.WARNING,
            f"held by {holder}",
            "wait for it, or stop it; another run would end with 75",
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
        return Finding("references", Verdict.OK, "none are loaded: nobody is known beforehand")
    return Finding(
        "references",
        Verdict.OK,
        f"{known.rows} known customers, loaded {known.loaded_at} ({known.version[:12]})",
    )


def _fault(what: str, told: str, mend: str, *suggests: str) -> Finding:
    return Finding(what, Verdict.FAULT, told, mend, suggests)
