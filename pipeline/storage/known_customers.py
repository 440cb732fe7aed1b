"""The known customers of one environment: a DuckDB file that `load` replaces whole and matching reads.

known   row_id, external_reference, billing_id, email, phone, name, currency, balance (minor units); null where absent
hashes  place (that of a row of `known`), and the hash of each of its identities: eight bytes are looked through three times
        as fast as the texts
meta    one row: version, loaded_at, row_count, fields (those that the file states at all), inputs (JSON)

The version is of the content. The same customers in another order, or loaded a second time, are the same version,
although DuckDB writes other bytes each time.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from pipeline.domain.sql import literal
from pipeline.errors import ReferencesError
from pipeline.storage.files import (
    plain_path,
    private_folder,
    remove_unfinished,
    renamed_when_whole,
    temporary_folder,
)

FILE_NAME = "references.duckdb"
COLUMNS = {
    "row_id": "VARCHAR",
    "external_reference": "VARCHAR",
    "billing_id": "VARCHAR",
    "email": "VARCHAR",
    "phone": "VARCHAR",
    "name": "VARCHAR",
    "currency": "VARCHAR",
    "balance": "BIGINT",
    "identity": "VARCHAR",
}
#: By what rows and known customers are matched.
_IDENTITIES = ("external_reference", "billing_id", "email", "phone", "identity")
_HASHES = ", ".join(
    f"CASE WHEN {name} IS NOT NULL THEN hash({name}) END AS {name}" for name in _IDENTITIES
)
#: What the version is made of; where a customer stood in which file is not content.
_CONTENT = tuple(column for column in COLUMNS if column != "row_id")
_MEMORY_LIMIT = "400MB"
_AT_WORK = "loading"
_AT_WORK_EARLIER = ".loading-*"  #: folders of earlier versions


@dataclass(frozen=True, slots=True)
class References:
    """The known customers of an environment: where they are, and which content that is."""

    path: Path
    version: str
    rows: int
    loaded_at: str
    fields: tuple[
        str, ...
    ]  #: what the files that were loaded state at all; nothing else is compared
    inputs: list[dict[str, Any]]


def load(
    folder: Path,
    batches: Iterable[pl.DataFrame],
    *,
    fields: Sequence[str],
    inputs: Callable[[], list[dict[str, Any]]],
    now: datetime,
    spare: Path | None = None,
) -> References:
    """Put these customers in the place of all that were known, whole and durable, or change nothing.

    Batches hold `COLUMNS`. `inputs` is asked once they are all read: a file's hash is known only then. `spare`: another folder
    of ours to build in, for DuckDB cannot write in every one.
    Raise ReferencesError where another process is loading.
    """
    path = private_folder(folder) / FILE_NAME
    with (
        _only_one(folder),
        _workshop(folder, spare) as workshop,
        renamed_when_whole(path) as temporary,
    ):
        with _workbench(workshop / "spill") as connection:
            connection.execute(
                f"ATTACH {literal(str(workshop / FILE_NAME))} AS written (RECOVERY_MODE no_wal_writes)"
            )
            _fill(connection, batches)
            connection.execute(
                f"CREATE TABLE written.hashes AS SELECT rowid AS place, {_HASHES} FROM written.known"
            )
            found = _described(connection, path, fields, inputs(), now)
            _sign(connection, found)
        shutil.move(workshop / FILE_NAME, temporary)
    return found


def known_to(folder: Path) -> References | None:
    """What is known in an environment's folder, None where nothing was ever loaded; raise ReferencesError on damage."""
    path = folder / FILE_NAME
    if not path.exists():
        return None
    try:
        real = path.resolve()
        with plain_path(real.parent) as inside, _workbench(None) as connection:
            connection.execute(f"ATTACH {literal(str(inside / real.name))} AS kept (READ_ONLY)")
            connection.execute("SET enable_external_access = false")
            connection.execute(f"SELECT {', '.join(COLUMNS)} FROM kept.known LIMIT 0")
            rows = connection.execute(
                "SELECT version, row_count, loaded_at, fields, inputs FROM kept.meta"
            ).fetchall()
        ((version, row_count, loaded_at, stated, inputs),) = rows
        return References(path, version, row_count, loaded_at, tuple(stated), json.loads(inputs))
    except (duckdb.Error, ValueError, TypeError):
        raise ReferencesError(
            f"{path} is damaged or no file of known customers; load them again",
            suggests=("references", "load", "FILE"),
        ) from None


