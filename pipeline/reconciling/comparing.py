"""Customers of both sides, paired by external reference, and every difference under its name."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files

import duckdb

from pipeline.domain.customer import METADATA_PREFIX
from pipeline.domain.outcomes import SUPERSEDED, Discrepancy, Fate
from pipeline.domain.sql import identifier, literal

_CANDIDATES, _EXPECTED, _COMPARE, _PATTERNS = (
    files(__package__).joinpath(name).read_text(encoding="utf-8")
    for name in ("candidates.sql", "expected.sql", "compare.sql", "patterns.sql")
)
#: What a server may do to a text without changing what it says.
_SAME_WITH = {"email": "lower({})"}
#: Tolerances that a job may declare for texts.
_TOLERANCES = {"case": "lower({})", "spaces": "regexp_replace({}, '\\s+', '', 'g')"}
#: Fields of which we may say nothing without meaning that nothing is there.
_OPTIONAL = ("billing_id",)
#: Roles whose customers billing is asked about: it may hold them, or was asked to create them.
_ASKED = "('expected', 'in_doubt', 'refused')"
#: Microseconds by which our clock and billing's may be apart: what was changed so soon after we had settled it may have been so from the start.
_CLOCKS_APART = 300_000_000


@dataclass(frozen=True, slots=True)
class Terms:
    """Under which terms two customers are the same: the fields that are compared, and what the job lets pass."""

    fields: Sequence[
        str
    ]  #: name, email, phone, billing_id, metadata.<key>: those that billing's side states at all
    ours: frozenset[str] = frozenset()  #: those that our side has a column for
    tolerances: Mapping[str, str | int] = field(
        default_factory=dict
    )  #: field -> case, spaces; balance -> minor units


@dataclass(frozen=True, slots=True)
class Chosen:
    """How many customers billing is asked about, and of how many."""

    asked: int
    of: int


def column_of(name: str) -> str:
    """The column of a field on both sides. Keys of metadata are anybody's text, and SQL's names know no case."""
    key = name.removeprefix(METADATA_PREFIX)
    return name if key == name else f"metadata_{key.encode().hex()}"


def doubts(workbench: duckdb.DuckDBPyConnection) -> Iterator[list[tuple[str, str]]]:
    """References that a run of the view `meant` left in doubt, each with that run, in blocks: the ledger may know more by now."""
    for block in _blocks(
        workbench, "SELECT external_reference, run_id FROM meant WHERE role = 'in_doubt'"
    ):
        yield [(reference, run_id) for reference, run_id in block]


def choose(
    workbench: duckdb.DuckDBPyConnection, sample: int | None = None, seed: str = ""
) -> Chosen:
    """Make `chosen_from` (each customer once) and `expected` (those to be held against billing) from `meant` and `resolved`.

    `sample`: of those that billing is asked about only so many, at random and the same for the same seed.
    """
    workbench.execute(_CANDIDATES)
    if _one(workbench, "SELECT (SELECT count(*) FROM repeated) + (SELECT count(*) FROM resolved)"):
        workbench.execute(_EXPECTED)
    else:  # each row of the runs is a customer of its own: nothing has to be put down once more
        workbench.execute("CREATE VIEW chosen_from AS SELECT *, false AS is_resolved FROM meant")
    count = f"SELECT count(*) FROM {{}} WHERE role IN {_ASKED}"
    of = _one(workbench, count.format("chosen_from"))
    if sample is None or sample >= of:
        workbench.execute("CREATE VIEW expected AS FROM chosen_from")
        return Chosen(of, of)
    workbench.execute(
        f"CREATE TABLE expected AS SELECT * FROM chosen_from WHERE role IN {_ASKED}"
        " ORDER BY sha256(? || external_reference) LIMIT ?",
        [seed, sample],
    )
    return Chosen(sample, of)


def to_look_up(workbench: duckdb.DuckDBPyConnection) -> Iterator[tuple[str, str]]:
    """Reference and payload of each customer of `expected` that billing is asked about, always in the same order."""
    # A cursor of its own: the caller asks other things while these rows wait.
    query = f"SELECT external_reference, payload FROM expected WHERE role IN {_ASKED} ORDER BY run_id, place"
    for block in _blocks(workbench.cursor(), query, rows=10_000):
        yield from ((reference, payload) for reference, payload in block)


def count_candidates(workbench: duckdb.DuckDBPyConnection, *, once: bool) -> None:
    """Make the view `counted`: the rows of `candidates` that say where a record stands, by `once` (run_id, row_id) or all.

    A superseded record stands where another record's row has put it, and that row counts for its own record alone.
    """
    own = f"(FROM once WHERE fate <> {literal(SUPERSEDED)})"
    which = f" SEMI JOIN {own} USING (run_id, row_id)" if once else ""
    workbench.execute(f"CREATE VIEW counted AS SELECT candidates.* FROM candidates{which}")


def strangers(workbench: duckdb.DuckDBPyConnection) -> Iterator[list[str]]:
    """References that billing holds and nothing expects, in blocks: who made them is asked of the ledger."""
    wanted = "SELECT external_reference FROM expected WHERE role IN ('expected', 'in_doubt')"
    query = f"SELECT DISTINCT external_reference FROM billed ANTI JOIN ({wanted}) USING (external_reference)"
    for block in _blocks(workbench, query):
        yield [reference for (reference,) in block]


def compare(workbench: duckdb.DuckDBPyConnection, terms: Terms) -> None:
    """Make the tables `paired`, `unequal` and `differences` from `expected`, `billed`, `elsewhere` and `known`.

    `changed_since` comes later, with `tell_changes`: when a customer was settled is asked of those alone that differ.
    """
    workbench.execute(_COMPARE)
    workbench.execute(_unequal(terms))
    for name in (*terms.fields, "currency"):
        workbench.execute(_field_differences(name, terms))
    workbench.execute(_balance_differences(int(terms.tolerances.get("balance", 0))))
    # Only where balances differ: ranking a million rows for nobody takes a second.
    if workbench.execute(
        "SELECT 1 FROM differences WHERE kind = ? LIMIT 1", [Discrepancy.BALANCE.value]
    ).fetchall():
        workbench.execute(_PATTERNS)


def changed_references(workbench: duckdb.DuckDBPyConnection) -> Iterator[list[str]]:
    """References that differ and of which billing says when they were changed last, in blocks."""
    for block in _blocks(
        workbench, "SELECT external_reference FROM unequal WHERE changed_at IS NOT NULL"
    ):
        yield [reference for (reference,) in block]


def tell_changes(workbench: duckdb.DuckDBPyConnection) -> None:
    """From the table `settled` (external_reference, settled_at): what billing changed afterwards is `changed_since`.

    A balance that looks like a mistake is none that a payment makes, no payment changes a currency
    or takes a balance away, a billing id does not change, and what differed when it was created has differed from the start: those
    stay what they are.
    """
    workbench.execute(
        "UPDATE differences SET kind = $changed FROM unequal JOIN settled USING (external_reference)"
        " WHERE differences.external_reference = unequal.external_reference AND differences.kind IN ($field, $balance)"
        " AND differences.pattern IS NULL AND differences.field NOT IN ('billing_id', 'currency')"
        " AND (differences.field <> 'balance' OR unequal.their_balance IS NOT NULL) AND unequal.fate <> $different"
        " AND unequal.changed_at > settled.settled_at + $apart",
        {
            "changed": Discrepancy.CHANGED.value,
            "field": Discrepancy.FIELD.value,
            "balance": Discrepancy.BALANCE.value,
            "different": Fate.CREATED_DIFFERENT.value,
            "apart": _CLOCKS_APART,
        },
    )


def unreadable_balances(workbench: duckdb.DuckDBPyConnection, shown: int) -> tuple[int, list[str]]:
    """How many balances of billing's side are no amount, so that no sum holds them; and the first of their rows."""
    (found,) = workbench.execute(
        "SELECT count(*), list(row_id ORDER BY place)[:?] FROM billed WHERE balance_text IS NOT NULL",
        [shown],
    ).fetchall()
    return found[0], found[1] or []


