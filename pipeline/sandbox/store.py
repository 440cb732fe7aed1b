"""The sandbox's state in SQLite, in a file or in memory: customers, answers, settings and counters."""

import json
import secrets
import sqlite3
import string
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path

from . import strict_json

#: Marks a file as a sandbox's: "MSBX" in ASCII.
APPLICATION_ID = 0x4D534258

_ALPHANUMERICS = (string.ascii_letters + string.digits).encode()
_TO_ALPHANUMERIC = (_ALPHANUMERICS * 5)[
    :256
]  # a byte -> one of 62, some a little likelier, which harms no id
PAYMENT_RULES = {
    "min_amount": 1,
    "max_amount": 100_000_000,
    "underpayment_allowed": True,
    "overpayment_allowed": True,
}
_COLUMNS = "id, fields, has_payment_rules"
_PAGE = 1_000


class StateError(Exception):
    """The state file cannot be used: it is not a sandbox's, or another sandbox has it open."""


def random_text(length: int) -> str:
    """`length` random letters and digits, from a secure source."""
    return secrets.token_bytes(length).translate(_TO_ALPHANUMERIC).decode()


@dataclass(frozen=True)
class Customer:
    """A customer as the account holds it."""

    fields: dict[str, object]
    has_payment_rules: bool = True
    id: str = field(default_factory=lambda: f"bcus_{random_text(21)}")

    def stored(self) -> dict[str, object]:
        """Return the id and the fields as they were given."""
        return {"id": self.id, **self.fields}

    def shown(self) -> dict[str, object]:
        """Return what the API shows of it."""
        return self.stored() | ({"payment_rules": PAYMENT_RULES} if self.has_payment_rules else {})


@dataclass(frozen=True)
class StoredAnswer:
    """What the first request with a key was, and what it got."""

    request_sha256: bytes  #: of the payload; an update's path goes before it
    status: int
    body: bytes
    received_at: float


