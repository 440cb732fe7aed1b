"""Check the disks, the ledger, its lock and the known customers on this machine."""

import errno
import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from pipeline.config import Settings
from pipeline.domain.customer import Environment
from pipeline.domain.plurals import number_of
from pipeline.errors import PipelineError
from pipeline.storage.known_customers import known_to
from pipeline.storage.ledger import Ledger, disk_fault, lock_holder
from pipeline.workflows.check.finding import Deadline, Finding, Verdict, fault, late

PROBE_BYTES = 1 << 20
LITTLE_SPACE, NO_SPACE = 1 << 30, 100 << 20


def of_disks(places: Settings, deadline: Deadline) -> Iterator[Finding]:
    """Check the folders that a run writes to; for a missing one, its nearest existing parent."""
    for name, folder in (("home", places.home), ("reports", places.reports)):
        existing = next(
            path for path in (folder.absolute(), *folder.absolute().parents) if path.is_dir()
        )
        yield deadline.wait_for(partial(_disk, name, folder, existing), late("disk", folder))


def _disk(name: str, folder: Path, existing: Path) -> Finding:
    if problem := _cannot_write(existing):
        return fault(
            "disk",
            f"{name} folder {folder}: {problem}",
            f"free some space, or choose another folder (--{name})",
        )
    free = shutil.disk_usage(existing).free
    detail = f"{name} folder {folder}: writable, {free / (1 << 30):.1f} GiB free"
    if free < NO_SPACE:
        return fault("disk", detail, "free some space: a run that cannot write stops")
    if free < LITTLE_SPACE:
        return Finding(
            "disk",
            Verdict.WARNING,
            detail,
            "free some space: staged tables and lists need several times the size of the input",
        )
    if existing == folder.absolute() and stat.S_IMODE(existing.stat().st_mode) & 0o077:
        detail = f"{name} folder {folder}: other users may read it"
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


def of_ledger(folder: Path, environment: Environment) -> Finding:
    """The ledger is on a local disk, undamaged, of this environment, and settled."""
    if (elsewhere := disk_fault(folder)) is not None:
        return fault("ledger", f"{folder}: {elsewhere}", "choose a --home on a local disk")
    try:
        with Ledger.read(folder) as ledger:
            if ledger is None:
                return Finding("ledger", Verdict.OK, f"{folder}: none yet")
            owner, unsettled, damage = ledger.environment(), ledger.in_doubt(), ledger.damage()
    except PipelineError as broken:
        return fault(
            "ledger",
            broken.message,
            "restore it from a copy, or resume with the version that wrote it",
        )
    if owner is not None and owner != environment:
        return fault(
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
        detail = f"{folder}: {number_of(unsettled, 'request is', 'requests are')} unsettled"
        remedy = "the next run settles them first; to settle them now"
        return Finding("ledger", Verdict.WARNING, detail, remedy, ("resume",))
    return Finding("ledger", Verdict.OK, f"{folder}: every request is settled")


def of_lock(folder: Path, _environment: Environment) -> Finding:
    """No other run holds the lock of the ledger."""
    holder = lock_holder(folder)
    if holder:
        return Finding(
            "lock",
            Verdict.WARNING,
            f"held by {holder}",
            "wait for it, or stop it; another run ends with exit 75",
        )
    return Finding("lock", Verdict.OK, "free")


def of_known_customers(folder: Path, _environment: Environment) -> Finding:
    """The known customers can be read; states how many there are."""
    try:
        known = known_to(folder)
    except PipelineError as broken:
        return fault(
            "references", broken.message, "load the known customers again", *broken.suggests
        )
    if known is None:
        return Finding("references", Verdict.OK, "none are loaded")
    return Finding(
        "references",
        Verdict.OK,
        f"{known.rows:,} known customers, loaded {known.loaded_at} ({known.version[:12]})",
    )