def _unequal(terms: Terms) -> str:
    """The customers of both sides that differ in anything; they are few, and the fields are looked at one by one after."""
    names = [*terms.fields, "currency"]
    texts = ", ".join(
        f"{_side('expected', name, terms)} AS {_our(name)}, {_side('billed', name, terms)} AS {_their(name)}"
        for name in names
    )
    tests = [
        _differs(_side("expected", name, terms), _side("billed", name, terms), name, terms)
        for name in names
    ]
    tests += ["expected.balance IS DISTINCT FROM billed.balance", "billed.balance_text IS NOT NULL"]
    return (
        f"CREATE TABLE unequal AS SELECT paired.*, differing.* EXCLUDE (external_reference, place) FROM ("
        f" SELECT expected.external_reference, billed.place, {texts}, expected.fate, expected.balance AS our_balance,"
        f" billed.balance AS their_balance, billed.balance_text AS their_text, billed.changed_at"
        f" FROM expected JOIN billed USING (external_reference) WHERE expected.role = 'expected' AND ({' OR '.join(tests)})"
        f") AS differing JOIN paired ON paired.external_reference = differing.external_reference"
        f" AND paired.billed_place = differing.place"
    )


def _field_differences(name: str, terms: Terms) -> str:
    return (
        f"INSERT INTO differences SELECT '{Discrepancy.FIELD}', external_reference, run_id, row_id, place, billed_place,"
        f" {literal(name)}, {_our(name)}, {_their(name)}, NULL, 0, NULL FROM unequal"
        f" WHERE {_differs(_our(name), _their(name), name, terms)}"
    )


def _balance_differences(tolerated: int) -> str:
    # Beside another currency a balance is another amount of something else; that is told as the currency.
    return (
        f"INSERT INTO differences SELECT '{Discrepancy.BALANCE}', external_reference, run_id, row_id, place, billed_place,"
        f" 'balance', our_balance::VARCHAR, coalesce(their_text, their_balance::VARCHAR), {_our('currency')},"
        f" coalesce(their_balance, 0)::HUGEINT - coalesce(our_balance, 0), NULL FROM unequal"
        f" WHERE (our_balance IS DISTINCT FROM their_balance OR their_text IS NOT NULL)"
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
    """A text in the form in which it is compared."""
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
