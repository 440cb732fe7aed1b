"""The ledger database: append events and update the rows that follow from them in one durable transaction; read states."""

import itertools
import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any
from uuid import uuid4

from pipeline.domain.customer import Environment
from pipeline.domain.fates import State
from pipeline.domain.file_expectations import Delivery
from pipeline.domain.file_issues import FileIssue
from pipeline.domain.responses import Difference
from pipeline.errors import HomeIsNew, LedgerError
from pipeline.storage.files import private_folder, refuse_symlink
from pipeline.storage.ledger import deliveries, integrity
from pipeline.storage.ledger.hash_chain import START, Link, Mark, digests
from pipeline.storage.ledger.lock import LOCK
from pipeline.storage.ledger.network_mounts import refuse_other_disk
from pipeline.storage.ledger.regular import RESTORE, refuse_other_database
from pipeline.storage.ledger.sorting import sort_beside
from pipeline.storage.ledger.witnesses import Witness, stated, statements

_SCHEMA = files(__package__).joinpath("schema.sql").read_text(encoding="utf-8")
_TO_2, _TO_3, _TO_4 = (
    files(__package__).joinpath(f"upgrade_{step}.sql").read_text(encoding="utf-8")
    for step in ("1_to_2", "2_to_3", "3_to_4")
)
_VERSION = 4
_READABLE = (1, 2, 3, 4)  #: a ledger is upgraded when it is opened for writing
_CHAINED = 2  #: the first version that has a chain
_WITH_NORMALIZATION = 4  #: the first one that keeps the normalization version of each intent
_BLOCK_ROWS = 100_000

#: The columns of an event in the order in which they are hashed; `detail` is covered by its hash.
_EVENT_COLUMNS = (
    "seq", "run_id", "at", "kind", "external_reference", "fingerprint", "generation", "key", "state", "call", "outcome",
    "status", "replayed", "billing_id", "payable", "detail_sha256", "credential", "normalization",
)  # fmt: skip
_ADD_EVENTS = f"INSERT INTO events ({', '.join(_EVENT_COLUMNS)}, detail) VALUES ({', '.join('?' * (len(_EVENT_COLUMNS) + 1))})"
#: Indexes for the queries of a run on millions of events; a ledger without them gets them when it is opened.
_INDEXES = (
    "CREATE INDEX IF NOT EXISTS events_by_reference ON events (external_reference)",
    "CREATE INDEX IF NOT EXISTS rows_by_run ON rows (run_id, state)",
)
_IDENTITY = "CREATE TABLE IF NOT EXISTS identity (id TEXT NOT NULL) STRICT"
HOME_IS_NEW = FileIssue.HOME_NEW.value
_ADD_PAYLOADS = "INSERT INTO payloads VALUES (?, ?) ON CONFLICT DO NOTHING"
# Both take an event: its columns in the order of _ADD_EVENTS, by number. An unsettled row keeps the last answer with a text,
# because a lookup that finds nothing does not show what became of the request.
_BEGIN_ROWS = (
    "INSERT OR REPLACE INTO rows (seq, run_id, first_sent, external_reference, fingerprint, generation, key, state,"
    " credential, normalization, detail) VALUES (?1, ?2, ?3, ?5, ?6, ?7, ?8, ?9, ?17, ?18, ?19)"
)
_MOVE_ROWS = (
    "UPDATE rows SET seq = ?1, run_id = ?2, state = ?9, billing_id = ?14, payable = ?15,"
    f" detail = CASE ?9 WHEN '{State.UNKNOWN.value}' THEN coalesce(?19, detail) ELSE ?19 END WHERE external_reference = ?5"
)


_UNSETTLED = frozenset({State.UNKNOWN, State.GIVEN_UP})


@dataclass(frozen=True, slots=True)
class Intent:
    """This payload will be sent under this key; recorded before the first byte leaves."""

    external_reference: str
    fingerprint: str
    key: str
    payload: bytes
    generation: int = 1
    normalization: int | None = (
        None  #: the version of the rules that made the payload; unknown in old ledgers
    )


@dataclass(frozen=True, slots=True)
class Known:
    """The state and the content of a reference, and the run that moved it there."""

    state: State
    fingerprint: str
    run_id: str


