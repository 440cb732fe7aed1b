"""Recompute a ledger from its events, and name the first thing that does not match.

Resume and planning rely on more than the chained events: on the rows that follow from them, on the payloads that may be sent again,
and on the tables without events. Each row is derived again from its events. Each other table has a seal, written with every change.
"""

import hashlib
import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any

from pipeline.storage.ledger.database import CHAINED, WITH_NORMALIZATION, Database, sql
from pipeline.storage.ledger.events import EVENT_COLUMNS
from pipeline.storage.ledger.hash_chain import DIGEST, START, Link, canonical, digest, digests

SEALS = "CREATE TABLE IF NOT EXISTS seals (name TEXT PRIMARY KEY, sha256 TEXT NOT NULL) STRICT, WITHOUT ROWID"
#: Tables that do not follow from events: the owner of the ledger, its runs, their files, and recorded damage.
SEALED = ("damage", "deliveries", "environment", "identity", "runs")
_WITH_DIGESTS = 3  #: the first version that keeps a digest of each event

#: The columns of a row that come from its newest intent, and those that come from its newest event.
_OF_THE_INTENT = {
    "first_sent": "at",
    **{name: name for name in ("credential", "generation", "fingerprint", "key")},
}
_OF_THE_NEWEST = ("seq", "state", "run_id", "fingerprint", "key")
_OF_AN_ANSWER = ("billing_id", "payable")
#: A row in such a state keeps an earlier text if a newer outcome has none.
_NOT_FINAL = "('unknown', 'given_up')"
_ROW_FAULTS = sql("row_faults")


def hashed(database: Database) -> str:
    """The query for events as they are hashed."""
    return f"SELECT {', '.join(EVENT_COLUMNS[:-1])}, {database.normalization()} FROM events"


def identity(database: Database) -> str:
    """The id of a ledger, which it keeps for ever."""
    return str(database.one("SELECT id FROM identity"))


def last_link(database: Database) -> Link | None:
    """The last link of the chain; None in an empty ledger."""
    found = database.query("SELECT last_seq, sha256 FROM groups ORDER BY last_seq DESC LIMIT 1")
    return Link(*found[0]) if found else None


def link_at(database: Database, seq: int) -> Link | None:
    """The link of the group that ends with this event; None if no group does."""
    found = database.query("SELECT last_seq, sha256 FROM groups WHERE last_seq = ?", seq)
    return Link(*found[0]) if found else None


def fault_of(database: Database, mark: Link | None) -> str | None:
    """The first fault of a ledger whose high-water mark is `mark`; None if there is none."""
    with database.snapshot():
        if database.version() < CHAINED:
            return "it has no chain yet; the next run gives it one"
        return (
            _group_fault(database)
            or _text_fault(database)
            or _seal_fault(database)
            or mark_fault(database, mark)
            or _row_fault(database)
        )


def mark_fault(database: Database, mark: Link | None, *, is_garbled: bool = False) -> str | None:
    """How a ledger contradicts its high-water mark; None if it does not."""
    newest = last_link(database) or START
    if mark is None:
        is_lost = is_garbled or newest != START
        fault = "its high-water mark is missing, so its last events may be missing, too"
        return fault if is_lost else None
    if mark.seq > newest.seq:
        return f"its end is missing: it ends with event {newest.seq}, and event {mark.seq} had been written"
    if mark != START and link_at(database, mark.seq) != mark:
        return f"event {mark.seq} is not the one that its high-water mark remembers"
    return None


def end_fault(database: Database) -> str | None:
    """What is wrong with the last group; None if nothing is."""
    newest = last_link(database) or START
    before = database.query(
        "SELECT last_seq, sha256 FROM groups WHERE last_seq < ? ORDER BY last_seq DESC LIMIT 1",
        newest.seq,
    )
    previous = Link(*before[0]) if before else START
    events = database.query(f"{hashed(database)} WHERE seq > ? ORDER BY seq", previous.seq)
    if previous.then(events) != newest:
        return f"the events after {previous.seq} are not those that were written"
    return None


def seal(connection: sqlite3.Connection) -> None:
    """Seal the tables that do not follow from events; call it in the transaction that changes one of them."""
    connection.execute(SEALS)
    connection.executemany(
        "INSERT OR REPLACE INTO seals VALUES (?, ?)",
        [(name, _seal_of(connection.execute(f"SELECT * FROM {name}"))) for name in SEALED],
    )


