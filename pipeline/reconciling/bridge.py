"""The bridge: the steps from the source total to billing's total, per currency, and the residual.

The first total comes from the records that the runs read, the second from one row per customer,
and the last from billing's side alone. The steps between come from rows and pairs. So a record
that is counted twice or not at all shows as a residual.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import duckdb

from pipeline.domain.currency import NO_CODE, NO_CURRENCY, known
from pipeline.domain.discrepancies import Discrepancy
from pipeline.domain.fates import SUPERSEDED, SUPERSEDED_MEANS, Fate

#: Fates of customers that billing should hold.
EXPECTED = (Fate.CREATED, Fate.CREATED_DIFFERENT, Fate.ALREADY_EXISTS_SAME)

Figures = dict[str, tuple[int, int]]  #: currency -> records, minor units


@dataclass(frozen=True, slots=True)
class Step:
    """One line of the bridge: a total with every currency, or a change of the total before it."""

    name: str
    sentence: str
    figures: Mapping[str, tuple[int | None, int]]  #: as `Figures`; records are None if not stated
    records: int | None  #: of all currencies, and without one; None if not stated
    is_total: bool = False

    @classmethod
    def of(cls, name: str, sentence: str, figures: Figures, *, is_total: bool = False) -> "Step":
        """A step with a known number of records."""
        return cls(
            name, sentence, figures, sum(records for records, _ in figures.values()), is_total
        )


_EFFECTS = """
    SELECT kind, currency, sum(records) AS records, sum(amount) AS amount FROM (
        -- Expected, but missing in billing or not determinable: subtract our amount.
        SELECT
            paired.kind, expected.currency, -1 AS records,
            -coalesce(expected.balance, 0)::HUGEINT AS amount
        FROM paired JOIN expected USING (external_reference)
        WHERE paired.role = 'expected' AND paired.kind IN ('missing_in_billing', 'not_determinable')
        UNION ALL
        -- In billing, but not expected there.
        SELECT paired.kind, their_rows.currency, 1, coalesce(their_rows.balance, 0)
        FROM paired JOIN their_rows ON their_rows.place = paired.their_place
        WHERE paired.kind IS NOT NULL
        UNION ALL
        SELECT 'twice_in_billing', their_rows.currency, 1, coalesce(their_rows.balance, 0)
        FROM (SELECT * FROM paired WHERE times > 1) AS paired
        JOIN their_rows USING (external_reference)
        WHERE their_rows.place <> paired.their_place
        UNION ALL
        -- On both sides with different amounts or currencies: subtract ours, add theirs.
        SELECT unequal_kinds.kind, unequal."our.currency", -1, -coalesce(our_balance, 0)
        FROM unequal JOIN unequal_kinds USING (external_reference)
        UNION ALL
        SELECT unequal_kinds.kind, unequal."their.currency", 1, coalesce(their_balance, 0)
        FROM unequal JOIN unequal_kinds USING (external_reference)
    ) GROUP BY kind, currency
"""
_UNEQUAL_KINDS = """
    CREATE OR REPLACE TABLE unequal_kinds AS
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
        WHERE
            kind IN ('balance_differs', 'changed_since', 'field_differs')
            AND field IN ('balance', 'currency')
        GROUP BY external_reference
    ) AS differing USING (external_reference)
    WHERE
        our_balance IS DISTINCT FROM their_balance
        OR "our.currency" IS DISTINCT FROM "their.currency"
