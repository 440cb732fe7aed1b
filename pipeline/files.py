"""Write whole or not at all: a private temporary file, flushed to the disk, then renamed over the name.

The one word that touches the disk. Everything that it makes is for the owner's eyes: files 0600, folders 0700.
"""

import contextlib
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from pipeline.errors import OutputRefused


@contextlib.contextmanager
def written_whole(path: Path) -> Iterator[BinaryIO]:
    """Yield a binary file whose content stands under `path`, complete and durable, once the block ends without error."""
    refuse_symlink(path)
    temporary = temporary_name(path)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        _rename_durably(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def renamed_when_whole(path: Path) -> Iterator[Path]:
    """Yield a temporary path for a library that writes files by name; publish it as `path` when the block ends well."""
    refuse_symlink(path)
    temporary = temporary_name(path)
    try:
        yield temporary
        temporary.chmod(0o600)
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        _rename_durably(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_bytes(path: Path, content: bytes) -> None:
    """Make `content` stand under `path`, whole, durable and 0600."""
    with written_whole(path) as file:
        file.write(content)


def private_folder(path: Path) -> Path:
    """Make sure that `path` is a folder of ours, 0700 where we make it."""
    refuse_symlink(path)
    if not path.is_dir():
        private_folder(path.parent)
        path.mkdir(mode=0o700, exist_ok=True)
    return path


def refuse_symlink(path: Path) -> None:
    """Refuse to write through a symbolic link: it may lead out of the folder that the person named."""
    if path.is_symlink():
        raise OutputRefused(
            f"{path} is a symbolic link; nothing is written through links: remove it or choose another place"
        )


def temporary_name(path: Path) -> Path:
    """A name beside `path` that no other process uses."""
    return path.with_name(f".{path.name}.{os.getpid()}.part")


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _rename_durably(temporary: Path, path: Path) -> None:
    temporary.replace(path)
    # A rename is durable once its folder is: without this a power cut can bring the old name back.
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
