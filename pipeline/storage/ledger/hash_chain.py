"""What makes the ledger tamper-evident: each group of events carries the hash of the one before it.

A small file next to the ledger, the high-water mark, has the newest link too: SQLite silently drops a damaged tail of
its WAL, and then only the mark shows that there was more.
"""

import hashlib
import json
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.storage.files import read_regular, refuse_symlink
from pipeline.storage.ledger.regular import refuse_other_mark

MARK = "ledger.mark"
_MARK_FORM = re.compile(rb"([0-9]{20}) ([0-9a-f]{64})( damaged)?\n")


@dataclass(frozen=True, slots=True)
class Link:
    """The end of a group: the number of its last event, and the hash over it and all before it."""

    seq: int
    sha256: str

    def then(self, events: Iterable[Sequence[Any]]) -> "Link":
        """The link after these events; at least one event."""
        last, lines = self.seq, [self.sha256]
        for event in events:
            last = event[0]
            lines.append(canonical(event))
        return Link(last, hashlib.sha256("\n".join(lines).encode()).hexdigest())


START = Link(0, "0" * 64)

_encode = json.JSONEncoder(separators=(",", ":")).encode


def canonical(event: Sequence[Any]) -> str:
    """An event as the text that is hashed: a JSON array of its columns, ASCII only, so that no text has two forms.

    The last column came with version 4 of the ledger; events without it are hashed without it, as before.
    """
    return _encode(event if event[-1] is not None else event[:-1])


def digest(text: str) -> str:
    """SHA-256 of a text, in hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()


DIGEST = 8  #: bytes


def digests(events: Iterable[Sequence[Any]]) -> bytes:
    """The first 8 bytes of the SHA-256 of each event."""
    return b"".join(hashlib.sha256(canonical(event).encode()).digest()[:DIGEST] for event in events)


class Mark:
    """The high-water mark of a ledger: one line of fixed length, overwritten in place after each commit.

    It is not flushed to disk. After a power cut it may be older than the ledger, which is harmless; only a ledger that is
    older than its mark has lost events. The mark also records earlier damage, because the ledger that records it may be
    lost, too.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / MARK
        self._descriptor: int | None = None
        self._is_damaged = False

    def read(self) -> Link | None:
        """The newest committed link; None if there is no readable mark."""
        refuse_symlink(self._path)
        refuse_other_mark(self._path)
        try:
            found = _MARK_FORM.fullmatch(read_regular(self._path))
        except FileNotFoundError:
            return None
        self._is_damaged = found is not None and found[3] is not None
        return Link(int(found[1]), found[2].decode()) if found else None

    @property
    def tells_of_damage(self) -> bool:
        """Whether this ledger, or an earlier one in its place, was damaged; as of the last read."""
        return self._is_damaged

    def remember_damage(self, link: Link) -> None:
        """Record in the mark that the ledger was damaged."""
        self._is_damaged = True
        self.move(link)

    @property
    def holds_something(self) -> bool:
        """Whether the mark is more than an empty file; a process that is killed early leaves an empty one."""
        return self._path.exists() and self._path.stat().st_size > 0

    def move(self, link: Link) -> None:
        """Write a link that is durable in the ledger."""
        if self._descriptor is None:
            self._descriptor = os.open(
                self._path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600
            )
        line = f"{link.seq:020d} {link.sha256}{' damaged' if self._is_damaged else ''}\n".encode()
        os.pwrite(self._descriptor, line, 0)
        os.ftruncate(self._descriptor, len(line))

    def close(self) -> None:
        """Close the file."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
