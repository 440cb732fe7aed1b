"""Pair the customers of both sides by external reference, and name every difference."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files

import duckdb

from pipeline.domain.customer import METADATA_PREFIX
from pipeline.domain.discrepancies import Discrepancy
from pipeline.domain.fates import SUPERSEDED, Fate
from pipeline.domain.sql import identifier, literal

_CANDIDATES, _EXPECTED, _COMPARE, _PATTERNS = (
    files(__package__).joinpath(name).read_text(encoding="utf-8")
    for name in ("candidates.sql", "expected.sql", "compare.sql", "patterns.sql")
)
#: Changes that a server may make to a text without changing its meaning.
_SAME_WITH = {"email": "lower({})"}
#: Tolerances that a job may declare for texts.
_TOLERANCES = {"case": "lower({})", "spaces": "regexp_replace({}, '\\s+', '', 'g')"}
#: Fields that are compared only if we have a value.
_OPTIONAL = ("billing_id",)
#: Roles of customers to look up: billing may hold them, or we sent a request to create them.
_LOOKED_UP = "('expected', 'in_doubt', 'refused')"
#: Microseconds between our clock and billing's, at most. A change so soon may be none.
_CLOCK_SKEW = 300_000_000


@dataclass(frozen=True, slots=True)
class Terms:
    """The fields to compare, and the differences that the job tolerates."""

    #: The fields that billing's side states: name, email, phone, billing_id, metadata.<key>.
    fields: Sequence[str]
    ours: frozenset[str] = frozenset()  #: the fields with a column on our side
    #: Field -> case or spaces; balance -> minor units.
    tolerances: Mapping[str, str | int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Chosen:
    """The number of customers to look up, and the number to sample from."""

    count: int
    of: int


def column_of(name: str) -> str:
    """The column of a field on both sides. Metadata keys are hex, for SQL names ignore case."""
    key = name.removeprefix(METADATA_PREFIX)
    return name if key == name else f"metadata_{key.encode().hex()}"


def doubts(workbench: duckdb.DuckDBPyConnection) -> Iterator[list[tuple[str, str]]]:
    """Blocks of (reference, run_id) that are in doubt in the view `our_rows`."""
    for block in _blocks(
        workbench, "SELECT external_reference, run_id FROM our_rows WHERE role = 'in_doubt'"
    ):
        yield [(reference, run_id) for reference, run_id in block]


def choose(
    workbench: duckdb.DuckDBPyConnection, sample: int | None = None, seed: str = ""
) -> Chosen:
    """Create `chosen_from` (one row per customer) and `expected` (the customers to compare).

    Needs `our_rows` and `resolved`. `sample`: the number of customers to look up, chosen at random
    by `seed`; None for all.
    """
    workbench.execute(_CANDIDATES)
    if _one(workbench, "SELECT (SELECT count(*) FROM repeated) + (SELECT count(*) FROM resolved)"):
        workbench.execute(_EXPECTED)
    else:  # each row is a different customer, so a view is enough
        workbench.execute("CREATE VIEW chosen_from AS SELECT *, false AS is_resolved FROM our_rows")
    count = f"SELECT count(*) FROM {{}} WHERE role IN {_LOOKED_UP}"
    of = _one(workbench, count.format("chosen_from"))
    if sample is None or sample >= of:
        workbench.execute("CREATE VIEW expected AS FROM chosen_from")
        return Chosen(of, of)
    workbench.execute(
        f"CREATE TABLE expected AS SELECT * FROM chosen_from WHERE role IN {_LOOKED_UP}"
        " ORDER BY sha256(? || external_reference) LIMIT ?",
        [seed, sample],
    )
    return Chosen(sample, of)


def to_look_up(workbench: duckdb.DuckDBPyConnection) -> Iterator[tuple[str, str]]:
    """Reference and payload of each customer to look up, always in the same order."""
    # A separate cursor: the caller runs other queries while it iterates.
    query = (
        f"SELECT external_reference, payload FROM expected WHERE role IN {_LOOKED_UP}"
        " ORDER BY run_id, place"
    )
    for block in _blocks(workbench.cursor(), query, rows=10_000):
        yield from ((reference, payload) for reference, payload in block)


def count_candidates(workbench: duckdb.DuckDBPyConnection, *, once: bool) -> None:
    """Create the view `counted`: the rows of `candidates` that count for a record.

    `once`: only those in the table `once`, which has one row per record. Its superseded records do
    not count: the row that superseded them counts for its own record.
    """
    own = f"(FROM once WHERE fate <> {literal(SUPERSEDED)})"
    which = f" SEMI JOIN {own} USING (run_id, row_id)" if once else ""
    workbench.execute(f"CREATE VIEW counted AS SELECT candidates.* FROM candidates{which}")


def unexpected_customers(workbench: duckdb.DuckDBPyConnection) -> Iterator[list[str]]:
    """Blocks of references that billing holds and no row of ours expects there."""
    wanted = "SELECT external_reference FROM expected WHERE role IN ('expected', 'in_doubt')"
    query = (
        f"SELECT DISTINCT external_reference FROM their_rows ANTI JOIN ({wanted})"
        " USING (external_reference)"
    )
    for block in _blocks(workbench, query):
        yield [reference for (reference,) in block]


def compare(workbench: duckdb.DuckDBPyConnection, terms: Terms) -> None:
    """Create `paired`, `unequal` and `differences`.

    Needs `expected`, `their_rows`, `unanswered`, `elsewhere` and `known`. Call `mark_changes`
    afterwards: it needs the outcome times of the customers that differ.
    """
    workbench.execute(_COMPARE)
    workbench.execute(_unequal(terms))
    for name in (*terms.fields, "currency"):
        workbench.execute(_field_differences(name, terms))
    workbench.execute(_balance_differences(int(terms.tolerances.get("balance", 0))))
    # Only if balances differ: ranking a million rows takes a second.
    if workbench.execute(
        "SELECT 1 FROM differences WHERE kind = ? LIMIT 1", [Discrepancy.BALANCE.value]
    ).fetchall():
        workbench.execute(_PATTERNS)


def changed_references(workbench: duckdb.DuckDBPyConnection) -> Iterator[list[str]]:
    """Blocks of references that differ and have a time of change in billing."""
    for block in _blocks(
        workbench, "SELECT external_reference FROM unequal WHERE changed_at IS NOT NULL"
    ):
        yield [reference for (reference,) in block]


def mark_changes(workbench: duckdb.DuckDBPyConnection) -> None:
    """Set the kind `changed_since` for differences that billing changed after our outcome.

    Needs the table `outcome_times` (external_reference, outcome_at). These keep their kind, since
    no payment causes them: balances with the pattern of a mistake, missing balances, currencies,
    billing ids, and customers that billing created with other content.
    """
    workbench.execute(
        "UPDATE differences SET kind = $changed"
        " FROM unequal JOIN outcome_times USING (external_reference)"
        " WHERE differences.external_reference = unequal.external_reference"
        " AND differences.kind IN ($field, $balance) AND differences.pattern IS NULL"
        " AND differences.field NOT IN ('billing_id', 'currency')"
        " AND (differences.field <> 'balance' OR unequal.their_balance IS NOT NULL)"
        " AND unequal.fate <> $different"
        " AND unequal.changed_at > outcome_times.outcome_at + $skew",
        {
            "changed": Discrepancy.CHANGED.value,
            "field": Discrepancy.FIELD.value,
            "balance": Discrepancy.BALANCE.value,
            "different": Fate.CREATED_DIFFERENT.value,
            "skew": _CLOCK_SKEW,
        },
    )


def unreadable_balances(workbench: duckdb.DuckDBPyConnection, shown: int) -> tuple[int, list[str]]:
    """The number of unreadable balances in billing, which no sum includes; and their first rows."""
    (found,) = workbench.execute(
        "SELECT count(*), list(row_id ORDER BY place)[:?] FROM their_rows"
        " WHERE balance_text IS NOT NULL",
        [shown],
    ).fetchall()
    return found[0], found[1] or []


def _unequal(terms: Terms) -> str:
    """The customers of both sides that differ in any field. They are few."""
    names = [*terms.fields, "currency"]
    texts = ", ".join(
        f"{_side('expected', name, terms)} AS {_our(name)},"
        f" {_side('their_rows', name, terms)} AS {_their(name)}"
        for name in names
    )
    tests = [
        _differs(_side("expected", name, terms), _side("their_rows", name, terms), name, terms)
        for name in names
    ]
    tests += [
        "expected.balance IS DISTINCT FROM their_rows.balance",
        "their_rows.balance_text IS NOT NULL",
    ]
    return (
        "CREATE TABLE unequal AS"
        " SELECT paired.*, differing.* EXCLUDE (external_reference, place) FROM ("
        f" SELECT expected.external_reference, their_rows.place, {texts}, expected.fate,"
        " expected.balance AS our_balance, their_rows.balance AS their_balance,"
        " their_rows.balance_text AS their_text, their_rows.changed_at"
        " FROM expected JOIN their_rows USING (external_reference)"
        f" WHERE expected.role = 'expected' AND ({' OR '.join(tests)})"
        ") AS differing JOIN paired ON paired.external_reference = differing.external_reference"
        " AND paired.their_place = differing.place"
    )


def _field_differences(name: str, terms: Terms) -> str:
    return (
        f"INSERT INTO differences SELECT '{Discrepancy.FIELD}', external_reference, run_id,"
        f" row_id, place, their_place, {literal(name)}, {_our(name)}, {_their(name)}, NULL, 0, NULL"
        " FROM unequal"
        f" WHERE {_differs(_our(name), _their(name), name, terms)}"
    )


def _balance_differences(tolerated: int) -> str:
    # Balances of different currencies cannot be compared; the currency is the difference then.
    return (
        f"INSERT INTO differences SELECT '{Discrepancy.BALANCE}', external_reference, run_id,"
        f" row_id, place, their_place, 'balance', our_balance::VARCHAR,"
        f" coalesce(their_text, their_balance::VARCHAR), {_our('currency')},"
        " coalesce(their_balance, 0)::HUGEINT - coalesce(our_balance, 0), NULL FROM unequal"
        " WHERE (our_balance IS DISTINCT FROM their_balance OR their_text IS NOT NULL)"
        f" AND coalesce(abs(our_balance::HUGEINT - their_balance) > {tolerated}, true)"
        f" AND {_our('currency')} IS NOT DISTINCT FROM {_their('currency')}"
    )


def _differs(ours: str, theirs: str, name: str, terms: Terms) -> str:
    test = f"{_normal(ours, name, terms)} IS DISTINCT FROM {_normal(theirs, name, terms)}"
    return f"({ours} IS NOT NULL AND {test})" if name in _OPTIONAL else test


def _side(side: str, name: str, terms: Terms) -> str:
    if side == "expected" and name != "currency" and name not in terms.ours:
        return "NULL::VARCHAR"
    return f"{side}.{identifier(column_of(name))}"


def _normal(text: str, name: str, terms: Terms) -> str:
    """The form of a text that is compared."""
    for form in (_SAME_WITH.get(name), _TOLERANCES.get(str(terms.tolerances.get(name)))):
        text = form.format(text) if form else text
    return text


def _our(name: str) -> str:
    return identifier(f"our.{column_of(name)}")


def _their(name: str) -> str:
    return identifier(f"their.{column_of(name)}")


def _blocks(
    workbench: duckdb.DuckDBPyConnection, query: str, rows: int = 100_000
) -> Iterator[list[tuple[str, ...]]]:
    found = workbench.execute(query)
    while block := found.fetchmany(rows):
        yield block


def _one(workbench: duckdb.DuckDBPyConnection, query: str) -> int:
    return int(workbench.execute(query).fetchall()[0][0])
