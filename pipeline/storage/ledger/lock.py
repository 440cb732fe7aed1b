"""One writer for each environment: a lock on a file of its own, let go by the system when its process dies."""

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from pipeline.errors import LedgerLocked
from pipeline.storage.files import private_folder, refuse_symlink

LOCK = "lock"  #: the file, in the folder of an environment
#: Seconds before each try: a process that checks the lock holds it for a moment, which must not stop a run from starting.
_TRIES = (0.0, 0.02, 0.05)


@contextlib.contextmanager
def run_lock(home: Path, run_id: str, since: str) -> Iterator[None]:
    """Hold the lock of an environment's folder; raise LedgerLocked, naming the holder, where another run has it."""
    path = private_folder(home) / LOCK
    refuse_symlink(path)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        if not any(_is_taken(descriptor, after) for after in _TRIES):
            raise LedgerLocked(
                f"{home} is in use by {_holder(descriptor)}; wait for it, or stop it"
            )
        _write(
            path,
            descriptor,
            json.dumps(_Holder(run_id, os.getpid(), since)._asdict()).encode(),
        )
        yield
        os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)


def _write(path: Path, descriptor: int, entry: bytes) -> None:
    try:
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, entry, 0)
    except OSError as error:
        error.filename = str(path)  # the system names no file in errors of a write
        raise


def _is_taken(descriptor: int, after: float) -> bool:
    time.sleep(after)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def lock_holder(home: Path) -> str | None:
    """Who holds the lock of an environment's folder; None if it is free. This creates no file and takes no lock."""
    with _in_use(home) as descriptor:
        return _holder(descriptor) if descriptor is not None else None


def is_holding(home: Path, run_id: str) -> bool:
    """Whether this run holds the lock of an environment's folder, or a run that has not written its id yet."""
    with _in_use(home) as descriptor:
        if descriptor is None:
            return False
        held = _entry(descriptor)
        return held is None or held.run_id == run_id


@contextlib.contextmanager
def _in_use(home: Path) -> Iterator[int | None]:
    """The descriptor of the lock file if the lock is held, else None."""
    path = home / LOCK
    if not path.is_file():
        yield None
        return
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        yield None if _is_free(descriptor) else descriptor
    finally:
        os.close(descriptor)


def _is_free(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    fcntl.flock(descriptor, fcntl.LOCK_UN)
    return True


def _holder(descriptor: int) -> str:
    held = _entry(descriptor)
    return f"run {held.run_id} (pid {held.pid}) since {held.since}" if held else "another run"


class _Holder(NamedTuple):
    """What the holder of a lock writes into its file."""

    run_id: str
    pid: int
    since: str


def _entry(descriptor: int) -> _Holder | None:
    """What the holder has written; None while it takes or releases the lock."""
    try:
        held = json.loads(os.pread(descriptor, 4096, 0))
    except (ValueError, RecursionError):
        return None
    if not isinstance(held, dict) or not held.keys() >= set(_Holder._fields):
        return None
    return _Holder(held["run_id"], held["pid"], held["since"])
