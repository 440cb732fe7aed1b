"""Where SQLite puts its temporary files: next to the ledger, not in the system's folder for temporary files."""

import sqlite3
from pathlib import Path


def sort_beside(connection: sqlite3.Connection, folder: Path) -> None:
    """Keep the temporary files of this process's SQLite in `folder`; in memory if that folder is not writable."""
    there = str(folder.absolute())
    quoted = there.replace("'", "''")
    try:
        connection.execute(f"PRAGMA temp_store_directory = '{quoted}'")
        is_set = connection.execute("PRAGMA temp_store_directory").fetchall() == [(there,)]
    except sqlite3.OperationalError:
        is_set = False
    if not is_set:
        connection.execute("PRAGMA temp_store = MEMORY")
