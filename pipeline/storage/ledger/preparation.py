"""Make the tables of a new ledger, and upgrade those of an older one."""

from uuid import uuid4

from pipeline.domain.customer import Environment
from pipeline.storage.ledger import deliveries, integrity
from pipeline.storage.ledger.database import CHAINED, sql
from pipeline.storage.ledger.hash_chain import START, digest
from pipeline.storage.ledger.reader import LedgerReader
from pipeline.storage.ledger.transactions import Transactions

_SCHEMA = sql("schema")
_TO_2, _TO_3, _TO_4 = sql("upgrade_1_to_2"), sql("upgrade_2_to_3"), sql("upgrade_3_to_4")
_IDENTITY = "CREATE TABLE IF NOT EXISTS identity (id TEXT NOT NULL) STRICT"
#: Indexes for the queries of a run on millions of events; a ledger without them gets them when it is opened.
_INDEXES = (
    "CREATE INDEX IF NOT EXISTS events_by_reference ON events (external_reference)",
    "CREATE INDEX IF NOT EXISTS rows_by_run ON rows (run_id, state)",
)


def prepare(transactions: Transactions, reader: LedgerReader, environment: Environment) -> None:
    """Bring the tables to the present version; refuse the ledger of another environment."""
    database = transactions.database
    connection = database.connection
    if not database.one("SELECT count(*) FROM sqlite_schema"):
        connection.executescript(f"BEGIN IMMEDIATE;{_SCHEMA};COMMIT;")
    else:
        _upgrade(transactions)
    database.refuse_other_version()
    connection.execute(deliveries.TABLE)
    connection.execute(_IDENTITY)
    connection.execute(
        "INSERT INTO identity SELECT ? WHERE NOT EXISTS (SELECT 1 FROM identity)", (uuid4().hex,)
    )
    for index in _INDEXES:
        connection.execute(index)
    if reader.environment() is None:
        ours = (environment.name, environment.merchant, environment.mode, environment.host)
        with transactions.begin():
            connection.execute("INSERT INTO environment VALUES (?, ?, ?, ?)", ours)
    reader.refuse_other(environment)
    if not database.query("SELECT 1 FROM sqlite_schema WHERE name = 'seals'"):
        with transactions.begin():
            integrity.seal(connection)


def _upgrade(transactions: Transactions) -> None:
    """Upgrade to the present version; in version 1, which has no chain, the existing events become the first group."""
    connection, version = transactions.database.connection, transactions.database.version()
    if version == 1:
        _chain_existing_events(transactions)
    if version in {1, 2}:
        connection.executescript(f"BEGIN IMMEDIATE;{_TO_3}COMMIT;")
    if version in {1, 2, 3}:
        connection.executescript(f"BEGIN IMMEDIATE;{_TO_4}COMMIT;")


def _chain_existing_events(transactions: Transactions) -> None:
    database = transactions.database
    database.connection.executescript(f"BEGIN IMMEDIATE;{_TO_2}COMMIT;")
    with transactions.begin() as connection:
        details = database.query("SELECT seq, detail FROM events WHERE detail IS NOT NULL")
        connection.executemany(
            "UPDATE events SET detail_sha256 = ? WHERE seq = ?",
            [(digest(detail), seq) for seq, detail in details],
        )
        if events := database.query(f"{integrity.hashed(database)} ORDER BY seq"):
            link = START.then(events)
            connection.execute("INSERT INTO groups VALUES (?, ?)", (link.seq, link.sha256))
            transactions.chain(link)
        connection.execute(f"PRAGMA user_version = {CHAINED}")
