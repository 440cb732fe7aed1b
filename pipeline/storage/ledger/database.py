"""The open SQLite database of a ledger: queries, snapshots, and errors that name the ledger."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any

from pipeline.errors import LedgerError
from pipeline.storage.ledger.lock import LOCK
from pipeline.storage.ledger.network_mounts import refuse_other_disk
from pipeline.storage.ledger.regular import RESTORE, refuse_other_database
from pipeline.storage.ledger.sorting import sort_beside

VERSION = 4  #: an older ledger is upgraded when it is opened for writing
CHAINED = 2  #: the first version that has a chain
WITH_NORMALIZATION = 4  #: the first version that keeps the normalization version of each intent
_READABLE = range(1, VERSION + 1)
BLOCK_ROWS = 100_000


def sql(name: str) -> str:
    """The SQL of a file of this package."""
    return files(__package__).joinpath("sql", f"{name}.sql").read_text(encoding="utf-8")


class Database:
    """A connection to the ledger at a path; each error becomes a LedgerError."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self.connection = connection
        self.path = path

    @classmethod
    def for_writing(cls, path: Path) -> "Database":
        """Open a database, and create the file if it is missing."""
        refuse_other_disk(path)
        with translated(path):
            refuse_other_database(path)
            path.touch(mode=0o600)
            connection = sqlite3.connect(path, isolation_level=None, timeout=10)
            connection.execute("PRAGMA journal_mode = WAL")
            # FULL: an intent must be on the disk, not on its way there, before its request is sent.
            connection.execute("PRAGMA synchronous = FULL")
            sort_beside(connection, path.parent)
        return cls(connection, path)

    @classmethod
    def for_reading(cls, path: Path) -> "Database":
        """Open an existing database; this also works while a run writes."""
        with translated(path):
            uri = f"{path.absolute().as_uri()}?mode=ro"
            connection = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=10)
        return cls(connection, path)

    def close(self) -> None:
        """Close the connection."""
        self.connection.close()

    def query(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """All rows of a query."""
        with translated(self.path):
            return self.connection.execute(statement, values).fetchall()

    def blocks(self, statement: str, *values: Any) -> Iterator[list[tuple[Any, ...]]]:
        """The rows of a query, in blocks; an error may appear as late as in a fetch."""
        with translated(self.path):
            rows = self.connection.execute(statement, values)
            while block := rows.fetchmany(BLOCK_ROWS):
                yield block

    def one(self, statement: str) -> Any:
        """The first column of the first row."""
        return self.query(statement)[0][0]

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Run several queries on the ledger as of one moment."""
        with translated(self.path):
            self.connection.execute("BEGIN")
            try:
                yield
            finally:
                self.connection.execute("ROLLBACK")

    def version(self) -> int:
        """The version of the tables."""
        return int(self.one("PRAGMA user_version"))

    def refuse_other_version(self) -> None:
        """Raise LedgerError if this program does not read the version of the ledger."""
        version = self.connection.execute("PRAGMA user_version").fetchone()[0]
        if version not in _READABLE:
            raise LedgerError(
                f"{self.path} has ledger version {version}, this program reads version {VERSION}:"
                " use the program that wrote it"
            )

    def normalization(self) -> str:
        """The column `normalization`, or NULL if this version of the ledger does not have it."""
        has_it = self.version() >= WITH_NORMALIZATION
        return "normalization" if has_it else "NULL AS normalization"


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn a database error into a LedgerError that names the ledger and what to do."""
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", 0)
        # Our own event numbers never collide, and no reader keeps a writer waiting.
        if code == sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY or code & 0xFF == sqlite3.SQLITE_BUSY:
            raise LedgerError(
                f"{path}: another process writes to this ledger. The lock file {path.parent / LOCK}"
                " was probably removed or replaced during a run. Nothing more is sent;"
                " wait for the other process to end, then resume"
            ) from error
        raise _unusable(path, error) from error
    except OSError as error:
        raise _unusable(path, error) from error


def _unusable(path: Path, error: Exception) -> LedgerError:
    if getattr(error, "sqlite_errorcode", 0) & 0xFF in {
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_NOTADB,
    }:
        return LedgerError(f"{path}: {error}. {RESTORE}")
    return LedgerError(
        f"{path}: {error}; check that the disk has room, that no limit on the size of files is reached,"
        " and that the file is ours to write; then resume"
    )
