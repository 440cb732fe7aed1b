"""Read what our files claim about created customers, for the auditor; audit recorded sandboxes."""

import contextlib
import csv
import sqlite3
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.prove.audit import Books, Claim, Claimed, audit, content_of, read_lines

#: What a state of the ledger claims.
_STATES = {
    "created": Claimed.CREATED,
    "created_different": Claimed.CREATED,
    "adopted": Claimed.CREATED,
    "pre_existing": Claimed.OF_ANOTHER,
    "conflict": Claimed.OF_ANOTHER,
    "refused": Claimed.REFUSED,
    "unknown": Claimed.IN_DOUBT,
    "withdrawn": Claimed.NOT_SENT,
}
#: What a fate in a list claims; of the others only that billing has such a customer, where the reason says so.
_FATES = {
    "created": Claimed.CREATED,
    "created_different": Claimed.CREATED,
    "refused": Claimed.REFUSED,
    "in_doubt": Claimed.IN_DOUBT,
    "not_attempted": Claimed.NOT_SENT,
}
_EXISTS = ("SUBMIT.ALREADY_THERE", "PLAN.CREATED_BEFORE")


def ledger_of(folder: Path) -> Books:
    """What the ledger claims of each reference."""
    rows = _queried(folder, "SELECT external_reference, state, key, billing_id FROM rows")
    claims = (
        Claim("the ledger", reference, _STATES[state], key, customer or "")
        for reference, state, key, customer in rows
    )
    return Books("the ledger", tuple(claims), _begun(folder))


def _begun(folder: Path) -> dict[str, float]:
    """When the ledger recorded each key before it was sent, by this machine's monotonic clock."""
    ahead = time.time() - time.monotonic()
    found = _queried(folder, "SELECT key, min(at) FROM events WHERE kind = 'intent' GROUP BY key")
    return {key: datetime.fromisoformat(at).timestamp() - ahead for key, at in found}


def _queried(folder: Path, question: str) -> list[tuple[Any, ...]]:
    path = next((folder / ".pipeline").glob("*/ledger.sqlite"))
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        return connection.execute(question).fetchall()


def lists_of(folder: Path) -> Books:
    """What the lists of all runs claim of the records that were to be created."""
    claims = (
        claim
        for run in sorted((folder / "reports").iterdir())
        for name in ("created", "skipped", "held", "in_doubt", "rejected", "unprocessed")
        for claim in _claims(run, run / f"{name}.csv")
    )
    return Books("the lists of all runs", tuple(claims), _begun(folder))


def _claims(run: Path, path: Path) -> Iterator[Claim]:
    if not path.is_file():
        return
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            says_so = row["_import_reasons"].startswith(_EXISTS)
            claimed = _FATES.get(row["_import_fate"]) or (Claimed.EXISTS if says_so else None)
            if claimed is not None:
                book, key = f"{path.name} of {run.name}", row["_import_idempotency_key"]
                yield Claim(
                    book, row["external_reference"], claimed, key, row["_import_billing_id"]
                )


def violations(history: Path, folder: Path, rows: int) -> Iterator[str]:
    """What a recorded sandbox, the ledger and the lists violate together, for a file of `customers_csv`."""
    planned = {f"ref-{number}": frozenset({_content(number)}) for number in range(rows)}
    seen = read_lines(history.read_text())
    if not any(one.effect for one in seen):
        yield "the history holds no create that took effect"
    for one in audit(seen, planned, [ledger_of(folder), lists_of(folder)]):
        yield f"{one.reference}: {one.sentence} ({one.rule})"


def _content(number: int) -> str:
    """What billing should get of a record of `customers_csv`."""
    return content_of(
        {
            "external_reference": f"ref-{number}",
            "name": f"Person {number}",
            "email": f"person{number}@example.com",
            "phone": f"+27821{number:06d}"[:12],
            "currency": "ZAR",
            "balance": number * 100,
            "metadata": {"plan": "gold"},
        }
    )
