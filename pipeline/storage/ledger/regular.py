"""Refuse a ledger of which a file is not what SQLite or this program writes there."""

from pathlib import Path

from pipeline.errors import LedgerError
from pipeline.storage.files import kind_fault, read_regular

RESTORE = "Restore the home folder from a backup, then resume"
_SQLITE_BEGINS = b"SQLite format 3\0"
_IS_LOOKED_UP = "Restore it from a backup. If it is lost, remove it, then resume: every customer is looked up first"
#: Files that SQLite keeps beside a database, and what to do about one that is a folder, a pipe or a device.
_KEPT_BESIDE = {
    "-wal": RESTORE,
    "-shm": "Remove it, then resume: SQLite writes it again",
    "-journal": "Remove it, then resume",
}


def refuse_other_database(path: Path) -> None:
    """Raise LedgerError where a file of a database is of another kind, or the database of another format.

    SQLite would serve those pages of such a database that its write-ahead log happens to hold, and empty ones for the rest.
    """
    _refuse_other_kind(path, RESTORE)
    for ending, advice in _KEPT_BESIDE.items():
        _refuse_other_kind(path.with_name(path.name + ending), advice)
    if path.exists() and read_regular(path, len(_SQLITE_BEGINS)) not in {b"", _SQLITE_BEGINS}:
        raise LedgerError(f"{path} is not an SQLite database. {RESTORE}")


def refuse_other_mark(path: Path) -> None:
    """Raise LedgerError where the high-water mark is of another kind."""
    _refuse_other_kind(path, _IS_LOOKED_UP)


def _refuse_other_kind(path: Path, advice: str) -> None:
    if (fault := kind_fault(path)) is not None:
        raise LedgerError(f"{path} {fault}. {advice}")
