"""Faults of a process's surroundings: full disks, limits, closed or full streams, lost terminals, kills.

Each is a state of the system that holds within a block. What has to be set in the process itself is set by a small program that then
becomes the command, since a process with threads must not run Python between fork and exec.
"""

import contextlib
import os
import pty
import resource
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.prove.stranded import DYING

_BECOME = "; import os, sys; os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"


@dataclass(frozen=True)
class Process:
    """How a process is started: what a pressure changes of that."""

    first: str = ""  #: Python statements that the process runs before it becomes the command
    environment: dict[str, str] = field(default_factory=dict)
    program: tuple[str, ...] = ("-m", "pipeline")
    out: Any = subprocess.PIPE
    err: Any = subprocess.PIPE
    meanwhile: Callable[[], None] = lambda: None  #: as soon as it has started
    more: tuple[str, ...] = ()  #: words behind the command

    def line(self, words: Sequence[str]) -> list[str]:
        """The command line of the process."""
        line = [*self.program, *words, *self.more]
        return (
            [sys.executable, "-I", "-S", "-c", f"{self.first}{_BECOME}", *line]
            if self.first
            else [sys.executable, *line]
        )


@dataclass(frozen=True)
class Pressure:
    """A way to press a command; within the block it holds for what is started as it says."""

    name: str
    applied: Callable[[Path], contextlib.AbstractContextManager[Process]]
    presses: Callable[[Sequence[str]], bool]  #: which commands, by their words
    may_kill: bool = False  #: a signal may end the process
    hides_errors: bool = False  #: its messages cannot be read afterwards
    loses_result: bool = False  #: the result on stdout cannot be delivered


_NO_PLACES = {"--help", "explain", "schema", "sandbox", "demo"}
_ONE_OF_EACH = ("run", "status", "plan", "reconcile")
_WRITES = {
    "plan", "run", "apply", "resume", "report", "reconcile", "sign", "bundle", "inspect", "init", "references", "schema",
}  # fmt: skip
_VARIANTS = {"--json", "--config", "--since", "--now", "evidence.zip"}


def _always(_words: Sequence[str]) -> bool:
    return True


def _is_one_of_each(words: Sequence[str]) -> bool:
    return words[0] in _ONE_OF_EACH and not _is_variant(words) and "practice" not in words


def _is_variant(words: Sequence[str]) -> bool:
    """Another form of a command that is pressed in every way already."""
    return bool(_VARIANTS & {*words})


def _has_places(words: Sequence[str]) -> bool:
    return words[0] not in _NO_PLACES and not _is_variant(words)


def _writes(words: Sequence[str]) -> bool:
    return words[0] in _WRITES and "list" not in words and not _is_variant(words)


def _sends(words: Sequence[str]) -> bool:
    return words[0] in {"run", "apply", "resume"} and not _is_variant(words)


def _limited(
    name: str,
    which: int,
    most: int,
    presses: Callable[[Sequence[str]], bool] = _has_places,
    *,
    may_kill: bool = False,
) -> Pressure:
    """A limit of the system on what a process may use."""

    @contextlib.contextmanager
    def applied(_folder: Path) -> Iterator[Process]:
        yield Process(first=f"import resource; resource.setrlimit({which}, ({most}, {most}))")

    return Pressure(name, applied, presses, may_kill=may_kill)


def _closed(
    name: str, *numbers: int, presses: Callable[[Sequence[str]], bool] = _always
) -> Pressure:
    """Streams that are not there at all when the process begins."""

    @contextlib.contextmanager
    def applied(_folder: Path) -> Iterator[Process]:
        yield Process(first=f"import os; [os.close(number) for number in {numbers}]")

    return Pressure(name, applied, presses, hides_errors=2 in numbers, loses_result=1 in numbers)


def _to_device(
    name: str,
    *,
    out: bool = False,
    err: bool = False,
    presses: Callable[[Sequence[str]], bool] = _always,
) -> Pressure:
    """Streams that lead to a device on which there is no room."""

    @contextlib.contextmanager
    def applied(_folder: Path) -> Iterator[Process]:
        with Path("/dev/full").open("wb") as full:
            yield Process(
                out=full if out else subprocess.PIPE, err=full if err else subprocess.PIPE
            )

    return Pressure(name, applied, presses, hides_errors=err, loses_result=out)


def _unread(
    name: str,
    *,
    out: bool = False,
    err: bool = False,
    presses: Callable[[Sequence[str]], bool] = _always,
) -> Pressure:
    """Pipes whose reader has gone away."""

    @contextlib.contextmanager
    def applied(_folder: Path) -> Iterator[Process]:
        reading, writing = os.pipe()
        os.close(reading)
        try:
            yield Process(
                out=writing if out else subprocess.PIPE, err=writing if err else subprocess.PIPE
            )
        finally:
            os.close(writing)

    return Pressure(name, applied, presses, hides_errors=err)