@dataclass(frozen=True, slots=True)
class Begun:
    """An unsettled request, as the ledger has it."""

    intent: Intent
    #: No later than its first send: the earlier of its intent, by billing's clock, and the start of its run, by ours.
    first_sent: datetime
    credential: str  #: the fingerprint of the API key it was begun with
    run_id: str
    statuses: frozenset[int] = frozenset()  #: HTTP statuses of its answers


@dataclass(frozen=True, slots=True)
class Answer:
    """The outcome of one call; it settles the reference if `state` is not UNKNOWN."""

    intent: Intent
    state: State
    call: str  #: "create" or "look_up"
    outcome: str
    status: int | None = None
    replayed: bool | None = None
    billing_id: str | None = None
    payable: bool | None = None
    detail: str | None = None
    differences: tuple[Difference, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """An intent that an orderly stop withdraws: nothing was sent under its key."""

    intent: Intent


class Ledger:
    """An open ledger. Everything that it returns or records belongs to one environment."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection = connection
        self.path = path
        self._mark = Mark(path.parent)
        self._link = self._pending = START
        self._witness: Witness | None = None
        self._inode: int | None = None
        self.others: tuple[
            str, ...
        ] = ()  #: ids of other ledgers of this environment that the reports folder knows

    @classmethod
    @contextmanager
    def opened(
        cls,
        folder: Path,
        environment: Environment,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        *,
        reports: Path | None = None,
        accepts_new_home: bool = False,
    ) -> "Iterator[Ledger]":
        """Open the ledger of an environment for writing, and create it if there is none; refuse one of another environment.

        `reports`: the folder whose statements show whether this ledger was here before. Raise HomeIsNew if the ledger is
        new although they name another one, unless `accepts_new_home`.
        """
        path = private_folder(folder) / "ledger.sqlite"
        refuse_symlink(path)
        refuse_other_disk(path)
        with _translated(path):
            refuse_other_database(path)
            path.touch(mode=0o600)
            connection = sqlite3.connect(path, isolation_level=None, timeout=10)
            connection.execute("PRAGMA journal_mode = WAL")
            # FULL: an intent must be on the disk, not on its way there, before its request is sent.
            connection.execute("PRAGMA synchronous = FULL")
            sort_beside(connection, folder)
        ledger = cls(connection, path)
        try:
            with _translated(path):
                ledger._prepare(environment)
                ledger._check_tail(now())
                ledger._inode = path.stat().st_ino
                if reports is not None:
                    ledger._check_statements(
                        reports, environment, now(), accepts_new_home=accepts_new_home
                    )
            yield ledger
        finally:
            connection.close()
            ledger._mark.close()
            if ledger._witness is not None:
                ledger._witness.close()

    @classmethod
    @contextmanager
    def read(
        cls, folder: Path, environment: Environment | None = None
    ) -> "Iterator[Ledger | None]":
        """Open a ledger for reading, also while a run writes; None if the environment has none yet.

        Refuse the ledger of another environment than the given one.
        """
        path = folder / "ledger.sqlite"
        with _translated(path):
            refuse_other_database(path)
        if not path.is_file() or not path.stat().st_size:
            yield None
            return
        with _translated(path):
            connection = sqlite3.connect(
                f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None, timeout=10
            )
        try:
            with _translated(path):
                sort_beside(connection, folder)
                _check_version(connection, path)
            ledger = cls(connection, path)
            if environment is not None:
                ledger.refuse_other(environment)
            yield ledger
        finally:
            connection.close()

    @staticmethod
    def remembered(folder: Path) -> int | None:
        """The number of the newest event in the high-water mark, whether the ledger still exists or not."""
        link = Mark(folder).read()
        return link.seq if link is not None and link != START else None

    # -- reading ------------------------------------------------------------------------------------------

    def environment(self) -> Environment | None:
        """The environment that this ledger belongs to."""
        known = self._query("SELECT name, merchant, mode, host FROM environment")
        return Environment(*known[0]) if known else None

    def identity(self) -> str:
        """The id of this ledger, which it keeps for ever."""
        return str(self._one("SELECT id FROM identity"))

    def statement(self) -> bytes:
        """What a run folder records about this ledger: its id and its last event."""
        environment = self.environment()
        assert environment is not None  # noqa: S101 - a ledger that is open for writing has one
        return stated(self.identity(), environment, self._link)

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
        if self._version() < _CHAINED:
            return []
        return [what for (what,) in self._query("SELECT what FROM damage ORDER BY rowid")]

    def damaged_at(self) -> datetime | None:
        """When damage of this ledger was last found; every send that it has lost is older. None if none was ever found."""
        if not self.damage():
            return None
        return datetime.fromisoformat(self._one("SELECT max(found_at) FROM damage"))

    def unsettled(self) -> int:
        """How many requests are unsettled."""
        return int(self._one("SELECT count(*) FROM rows WHERE state = 'unknown'"))

    def unsettled_requests(self) -> list[tuple[str, str, str]]:
        """Every unsettled request, the oldest first: (external_reference, run_id, the last answer)."""
        return self._query(
            "SELECT external_reference, run_id, coalesce(detail, '') FROM rows WHERE state = 'unknown' ORDER BY seq"
        )

    def last_sent(self, reference: str) -> datetime | None:
        """When the last send of a reference was recorded, as an intent or with its answer; None if it was never begun."""
        found = self._query(
            "SELECT max(at) FROM events WHERE external_reference = ? AND (kind = 'intent' OR call = 'create')",
            reference,
        )
        return datetime.fromisoformat(found[0][0]) if found[0][0] else None

    def has_used(self, credential: str) -> bool:
        """Whether a request was ever begun with this API key, by its fingerprint."""
        return bool(self._query("SELECT 1 FROM rows WHERE credential = ? LIMIT 1", credential))

    def some_customers(self) -> list[tuple[str, str]]:
        """The oldest, the newest and one other customer that billing is known to hold: (external_reference, billing_id)."""
        there = (
            "SELECT external_reference, billing_id FROM rows WHERE billing_id IS NOT NULL ORDER BY"
        )
        found = [*self._query(f"{there} seq LIMIT 1"), *self._query(f"{there} seq DESC LIMIT 1")]
        found += self._query(f"{there} random() LIMIT 1")
        return list(dict.fromkeys(found))

    def last_event_at(self) -> datetime | None:
        """When the newest event was recorded; None in an empty ledger."""
        found = self._query("SELECT at FROM events ORDER BY seq DESC LIMIT 1")
        return datetime.fromisoformat(found[0][0]) if found else None

    def last_event(self) -> int:
        """The number of the newest event, 0 in an empty ledger."""
        return int(self._one("SELECT coalesce(max(seq), 0) FROM events"))

    def history(self, references: Iterable[str] | None = None) -> Iterator[list[tuple[Any, ...]]]:
        """What is known of `references`, or of every reference ever begun, in blocks.

        Columns: external_reference, state, fingerprint, key, normalization.
        """
        yield from self._rows(
            f"external_reference, state, fingerprint, key, {self._normalization()}", references
        )

    def life_of(self, reference: str) -> list[dict[str, Any]]:
        """Every event of one reference, the oldest first: seq, at, run_id, kind, state, generation, call, outcome, status, replayed, key, billing_id."""
        names = (
            "seq",
            "at",
            "run_id",
            "kind",
            "state",
            "generation",
            "call",
            "outcome",
            "status",
            "replayed",
            "key",
            "billing_id",
        )
        found = self._query(
            f"SELECT {', '.join(names)} FROM events WHERE external_reference = ? ORDER BY seq",
            reference,
        )
        return [dict(zip(names, event, strict=True)) for event in found]

    def extract(self, run_id: str) -> Iterator[list[tuple[Any, ...]]]:
        """Every event of a run, the oldest first, in blocks: see `EXTRACT_COLUMNS`."""
        yield from self._blocks(
            f"SELECT {', '.join(EXTRACT_COLUMNS)} FROM events WHERE run_id = ? ORDER BY seq", run_id
        )

    def end(self) -> dict[str, Any] | None:
        """The last link of the chain, which covers every event before it: seq, sha256."""
        found = self._query("SELECT last_seq, sha256 FROM groups ORDER BY last_seq DESC LIMIT 1")
        return {"seq": found[0][0], "sha256": found[0][1]} if found else None

    def named(self, billing_id: str) -> list[str]:
        """The references of this billing id."""
        found = self._query(
            "SELECT DISTINCT external_reference FROM rows WHERE billing_id = ?", billing_id
        )
        return [reference for (reference,) in found]

    def moved_since(self, event: int) -> Iterator[str]:
        """References whose state has moved after an event."""
        for block in self._blocks("SELECT external_reference FROM rows WHERE seq > ?", event):
            yield from (reference for (reference,) in block)

    def states(self, references: Sequence[str]) -> dict[str, Known]:
        """What the ledger knows of each of `references` that was ever begun."""
        found = self._query(
            "SELECT external_reference, state, fingerprint, run_id FROM rows"
            " WHERE external_reference IN (SELECT value FROM json_each(?))",
            json.dumps(references),
        )
        return {
            reference: Known(State(state), fingerprint, run_id)
            for reference, state, fingerprint, run_id in found
        }

    def begun(self, references: Sequence[str] | None = None) -> list[Begun]:
        """The unsettled requests: all but those given up; or those of `references`, including those given up."""
        rows = self._query(
            f"SELECT external_reference, fingerprint, key, payload, generation, {self._normalization()}, first_sent, credential,"
            " run_id, (SELECT started_at FROM runs WHERE runs.run_id = rows.run_id),"
            " (SELECT group_concat(DISTINCT status) FROM events WHERE events.external_reference = rows.external_reference)"
            " FROM rows JOIN payloads USING (fingerprint) WHERE"
            " CASE WHEN ?1 IS NULL THEN state = 'unknown' ELSE state IN ('unknown', 'given_up')"
            " AND external_reference IN (SELECT value FROM json_each(?1)) END ORDER BY seq",
            None if references is None else json.dumps(references),
        )
        return [
            Begun(
                Intent(reference, fingerprint, key, payload, generation, normalization),
                min(datetime.fromisoformat(moment) for moment in (sent, started) if moment),
                credential,
                run_id,
                frozenset(map(int, statuses.split(","))) if statuses else frozenset(),
            )
            for reference, fingerprint, key, payload, generation, normalization, sent, credential, run_id, started, statuses in rows
        ]

    def outcomes(self, references: Iterable[str] | None = None) -> Iterator[list[tuple[Any, ...]]]:
        """The present rows of `references`, or all rows, in blocks: see `OUTCOME_COLUMNS`."""
        yield from self._rows(", ".join(OUTCOME_COLUMNS), references)

    def contents(self, references: Sequence[str]) -> list[tuple[str, str]]:
        """The last payload of each of `references` that was ever begun: (reference, payload); purged payloads are left out."""
        found = self._query(
            "SELECT external_reference, payload FROM rows JOIN payloads USING (fingerprint)"
            " WHERE external_reference IN (SELECT value FROM json_each(?))",
            json.dumps(references),
        )
        return [(reference, bytes(payload).decode()) for reference, payload in found]

    def settled_at(self, references: Sequence[str]) -> list[tuple[str, str]]:
        """When each settled one of `references` was settled: (external_reference, ISO 8601)."""
        return self._query(
            "SELECT rows.external_reference, events.at FROM rows JOIN events USING (seq)"
            " WHERE rows.state NOT IN ('unknown', 'given_up', 'withdrawn')"
            " AND rows.external_reference IN (SELECT value FROM json_each(?))",
            json.dumps(references),
        )

    def ends(self, contents: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Known]:
        """The state after the newest event of each (external_reference, fingerprint); without those that were never begun."""
        found = self._query(
            "SELECT events.external_reference, events.fingerprint, state, run_id, max(seq) FROM json_each(?) AS wanted JOIN events"
            " ON events.external_reference = wanted.value ->> 0 AND events.fingerprint = wanted.value ->> 1 GROUP BY 1, 2",
            json.dumps(contents),
        )
        return {
            (reference, sent): Known(State(state), sent, run_id)
            for reference, sent, state, run_id, _ in found
        }

    def settled_by(self, run_id: str) -> Iterator[list[tuple[str, str, str | None]]]:
        """References that a run has finished, even if another run has moved them since, in blocks: external_reference, state, billing_id."""
        query = (
            "SELECT external_reference, state, billing_id FROM rows"
            " WHERE run_id = ? AND state NOT IN ('unknown', 'withdrawn')"
        )
        yield from self._blocks(query, run_id)
        if moved := self.moved_from(run_id):
            yield [
                (reference, state, billing_id)
                for reference, state, _, _, _, billing_id, _, _ in moved
            ]

    def moved_from(self, run_id: str) -> list[tuple[Any, ...]]:
        """How a run finished references that another run has moved since; columns of `OUTCOME_COLUMNS`."""
        return self._query(
            "WITH own AS (SELECT events.external_reference, max(events.seq) AS last FROM events JOIN rows USING (external_reference)"
            " WHERE events.run_id = ?1 AND rows.run_id <> ?1 GROUP BY 1)"
            " SELECT events.external_reference, state, run_id, fingerprint, key, billing_id, payable, detail FROM own"
            " JOIN events ON events.seq = own.last WHERE state NOT IN ('unknown', 'withdrawn')",
            run_id,
        )

    def given_up_after(self, event: int) -> list[tuple[str, str]]:
        """Requests that a person gave up after an event: (external_reference, fingerprint). An older plan does not send them."""
        return self._query(
            "SELECT external_reference, fingerprint FROM rows WHERE state IN ('given_up', 'never_created') AND seq > ?",
            event,
        )

    def _rows(
        self, columns: str, references: Iterable[str] | None
    ) -> Iterator[list[tuple[Any, ...]]]:
        """All rows, or only those of `references`, found by index, so that the size of the ledger does not matter."""
        if references is None:
            yield from self._blocks(f"SELECT {columns} FROM rows ORDER BY external_reference")
            return
        waiting = iter(references)
        while asked := list(itertools.islice(waiting, _BLOCK_ROWS)):
            yield self._query(
                f"SELECT {columns} FROM rows WHERE external_reference IN (SELECT value FROM json_each(?))",
                json.dumps(asked),
            )

    def counts(self, run_id: str) -> dict[str, int]:
        """State -> number of references that a run was the last to move."""
        return dict(
            self._query("SELECT state, count(*) FROM rows WHERE run_id = ? GROUP BY state", run_id)
        )

    def requests(self, run_id: str) -> dict[str, int]:
        """The number of a run's creates, replays and lookups, counted from its events."""
        answers = self._query(
            "SELECT call, count(*), coalesce(sum(replayed), 0) FROM events WHERE run_id = ? AND call IS NOT NULL GROUP BY call",
            run_id,
        )
        by_call = {call: (count, replayed) for call, count, replayed in answers}
        creates, replayed = by_call.get("create", (0, 0))
        return {
            "creates": creates,
            "replayed": replayed,
            "look_ups": by_call.get("look_up", (0, 0))[0],
        }

    def waits(self, run_id: str) -> Iterator[list[tuple[str, str]]]:
        """When each reference that a run settled was begun and settled (ISO 8601), in blocks."""
        yield from self._blocks(
            "SELECT min(at) FILTER (WHERE kind = 'intent'), max(at) FILTER (WHERE kind = 'settled') FROM events"
            " WHERE run_id = ? AND kind IN ('intent', 'settled') GROUP BY external_reference"
            " HAVING count(DISTINCT kind) = 2",
            run_id,
        )

    def run(self, run_id: str) -> dict[str, Any] | None:
        """What the ledger knows of a run: started_at, ended_at, status, planned, pid."""
        found = self._query(
            "SELECT started_at, ended_at, status, planned, pid FROM runs WHERE run_id = ?", run_id
        )
        return (
            dict(zip(("started_at", "ended_at", "status", "planned", "pid"), found[0], strict=True))
            if found
            else None
        )

    def deliveries(self) -> list[Delivery]:
        """Every file that a run took, the oldest first."""
        with _translated(self.path):
            return deliveries.read(self._connection)

    # -- writing ---------------------------------------------------------------------------------------------

    def begin_run(
        self,
        run_id: str,
        at: datetime,
        planned: int,
        pid: int,
        *,
        files: Sequence[Delivery] = (),
        is_whole: bool = True,
    ) -> None:
        """A run starts or resumes; `files` are its input files, `is_whole` means that no record of them is left for a later run."""
        with self._transaction():
            self._connection.execute(
                "INSERT INTO runs (run_id, started_at, status, planned, pid) VALUES (?, ?, 'running', ?, ?)"
                " ON CONFLICT (run_id) DO UPDATE SET status = 'running', ended_at = NULL, pid = excluded.pid",
                (run_id, at.isoformat(), planned, pid),
            )
            deliveries.add(self._connection, run_id, at, files, is_whole=is_whole)
            integrity.seal(self._connection)

    def end_run(self, run_id: str, at: datetime, status: str) -> None:
        """A run ends: finished, or stopped and resumable."""
        with self._transaction():
            self._connection.execute(
                "UPDATE runs SET status = ?, ended_at = ? WHERE run_id = ?",
                (status, at.isoformat(), run_id),
            )
            integrity.seal(self._connection)

    def record_intents(
        self, run_id: str, at: datetime, intents: Sequence[Intent], credential: str
    ) -> None:
        """Make intents durable; nothing may be sent before this returns."""
        if not intents:
            return
        when = at.isoformat()
        events = [
            _event(run_id, when, "intent", intent, State.UNKNOWN, credential=credential)
            for intent in intents
        ]
        with self._transaction():
            self._connection.executemany(
                _ADD_PAYLOADS, [(intent.fingerprint, intent.payload) for intent in intents]
            )
            self._append(events, _BEGIN_ROWS)

    def record(self, run_id: str, at: datetime, entries: Iterable[Answer | Withdrawal]) -> None:
        """Append answers and withdrawals, and move their rows, in one transaction."""
        when = at.isoformat()
        events = []
        for entry in entries:
            if isinstance(entry, Withdrawal):
                events.append(_event(run_id, when, "withdrawn", entry.intent, State.WITHDRAWN))
            else:
                kind = "answer" if entry.state in _UNSETTLED else "settled"
                events.append(_event(run_id, when, kind, entry.intent, entry.state, answer=entry))
        if events:
            with self._transaction():
                self._append(events, _MOVE_ROWS)

    # -- the chain --------------------------------------------------------------------------------------------------

    def first_broken(self) -> str | None:
        """Recompute the whole chain: the first fault, or None; this also works while a run writes."""
        mark = self._mark.read()  # before the ledger, which a run may extend meanwhile
        with self._as_of_now():
            if self._version() < _CHAINED:
                return "it has no chain yet; the next run gives it one"
            audited = integrity.Audited(self._query, self._blocks, self._version(), self._hashed())
            return (
                integrity.first_fault(audited)
                or _against_mark(mark, self._newest(), self._link_at)
                or integrity.moved_row(audited)
            )

    def _check_tail(self, now: datetime) -> None:
        """Notice at opening what SQLite does not: a missing end. `first_broken` checks the whole chain."""
        self._link = self._newest()
        mark = self._mark.read()
        fault = _against_mark(
            mark, self._link, self._link_at, is_garbled=mark is None and self._mark.holds_something
        )
        if fault is None and self._link != START:
            fault = self._broken_tail()
        if fault is None and self._mark.tells_of_damage and not self.damage():
            fault = "an earlier ledger at this place was damaged"
        if fault is not None:
            with self._transaction():
                self._connection.execute(
                    "INSERT INTO damage VALUES (?, ?)", (now.isoformat(), fault)
                )
                integrity.seal(self._connection)
            self._mark.remember_damage(self._link)
        elif mark != self._link:
            self._mark.move(self._link)

    def _check_statements(
        self, reports: Path, environment: Environment, now: datetime, *, accepts_new_home: bool
    ) -> None:
        """Compare this ledger with the statements in the reports folder, and keep its own statement there."""
        ours, known = self.identity(), list(statements(reports, environment))
        self.others = tuple(sorted({one.ledger for one in known} - {ours}))
        is_new = self._link == START and not any(one.ledger == ours for one in known)
        if is_new and self.others:
            if not accepts_new_home:
                raise HomeIsNew(
                    f"{HOME_IS_NEW}: {self.path} is new, but {known[0].path.parent} knows another ledger of the environment"
                    f" {environment.name!r}. Restore the home folder, or use --home. If it is lost: --accept {HOME_IS_NEW};"
                    " then every customer is looked up before it is sent. Nothing was sent"
                )
            self._note_damage(
                now,
                f"the ledger is new; another one of this environment is lost ({self.others[0][:8]})",
            )
        for one in known:
            lost = (
                one.ledger == ours
                and one.link != START
                and (one.link.seq > self._link.seq or self._link_at(one.link.seq) != one.link)
            )
            if lost:
                self._note_damage(
                    now,
                    f"{one.path} knows event {one.link.seq}, and this ledger does not: an older copy was restored",
                )
                break
        self._witness = Witness(reports, ours, environment)
        self._witness.move(self._link)

    def _note_damage(self, now: datetime, what: str) -> None:
        if what in self.damage():
            return
        with self._transaction():
            self._connection.execute("INSERT INTO damage VALUES (?, ?)", (now.isoformat(), what))
            integrity.seal(self._connection)
        self._mark.remember_damage(self._link)

    def _refuse_removed(self) -> None:
        """Raise if the open file is no longer the one at its path: what is recorded would be lost."""
        try:
            inode = self.path.stat().st_ino
        except FileNotFoundError:
            inode = None
        if self._inode is not None and inode != self._inode:
            raise LedgerError(
                f"{self.path} was removed or replaced during the run; nothing more is sent. Restore the home folder, then resume"
            )

    def _newest(self) -> Link:
        found = self._query("SELECT last_seq, sha256 FROM groups ORDER BY last_seq DESC LIMIT 1")
        return Link(*found[0]) if found else START

    def _broken_tail(self) -> str | None:
        before = self._query(
            "SELECT last_seq, sha256 FROM groups WHERE last_seq < ? ORDER BY last_seq DESC LIMIT 1",
            self._link.seq,
        )
        previous = Link(*before[0]) if before else START
        events = self._query(f"{self._hashed()} WHERE seq > ? ORDER BY seq", previous.seq)
        if previous.then(events) != self._link:
            return f"the events after {previous.seq} are not those that were written"
        return None

    def _link_at(self, seq: int) -> Link | None:
        found = self._query("SELECT last_seq, sha256 FROM groups WHERE last_seq = ?", seq)
        return Link(*found[0]) if found else None

    # -- internals ------------------------------------------------------------------------------------------------------

    def _append(self, events: list[list[Any]], move: str) -> None:
        """Number the events, chain them, and move their rows; inside a transaction."""
        for seq, event in enumerate(events, self._link.seq + 1):
            event[0] = seq
        link = self._link.then(event[:-1] for event in events)
        self._connection.executemany(_ADD_EVENTS, events)
        self._connection.executemany(move, events)
        of_each = digests(event[:-1] for event in events)
        self._connection.execute(
            "INSERT INTO groups VALUES (?, ?, ?)", (link.seq, link.sha256, of_each)
        )
        self._pending = link

    def _prepare(self, environment: Environment) -> None:
        if not self._one("SELECT count(*) FROM sqlite_schema"):
            self._connection.executescript(f"BEGIN IMMEDIATE;{_SCHEMA};COMMIT;")
        else:
            self._upgrade()
        _check_version(self._connection, self.path)
        self._connection.execute(deliveries.TABLE)
        self._connection.execute(_IDENTITY)
        self._connection.execute(
            "INSERT INTO identity SELECT ? WHERE NOT EXISTS (SELECT 1 FROM identity)",
            (uuid4().hex,),
        )
        for index in _INDEXES:
            self._connection.execute(index)
        if self.environment() is None:
            ours = (environment.name, environment.merchant, environment.mode, environment.host)
            with self._transaction():
                self._connection.execute("INSERT INTO environment VALUES (?, ?, ?, ?)", ours)
        self.refuse_other(environment)
        if not self._query("SELECT 1 FROM sqlite_schema WHERE name = 'seals'"):
            with self._transaction():
                integrity.seal(self._connection)

    def _upgrade(self) -> None:
        """Upgrade to the present version; in version 1, which has no chain, the existing events become the first group."""
        version = self._version()
        if version == 1:
            self._chain_existing_events()
        if version in {1, 2}:
            self._connection.executescript(f"BEGIN IMMEDIATE;{_TO_3}COMMIT;")
        if version in {1, 2, 3}:
            self._connection.executescript(f"BEGIN IMMEDIATE;{_TO_4}COMMIT;")

    def _chain_existing_events(self) -> None:
        self._connection.executescript(f"BEGIN IMMEDIATE;{_TO_2}COMMIT;")
        with self._transaction():
            details = self._query("SELECT seq, detail FROM events WHERE detail IS NOT NULL")
            self._connection.executemany(
                "UPDATE events SET detail_sha256 = ? WHERE seq = ?",
                [(integrity.digest(detail), seq) for seq, detail in details],
            )
            events = self._query(f"{self._hashed()} ORDER BY seq")
            if events:
                link = START.then(events)
                self._connection.execute(
                    "INSERT INTO groups VALUES (?, ?)", (link.seq, link.sha256)
                )
                self._pending = link
            self._connection.execute(f"PRAGMA user_version = {_CHAINED}")

    def _version(self) -> int:
        return int(self._one("PRAGMA user_version"))

    def _normalization(self) -> str:
        """The column `normalization`, or NULL if this version of the ledger does not have it."""
        return (
            "normalization" if self._version() >= _WITH_NORMALIZATION else "NULL AS normalization"
        )

    def _hashed(self) -> str:
        """The query for events as they are hashed."""
        return f"SELECT {', '.join(_EVENT_COLUMNS[:-1])}, {self._normalization()} FROM events"

    def _query(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        with _translated(self.path):
            return self._connection.execute(sql, values).fetchall()

    def _blocks(self, sql: str, *values: Any) -> Iterator[list[tuple[Any, ...]]]:
        """The rows of a query, in blocks; an error may appear as late as in a fetch."""
        with _translated(self.path):
            rows = self._connection.execute(sql, values)
            while block := rows.fetchmany(_BLOCK_ROWS):
                yield block

    def _one(self, sql: str) -> Any:
        return self._query(sql)[0][0]

    @contextmanager
    def _as_of_now(self) -> Iterator[None]:
        """Run several queries on one snapshot."""
        with _translated(self.path):
            self._connection.execute("BEGIN")
            try:
                yield
            finally:
                self._connection.execute("ROLLBACK")

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with _translated(self.path):
            self._connection.execute("BEGIN IMMEDIATE")
            self._pending = self._link
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise
            self._refuse_removed()
            if self._pending != self._link:
                self._link = self._pending
                self._mark.move(self._link)
                if self._witness is not None:
                    self._witness.move(self._link)


#: Columns of `Ledger.extract`.
EXTRACT_COLUMNS = (
    "seq", "at", "kind", "external_reference", "fingerprint", "generation", "key", "state", "call", "outcome", "status",
    "replayed", "billing_id", "payable", "detail", "detail_sha256", "credential",
)  # fmt: skip
#: The columns of `Ledger.outcomes`.
OUTCOME_COLUMNS = (
    "external_reference",
    "state",
    "run_id",
    "fingerprint",
    "key",
    "billing_id",
    "payable",
    "detail",
)


def _against_mark(
    mark: Link | None,
    newest: Link,
    link_at: Callable[[int], Link | None],
    *,
    is_garbled: bool = False,
) -> str | None:
    """How a ledger that ends with `newest` contradicts its high-water mark; None if it does not."""
    if mark is None:
        lost = is_garbled or newest != START
        return (
            "its high-water mark is missing, so its last events may be missing, too"
            if lost
            else None
        )
    if mark.seq > newest.seq:
        return f"its end is missing: it ends with event {newest.seq}, and event {mark.seq} had been written"
    if mark != START and link_at(mark.seq) != mark:
        return f"event {mark.seq} is not the one that its high-water mark remembers"
    return None


def _event(
    run_id: str,
    at: str,
    kind: str,
    intent: Intent,
    state: State,
    *,
    answer: Answer | None = None,
    credential: str | None = None,
) -> list[Any]:
    """An event in the order of `_EVENT_COLUMNS`, with 0 as its number, and its detail at the end."""
    columns = (None,) * 6 if answer is None else _answer_columns(answer)
    detail = None if answer is None else _detail(answer)
    return [
        0,
        run_id,
        at,
        kind,
        intent.external_reference,
        intent.fingerprint,
        intent.generation,
        intent.key,
        state.value,
        *columns,
        None if detail is None else integrity.digest(detail),
        credential,
        intent.normalization if kind == "intent" else None,
        detail,
    ]


def _answer_columns(answer: Answer) -> tuple[Any, ...]:
    return (
        answer.call,
        answer.outcome,
        answer.status,
        None if answer.replayed is None else int(answer.replayed),
        answer.billing_id,
        None if answer.payable is None else int(answer.payable),
    )


def _detail(answer: Answer) -> str | None:
    if answer.differences:
        return json.dumps(
            [[d.field, d.ours, d.theirs] for d in answer.differences], ensure_ascii=False
        )
    return answer.detail


def _check_version(connection: sqlite3.Connection, path: Path) -> None:
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version not in _READABLE:
        raise LedgerError(
            f"{path} has ledger version {version}, this program reads version {_VERSION}: use the program that wrote it"
        )


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    """Turn a database error into a LedgerError that names the ledger and what to do."""
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", 0)
        # Our own event numbers never collide, and no reader keeps a writer waiting.
        if code == sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY or code & 0xFF == sqlite3.SQLITE_BUSY:
            raise LedgerError(
                f"{path}: another process writes to this ledger. The lock file {path.parent / LOCK} was probably removed"
                " or replaced during a run. Nothing more is sent; wait for the other process to end, then resume"
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
