"""Which files each run took: what a later file of the same stream is compared with. Names, hashes, counts and sums only."""

import json
import sqlite3
from collections.abc import Sequence
from datetime import datetime

from pipeline.domain.file_expectations import Delivery
from pipeline.storage.ledger.database import sql

TABLE = sql("deliveries")
_ADD = "INSERT OR IGNORE INTO deliveries VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
_ALL = (
    "SELECT name, sha256, records, columns, debits, credits, run_id, at, is_whole AND status = 'finished'"
    " FROM deliveries JOIN runs USING (run_id) ORDER BY at, name"
)


def add(
    connection: sqlite3.Connection,
    run_id: str,
    at: datetime,
    deliveries: Sequence[Delivery],
    *,
    is_whole: bool,
) -> None:
    """Record the files of a run that begins to send; inside a transaction. `is_whole`: no record is left for a later run."""
    connection.executemany(
        _ADD,
        [
            (
                run_id, at.isoformat(), one.name, one.sha256, one.records, json.dumps(one.columns), json.dumps(one.debits),
                json.dumps(one.credits), int(is_whole),
            )
            for one in deliveries
        ],
    )  # fmt: skip


def read(connection: sqlite3.Connection) -> list[Delivery]:
    """Every file that a run took, the oldest first."""
    if not connection.execute(
        "SELECT count(*) FROM sqlite_schema WHERE name = 'deliveries'"
    ).fetchone()[0]:
        return []
    return [
        Delivery(
            name, sha256, records, tuple(json.loads(columns)), json.loads(debits), json.loads(credits), run_id,
            datetime.fromisoformat(at), bool(finished),
        )
        for name, sha256, records, columns, debits, credits, run_id, at, finished in connection.execute(_ALL)
    ]  # fmt: skip
