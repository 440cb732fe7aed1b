"""The journal itself: append events and the rows that they lead to, in one durable transaction; ask for states."""

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

from pipeline.customer import Environment
from pipeline.errors import LedgerError
from pipeline.files import private_folder, refuse_symlink
from pipeline.outcomes import Difference, State

_SCHEMA = files(__package__).joinpath("schema.sql").read_text(encoding="utf-8")
_VERSION = 1
_BLOCK_ROWS = 100_000


@dataclass(frozen=True, slots=True)
class Intent:
    """This payload will be sent under this key; recorded before the first byte leaves."""

    external_reference: str
    fingerprint: str
    key: str
    payload: bytes
    generation: int = 1


@dataclass(frozen=True, slots=True)
class Known:
    """Where a reference stands, with which content, and which run moved it there."""

    state: State
    fingerprint: str
    run_id: str


@dataclass(frozen=True, slots=True)
class Begun:
    """A reference whose request was begun and never settled, as the ledger holds it."""

    intent: Intent
    first_sent: datetime
    credential: str  #: which API key it was begun with, as a fingerprint
    run_id: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What one call brought: it settles the reference where `state` is not UNKNOWN."""

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
    """An intent that an orderly stop takes back: nothing was sent under it."""

    intent: Intent


class Ledger:
    """An open ledger. Everything that it returns or records belongs to one environment."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection = connection
        self.path = path

    @classmethod
    @contextmanager
    def opened(cls, folder: Path, environment: Environment) -> "Iterator[Ledger]":
        """Open the ledger of an environment for writing, made where there is none; refuse that of another one."""
        path = private_folder(folder) / "ledger.sqlite"
        refuse_symlink(path)
        with _translated(path):
            path.touch(mode=0o600)
            connection = sqlite3.connect(path, isolation_level=None, timeout=10)
            connection.execute("PRAGMA journal_mode = WAL")
            # FULL: an intent must be on the disk, not on its way there, before its request is sent.
            connection.execute("PRAGMA synchronous = FULL")
        ledger = cls(connection, path)
        try:
            with _translated(path):
                ledger._prepare(environment)
            yield ledger
        finally:
            connection.close()

    @classmethod
    @contextmanager
    def read(cls, folder: Path) -> "Iterator[Ledger | None]":
        """Open a ledger for reading beside a run that writes; None where the environment has none yet."""
        path = folder / "ledger.sqlite"
        if not path.is_file() or not path.stat().st_size:
            yield None
            return
        with _translated(path):
            connection = sqlite3.connect(
                f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None, timeout=10
            )
        try:
            with _translated(path):
                _check_version(connection, path)
            yield cls(connection, path)
        finally:
            connection.close()

    # -- what was and is ------------------------------------------------------------------------------------------

    def environment(self) -> Environment | None:
        """The environment that this ledger belongs to."""
        known = self._query("SELECT name, merchant, mode, host FROM environment")
        return Environment(*known[0]) if known else None

    def unsettled(self) -> int:
        """How many references were begun and never settled."""
        return int(self._one("SELECT count(*) FROM rows WHERE state = 'unknown'"))

    def last_event(self) -> int:
        """The number of the newest event, 0 in an empty ledger."""
        return int(self._one("SELECT coalesce(max(seq), 0) FROM events"))

    def history(self) -> Iterator[list[tuple[Any, ...]]]:
        """Every reference ever begun, in blocks: external_reference, state, fingerprint, key."""
        yield from self._blocks(
            "SELECT external_reference, state, fingerprint, key FROM rows ORDER BY external_reference"
        )

    def moved_since(self, event: int) -> Iterator[str]:
        """References whose state has moved after an event."""
        for block in self._blocks("SELECT external_reference FROM rows WHERE seq > ?", event):
            yield from (reference for (reference,) in block)

    def states(self, references: Sequence[str]) -> dict[str, Known]:
        """What the ledger knows of those of `references` that were ever begun."""
        found = self._query(
            "SELECT external_reference, state, fingerprint, run_id FROM rows"
            " WHERE external_reference IN (SELECT value FROM json_each(?))",
            json.dumps(references),
        )
        return {reference: Known(State(state), fingerprint, run_id) for reference, state, fingerprint, run_id in found}

    def begun(self, references: Sequence[str] | None = None) -> list[Begun]:
        """The unsettled ones: all of them, or those of `references`."""
        rows = self._query(
            "SELECT external_reference, fingerprint, key, payload, generation, first_sent, credential, run_id"
            " FROM rows JOIN payloads USING (fingerprint) WHERE state = 'unknown'"
            " AND (?1 IS NULL OR external_reference IN (SELECT value FROM json_each(?1))) ORDER BY seq",
            None if references is None else json.dumps(references),
        )
        return [
            Begun(
                Intent(reference, fingerprint, key, payload, generation),
                datetime.fromisoformat(sent),
                credential,
                run_id,
            )
            for reference, fingerprint, key, payload, generation, sent, credential, run_id in rows
        ]

    def outcomes(self) -> Iterator[list[tuple[Any, ...]]]:
        """Every row as it stands, in blocks: see `OUTCOME_COLUMNS`."""
        yield from self._blocks(f"SELECT {', '.join(OUTCOME_COLUMNS)} FROM rows ORDER BY external_reference")

    def counts(self, run_id: str) -> dict[str, int]:
        """State -> number of references that a run was the last to move."""
        return dict(self._query("SELECT state, count(*) FROM rows WHERE run_id = ? GROUP BY state", run_id))

    def requests(self, run_id: str) -> dict[str, int]:
        """What a run's calls came to, counted from its events."""
        answers = self._query(
            "SELECT call, count(*), coalesce(sum(replayed), 0) FROM events WHERE run_id = ? AND call IS NOT NULL GROUP BY call",
            run_id,
        )
        by_call = {call: (count, replayed) for call, count, replayed in answers}
        creates, replayed = by_call.get("create", (0, 0))
        return {"creates": creates, "replayed": replayed, "look_ups": by_call.get("look_up", (0, 0))[0]}

    def run(self, run_id: str) -> dict[str, Any] | None:
        """What the ledger knows of a run: started_at, ended_at, status, planned, pid."""
        found = self._query("SELECT started_at, ended_at, status, planned, pid FROM runs WHERE run_id = ?", run_id)
        return (
            dict(zip(("started_at", "ended_at", "status", "planned", "pid"), found[0], strict=True)) if found else None
        )

    # -- what happens ---------------------------------------------------------------------------------------------

    def begin_run(self, run_id: str, at: datetime, planned: int, pid: int) -> None:
        """A run starts, or goes on."""
        with self._transaction():
            self._connection.execute(
                "INSERT INTO runs (run_id, started_at, status, planned, pid) VALUES (?, ?, 'running', ?, ?)"
                " ON CONFLICT (run_id) DO UPDATE SET status = 'running', ended_at = NULL, pid = excluded.pid",
                (run_id, at.isoformat(), planned, pid),
            )

    def end_run(self, run_id: str, at: datetime, status: str) -> None:
        """A run ends: finished, or stopped and resumable."""
        with self._transaction():
            self._connection.execute(
                "UPDATE runs SET status = ?, ended_at = ? WHERE run_id = ?", (status, at.isoformat(), run_id)
            )

    def record_intents(self, run_id: str, at: datetime, intents: Sequence[Intent], credential: str) -> None:
        """Make intents durable; nothing may be sent before this returns."""
        when = at.isoformat()
        with self._transaction():
            self._connection.executemany(
                "INSERT INTO payloads VALUES (?, ?) ON CONFLICT DO NOTHING",
                [(intent.fingerprint, intent.payload) for intent in intents],
            )
            for intent in intents:
                self._append(run_id, when, "intent", intent, State.UNKNOWN, first_sent=when, credential=credential)

    def record(self, run_id: str, at: datetime, entries: Iterable[Answer | Withdrawal]) -> None:
        """Append what happened, and move the rows, in one transaction."""
        when = at.isoformat()
        with self._transaction():
            for entry in entries:
                if isinstance(entry, Withdrawal):
                    self._append(run_id, when, "withdrawn", entry.intent, State.WITHDRAWN)
                else:
                    kind = "answer" if entry.state is State.UNKNOWN else "settled"
                    self._append(run_id, when, kind, entry.intent, entry.state, answer=entry)

    # -- how ------------------------------------------------------------------------------------------------------

    def _append(
        self,
        run_id: str,
        at: str,
        kind: str,
        intent: Intent,
        state: State,
        *,
        answer: Answer | None = None,
        first_sent: str | None = None,
        credential: str | None = None,
    ) -> None:
        told = (None,) * 7 if answer is None else _told(answer)
        cursor = self._connection.execute(
            "INSERT INTO events (run_id, at, kind, external_reference, fingerprint, generation, key, state, call, outcome,"
            " status, replayed, billing_id, payable, detail, credential) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
            (
                run_id,
                at,
                kind,
                intent.external_reference,
                intent.fingerprint,
                intent.generation,
                intent.key,
                state,
                *told,
                credential,
            ),
        )
        billing_id, payable, detail = told[4:]
        if first_sent is not None:
            self._connection.execute(
                "INSERT OR REPLACE INTO rows VALUES (?,?,?,?,?,?,?,?,?,?,?,?)",
                (intent.external_reference, state, run_id, intent.fingerprint, intent.generation, intent.key, first_sent,
                 credential, None, None, None, cursor.lastrowid),
            )  # fmt: skip
        else:
            self._connection.execute(
                "UPDATE rows SET state = ?, run_id = ?, billing_id = ?, payable = ?, detail = ?, seq = ? WHERE external_reference = ?",
                (state, run_id, billing_id, payable, detail, cursor.lastrowid, intent.external_reference),
            )

    def _prepare(self, environment: Environment) -> None:
        if not self._one("SELECT count(*) FROM sqlite_schema"):
            self._connection.executescript(f"BEGIN IMMEDIATE;{_SCHEMA};COMMIT;")
        _check_version(self._connection, self.path)
        ours = (environment.name, environment.merchant, environment.mode, environment.host)
        known = self._query("SELECT name, merchant, mode, host FROM environment")
        if not known:
            with self._transaction():
                self._connection.execute("INSERT INTO environment VALUES (?, ?, ?, ?)", ours)
        elif known[0] != ours:
            raise LedgerError(
                f"{self.path} belongs to {_described(known[0])}, not to {_described(ours)}; "
                "give each environment a home of its own (--home), or mend the settings"
            )

    def _query(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        with _translated(self.path):
            return self._connection.execute(sql, values).fetchall()

    def _blocks(self, sql: str, *values: Any) -> Iterator[list[tuple[Any, ...]]]:
        """Many rows, some at a time; damage may show as late as when a row is fetched."""
        with _translated(self.path):
            rows = self._connection.execute(sql, values)
            while block := rows.fetchmany(_BLOCK_ROWS):
                yield block

    def _one(self, sql: str) -> Any:
        return self._query(sql)[0][0]

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with _translated(self.path):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise


#: The columns of `Ledger.outcomes`.
OUTCOME_COLUMNS = ("external_reference", "state", "run_id", "fingerprint", "key", "billing_id", "payable", "detail")


def _told(answer: Answer) -> tuple[Any, ...]:
    detail = answer.detail
    if answer.differences:
        detail = json.dumps([[d.field, d.ours, d.theirs] for d in answer.differences], ensure_ascii=False)
    return (
        answer.call,
        answer.outcome,
        answer.status,
        answer.replayed,
        answer.billing_id,
        answer.payable,
        detail,
    )


def _check_version(connection: sqlite3.Connection, path: Path) -> None:
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version != _VERSION:
        raise LedgerError(
            f"{path} has ledger version {version}, this program reads version {_VERSION}: use the program that wrote it"
        )


def _described(environment: tuple[str, str, str, str]) -> str:
    return "environment {!r}, merchant {!r}, mode {}, host {}".format(*environment)


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    """A database fault becomes a LedgerError that says which ledger and what to do."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise LedgerError(
            f"{path}: {error}; check that the disk has room and the file is ours to write, then resume"
        ) from error
