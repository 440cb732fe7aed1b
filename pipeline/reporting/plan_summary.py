"""The plan in figures: records and sums by action, sample rows, and the estimated time."""

import re
from typing import Any

import duckdb

from pipeline.domain.fates import Action, Fate
from pipeline.domain.reasons import Reason
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
) -> tuple[dict[str, dict[str, Any]], dict[str, list[dict[str, Any]]]]:
    """Action -> records, records by kind of balance, sums by currency; and action -> samples."""
    wanted = {action.value: _nothing() for action in Action}
    first: dict[str, dict[str, list[int]]] = {
        action.value: {kind: [] for kind in KINDS} for action in Action
    }
    for action, currency, kind, records, total, positions in workbench.execute(
        _BY_ACTION
    ).fetchall():
        _add(wanted[action], currency, kind, records, total)
        first[action][kind] += positions
    return wanted, _samples(
        workbench, {action: _chosen(by_kind) for action, by_kind in first.items()}
    )


def waiting(workbench: duckdb.DuckDBPyConnection) -> dict[str, Any]:
    """Records never sent because an earlier request for their reference is in doubt."""
    found = _nothing()
    rows = workbench.execute(
        _WAITING, [Fate.IN_DOUBT.value, Reason.PLAN_EARLIER_REQUEST_UNSETTLED.value]
    ).fetchall()
    for currency, kind, records, total in rows:
        _add(found, currency, kind, records, total)
    return found


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


def estimate(creates: int, per_second: float | None) -> dict[str, Any]:
    """How long the creates take at this rate; no seconds if there is no rate limit."""
    seconds = round(creates / per_second, 3) if per_second else None
    return {"creates": creates, "per_second": per_second, "seconds": seconds}


def amount_as_given(text: str | None) -> str | None:
    """The original text of an amount; None if it does not look like an amount."""
    trimmed = text.strip(" \t") if text is not None else ""
    return trimmed if _LIKE_AN_AMOUNT.fullmatch(trimmed) else None


def _nothing() -> dict[str, Any]:
    return {"records": 0, "balances": dict.fromkeys(KINDS, 0), "sums": {}}


def _add(found: dict[str, Any], currency: str, kind: str, records: int, total: int | None) -> None:
    found["records"] += records
    found["balances"][kind] += records
    if kind in {"debit", "credit"}:
        sides = found["sums"].setdefault(currency, {"debits": 0, "credits": 0})
        sides[f"{kind}s"] = int(total or 0)


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
) -> dict[str, list[dict[str, Any]]]:
    is_staged = _has_column(workbench, "records", "mapped.balance")
    given, records = (
        ('records."mapped.balance"', "JOIN records USING (position)") if is_staged else ("NULL", "")
    )
    rows = workbench.execute(
        f"SELECT position, fates.row_id, {given}, fates.balance, fates.currency, plan.reason"
        f" FROM fates JOIN plan USING (position) {records} WHERE list_contains($positions, position)",
        {"positions": [position for positions in chosen.values() for position in positions]},
    ).fetchall()
    found = {row[0]: _sample(*row[1:]) for row in rows}
    return {
        action: [found[position] for position in positions] for action, positions in chosen.items()
    }


def _sample(
    row_id: str, given: str | None, balance: int | None, currency: str, reason: str | None
) -> dict[str, Any]:
    return {
        "row_id": row_id,
        "given": amount_as_given(given),
        "balance": balance,
        "currency": currency,
        "reason": reason,
    }


def _has_column(workbench: duckdb.DuckDBPyConnection, table: str, column: str) -> bool:
    """Whether a table has a column; an earlier version may have written it without one."""
    # A query to information_schema would bind every view, which is slow.
    return column in workbench.sql(f"SELECT * FROM {table} LIMIT 0").columns
