"""The plan in figures: records and sums by action, sample rows, and the estimated time."""

import re

import duckdb

from pipeline.domain.fates import Action, Fate
from pipeline.domain.reasons import Reason
from pipeline.domain.summary_parts import BalanceKinds, Estimate, RecordGroup, Sample, Sides
from pipeline.reporting.money import KIND_OF_ROW, KINDS

_MOST_SAMPLES = 3
#: Digits, signs and marks; any other text in a column of amounts may be personal data.
_LIKE_AN_AMOUNT = re.compile(r"[0-9+\-\u2212().,'\u2019 \u00a0\u202f]{1,40}")

_BY_ACTION = f"""
    SELECT plan.action, fates.currency, {KIND_OF_ROW} AS kind, count(*), sum(fates.balance),
        min(fates.position, {_MOST_SAMPLES})
    FROM plan JOIN fates USING (position)
    GROUP BY ALL
    ORDER BY ALL
"""

_WAITING = f"""
    SELECT currency, {KIND_OF_ROW} AS kind, count(*), sum(balance)
    FROM fates
    WHERE fate = ? AND list_contains(reasons, ?)
    GROUP BY ALL
    ORDER BY ALL
"""


def by_action(
    workbench: duckdb.DuckDBPyConnection,
) -> tuple[dict[str, RecordGroup], dict[str, tuple[Sample, ...]]]:
    """Action -> its records; and action -> samples."""
    wanted = {action.value: _Gathered() for action in Action}
    first: dict[str, dict[str, list[int]]] = {
        action.value: {kind: [] for kind in KINDS} for action in Action
    }
    for action, currency, kind, records, total, positions in workbench.execute(
        _BY_ACTION
    ).fetchall():
        wanted[action].add(currency, kind, records, total)
        first[action][kind] += positions
    chosen = {action: _chosen(by_kind) for action, by_kind in first.items()}
    groups = {action: gathered.group() for action, gathered in wanted.items()}
    return groups, _samples(workbench, chosen)


def waiting(workbench: duckdb.DuckDBPyConnection) -> RecordGroup:
    """Records never sent because an earlier request for their reference is in doubt."""
    found = _Gathered()
    rows = workbench.execute(
        _WAITING, [Fate.IN_DOUBT.value, Reason.PLAN_EARLIER_REQUEST_UNSETTLED.value]
    ).fetchall()
    for currency, kind, records, total in rows:
        found.add(currency, kind, records, total)
    return found.group()


def flagged(workbench: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """Reason -> creates sent in spite of it; a record may have several reasons."""
    if not _has_column(workbench, "plan", "flags"):
        return {}
    rows = workbench.execute(
        "SELECT reason, count(*) FROM (SELECT unnest(flags) AS reason FROM plan WHERE action = ?)"
        " GROUP BY reason ORDER BY reason",
        [Action.CREATE.value],
    ).fetchall()
    return dict(rows)


def estimate(creates: int, per_second: float | None) -> Estimate:
    """How long the creates take at this rate; no seconds if there is no rate limit."""
    seconds = round(creates / per_second, 3) if per_second else None
    return Estimate(creates=creates, per_second=per_second, seconds=seconds)


def amount_as_given(text: str | None) -> str | None:
    """The original text of an amount; None if it does not look like an amount."""
    trimmed = text.strip(" \t") if text is not None else ""
    return trimmed if _LIKE_AN_AMOUNT.fullmatch(trimmed) else None


class _Gathered:
    """Records by kind of balance, and sums by currency, while they are added up."""

    def __init__(self) -> None:
        self.kinds = dict.fromkeys(KINDS, 0)
        self.sums: dict[str, dict[str, int]] = {}

    def add(self, currency: str, kind: str, records: int, total: int | None) -> None:
        """Add the records of one kind in one currency."""
        self.kinds[kind] += records
        if kind in {"debit", "credit"}:
            self.sums.setdefault(currency, {})[f"{kind}s"] = int(total or 0)

    def group(self) -> RecordGroup:
        """All that was added."""
        return RecordGroup(
            records=sum(self.kinds.values()),
            balances=BalanceKinds(**self.kinds),
            sums={code: Sides(**sides) for code, sides in self.sums.items()},
        )


def _chosen(by_kind: dict[str, list[int]]) -> list[int]:
    """A few positions of as many kinds as possible, so that credits show their sign too."""
    ranked = [
        (nth, KINDS.index(kind), position)
        for kind, positions in by_kind.items()
        for nth, position in enumerate(sorted(positions))
    ]
    return sorted(position for _, _, position in sorted(ranked)[:_MOST_SAMPLES])


def _samples(
    workbench: duckdb.DuckDBPyConnection, chosen: dict[str, list[int]]
) -> dict[str, tuple[Sample, ...]]:
    is_staged = _has_column(workbench, "records", "mapped.balance")
    cell, records = (
        ('records."mapped.balance"', "JOIN records USING (position)") if is_staged else ("NULL", "")
    )
    rows = workbench.execute(
        f"SELECT position, fates.row_id, {cell}, fates.balance, fates.currency, plan.reason"
        f" FROM fates JOIN plan USING (position) {records} WHERE list_contains($positions, position)",
        {"positions": [position for positions in chosen.values() for position in positions]},
    ).fetchall()
    found = {
        position: Sample(
            row_id=row_id,
            given=amount_as_given(given),
            balance=balance,
            currency=currency,
            reason=reason,
        )
        for position, row_id, given, balance, currency, reason in rows
    }
    return {
        action: tuple(found[position] for position in positions)
        for action, positions in chosen.items()
    }


def _has_column(workbench: duckdb.DuckDBPyConnection, table: str, column: str) -> bool:
    """Whether a table has a column; an earlier version may have written it without one."""
    # A query to information_schema would bind every view, which is slow.
    return column in workbench.sql(f"SELECT * FROM {table} LIMIT 0").columns
