"""From the source total to what billing holds, step by step, per currency; what no step explains is the residual.

The first total comes from what the runs read, the second from each customer once, the last from billing's side alone, and the
steps between from rows and pairs: a record that was counted twice or not at all shows as a residual.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import duckdb

from pipeline.domain.currency import NO_CODE, NO_CURRENCY, known
from pipeline.domain.outcomes import SUPERSEDED, SUPERSEDED_MEANS, Discrepancy, Fate

EXPECTED = (
    Fate.CREATED,
    Fate.CREATED_DIFFERENT,
    Fate.ALREADY_EXISTS_SAME,
)  #: fates whose customers billing should hold

Figures = dict[str, tuple[int, int]]  #: currency -> records, minor units


@dataclass(frozen=True, slots=True)
class Step:
    """One line of the bridge. Totals stand by themselves and name every currency, the others are added to the line before."""

    name: str
    sentence: str
    figures: Mapping[
        str, tuple[int | None, int]
    ]  #: as `Figures`; no records where only sums were stated
    records: int | None  #: of all currencies and none; None where nobody stated them
    is_total: bool = False

    @classmethod
    def of(cls, name: str, sentence: str, figures: Figures, *, is_total: bool = False) -> "Step":
        """A step of which the records are known."""
        return cls(
            name, sentence, figures, sum(records for records, _ in figures.values()), is_total
        )


_EFFECTS = """
    SELECT kind, currency, sum(records) AS records, sum(amount) AS amount FROM (
        -- Expected and not there, or nobody knows: what we counted on is taken away again.
        SELECT paired.kind, expected.currency, -1 AS records, -coalesce(expected.balance, 0)::HUGEINT AS amount
        FROM paired JOIN expected USING (external_reference)
        WHERE paired.role = 'expected' AND paired.kind IN ('missing_in_billing', 'not_determinable')
        UNION ALL
        -- There, and not counted on.
        SELECT paired.kind, billed.currency, 1, coalesce(billed.balance, 0)
        FROM paired JOIN billed ON billed.place = paired.billed_place WHERE paired.kind IS NOT NULL
        UNION ALL
        SELECT 'twice_in_billing', billed.currency, 1, coalesce(billed.balance, 0)
        FROM (SELECT * FROM paired WHERE times > 1) AS paired JOIN billed USING (external_reference)
        WHERE billed.place <> paired.billed_place
        UNION ALL
        -- On both sides with another amount, perhaps of another currency: ours out, theirs in.
        SELECT told.kind, unequal."our.currency", -1, -coalesce(our_balance, 0)
        FROM unequal JOIN told USING (external_reference)
        UNION ALL
        SELECT told.kind, unequal."their.currency", 1, coalesce(their_balance, 0)
        FROM unequal JOIN told USING (external_reference)
    ) GROUP BY kind, currency
"""
_TELL = """
    CREATE OR REPLACE TABLE told AS
    SELECT unequal.external_reference, coalesce(differing.kind, 'tolerated') AS kind
    FROM unequal
    LEFT JOIN (
        SELECT
            external_reference,
            max_by(
                CASE WHEN kind = 'field_differs' THEN 'another_currency' ELSE kind END,
                CASE WHEN kind = 'changed_since' THEN 2 ELSE 1 END
            ) AS kind
        FROM differences
        WHERE kind IN ('balance_differs', 'changed_since', 'field_differs') AND field IN ('balance', 'currency')
        GROUP BY external_reference
    ) AS differing USING (external_reference)
    WHERE our_balance IS DISTINCT FROM their_balance OR "our.currency" IS DISTINCT FROM "their.currency"