"""
#: Kind -> sentence of the steps between "expected" and "found", in order.
#: Differences of fields without money have no step.
_FOUND_STEPS = {
    **{one.value: one.sentence for one in Discrepancy if one is not Discrepancy.FIELD},
    Discrepancy.DOUBT_FOUND.value: "in doubt in our ledger, found in billing",
    Discrepancy.REFUSED_FOUND.value: "refused according to our ledger, found in billing",
    Discrepancy.UNDETERMINED.value: "expected, and no lookup shows whether billing holds it",
    "another_currency": "held in another currency: ours out, theirs in",
    "tolerated": "differences that the job lets pass",
    "there_before": "there before us, with other content (held)",
    "known_before": "there before us: the files of known customers name them",
}


#: Fate -> sentence of the steps between "read" and "expected": records not expected in billing.
_READ_STEPS = {
    **{fate.value: fate.sentence for fate in Fate if fate not in EXPECTED},
    SUPERSEDED: SUPERSEDED_MEANS,
}


def bridge(
    workbench: duckdb.DuckDBPyConnection, read: Sequence[tuple[str, str, int, int]]
) -> list[Step]:
    """The steps of the bridge, from the tables of `choose` and `compare`.

    Args:
        workbench: holds these tables
        read: every record read, counted once: fate, currency, records, minor units
    """
    source = _added(read)
    rows, customers, chosen = (
        figures_of(
            workbench,
            f"SELECT currency, count(*), sum(balance) FROM {table}"
            " WHERE role = 'expected' GROUP BY 1",
        )
        for table in ("counted", "chosen_from", "expected")
    )
    resolved = figures_of(
        workbench,
        "SELECT currency, count(*), sum(balance) FROM counted"
        " WHERE is_resolved AND role = 'expected' GROUP BY 1",
    )
    found = figures_of(
        workbench, "SELECT currency, count(*), sum(balance) FROM their_rows GROUP BY 1"
    )
    currencies = sorted({*source, *customers, *found})
    not_expected = [
        Step.of(name, sentence, figures)
        for name, sentence in _READ_STEPS.items()
        if (figures := _negated(_added(row for row in read if row[0] == name)))
    ]
    between = (
        ("settled_since", "left in doubt by their run, and settled by our ledger since", resolved),
        ("again", "the same customer in several records", _minus(customers, rows)),
        ("not_sampled", "not in the sample", _minus(chosen, customers)),
    )
    return [
        _total("read", "read from the source", source, currencies),
        *not_expected,
        *(Step.of(name, sentence, figures) for name, sentence, figures in between if figures),
        _total("expected", "expected in billing", chosen, currencies),
        *_found_steps(workbench),
        _total("found", "found in billing", found, currencies),
    ]


def residuals(steps: Sequence[Step]) -> Figures:
    """The part of the totals that no step explains, per currency; empty if the bridge adds up."""
    by_name = {step.name: index for index, step in enumerate(steps)}
    read, expected, found = (by_name[name] for name in ("read", "expected", "found"))
    legs = [
        _minus(steps[to].figures, _sum(step.figures for step in steps[at:to]))
        for at, to in ((read, expected), (expected, found))
    ]
    whole = _sum(legs)
    # A shortfall on one leg does not cancel a surplus on the other.
    return whole | {
        code: figures for leg in legs for code, figures in leg.items() if code not in whole
    }


def _found_steps(workbench: duckdb.DuckDBPyConnection) -> Iterable[Step]:
    """A step for each kind of difference that changes the number of records or the sums."""
    workbench.execute(_UNEQUAL_KINDS)
    effects = workbench.execute(_EFFECTS).fetchall()
    for kind, sentence in _FOUND_STEPS.items():
        figures = _added(row for row in effects if row[0] == kind)
        if figures:
            yield Step.of(kind, sentence, figures)


def _total(name: str, sentence: str, figures: Figures, currencies: Sequence[str]) -> Step:
    return Step.of(
        name, sentence, {code: figures.get(code, (0, 0)) for code in currencies}, is_total=True
    )


def _added(rows: Iterable[tuple[Any, ...]]) -> Figures:
    """Add up rows of name, currency, records and minor units per currency; leave out zeros."""
    figures: Figures = {}
    for _, currency, records, amount in rows:
        name = _code(currency)
        before = figures.get(name, (0, 0))
        figures[name] = (before[0] + int(records or 0), before[1] + int(amount or 0))
    return {name: both for name, both in figures.items() if any(both)}


def _code(currency: str | None) -> str:
    """The key of a sum; an invalid code is masked, for billing may have a person's name there."""
    if not currency:
        return NO_CURRENCY
    return currency if currency in known() or currency == NO_CURRENCY else NO_CODE


def figures_of(workbench: duckdb.DuckDBPyConnection, query: str) -> Figures:
    """The figures of a query that selects currency, records and minor units."""
    return _added(("", *row) for row in workbench.execute(query).fetchall())


def _sum(parts: Iterable[Mapping[str, tuple[int | None, int]]]) -> Figures:
    return _added(("", name, *both) for figures in parts for name, both in figures.items())


def _minus(one: Mapping[str, tuple[int | None, int]], other: Figures) -> Figures:
    return _sum((one, _negated(other)))


def _negated(figures: Figures) -> Figures:
    return {name: (-records, -amount) for name, (records, amount) in figures.items()}
