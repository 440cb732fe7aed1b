"""Read a ledger: the state of external references, and what billing is known to hold."""

import itertools
import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from pipeline.domain.customer import Environment
from pipeline.domain.fates import State
from pipeline.errors import LedgerError
from pipeline.storage.ledger import integrity
from pipeline.storage.ledger.database import BLOCK_ROWS, CHAINED, Database, sql, translated
from pipeline.storage.ledger.events import (
    OUTCOME_COLUMNS,
    Begun,
    HistoryRow,
    InDoubt,
    Intent,
    Known,
    OutcomeRow,
    RecordedEvent,
)
from pipeline.storage.ledger.hash_chain import Link, Mark
from pipeline.storage.ledger.regular import refuse_other_database
from pipeline.storage.ledger.run_reader import RunReader
from pipeline.storage.ledger.sorting import sort_beside

FILE_NAME = "ledger.sqlite"
_OPEN_REQUESTS = sql("open_requests")
_LAST_STATES = sql("last_states")


class LedgerReader:
    """The queries of an open ledger; everything in it belongs to one environment."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.path = database.path
        self.runs = RunReader(database)
        self._query = database.query

    @classmethod
    @contextmanager
    def opened(
        cls, folder: Path, environment: Environment | None = None
    ) -> "Iterator[LedgerReader | None]":
        """Open a ledger for reading, also while a run writes; None if the environment has none yet.

        Refuse the ledger of another environment than the given one.
        """
        path = folder / FILE_NAME
        with translated(path):
            refuse_other_database(path)
        if not path.is_file() or not path.stat().st_size:
            yield None
            return
        database = Database.for_reading(path)
        try:
            with translated(path):
                sort_beside(database.connection, folder)
                database.refuse_other_version()
            reader = cls(database)
            if environment is not None:
                reader.refuse_other(environment)
            yield reader
        finally:
            database.close()

    # -- the ledger as a whole

    def environment(self) -> Environment | None:
        """The environment that this ledger belongs to."""
        known = self._query("SELECT name, merchant, mode, host FROM environment")
        return Environment(*known[0]) if known else None

    def refuse_other(self, environment: Environment) -> None:
        """Raise LedgerError if this ledger belongs to another environment."""
        owner = self.environment() or environment
        if owner != environment:
            raise LedgerError(
                f"{self.path} belongs to {owner}, not to {environment}; "
                "give each environment a home of its own (--home), or fix the settings"
            )

    def damage(self) -> list[str]:
        """All damage of this ledger that was ever found; if there is any, the ledger proves nothing about what was sent."""
        if self.database.version() < CHAINED:
            return []
        return [what for (what,) in self._query("SELECT what FROM damage ORDER BY rowid")]

    def damaged_at(self) -> datetime | None:
        """When damage of this ledger was last found; every send that it has lost is older. None if none was ever found."""
        if not self.damage():
            return None
        return datetime.fromisoformat(self.database.one("SELECT max(found_at) FROM damage"))

    def first_fault(self) -> str | None:
        """Recompute the whole chain: the first fault, or None; this also works while a run writes."""
        mark = Mark(self.path.parent).read()  # before the ledger, which a run may extend meanwhile
        return integrity.fault_of(self.database, mark)

    def last_link(self) -> Link | None:
        """The last link of the chain, which covers every event before it; None in an empty ledger."""
        return integrity.last_link(self.database)

    def last_event(self) -> int:
        """The number of the newest event, 0 in an empty ledger."""
        return int(self.database.one("SELECT coalesce(max(seq), 0) FROM events"))

    def last_event_at(self) -> datetime | None:
        """When the newest event was recorded; None in an empty ledger."""
        found = self._query("SELECT at FROM events ORDER BY seq DESC LIMIT 1")
        return datetime.fromisoformat(found[0][0]) if found else None

    # -- requests without a final outcome

    def in_doubt(self) -> int:
        """How many requests have an unknown outcome."""
        return int(self.database.one("SELECT count(*) FROM rows WHERE state = 'unknown'"))

    def requests_in_doubt(self) -> list[InDoubt]:
        """Every request with an unknown outcome, the oldest first."""
        found = self._query(
            "SELECT external_reference, run_id, coalesce(detail, '') FROM rows"
            " WHERE state = 'unknown' ORDER BY seq"
        )
        return [InDoubt(*row) for row in found]

    def open_requests(self, references: Sequence[str] | None = None) -> list[Begun]:
        """The requests in doubt; or those of `references` in doubt or given up."""
        found = self._query(
            _OPEN_REQUESTS.format(normalization=self.database.normalization()),
            None if references is None else json.dumps(references),
        )
        return [_begun(*row) for row in found]

    def given_up_after(self, event: int) -> list[tuple[str, str]]:
        """Requests that a person gave up after an event: (external_reference, fingerprint). An older plan does not send them."""
        return self._query(
            "SELECT external_reference, fingerprint FROM rows"
            " WHERE state IN ('given_up', 'never_created') AND seq > ?",
            event,
        )

    # -- the states of references

    def states(self, references: Sequence[str]) -> dict[str, Known]:
        """What the ledger knows of each of `references` that has an intent."""
        found = self._query(
            "SELECT external_reference, state, fingerprint, run_id FROM rows"
            " WHERE external_reference IN (SELECT value FROM json_each(?))",
            json.dumps(references),
        )
        return {
            reference: Known(State(state), fingerprint, run_id)
            for reference, state, fingerprint, run_id in found
        }

    def last_states(self, contents: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Known]:
        """The state after the newest event of each (external_reference, fingerprint) that has one."""
        return {
            (reference, sent): Known(State(state), sent, run_id)
            for reference, sent, state, run_id, _ in self._query(_LAST_STATES, json.dumps(contents))
        }

    def outcomes(self, references: Iterable[str] | None = None) -> Iterator[list[OutcomeRow]]:
        """The present rows of `references`, or all rows, in blocks: see `OUTCOME_COLUMNS`."""
        yield from self._rows(", ".join(OUTCOME_COLUMNS), references)

    def history(self, references: Iterable[str] | None = None) -> Iterator[list[HistoryRow]]:
        """What is known of `references`, or of every reference with an intent, in blocks.

        Columns: external_reference, state, fingerprint, key, normalization.
        """
        normalization = self.database.normalization()
        yield from self._rows(
            f"external_reference, state, fingerprint, key, {normalization}", references
        )

    def moved_since(self, event: int) -> Iterator[str]:
        """References whose state has moved after an event."""
        blocks = self.database.blocks("SELECT external_reference FROM rows WHERE seq > ?", event)
        for block in blocks:
            yield from (reference for (reference,) in block)

    def final_at(self, references: Sequence[str]) -> list[tuple[str, str]]:
        """When each of `references` with a final outcome got it: (external_reference, ISO 8601)."""
        return self._query(
            "SELECT rows.external_reference, events.at FROM rows JOIN events USING (seq)"
            " WHERE rows.state NOT IN ('unknown', 'given_up', 'withdrawn')"
            " AND rows.external_reference IN (SELECT value FROM json_each(?))",
            json.dumps(references),
        )

    # -- what was sent, and what billing holds

    def last_sent(self, reference: str) -> datetime | None:
        """When the last send of a reference was recorded, as an intent or with its outcome; None without an intent."""
        found = self._query(
            "SELECT max(at) FROM events"
            " WHERE external_reference = ? AND (kind = 'intent' OR call = 'create')",
            reference,
        )
        return datetime.fromisoformat(found[0][0]) if found[0][0] else None

    def contents(self, references: Sequence[str]) -> list[tuple[str, str]]:
        """The last payload of each of `references`: (reference, payload); purged payloads are left out."""
        found = self._query(
            "SELECT external_reference, payload FROM rows JOIN payloads USING (fingerprint)"
            " WHERE external_reference IN (SELECT value FROM json_each(?))",
            json.dumps(references),
        )
        return [(reference, bytes(payload).decode()) for reference, payload in found]

    def has_used(self, credential: str) -> bool:
        """Whether a request ever used this API key, by its fingerprint."""
        return bool(self._query("SELECT 1 FROM rows WHERE credential = ? LIMIT 1", credential))

    def some_customers(self) -> list[tuple[str, str]]:
        """The oldest, the newest and one other customer that billing is known to hold: (external_reference, billing_id)."""
        there = (
            "SELECT external_reference, billing_id FROM rows WHERE billing_id IS NOT NULL ORDER BY"
        )
        found = [*self._query(f"{there} seq LIMIT 1"), *self._query(f"{there} seq DESC LIMIT 1")]
        found += self._query(f"{there} random() LIMIT 1")
        return list(dict.fromkeys(found))

    def references_of(self, billing_id: str) -> list[str]:
        """The references of this billing id."""
        found = self._query(
            "SELECT DISTINCT external_reference FROM rows WHERE billing_id = ?", billing_id
        )
        return [reference for (reference,) in found]

    def events_of(self, reference: str) -> list[RecordedEvent]:
        """Every event of one reference, the oldest first."""
        found = self._query(
            f"SELECT {', '.join(RecordedEvent._fields)} FROM events"
            " WHERE external_reference = ? ORDER BY seq",
            reference,
        )
        return [RecordedEvent(*event) for event in found]

    def _rows(
        self, columns: str, references: Iterable[str] | None
    ) -> Iterator[list[tuple[Any, ...]]]:
        """All rows, or only those of `references`, found by index, so that the size of the ledger does not matter."""
        if references is None:
            yield from self.database.blocks(
                f"SELECT {columns} FROM rows ORDER BY external_reference"
            )
            return
        waiting = iter(references)
        while asked := list(itertools.islice(waiting, BLOCK_ROWS)):
            yield self._query(
                f"SELECT {columns} FROM rows"
                " WHERE external_reference IN (SELECT value FROM json_each(?))",
                json.dumps(asked),
            )


def _begun(*row: Any) -> Begun:
    """A row of `open_requests.sql`."""
    reference, fingerprint, key, payload, generation, normalization, *others = row
    first_sent, credential, run_id, started_at, statuses = others
    return Begun(
        Intent(reference, fingerprint, key, payload, generation, normalization),
        min(datetime.fromisoformat(moment) for moment in (first_sent, started_at) if moment),
        credential,
        run_id,
        frozenset(map(int, statuses.split(","))) if statuses else frozenset(),
    )