def some_customers(found: References) -> list[tuple[str, str]]:
    """The first, the last and one other known customer with a billing id: (external_reference, billing_id)."""
    there = "FROM known.known WHERE billing_id IS NOT NULL AND external_reference IS NOT NULL"
    asked = f"SELECT external_reference, billing_id {there} ORDER BY row_id"
    with _workbench(None) as connection, plain_path(found.path.parent) as folder:
        connection.execute(f"ATTACH {literal(str(folder / found.path.name))} AS known (READ_ONLY)")
        rows = [
            row
            for query in (
                f"{asked} LIMIT 1",
                f"{asked} DESC LIMIT 1",
                f"FROM ({asked}) USING SAMPLE 1",
            )
            for row in connection.execute(query).fetchall()
        ]
    return list(dict.fromkeys(rows))


def _fill(connection: duckdb.DuckDBPyConnection, batches: Iterable[pl.DataFrame]) -> None:
    columns = ", ".join(f"{name} {kind}" for name, kind in COLUMNS.items())
    connection.execute(f"CREATE TABLE written.known ({columns})")
    for batch in batches:
        connection.register("batch", batch.select(*COLUMNS))
        connection.execute("INSERT INTO written.known SELECT * FROM batch")
        connection.unregister("batch")


def _described(
    connection: duckdb.DuckDBPyConnection,
    path: Path,
    fields: Sequence[str],
    inputs: list[dict[str, Any]],
    now: datetime,
) -> References:
    stated = tuple(column for column in _CONTENT if column in fields)
    version, rows = _version(connection, stated)
    return References(path, version, rows, now.isoformat(timespec="seconds"), stated, inputs)


def _version(connection: duckdb.DuckDBPyConnection, stated: tuple[str, ...]) -> tuple[str, int]:
    """SHA-256 over the fields and the sorted SHA-256 of every row; and the number of rows.

    Each value goes in behind its length, `4:text`, and an absent one as `:`, so that no two rows read alike. DuckDB
    sorts within its memory limit.
    """
    content = [
        column for column in _CONTENT if column != "identity" or "identity" in stated
    ]  # versions are for ever
    values = ", ".join(f"strlen({column}::VARCHAR), ':', {column}" for column in content)
    digest = hashlib.sha256(json.dumps(["known customers", 1, stated]).encode())
    rows = 0
    # Not execute(): what it hands to Arrow is out of order where insertion order need not be preserved.
    in_order = connection.sql(
        f"SELECT unhex(sha256(concat({values}))) AS hash FROM written.known ORDER BY hash"
    )
    for batch in in_order.to_arrow_reader(100_000):
        digest.update(b"".join(batch.column(0).to_pylist()))
        rows += batch.num_rows
    return digest.hexdigest(), rows


def _sign(connection: duckdb.DuckDBPyConnection, found: References) -> None:
    connection.execute(
        "CREATE TABLE written.meta"
        " (version VARCHAR, loaded_at VARCHAR, row_count BIGINT, fields VARCHAR[], inputs VARCHAR)"
    )
    connection.execute(
        "INSERT INTO written.meta VALUES (?, ?, ?, ?, ?)",
        [
            found.version,
            found.loaded_at,
            found.rows,
            list(found.fields),
            json.dumps(found.inputs, ensure_ascii=False),
        ],
    )
    connection.execute("CHECKPOINT written")
    connection.execute("DETACH written")


@contextlib.contextmanager
def _only_one(folder: Path) -> Iterator[None]:
    """Hold the folder against other loads, and clear away what a killed one left; the lock dies with its process."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ReferencesError(
                f"{folder / FILE_NAME} is being loaded by another process; wait for it"
            ) from None
        remove_unfinished(folder)
        for left in folder.glob(_AT_WORK_EARLIER):
            shutil.rmtree(left)
        yield
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _workshop(folder: Path, spare: Path | None) -> Iterator[Path]:
    """A private folder to build in; nothing of it is left."""
    # Of what it writes to DuckDB asks for the real path, takes what follows a ? in it for the query of an address, and looks for
    # its journal elsewhere. Where the system's own folder is the only one without, the next load cleans up there.
    ours = (
        place for place in (folder, spare) if place is not None and "?" not in str(place.resolve())
    )
    place = next(ours, None)
    with (
        temporary_folder(private_folder(place or Path(tempfile.gettempdir())), _AT_WORK) as made,
        plain_path(made) as inside,
    ):
        yield inside


@contextlib.contextmanager
def _workbench(spill: Path | None) -> Iterator[duckdb.DuckDBPyConnection]:
    """DuckDB in bounded memory that loads no code; files are attached to it, so that each is opened only once."""
    connection = duckdb.connect(
        ":memory:",
        config={
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "memory_limit": _MEMORY_LIMIT,
            "temp_directory": str(spill or ""),
        },
    )
    try:
        yield connection
    finally:
        connection.close()
