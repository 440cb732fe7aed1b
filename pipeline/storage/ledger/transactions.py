"""Durable transactions of a ledger: they extend the hash chain, then move the mark and the witness."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from pipeline.errors import LedgerError
from pipeline.storage.ledger import integrity
from pipeline.storage.ledger.database import Database, translated
from pipeline.storage.ledger.events import EVENT_COLUMNS, Value
from pipeline.storage.ledger.hash_chain import START, Link, Mark, digests
from pipeline.storage.ledger.witnesses import Witness

_ADD_EVENTS = (
    f"INSERT INTO events ({', '.join(EVENT_COLUMNS)}, detail)"
    f" VALUES ({', '.join('?' * (len(EVENT_COLUMNS) + 1))})"
)


class Transactions:
    """The writes to an open ledger, and the end of its chain."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.mark = Mark(database.path.parent)
        self.link = self._pending = START
        self._witness: Witness | None = None
        self._inode: int | None = None

    @contextmanager
    def begin(self) -> Iterator[sqlite3.Connection]:
        """One transaction: durable at the end of the block, or undone by an error in it."""
        connection = self.database.connection
        with translated(self.database.path):
            connection.execute("BEGIN IMMEDIATE")
            self._pending = self.link
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
            self._refuse_removed()
            if self._pending != self.link:
                self.link = self._pending
                self.mark.move(self.link)
                if self._witness is not None:
                    self._witness.move(self.link)

    def append(self, events: list[list[Value]], move: str) -> None:
        """Number the events, chain them, and move their rows; inside a transaction."""
        for seq, event in enumerate(events, self.link.seq + 1):
            event[0] = seq
        link = self.link.then(event[:-1] for event in events)
        connection = self.database.connection
        connection.executemany(_ADD_EVENTS, events)
        connection.executemany(move, events)
        of_each = digests(event[:-1] for event in events)
        connection.execute("INSERT INTO groups VALUES (?, ?, ?)", (link.seq, link.sha256, of_each))
        self._pending = link

    def chain(self, link: Link) -> None:
        """Make a link the end of the chain when the present transaction ends."""
        self._pending = link

    def note_damage(self, now: datetime, fault: str) -> None:
        """Record damage in the ledger and in the mark, durably."""
        with self.begin() as connection:
            connection.execute("INSERT INTO damage VALUES (?, ?)", (now.isoformat(), fault))
            integrity.seal(connection)
        self.mark.remember_damage(self.link)

    def watch_file(self) -> None:
        """From now on refuse to go on if the file is removed or replaced."""
        self._inode = self.database.path.stat().st_ino

    def watch_with(self, witness: Witness) -> None:
        """Move this witness with the chain from now on."""
        self._witness = witness
        witness.move(self.link)

    def close(self) -> None:
        """Close the mark and the witness."""
        self.mark.close()
        if self._witness is not None:
            self._witness.close()

    def _refuse_removed(self) -> None:
        """Raise if the open file is no longer the one at its path: what is recorded would be lost."""
        path = self.database.path
        try:
            inode = path.stat().st_ino
        except FileNotFoundError:
            inode = None
        if self._inode is not None and inode != self._inode:
            raise LedgerError(
                f"{path} was removed or replaced during the run; nothing more is sent."
                " Restore the home folder, then resume"
            )