def _row_fault(ledger: Database) -> str | None:
    """The first row that does not match its events; planning, resume and reports read the rows."""
    intent = dict(_OF_THE_INTENT)
    if ledger.version() >= WITH_NORMALIZATION:
        intent["normalization"] = "normalization"
    differing = {
        **{name: f"rows.{name} IS NOT intent.{column}" for name, column in intent.items()},
        **{name: f"rows.{name} IS NOT newest.{name}" for name in _OF_THE_NEWEST},
        **{
            name: f"rows.{name} IS NOT iif(newest.kind = 'intent', NULL, newest.{name})"
            for name in _OF_AN_ANSWER
        },
        "detail": f"rows.detail IS NOT newest.detail AND NOT (rows.state IN {_NOT_FINAL} AND rows.detail IN (SELECT detail"
        " FROM events WHERE external_reference = rows.external_reference AND events.seq > intent.seq))",
    }
    found = ledger.query(
        _ROW_FAULTS.format(
            differing=", ".join(differing.values()),
            any_differs=" OR ".join(f"({one})" for one in differing.values()),
        )
    )
    if found:
        seq, *differs = found[0]
        names = ", ".join(
            name for name, is_other in zip(differing, differs, strict=True) if is_other
        )
        return f"the row of event {seq} does not match its events ({names})"
    (strays,) = ledger.query(
        "SELECT count(*) FROM rows WHERE NOT EXISTS"
        " (SELECT 1 FROM events WHERE events.external_reference = rows.external_reference)"
    )[0]
    if strays:
        return f"{strays} rows have no event"
    (bare,) = ledger.query(
        f"SELECT count(*) FROM rows WHERE state IN {_NOT_FINAL}"
        " AND NOT EXISTS (SELECT 1 FROM payloads WHERE payloads.fingerprint = rows.fingerprint)"
    )[0]
    return f"{bare} open requests have no payload, so they cannot be sent again" if bare else None


def _seal_of(rows: Iterable[tuple[Any, ...]]) -> str:
    """The SHA-256 of a table, in whatever order its rows come."""
    return digest(
        "\n".join(sorted(canonical((*row, 0)) for row in rows))
    )  # the 0, since no column may be left out


def _seal_fault(ledger: Database) -> str | None:
    """A table that does not match its seal; ledgers of earlier versions have no seals before they are opened for writing."""
    there = {
        name for (name,) in ledger.query("SELECT name FROM sqlite_schema WHERE type = 'table'")
    }
    if "seals" not in there:
        return None
    seals = dict(ledger.query("SELECT name, sha256 FROM seals"))
    for name in SEALED:
        if name not in there or _seal_of(ledger.query(f"SELECT * FROM {name}")) != seals.get(name):
            return f"the table {name} does not match its seal"
    return None


def _group_fault(ledger: Database) -> str | None:
    link, of_events = START, hashed(ledger)
    kept = "digests" if ledger.version() >= _WITH_DIGESTS else "NULL"
    for block in ledger.blocks(f"SELECT last_seq, sha256, {kept} FROM groups ORDER BY last_seq"):
        for last, sha256, of_each in block:
            events = ledger.query(
                f"{of_events} WHERE seq > ? AND seq <= ? ORDER BY seq", link.seq, last
            )
            there = {event[0] for event in events}
            if missing := [seq for seq in range(link.seq + 1, last + 1) if seq not in there]:
                return f"event {missing[0]} is missing (of events {link.seq + 1} to {last} there are {len(events)})"
            if link.then(events) != Link(last, sha256):
                return (
                    _first_altered(events, of_each)
                    or f"events {link.seq + 1} to {last} are not those that were written"
                )
            link = Link(last, sha256)
    beyond = int(ledger.query("SELECT coalesce(max(seq), 0) FROM events")[0][0])
    return f"events {link.seq + 1} to {beyond} belong to no group" if beyond != link.seq else None


def _first_altered(events: Sequence[Sequence[Any]], of_each: bytes | None) -> str | None:
    """Which event was altered, if its group has a digest of each event."""
    if (
        of_each is None or len(of_each) != len(events) * DIGEST
    ):  # kept by an earlier version, or of another group
        return None
    kept = (of_each[at : at + DIGEST] for at in range(0, len(of_each), DIGEST))
    altered = (
        event[0] for event, known in zip(events, kept, strict=True) if digests([event]) != known
    )
    return next((f"event {seq} is not the one that was written" for seq in altered), None)


def _text_fault(ledger: Database) -> str | None:
    """Texts that the chain covers by their hashes only."""
    for block in ledger.blocks(
        "SELECT seq, detail, detail_sha256 FROM events WHERE detail IS NOT NULL"
    ):
        for seq, detail, sha256 in block:
            if digest(detail) != sha256:
                return f"the detail of event {seq} is not the one that was written"
    for block in ledger.blocks("SELECT fingerprint, payload FROM payloads"):
        for fingerprint, payload in block:
            if hashlib.sha256(payload).hexdigest() != fingerprint:
                return f"the payload {fingerprint[:12]} is not the one that was written"
    return None