class Store:
    """The tables of `schema.sql`, with a method for each operation."""

    def __init__(self, path: Path | None = None) -> None:
        """Open the state at `path`, created if it is new, or a state in memory; StateError if the file is not a sandbox's."""
        self._sqlite = _connect(path)
        try:
            self._take_over(path)
        except BaseException:
            self._sqlite.close()
            raise

    def close(self) -> None:
        """Close the state; everything committed stays."""
        self._sqlite.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All the writes inside happen, or none."""
        self._sqlite.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._sqlite.execute("ROLLBACK")
            raise
        self._sqlite.execute("COMMIT")

    # what the vendor remembers

    def setting(self, name: str) -> str | None:
        """Return the setting of that name, where one is kept."""
        row = self._sqlite.execute("SELECT value FROM settings WHERE name = ?", (name,)).fetchone()
        return row and str(row[0])

    def keep_setting(self, name: str, value: str) -> None:
        """Keep a setting in place of the one of that name."""
        self._sqlite.execute("INSERT OR REPLACE INTO settings VALUES (?, ?)", (name, value))

    def add_customers(self, customers: Iterable[Customer]) -> None:
        """Hold these customers too, in this order."""
        self._sqlite.executemany(
            "INSERT INTO customers (id, external_reference, currency, balance, fields, has_payment_rules)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            map(_as_row, customers),
        )

    def change_customer(self, customer: Customer) -> None:
        """Hold these fields for the customer of that id."""
        _, _, currency, balance, fields, _ = _as_row(customer)
        self._sqlite.execute(
            "UPDATE customers SET currency = ?, balance = ?, fields = ? WHERE id = ?",
            (currency, balance, fields, customer.id),
        )

    def find_customer(self, id_or_reference: str) -> Customer | None:
        """Return the customer of that id, else the oldest of that external_reference."""
        # Two lookups by index: with one OR, ORDER BY seq LIMIT 1 may walk the whole table.
        by_id = f"SELECT {_COLUMNS} FROM customers WHERE id = ?"
        by_reference = (
            f"SELECT {_COLUMNS} FROM customers WHERE external_reference = ? ORDER BY seq LIMIT 1"
        )
        for query in (by_id, by_reference):
            row = self._sqlite.execute(query, (id_or_reference,)).fetchone()
            if row:
                return _as_customer(row)
        return None

    def is_taken(self, reference: str) -> bool:
        """Whether a customer has that external_reference."""
        query = "SELECT 1 FROM customers WHERE external_reference = ? LIMIT 1"
        return self._sqlite.execute(query, (reference,)).fetchone() is not None

    def customer_pages(self) -> Iterator[list[Customer]]:
        """Every customer in order of creation, in pages; includes customers created meanwhile."""
        query = f"SELECT {_COLUMNS}, seq FROM customers WHERE seq > ? ORDER BY seq LIMIT {_PAGE}"
        last = 0
        while rows := self._sqlite.execute(query, (last,)).fetchall():
            last = rows[-1][-1]
            yield list(map(_as_customer, rows))

    def keep_answer(self, key: str, answer: StoredAnswer) -> None:
        """Keep the answer to the first request with a key, in place of an expired one."""
        self._sqlite.execute(
            "INSERT OR REPLACE INTO stored_answers VALUES (?, ?, ?, ?, ?)",
            (key, answer.request_sha256, answer.status, answer.body, answer.received_at),
        )

    def find_answer(self, key: str) -> StoredAnswer | None:
        """Return the answer kept under a key, expired or not."""
        query = "SELECT payload_sha256, status, body, received_at FROM stored_answers WHERE key = ?"
        row = self._sqlite.execute(query, (key,)).fetchone()
        return StoredAnswer(*row) if row else None

    # what an observer notes

    def note_key(self, key: str, payload_sha256: bytes) -> None:
        """Note that a key was sent, and whether it ever came with two payloads."""
        self._sqlite.execute(
            "INSERT INTO sent_keys (key, payload_sha256) VALUES (?, ?) ON CONFLICT DO UPDATE"
            " SET had_two_payloads = 1 WHERE payload_sha256 <> excluded.payload_sha256",
            (key, payload_sha256),
        )

    def note_effect(self, reference: str) -> None:
        """Count one more creation begun for that external_reference."""
        self._sqlite.execute(
            "INSERT INTO effects VALUES (?, 1) ON CONFLICT DO UPDATE SET count = count + 1",
            (reference,),
        )

    def count(self, name: str) -> None:
        """Count one more of `name`."""
        self._sqlite.execute(
            "INSERT INTO counters VALUES (?, 1) ON CONFLICT DO UPDATE SET count = count + 1",
            (name,),
        )

    # counts and sums

    def counts(self, group: str) -> dict[str, int]:
        """Return the counters whose names begin with `group` and a point, by the rest of their names."""
        query = (
            "SELECT substr(name, length(?1) + 2), count FROM counters WHERE name GLOB ?1 || '.*'"
        )
        return dict(self._sqlite.execute(query, (group,)))

    def sums(self) -> dict[str, int]:
        """Currency -> sum of all balances in minor units, exact at any size."""
        # In Python, for SQLite's sum() of integers ends at 2^63.
        sums: defaultdict[str, int] = defaultdict(int)
        for currency, balance in self._sqlite.execute(
            "SELECT currency, balance FROM customers WHERE balance NOT NULL"
        ):
            sums[currency] += balance
        return dict(sorted(sums.items()))

    def number(self, of: str) -> int:
        """Return the answer to a question of `QUESTIONS`."""
        return int(self._sqlite.execute(QUESTIONS[of]).fetchone()[0])

    def repeated_effects(self) -> list[str]:
        """Return the external references with more than one create."""
        query = "SELECT external_reference FROM effects WHERE count > 1 ORDER BY external_reference"
        return [reference for (reference,) in self._sqlite.execute(query)]

    # opening

    def _take_over(self, path: Path | None) -> None:
        """Make sure that the file is ours alone and has the schema."""
        try:
            self._sqlite.execute(
                "PRAGMA temp_store = MEMORY"
            )  # no customer in the system's folder for temporary files
            # One process at a time: keys that are running are known to the process only.
            self._sqlite.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._refuse_foreign(path)
            if path:
                path.chmod(0o600)  # it holds the key
            self._sqlite.execute("PRAGMA journal_mode = WAL")
            self._sqlite.execute("PRAGMA synchronous = NORMAL")
            # A checkpoint waits for the disk; at SQLite's 1,000 pages that was every 80 creates.
            self._sqlite.execute("PRAGMA wal_autocheckpoint = 20000")
            self._make_schema()
        except sqlite3.OperationalError as error:
            raise StateError(
                f"{path} cannot be used, another sandbox may have it open: {error}"
            ) from error
        except sqlite3.DatabaseError as error:
            raise StateError(f"{path} is not a sandbox's state: {error}") from error

    def _refuse_foreign(self, path: Path | None) -> None:
        is_empty = self._sqlite.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0] == 0
        marked = self._sqlite.execute("PRAGMA application_id").fetchone()[0]
        if marked != APPLICATION_ID and not (is_empty and marked == 0):
            raise StateError(
                f"{path} is a database of something else, not a sandbox's state; give another file"
            )

    def _make_schema(self) -> None:
        with self.transaction():
            if self._sqlite.execute("PRAGMA application_id").fetchone()[0] == APPLICATION_ID:
                return
            for statement in _statements(
                files(__package__).joinpath("schema.sql").read_text("utf-8")
            ):
                self._sqlite.execute(statement)
            self._sqlite.execute(f"PRAGMA application_id = {APPLICATION_ID}")


#: Questions with one number as the answer.
QUESTIONS = {
    "customers": "SELECT count(*) FROM customers",
    "effects": "SELECT coalesce(sum(count), 0) FROM effects",
    "most_effects": "SELECT coalesce(max(count), 0) FROM effects",
    "keys_seen": "SELECT count(*) FROM sent_keys",
    "keys_with_two_bodies": "SELECT count(*) FROM sent_keys WHERE had_two_payloads",
    "replays": "SELECT coalesce(sum(count), 0) FROM counters WHERE name = 'replays'",
}


def _connect(path: Path | None) -> sqlite3.Connection:
    if path and not path.exists():
        path.touch(mode=0o600)
    try:
        # The server's thread uses what another thread opened, and each is done before the other begins.
        return sqlite3.connect(
            path or ":memory:", timeout=1, check_same_thread=False, isolation_level=None
        )
    except sqlite3.OperationalError as error:
        raise StateError(f"{path} cannot be opened: {error}") from error


def _statements(script: str) -> Iterator[str]:
    """Yield the statements of a script; executescript() would commit the transaction that it runs in."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def _as_row(customer: Customer) -> tuple[object, ...]:
    given = customer.fields
    return (
        customer.id,
        given["external_reference"],
        given.get("currency"),
        given.get("balance"),
        strict_json.dumps(given).decode(),
        customer.has_payment_rules,
    )


def _as_customer(row: tuple[str, str, int]) -> Customer:
    return Customer(json.loads(row[1]), has_payment_rules=bool(row[2]), id=row[0])
