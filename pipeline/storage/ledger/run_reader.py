"""Read what a ledger knows of runs: their status, requests, outcomes and input files."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from pipeline.domain.file_expectations import Delivery
from pipeline.storage.ledger import deliveries
from pipeline.storage.ledger.database import Database, sql, translated
from pipeline.storage.ledger.events import EXTRACT_COLUMNS, OutcomeRow, Value

_MOVED_FROM = sql("moved_from")
_WAITS = sql("waits")


class RecordedRun(NamedTuple):
    """A run that began to send; times in ISO 8601."""

    started_at: str
    ended_at: str | None
    status: str  #: running, finished or stopped
    planned: int
    pid: int


class RequestCounts(NamedTuple):
    """How many requests a run made."""

    creates: int
    replayed: int
    lookups: int


@dataclass(frozen=True, slots=True)
class RunReader:
    """The queries about runs in an open ledger."""

    database: Database

    def find(self, run_id: str) -> RecordedRun | None:
        """The run; None if it never began to send."""
        found = self.database.query(
            "SELECT started_at, ended_at, status, planned, pid FROM runs WHERE run_id = ?", run_id
        )
        return RecordedRun(*found[0]) if found else None

    def counts(self, run_id: str) -> dict[str, int]:
        """State -> number of references that a run was the last to move."""
        return dict(
            self.database.query(
                "SELECT state, count(*) FROM rows WHERE run_id = ? GROUP BY state", run_id
            )
        )

    def requests(self, run_id: str) -> RequestCounts:
        """The number of a run's creates, replays and lookups, counted from its events."""
        calls = self.database.query(
            "SELECT call, count(*), coalesce(sum(replayed), 0) FROM events"
            " WHERE run_id = ? AND call IS NOT NULL GROUP BY call",
            run_id,
        )
        by_call = {call: (count, replayed) for call, count, replayed in calls}
        creates, replayed = by_call.get("create", (0, 0))
        return RequestCounts(creates, replayed, by_call.get("look_up", (0, 0))[0])

    def waits(self, run_id: str) -> Iterator[list[tuple[str, str]]]:
        """When the intent and the final outcome of each reference of a run were recorded (ISO 8601), in blocks."""
        yield from self.database.blocks(_WAITS, run_id)

    def final_states(self, run_id: str) -> Iterator[list[tuple[str, str, str | None]]]:
        """References that a run has finished, even if another run has moved them since, in blocks: external_reference, state, billing_id."""
        query = (
            "SELECT external_reference, state, billing_id FROM rows"
            " WHERE run_id = ? AND state NOT IN ('unknown', 'withdrawn')"
        )
        yield from self.database.blocks(query, run_id)
        if moved := self.moved_from(run_id):
            yield [
                (reference, state, billing_id)
                for reference, state, _, _, _, billing_id, _, _ in moved
            ]

    def moved_from(self, run_id: str) -> list[OutcomeRow]:
        """How a run finished references that another run has moved since; columns of `OUTCOME_COLUMNS`."""
        return self.database.query(_MOVED_FROM, run_id)

    def extract(self, run_id: str) -> Iterator[list[tuple[Value, ...]]]:
        """Every event of a run, the oldest first, in blocks: see `EXTRACT_COLUMNS`."""
        yield from self.database.blocks(
            f"SELECT {', '.join(EXTRACT_COLUMNS)} FROM events WHERE run_id = ? ORDER BY seq", run_id
        )

    def deliveries(self) -> list[Delivery]:
        """Every file that a run took, the oldest first."""
        with translated(self.database.path):
            return deliveries.read(self.database.connection)
