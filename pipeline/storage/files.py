"""Write files completely or not at all: in a private temporary folder, flushed, then renamed.

Only the owner can read what this module makes: files 0600, folders 0700.
"""

import contextlib
import errno
import fcntl
import hashlib
import os
import secrets
import shutil
import stat
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO, Literal

from pipeline.errors import OutputRefused

Kind = Literal["folder", "regular file"]
UNFINISHED = ".part"
_PROBE_BYTES = 1 << 16


@contextlib.contextmanager
def written_whole(path: Path) -> Iterator[BinaryIO]:
    """Yield a binary file that becomes `path`, complete and durable, if the block succeeds."""
    with _published(path) as temporary, temporary.open("r+b") as file:
        yield file


@contextlib.contextmanager
def renamed_when_whole(path: Path) -> Iterator[Path]:
    """Yield an empty 0600 file for a library; it becomes `path` if the block succeeds."""
    with _published(path) as temporary:
        try:
            yield temporary
        except OSError:
            raise
        except Exception:
            _refuse_full(temporary, path)  # the library may hide a full disk
            raise
        if not temporary.stat().st_size:
            raise OSError(errno.EIO, "nothing was written", str(path))


@contextlib.contextmanager
def _published(path: Path) -> Iterator[Path]:
    refuse_symlink(path)
    # One folder per file: libraries write other files beside it, and DuckDB renames one of its own.
    with temporary_folder(path.parent, path.name) as folder:
        temporary = folder / path.name
        try:
            os.close(
                os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
            )
            yield temporary
            temporary.chmod(0o600)
            with temporary.open("rb") as file:
                os.fsync(file.fileno())
            _rename_durably(temporary, path)
        except OSError as error:
            # The system does not name a file that is only written, and a temporary name says
            # nothing later.
            if error.filename is None or (
                isinstance(error.filename, str) and Path(error.filename).parent == folder
            ):
                error.filename, error.filename2 = str(path), None
            raise


@contextlib.contextmanager
def temporary_folder(parent: Path, name: str) -> Iterator[Path]:
    """Yield a private folder in `parent`, and remove it (or later `remove_abandoned` does).

    The folder is locked during the block, which distinguishes a living process from a dead one.
    """
    remove_abandoned(parent, f".{name}.")
    while True:
        folder = parent / f".{name}.{secrets.token_hex(8)}{UNFINISHED}"
        folder.mkdir(mode=0o700)
        descriptor = _locked(folder, is_new=True)
        if descriptor is not None:
            break
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(descriptor)


def remove_abandoned(parent: Path, prefix: str = ".", *, levels: int = 0) -> None:
    """Remove temporary folders of dead processes in a folder and `levels` below it."""
    with contextlib.suppress(OSError), os.scandir(parent) as entries:
        for entry in entries:
            if not entry.is_dir(follow_symlinks=False):
                continue
            if not (entry.name.startswith(prefix) and entry.name.endswith(UNFINISHED)):
                if levels:
                    remove_abandoned(Path(entry), prefix, levels=levels - 1)
            elif (descriptor := _locked(Path(entry))) is not None:
                shutil.rmtree(entry, ignore_errors=True)
                os.close(descriptor)


def remove_left_behind(home: Path, reports: Path) -> None:
    """Remove temporary folders of dead processes in the folders of environments and runs."""
    remove_abandoned(home, levels=1)
    remove_abandoned(reports, levels=2)


def _refuse_full(temporary: Path, path: Path) -> None:
    """Raise OSError if the system allows no more writing to a file."""
    try:
        with temporary.open("ab", buffering=0) as file:
            file.write(bytes(_PROBE_BYTES))
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error


def remove_unfinished(folder: Path) -> None:
    """Remove unfinished files of a dead process; earlier versions wrote single files."""
    remove_abandoned(folder)
    for path in folder.iterdir():
        if path.name.startswith(".") and path.name.endswith(UNFINISHED) and not path.is_dir():
            path.unlink(missing_ok=True)


def _locked(folder: Path, *, is_new: bool = False) -> int | None:
    """Lock a folder and return the descriptor; None if it is locked or was just removed."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        has_it = os.fstat(descriptor).st_ino == folder.stat().st_ino
    except (BlockingIOError, FileNotFoundError):
        has_it = False
    except OSError:  # a file system without locks: nothing is known to be abandoned
        has_it = is_new
    if not has_it:
        os.close(descriptor)
        return None
    return descriptor


def write_bytes(path: Path, content: bytes) -> None:
    """Write `content` to `path`, complete, durable and 0600."""
    with written_whole(path) as file:
        file.write(content)


def append_bytes(path: Path, content: bytes) -> None:
    """Append `content` to a file of ours; a reader may see a part of it."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW), "wb") as file:
        file.write(content)


def private_folder(path: Path) -> Path:
    """Make sure that `path` is a folder of ours; 0700 if it is new."""
    refuse_symlink(path)
    if not path.is_dir():
        private_folder(path.parent)
        path.mkdir(mode=0o700, exist_ok=True)
    return path


KEY_FILE = "token.key"


def token_key(home: Path) -> bytes:
    """The key of a home for the tokens of persons; made once, readable only by its owner."""
    path = private_folder(home) / KEY_FILE
    refuse_symlink(path)
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(secrets.token_bytes(32))
            os.fsync(file.fileno())
    except FileExistsError:
        pass
    key = read_regular(path)
    if len(key) != 32:
        raise OutputRefused(
            f"{path}: 32 bytes are expected; put back the key that was there, or remove it to get a new one"
        )
    return key


@contextlib.contextmanager
def plain_path(folder: Path) -> Iterator[Path]:
    """Yield another path to a folder, such as `/proc/self/fd/7`, without any special characters.

    DuckDB finds no file behind a backslash, searches neighbours of a folder `[1-9]`, and makes a
    column of
    `year=2026`; escaping does not always help. The path refers to the folder itself and ends with
    the block.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield Path(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)


def read_regular(path: Path, most: int = -1) -> bytes:
    """The first `most` bytes of a regular file (default: all); OSError for other kinds."""
    with os.fdopen(open_regular(path), "rb") as file:
        return file.read(most)


def open_regular(path: Path) -> int:
    """Open a regular file for reading; raise OSError without waiting if it is of another kind."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    return descriptor


def refuse_symlink(path: Path) -> None:
    """Refuse to write through a symbolic link, which may lead out of the named folder."""
    if path.is_symlink():
        raise OutputRefused(
            f"{path} is a symbolic link; nothing is written through links: remove it or choose another place"
        )


def kind_fault(path: Path, *, wanted: Kind = "regular file") -> str | None:
    """`is not a regular file`, or `folder`; None if it is one or if nothing is there.

    A program or a library would wait forever for a pipe or a device.
    """
    is_wanted = path.is_dir() if wanted == "folder" else path.is_file()
    return None if is_wanted or not os.path.lexists(path) else f"is not a {wanted}"


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal."""
    with os.fdopen(open_regular(path), "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_of_each(paths: Iterable[Path]) -> dict[Path, str]:
    """The SHA-256 of each of these files, computed two at a time."""
    paths = list(paths)
    with ThreadPoolExecutor(2, "hash") as threads:
        return dict(zip(paths, threads.map(sha256_of, paths), strict=True))


def _rename_durably(temporary: Path, path: Path) -> None:
    temporary.replace(path)
    # A rename is durable once the folder is flushed: a power cut could restore the old name.
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