def _hung_up(
    name: str, presses: Callable[[Sequence[str]], bool], *, after: float | None = None
) -> Pressure:
    """A terminal that goes away: writing to it fails.

    `after` seconds: it controls the process, so the system also sends SIGHUP.
    """
    controls = after is not None

    @contextlib.contextmanager
    def applied(_folder: Path) -> Iterator[Process]:
        ours, theirs = pty.openpty()

        def hang_up() -> None:
            if after is not None:
                time.sleep(after)
            os.close(ours)

        try:
            take = "import os, fcntl, termios; os.setsid(); fcntl.ioctl(1, termios.TIOCSCTTY, 0)"
            yield Process(first=take if controls else "", out=theirs, err=theirs, meanwhile=hang_up)
        finally:
            os.close(theirs)

    return Pressure(
        name, applied, presses, may_kill=controls, hides_errors=True, loses_result=not controls
    )


def _on_disk(
    name: str, of: str, room: int, presses: Callable[[Sequence[str]], bool] = _has_places
) -> Pressure:
    """A separate file system for one of our folders, with only this many bytes free."""

    @contextlib.contextmanager
    def applied(folder: Path) -> Iterator[Process]:
        with _mounted(folder / of, "tmpfs", "-o", "size=24m") as disk:
            _fill(disk, room)
            yield Process()

    return Pressure(name, applied, presses)


def _fill(disk: Path, room: int) -> None:
    with contextlib.suppress(OSError), (disk / "ballast").open("wb", buffering=0) as ballast:
        while True:
            ballast.write(bytes(1 << 12))
    with (disk / "ballast").open("r+b") as ballast:
        ballast.truncate(max(0, (disk / "ballast").stat().st_size - room))


def _read_only(name: str, of: str) -> Pressure:
    """One of our folders that may only be read."""

    @contextlib.contextmanager
    def applied(folder: Path) -> Iterator[Process]:
        with _mounted(folder / of, "tmpfs", "-o", "size=24m") as disk:
            _call("mount", "-o", "remount,ro", str(disk))
            yield Process()

    return Pressure(name, applied, _has_places)


@contextlib.contextmanager
def _mounted(folder: Path, kind: str, *more: str) -> Iterator[Path]:
    """A file system over a folder, with what the folder held."""
    beside = folder.with_name(f"{folder.name}-under")
    folder.mkdir(exist_ok=True)
    folder.rename(beside)
    folder.mkdir()
    _call("mount", "-t", kind, *more, kind, str(folder))
    try:
        shutil.copytree(beside, folder, dirs_exist_ok=True)
        yield folder
    finally:
        # What the command left there stays, as on a disk that has room again.
        after = folder.with_name(f"{folder.name}-after")
        shutil.copytree(folder, after, ignore=shutil.ignore_patterns("ballast"))
        _call("umount", str(folder))
        shutil.rmtree(folder)
        after.rename(folder)
        shutil.rmtree(beside)


def _call(*words: str) -> None:
    subprocess.run(words, check=True, capture_output=True, timeout=30)


def can_mount() -> bool:
    """Whether this user may mount file systems."""
    with tempfile.TemporaryDirectory() as name:
        try:
            _call("mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", name)
        except (OSError, subprocess.SubprocessError):
            return False
        _call("umount", name)
        return True


def _variables(name: str, presses: Callable[[Sequence[str]], bool], **variables: str) -> Pressure:
    """Variables of the environment."""

    @contextlib.contextmanager
    def applied(_folder: Path) -> Iterator[Process]:
        yield Process(environment=variables)

    return Pressure(name, applied, presses)


def _killed(name: str, nth: int) -> Pressure:
    """SIGKILL at the n-th file that is written, as the system does where memory is used up."""

    @contextlib.contextmanager
    def applied(_folder: Path) -> Iterator[Process]:
        yield Process(environment={"NTH": str(nth)}, program=("-c", DYING))

    return Pressure(name, applied, _writes, may_kill=True)


def _replaced(
    name: str, path: str, replace: Callable[[Path], None], presses: Callable[[Sequence[str]], bool]
) -> Pressure:
    """A file that is something else than a file, until the block ends."""

    @contextlib.contextmanager
    def applied(folder: Path) -> Iterator[Process]:
        kept = (folder / path).read_bytes()
        (folder / path).unlink()
        replace(folder / path)
        yield Process()
        (folder / path).rmdir() if (folder / path).is_dir() else (folder / path).unlink()
        (folder / path).write_bytes(kept)

    return Pressure(name, applied, presses)


