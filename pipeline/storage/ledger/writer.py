"""Write a ledger: append events and update the rows that follow from them, in one durable transaction."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from pipeline.domain.customer import Environment
from pipeline.domain.file_expectations import Delivery
from pipeline.storage.files import private_folder, refuse_symlink
from pipeline.storage.ledger import deliveries, integrity
from pipeline.storage.ledger.database import Database, sql, translated
from pipeline.storage.ledger.events import Answer, Intent, Withdrawal, intent_rows, outcome_rows
from pipeline.storage.ledger.hash_chain import START, Mark
from pipeline.storage.ledger.opening import check_end, check_statements
from pipeline.storage.ledger.preparation import prepare
from pipeline.storage.ledger.reader import FILE_NAME, LedgerReader
from pipeline.storage.ledger.transactions import Transactions
from pipeline.storage.ledger.witnesses import statement

_ADD_PAYLOADS = "INSERT INTO payloads VALUES (?, ?) ON CONFLICT DO NOTHING"
_BEGIN_ROWS = sql("begin_rows")
_MOVE_ROWS = sql("move_rows")


class Ledger:
    """A ledger that is open for writing. Everything that it records belongs to one environment."""

    def __init__(self, database: Database) -> None:
        self.path = database.path
        self.reader = LedgerReader(database)
        self.transactions = Transactions(database)
        #: The ids of other ledgers of this environment that the reports folder knows.
        self.others: tuple[str, ...] = ()

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
        path = private_folder(folder) / FILE_NAME
        refuse_symlink(path)
        database = Database.for_writing(path)
        ledger = cls(database)
        reader, transactions = ledger.reader, ledger.transactions
        try:
            with translated(path):
                prepare(transactions, reader, environment)
                check_end(transactions, reader, now())
                transactions.watch_file()
                if reports is not None:
                    ledger.others = check_statements(
                        transactions,
                        reader,
                        reports,
                        environment,
                        now(),
                        accepts_new_home=accepts_new_home,
                    )
            yield ledger
        finally:
            database.close()
            transactions.close()

    @staticmethod
    def read(
        folder: Path, environment: Environment | None = None
    ) -> AbstractContextManager[LedgerReader | None]:
        """Open a ledger for reading, see `LedgerReader.opened`."""
        return LedgerReader.opened(folder, environment)

    @staticmethod
    def remembered(folder: Path) -> int | None:
        """The number of the newest event in the high-water mark, whether the ledger still exists or not."""
        link = Mark(folder).read()
        return link.seq if link is not None and link != START else None

    def statement(self) -> bytes:
        """What a run folder records about this ledger: its id and its last event."""
        environment = self.reader.environment()
        assert environment is not None  # noqa: S101 - a ledger that is open for writing has one
        ours = integrity.identity(self.reader.database)
        return statement(ours, environment, self.transactions.link)

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
        with self.transactions.begin() as connection:
            connection.execute(
                "INSERT INTO runs (run_id, started_at, status, planned, pid) VALUES (?, ?, 'running', ?, ?)"
                " ON CONFLICT (run_id) DO UPDATE SET status = 'running', ended_at = NULL, pid = excluded.pid",
                (run_id, at.isoformat(), planned, pid),
            )
            deliveries.add(connection, run_id, at, files, is_whole=is_whole)
            integrity.seal(connection)

    def end_run(self, run_id: str, at: datetime, status: str) -> None:
        """A run ends: finished, or stopped and resumable."""
        with self.transactions.begin() as connection:
            connection.execute(
                "UPDATE runs SET status = ?, ended_at = ? WHERE run_id = ?",
                (status, at.isoformat(), run_id),
            )
            integrity.seal(connection)

    def record_intents(
        self, run_id: str, at: datetime, intents: Sequence[Intent], credential: str
    ) -> None:
        """Make intents durable; nothing may be sent before this returns."""
        if not intents:
            return
        events = intent_rows(run_id, at, intents, credential)
        with self.transactions.begin() as connection:
            connection.executemany(
                _ADD_PAYLOADS, [(intent.fingerprint, intent.payload) for intent in intents]
            )
            self.transactions.append(events, _BEGIN_ROWS)

    def record(self, run_id: str, at: datetime, entries: Iterable[Answer | Withdrawal]) -> None:
        """Append outcomes and withdrawals, and move their rows, in one transaction."""
        if events := outcome_rows(run_id, at, entries):
            with self.transactions.begin():
                self.transactions.append(events, _MOVE_ROWS)
