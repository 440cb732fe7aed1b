"""What makes the journal tamper-evident: each group of events carries the hash of the one before it.

The newest link is kept a second time, in a small file beside the ledger (the high-water mark): SQLite drops a damaged
tail of its WAL without a word, and then only the mark remembers that there was more.
"""

import hashlib
import json
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.files import read_regular, refuse_symlink

MARK = "ledger.mark"
_MARK_FORM = re.compile(rb"([0-9]{20}) ([0-9a-f]{64})( damaged)?\n")


@dataclass(frozen=True, slots=True)
class Link:
    """The end of a group: the number of its last event, and the hash over it and all before it."""

    seq: int
    sha256: str

    def then(self, events: Iterable[Sequence[Any]]) -> "Link":
        """The link after these events, of which there is at least one."""
        last, lines = self.seq, [self.sha256]
        for event in events:
            last = event[0]
            lines.append(canonical(event))
        return Link(last, hashlib.sha256("\n".join(lines).encode()).hexdigest())


START = Link(0, "0" * 64)

_encode = json.JSONEncoder(separators=(",", ":")).encode


def canonical(event: Sequence[Any]) -> str:
    """An event as the text that is hashed: a JSON array of its columns, ASCII only, so that no text has two forms.

    The last column came with version 4 of the ledger; events without it are hashed as they always were.
    """
    return _encode(event if event[-1] is not None else event[:-1])


DIGEST = 8  #: bytes


def digests(events: Iterable[Sequence[Any]]) -> bytes:
    """8 bytes for each event, of the SHA-256 of it alone."""
    return b"".join(hashlib.sha256(canonical(event).encode()).digest()[:DIGEST] for event in events)


class Mark:
    """The high-water mark of a ledger: one line of fixed length, overwritten in place after each commit.

    It is never flushed by itself. After a power cut it may be older than the ledger, which says nothing; only a
    ledger that is older than its mark has lost something. It also remembers that something was lost before, since the
    ledger that says so may be lost in its turn.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / MARK
        self._descriptor: int | None = None
        self._is_damaged = False

    def read(self) -> Link | None:
        """The newest link that was committed, None where there is no mark that can be read."""
        refuse_symlink(self._path)
        try:
            found = _MARK_FORM.fullmatch(read_regular(self._path))
        except FileNotFoundError:
            return None
        self._is_damaged = found is not None and found[3] is not None
        return Link(int(found[1]), found[2].decode()) if found else None

    @property
    def tells_of_damage(self) -> bool:
        """Whether this ledger, or one that stood in its place before, had lost something; as of the last reading."""
        return self._is_damaged

    def remember_damage(self, link: Link) -> None:
        """From now on the mark says that something was lost."""
        self._is_damaged = True
        self.move(link)

    @property
    def holds_something(self) -> bool:
        """Whether there is a mark that is more than an empty file, which a process killed in its first moment leaves."""
        return self._path.exists() and self._path.stat().st_size > 0

    def move(self, link: Link) -> None:
        """Remember a link that is durable in the ledger."""
        if self._descriptor is None:
            self._descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600)
        line = f"{link.seq:020d} {link.sha256}{' damaged' if self._is_damaged else ''}\n".encode()
        os.pwrite(self._descriptor, line, 0)
        os.ftruncate(self._descriptor, len(line))

    def close(self) -> None:
        """Let the file go."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