def _key_file(name: str, make: Callable[[Path], None]) -> Pressure:
    """A key file that is none, or that others may write to."""

    @contextlib.contextmanager
    def applied(folder: Path) -> Iterator[Process]:
        make(folder / "key")
        yield Process(environment={"BILLING_API_KEY": "", "BILLING_API_KEY_FILE": "key"})

    return Pressure(
        name,
        applied,
        lambda words: words[0] == "check" or (_is_one_of_each(words) and words[0] == "run"),
    )


def _writable(path: Path) -> None:
    path.write_text("sk_test_0000000000000000\n")
    path.chmod(0o666)


def _dripping(name: str) -> Pressure:
    """A server that sends a byte a second, for ever."""

    @contextlib.contextmanager
    def applied(_folder: Path) -> Iterator[Process]:
        with dripping_server() as url:
            yield Process(more=("--base-url", url))

    return Pressure(name, applied, lambda words: words[0] == "check")


@contextlib.contextmanager
def dripping_server() -> Iterator[str]:
    """The address of a server whose answers never end."""
    closing = threading.Event()

    def drip(connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            connection.sendall(b"HTTP/1.1 404 Not Found\r\nX-Slow: ")
            while not closing.wait(1.0):
                connection.sendall(b"x")

    def serve(listening: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listening.accept()
                threading.Thread(target=drip, args=(connection,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=serve, args=(listening,), daemon=True).start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            closing.set()
            listening.shutdown(socket.SHUT_RDWR)


def _has_config(words: Sequence[str]) -> bool:
    return "--config" in words


def pressures() -> list[Pressure]:
    """What can be done to a command on this machine."""
    files, addresses = resource.RLIMIT_FSIZE, resource.RLIMIT_AS
    found = [
        _limited("no file may be written", files, 0, _always),
        _limited("files of at most 4 kB", files, 4096, _writes),
        _limited("files of at most 50 kB", files, 50_000, _writes),
        _limited("address space of 400 MB", addresses, 400 << 20, may_kill=True),
        _limited("address space of 900 MB", addresses, 900 << 20, may_kill=True),
        _limited("16 open files", resource.RLIMIT_NOFILE, 16),
        _closed("stdin closed", 0, presses=_is_one_of_each),
        _closed("stdout closed", 1),
        _closed("stderr closed", 2),
        _closed("stdout and stderr closed", 1, 2, presses=_is_one_of_each),
        _closed("all three closed", 0, 1, 2, presses=_is_one_of_each),
        _to_device("stdout full", out=True),
        _to_device("stderr full", err=True, presses=_is_one_of_each),
        _to_device("stdout and stderr full", out=True, err=True, presses=_is_one_of_each),
        _unread("nobody reads stdout", out=True),
        _unread("nobody reads stderr", err=True, presses=_is_one_of_each),
        _hung_up("terminal hung up", _always),
        _hung_up("terminal hung up after 0.6 s, with SIGHUP", _sends, after=0.6),
        _hung_up("terminal hung up after 1 s, with SIGHUP", _sends, after=1.0),
        _variables("no folder for temporary files", _writes, TMPDIR="/nowhere/at/all"),
        _variables("stdout knows ASCII only", _is_one_of_each, PYTHONIOENCODING="ascii"),
        _killed("killed at the first write", 1),
        _killed("killed at the eighth write", 8),
        _replaced("config is a folder", "job.yaml", Path.mkdir, lambda words: "--config" in words),
        _replaced("config is a pipe", "job.yaml", os.mkfifo, lambda words: "--config" in words),
        _replaced(
            "input is a pipe",
            "new.csv",
            os.mkfifo,
            lambda words: "new.csv" in words and not _is_variant(words),
        ),
        _key_file("key file is a pipe", os.mkfifo),
        _key_file("key file is a folder", Path.mkdir),
        _key_file("key file is a device", lambda path: path.symlink_to("/dev/zero")),
        _key_file("key file is writable by others", _writable),
        _dripping("server sends a byte a second"),
    ]
    if can_mount():
        found += [
            _on_disk("home on a full disk", ".pipeline", 0),
            _on_disk("home with 300 kB free", ".pipeline", 300_000, _sends),
            _on_disk("reports on a full disk", "reports", 0),
            _on_disk("reports with 60 kB free", "reports", 60_000, _writes),
            _read_only("home read-only", ".pipeline"),
            _read_only("reports read-only", "reports"),
        ]
    return found
