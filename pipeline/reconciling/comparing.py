"""Customers of both sides, paired by external reference, and every difference under its name."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files

import duckdb

from pipeline.currency import exponents
from pipeline.outcomes import Discrepancy
from pipeline.sql import identifier

_EXPECTED, _COMPARE, _PATTERNS = (
    files(__package__).joinpath(name).read_text(encoding="utf-8")
    for name in ("expected.sql", "compare.sql", "patterns.sql")
)
#: What a server may do to a text without changing what it says.
_SAME_WITH = {"email": "lower({})"}
#: Tolerances that a job may declare for texts.
_TOLERANCES = {"case": "lower({})", "spaces": "regexp_replace({}, '\\s+', '', 'g')"}


@dataclass(frozen=True, slots=True)
class Terms:
    """Under which terms two customers are the same: the fields that billing states, and what the job lets pass."""

    fields: Sequence[str]  #: name, email, phone, billing_id, metadata.<key>: those that billing's side states at all
    tolerances: Mapping[str, str | int] = field(default_factory=dict)  #: field -> case, spaces; balance -> minor units


@dataclass(frozen=True, slots=True)
class Chosen:
    """How many customers billing is asked about, and of how many."""

    asked: int
    of: int


def choose(workbench: duckdb.DuckDBPyConnection, sample: int | None = None, seed: str = "") -> Chosen:
    """Make the tables `chosen_from` (each customer once) and `expected` (those to be held against billing) from `candidates`.

    `sample`: of those that billing is asked about only so many, at random and the same for the same seed.
    """
    workbench.execute(_EXPECTED)
    count = "SELECT count(*) FROM {} WHERE role IN ('expected', 'in_doubt')"
    of = _one(workbench, count.format("chosen_from"))
    if sample is None:
        workbench.execute("CREATE VIEW expected AS FROM chosen_from")
        return Chosen(of, of)
    workbench.execute(
        "CREATE TABLE expected AS SELECT * FROM chosen_from WHERE role IN ('expected', 'in_doubt')"
        " ORDER BY sha256(? || external_reference) LIMIT ?",
        [seed, sample],
    )
    return Chosen(_one(workbench, count.format("expected")), of)


def strangers(workbench: duckdb.DuckDBPyConnection) -> Iterator[list[str]]:
    """References that billing holds and nothing expects, in blocks: who made them is asked of the ledger."""
    found = workbench.execute(
        "SELECT DISTINCT external_reference FROM billed"
        " ANTI JOIN (SELECT external_reference FROM expected WHERE role IN ('expected', 'in_doubt')) USING (external_reference)"
    )
    while block := found.fetchmany(100_000):
        yield [reference for (reference,) in block]


def compare(workbench: duckdb.DuckDBPyConnection, terms: Terms) -> None:
    """Make the tables `paired`, `unequal` and `differences` from `expected`, `billed`, `elsewhere` and `known`.

    `changed_since` comes later, with `tell_changes`: when a customer was settled is asked of those alone that differ.
    """
    workbench.execute(_COMPARE)
    workbench.execute(_unequal(terms))
    for name in terms.fields:
        workbench.execute(_field_differences(name, terms))
    workbench.execute(_field_differences("currency", terms))
    workbench.execute(_balance_differences(int(terms.tolerances.get("balance", 0))))
    _name_patterns(workbench)


def changed_references(workbench: duckdb.DuckDBPyConnection) -> Iterator[list[str]]:
    """References that differ and of which billing says when they were changed last, in blocks."""
    found = workbench.execute("SELECT external_reference FROM unequal WHERE changed_at IS NOT NULL")
    while block := found.fetchmany(100_000):
        yield [reference for (reference,) in block]


def tell_changes(workbench: duckdb.DuckDBPyConnection) -> None:
    """From the table `settled` (external_reference, settled_at): what billing changed afterwards is `changed_since`."""
    workbench.execute(
        "UPDATE differences SET kind = ? FROM unequal JOIN settled USING (external_reference)"
        " WHERE differences.external_reference = unequal.external_reference AND differences.kind IN (?, ?)"
        " AND unequal.changed_at > settled.settled_at",
        [Discrepancy.CHANGED.value, Discrepancy.FIELD.value, Discrepancy.BALANCE.value],
    )
    workbench.execute("UPDATE differences SET pattern = NULL WHERE kind = ?", [Discrepancy.CHANGED.value])


def _unequal(terms: Terms) -> str:
    """The customers of both sides that differ in anything; they are few, and the fields are looked at one by one after."""
    names = [*terms.fields, "currency"]
    texts = ", ".join(
        f"expected.{identifier(name)} AS {_our(name)}, billed.{identifier(name)} AS {_their(name)}" for name in names
    )
    tests = [
        f"{_told_by('expected', name, terms)} IS DISTINCT FROM {_told_by('billed', name, terms)}" for name in names
    ]
    tests += ["expected.balance IS DISTINCT FROM billed.balance", "billed.balance_text IS NOT NULL"]
    return (
        f"CREATE TABLE unequal AS SELECT paired.*, differing.* EXCLUDE (external_reference, place) FROM ("
        f" SELECT expected.external_reference, billed.place, {texts}, expected.balance AS our_balance,"
        f" billed.balance AS their_balance, billed.balance_text AS their_text, billed.changed_at"
        f" FROM expected JOIN billed USING (external_reference) WHERE expected.role = 'expected' AND ({' OR '.join(tests)})"
        f") AS differing JOIN paired ON paired.external_reference = differing.external_reference"
        f" AND paired.billed_place = differing.place"
    )


def _field_differences(name: str, terms: Terms) -> str:
    ours, theirs = _normal(_our(name), name, terms), _normal(_their(name), name, terms)
    return (
        f"INSERT INTO differences SELECT '{Discrepancy.FIELD}', external_reference, run_id, row_id, place, billed_place,"
        f" {_literal(name)}, {_our(name)}, {_their(name)}, NULL, 0, NULL FROM unequal WHERE {ours} IS DISTINCT FROM {theirs}"
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


def _name_patterns(workbench: duckdb.DuckDBPyConnection) -> None:
    """Only where balances differ: ranking a million rows for nobody takes a second."""
    if workbench.execute("SELECT 1 FROM differences WHERE kind = ? LIMIT 1", [Discrepancy.BALANCE.value]).fetchall():
        workbench.execute("CREATE TABLE scales (currency VARCHAR, factor BIGINT)")
        scales = [(code, 10**exponent) for code, exponent in exponents().items() if exponent]
        workbench.executemany("INSERT INTO scales VALUES (?, ?)", scales)
        workbench.execute(_PATTERNS)


def _told_by(side: str, name: str, terms: Terms) -> str:
    return _normal(f"{side}.{identifier(name)}", name, terms)


def _normal(text: str, name: str, terms: Terms) -> str:
    """A text in the form in which it is compared."""
    for form in (_SAME_WITH.get(name), _TOLERANCES.get(str(terms.tolerances.get(name)))):
        text = form.format(text) if form else text
    return text


def _our(name: str) -> str:
    return identifier(f"our.{name}")


def _their(name: str) -> str:
    return identifier(f"their.{name}")


def _one(workbench: duckdb.DuckDBPyConnection, query: str) -> int:
    return int(workbench.execute(query).fetchall()[0][0])


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
