"""From the source total to what billing holds, step by step, per currency; what no step explains is the residual.

The steps come from the pairs, the total at the end from billing's side alone, so that a record which was counted twice or
not at all shows as a residual.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import duckdb

from pipeline.currency import NO_CURRENCY
from pipeline.outcomes import Discrepancy, Fate

EXPECTED = (
    Fate.CREATED,
    Fate.CREATED_DIFFERENT,
    Fate.ALREADY_EXISTS_SAME,
)  #: fates whose customers billing should hold

Figures = dict[str, tuple[int, int]]  #: currency -> records, minor units


@dataclass(frozen=True, slots=True)
class Step:
    """One line of the bridge. Totals stand by themselves, the others are added to the line before."""

    name: str
    sentence: str
    figures: Figures
    is_total: bool = False


_EFFECTS = """
    SELECT kind, currency, sum(records) AS records, sum(amount) AS amount FROM (
        -- Expected and not there: what we counted on is taken away again.
        SELECT paired.kind, expected.currency, -1 AS records, -coalesce(expected.balance, 0)::HUGEINT AS amount
        FROM paired JOIN expected USING (external_reference) WHERE paired.kind = 'missing_in_billing'
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
_TOLD = """
    CREATE OR REPLACE TABLE told AS
    SELECT unequal.external_reference, coalesce(differing.kind, 'tolerated') AS kind
    FROM unequal
    LEFT JOIN (
        SELECT external_reference, max_by(kind, CASE kind WHEN 'changed_since' THEN 2 ELSE 1 END) AS kind
        FROM differences
        WHERE kind IN ('balance_differs', 'changed_since', 'field_differs') AND field IN ('balance', 'currency')
        GROUP BY external_reference
    ) AS differing USING (external_reference)
    WHERE our_balance IS DISTINCT FROM their_balance OR "our.currency" IS DISTINCT FROM "their.currency"
"""
_WORDS = {
    "tolerated": "differences that the job lets pass",
    "there_before": "there before us, with other content (held)",
    "known_before": "there before us: the files of known customers name them",
}


def bridge(workbench: duckdb.DuckDBPyConnection, read: Sequence[tuple[str, str, int, int]]) -> list[Step]:
    """The steps, from the tables of `compare` and what the runs read: fate, currency, records, minor units."""
    steps = [Step("read", "read from the source", _added(read), is_total=True)]
    for fate in Fate:
        if fate not in EXPECTED:
            figures = _added([row for row in read if row[0] == fate.value], sign=-1)
            steps += [Step(fate.value, fate.sentence, figures)] if figures else []
    chosen = _figures(
        workbench, "SELECT currency, count(*), sum(balance) FROM expected WHERE role = 'expected' GROUP BY 1"
    )
    so_far = _sum(step.figures for step in steps)
    if again := _minus(so_far, chosen):
        steps.append(Step("again", "the same customer in several runs, or not in the sample", _negated(again)))
    steps.append(Step("expected", "expected in billing", chosen, is_total=True))
    workbench.execute(_TOLD)
    found = workbench.execute(_EFFECTS).fetchall()
    words = {**{one.value: one.sentence for one in Discrepancy}, **_WORDS}
    for kind, sentence in words.items():
        rows = [row for row in found if row[0] == kind]
        figures = _added([(name, currency, records, amount) for name, currency, records, amount in rows])
        if figures:
            steps.append(Step(kind, sentence, figures))
    there = _figures(workbench, "SELECT currency, count(*), sum(balance) FROM billed GROUP BY 1")
    return [*steps, Step("found", "found in billing", there, is_total=True)]


def residuals(steps: Sequence[Step]) -> Figures:
    """What no step between `expected` and `found` explains, per currency; empty where all is explained."""
    at = next(index for index, step in enumerate(steps) if step.name == "expected")
    return _minus(steps[-1].figures, _sum(step.figures for step in steps[at:-1]))


def _added(rows: Sequence[tuple[str, Any, int, Any]], sign: int = 1) -> Figures:
    figures: Figures = {}
    for _, currency, records, amount in rows:
        name = currency or NO_CURRENCY
        before = figures.get(name, (0, 0))
        figures[name] = (before[0] + sign * int(records), before[1] + sign * int(amount or 0))
    return {name: both for name, both in figures.items() if any(both)}


def _figures(workbench: duckdb.DuckDBPyConnection, query: str) -> Figures:
    return _added([("", *row) for row in workbench.execute(query).fetchall()])


def _sum(parts: Iterator[Figures]) -> Figures:
    return _added([("", name, *both) for figures in parts for name, both in figures.items()])


def _minus(one: Figures, other: Figures) -> Figures:
    return _sum(iter((one, _negated(other))))


def _negated(figures: Figures) -> Figures:
    return {name: (-records, -amount) for name, (records, amount) in figures.items()}
