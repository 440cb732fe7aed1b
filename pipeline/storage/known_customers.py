"""The known customers of one environment: a DuckDB file that `load` replaces and matching reads.

known   row_id, external_reference, billing_id, email, phone, name, currency, balance (minor units);
        null if absent
hashes  place (row of `known`), and a hash of each identity: a search over eight bytes is three
        times as fast as over the texts
meta    one row: version, loaded_at, row_count, fields (present in the file), inputs (JSON)

The version depends only on the content: the same customers in another order, or loaded again, have
the same version, although DuckDB writes other bytes each time.
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

import duckdb
import polars as pl
from pydantic import JsonValue

from pipeline.domain.sql import literal
from pipeline.errors import ReferencesError
from pipeline.storage.files import (
    plain_path,
    private_folder,
    remove_unfinished,
    renamed_when_whole,
    temporary_folder,
)

JsonObject = dict[str, JsonValue]
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
#: The fields that match rows with known customers.
_IDENTITIES = ("external_reference", "billing_id", "email", "phone", "identity")
_HASHES = ", ".join(
    f"CASE WHEN {name} IS NOT NULL THEN hash({name}) END AS {name}" for name in _IDENTITIES
)
#: The fields of the version; the position of a customer in a file is not content.
_CONTENT = tuple(column for column in COLUMNS if column != "row_id")
_MEMORY_LIMIT = "400MB"
_AT_WORK = "loading"
_AT_WORK_EARLIER = ".loading-*"  #: temporary folders of earlier versions


@dataclass(frozen=True, slots=True)
class References:
    """The known customers of an environment: their file and the version of its content."""

    path: Path
    version: str
    rows: int
    loaded_at: str
    fields: tuple[str, ...]  #: the fields of the loaded files; only these are compared
    inputs: list[JsonObject]


def load(
    folder: Path,
    batches: Iterable[pl.DataFrame],
    *,
    fields: Sequence[str],
    inputs: Callable[[], list[JsonObject]],
    now: datetime,
    spare: Path | None = None,
) -> References:
    """Replace the known customers, completely and durably, or change nothing.

    Batches have `COLUMNS`. `inputs` is called after the last batch, when the hashes of the files
    are known.
    `spare`: another folder of ours to build in, because DuckDB cannot write in every folder. Raise
    ReferencesError if another process is loading.
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
    """The known customers in a folder; None if never loaded; ReferencesError if damaged."""
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
    """The first, the last and a random known customer: (external_reference, billing_id)."""
    there = "FROM known.known WHERE billing_id IS NOT NULL AND external_reference IS NOT NULL"
    query = f"SELECT external_reference, billing_id {there} ORDER BY row_id"
    with _workbench(None) as connection, plain_path(found.path.parent) as folder:
        connection.execute(f"ATTACH {literal(str(folder / found.path.name))} AS known (READ_ONLY)")
        rows = [
            row
            for query in (
                f"{query} LIMIT 1",
                f"{query} DESC LIMIT 1",
                f"FROM ({query}) USING SAMPLE 1",
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
    inputs: list[JsonObject],
    now: datetime,
) -> References:
    stated = tuple(column for column in _CONTENT if column in fields)
    version, rows = _version(connection, stated)
    return References(path, version, rows, now.isoformat(timespec="seconds"), stated, inputs)


def _version(connection: duckdb.DuckDBPyConnection, stated: tuple[str, ...]) -> tuple[str, int]:
    """SHA-256 over the fields and the sorted SHA-256 of every row; and the number of rows.

    Each value is preceded by its length, `4:text`, and an absent one is `:`, so that no two rows
    are equal by accident. DuckDB sorts within its memory limit.
    """
    content = [
        column for column in _CONTENT if column != "identity" or "identity" in stated
    ]  # a version must never change
    values = ", ".join(f"strlen({column}::VARCHAR), ':', {column}" for column in content)
    digest = hashlib.sha256(json.dumps(["known customers", 1, stated]).encode())
    rows = 0
    # Not execute(): with it, Arrow data is unordered if insertion order is not preserved.
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
    """Lock the folder against other loads, and remove remains of a killed one."""
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
    """A private folder to build in; it is removed afterwards."""
    # DuckDB resolves the real path, reads a ? in it as the start of a query, and looks for its
    # journal elsewhere. If only the system's own folder has no such character, the next load cleans
    # up there.
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
    """DuckDB with a memory limit and without extensions; files are attached once each."""
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