"""
#: The steps between what is expected and what is found, in this order; differences of fields that hold no money move none.
_WORDS = {
    **{one.value: one.sentence for one in Discrepancy if one is not Discrepancy.FIELD},
    Discrepancy.DOUBT_FOUND.value: "in doubt in our ledger, found in billing",
    Discrepancy.REFUSED_FOUND.value: "refused according to our ledger, found in billing",
    Discrepancy.UNDETERMINED.value: "expected, and no lookup shows whether billing holds it",
    "another_currency": "held in another currency: ours out, theirs in",
    "tolerated": "differences that the job lets pass",
    "there_before": "there before us, with other content (held)",
    "known_before": "there before us: the files of known customers name them",
}


#: The steps between what was read and what is expected: what became of the records that are not expected in billing.
_TAKEN = {
    **{fate.value: fate.sentence for fate in Fate if fate not in EXPECTED},
    SUPERSEDED: SUPERSEDED_MEANS,
}


def bridge(
    workbench: duckdb.DuckDBPyConnection, read: Sequence[tuple[str, str, int, int]]
) -> list[Step]:
    """The steps, from the tables of `choose` and `compare` and each record that was read once: fate, currency, records, minor units."""
    source = _added(read)
    meant, once, chosen = (
        figures_of(
            workbench,
            f"SELECT currency, count(*), sum(balance) FROM {table} WHERE role = 'expected' GROUP BY 1",
        )
        for table in ("counted", "chosen_from", "expected")
    )
    settled = figures_of(
        workbench,
        "SELECT currency, count(*), sum(balance) FROM counted WHERE is_resolved AND role = 'expected' GROUP BY 1",
    )
    there = figures_of(workbench, "SELECT currency, count(*), sum(balance) FROM billed GROUP BY 1")
    currencies = sorted({*source, *once, *there})
    taken = [
        Step.of(name, sentence, figures)
        for name, sentence in _TAKEN.items()
        if (figures := _negated(_added(row for row in read if row[0] == name)))
    ]
    between = (
        ("settled_since", "left in doubt by their run, and settled by our ledger since", settled),
        ("again", "the same customer in several records", _minus(once, meant)),
        ("not_sampled", "not in the sample", _minus(chosen, once)),
    )
    return [
        _total("read", "read from the source", source, currencies),
        *taken,
        *(Step.of(name, sentence, figures) for name, sentence, figures in between if figures),
        _total("expected", "expected in billing", chosen, currencies),
        *_told(workbench),
        _total("found", "found in billing", there, currencies),
    ]


def residuals(steps: Sequence[Step]) -> Figures:
    """What no step between two totals explains, from what was read to what was found, per currency; empty where all is explained."""
    by_name = {step.name: index for index, step in enumerate(steps)}
    read, expected, found = (by_name[name] for name in ("read", "expected", "found"))
    legs = [
        _minus(steps[to].figures, _sum(step.figures for step in steps[at:to]))
        for at, to in ((read, expected), (expected, found))
    ]
    whole = _sum(legs)
    # What is missing on one leg and too much on the other is no balance.
    return whole | {
        code: figures for leg in legs for code, figures in leg.items() if code not in whole
    }


def _told(workbench: duckdb.DuckDBPyConnection) -> Iterable[Step]:
    """A step for every name that differences which move records or money stand under."""
    workbench.execute(_TELL)
    found = workbench.execute(_EFFECTS).fetchall()
    for kind, sentence in _WORDS.items():
        figures = _added(row for row in found if row[0] == kind)
        if figures:
            yield Step.of(kind, sentence, figures)


def _total(name: str, sentence: str, figures: Figures, currencies: Sequence[str]) -> Step:
    return Step.of(
        name, sentence, {code: figures.get(code, (0, 0)) for code in currencies}, is_total=True
    )


def _added(rows: Iterable[tuple[Any, ...]]) -> Figures:
    """Rows of a name, a currency, records and minor units -> what each currency comes to; none that comes to nothing."""
    figures: Figures = {}
    for _, currency, records, amount in rows:
        name = _code(currency)
        before = figures.get(name, (0, 0))
        figures[name] = (before[0] + int(records or 0), before[1] + int(amount or 0))
    return {name: both for name, both in figures.items() if any(both)}


def _code(currency: str | None) -> str:
    """What a sum stands under; what billing writes where a code should be may be somebody's name."""
    if not currency:
        return NO_CURRENCY
    return currency if currency in known() or currency == NO_CURRENCY else NO_CODE


def figures_of(workbench: duckdb.DuckDBPyConnection, query: str) -> Figures:
    """What a query comes to that gives currency, records and minor units."""
    return _added(("", *row) for row in workbench.execute(query).fetchall())


def _sum(parts: Iterable[Mapping[str, tuple[int | None, int]]]) -> Figures:
    return _added(("", name, *both) for figures in parts for name, both in figures.items())


def _minus(one: Mapping[str, tuple[int | None, int]], other: Figures) -> Figures:
    return _sum((one, _negated(other)))


def _negated(figures: Figures) -> Figures:
    return {name: (-records, -amount) for name, (records, amount) in figures.items()}
