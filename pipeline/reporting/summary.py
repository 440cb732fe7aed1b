"""Counts and sums by fate, and the conservation law over them."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import duckdb

from pipeline.currency import grouped_digits
from pipeline.outcomes import LISTS, TROUBLED_FATES, Action, Fate, Reason

_SENTENCES = {reason.value: reason.sentence for reason in Reason}


@dataclass(frozen=True, slots=True)
class Facts:
    """What the summary cannot find in the tables: what was read, by whom, when, and how it went."""

    run_id: str
    status: str  #: "planned", "finished" or "stopped"
    stop_reason: str | None
    stop_code: int | None
    environment: dict[str, str]
    planner: str
    version: str
    planned_at: str
    finished_at: datetime
    inputs: list[dict[str, Any]]
    lines: dict[str, int]  #: physical, header, blank
    records_read: int
    debits_read: dict[str, int]
    credits_read: dict[str, int]
    not_sent_columns: dict[str, str | None]
    actions: dict[str, int]
    requests: dict[str, int]
    seconds: dict[str, float]
    left_over: int = 0  #: rows of earlier runs that were settled first
    settings: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Report:
    """The result of a run; `content` is what `summary.json` holds and `--json` prints."""

    content: dict[str, Any]

    @property
    def exit_code(self) -> int:
        """What the command ends with."""
        return int(self.content["exit_code"])

    @property
    def holds(self) -> bool:
        """Whether the conservation law holds."""
        return bool(self.content["conservation"]["holds"])


def summarize(workbench: duckdb.DuckDBPyConnection, facts: Facts) -> Report:
    """Add up the table `fates` (see `find_fates`) and hold it against what was read."""
    fates = _counts(workbench)
    debits, credits = _sums(workbench, "balance > 0"), _sums(workbench, "balance < 0")
    conservation = _conservation(workbench, facts, fates, debits, credits)
    content = {
        "schema": 1,
        "run_id": facts.run_id,
        "status": facts.status,
        "exit_code": _exit_code(facts, fates, holds=conservation["holds"]),
        "stopped_because": facts.stop_reason,
        "environment": facts.environment,
        "planner": facts.planner,
        "version": facts.version,
        "planned_at": facts.planned_at,
        "finished_at": facts.finished_at.isoformat(timespec="seconds"),
        "records": {"read": facts.records_read, "header": facts.lines["header"], "blank": facts.lines["blank"]},
        "read": {"debits": facts.debits_read, "credits": facts.credits_read},
        "actions": {action.value: facts.actions.get(action.value, 0) for action in Action},
        "fates": fates,
        "sums": _net(debits, credits),
        "debits": debits,
        "credits": credits,
        "amounts_unreadable": _unreadable_amounts(workbench),
        "reasons": _reasons(workbench),
        "cannot_be_paid_against": _not_payable(workbench),
        "conservation": conservation,
        "columns_not_sent": facts.not_sent_columns,
        "requests": facts.requests,
        "settled_for_earlier_runs": facts.left_over,
        "seconds": facts.seconds,
        "settings": facts.settings,
        "inputs": facts.inputs,
        "files": {},
    }
    return Report({**content, "verdict": verdict_on(content)})


def verdict_on(content: dict[str, Any]) -> str:
    """One sentence: what became of the records, and whether the figures add up."""
    fates, read = content["fates"], content["records"]["read"]
    if not content["conservation"]["holds"]:
        return "The figures do not add up: do not sign this report. See the conservation law below."
    if content["status"] == "planned":
        return f"Planned: of {grouped_digits(read)} records, {grouped_digits(content['actions']['create'])} would be created; nothing was sent."
    parts = [
        f"{grouped_digits(fates['created'] + fates['created_different'])} of {grouped_digits(read)} records were created"
    ]
    aside = sum(fates[fate] for fate in LISTS["rejected"])
    for number, word in (
        (sum(fates[fate] for fate in LISTS["skipped"]), "skipped"),
        (aside, "rejected"),
        (sum(fates[fate] for fate in LISTS["held"]), "held for a person"),
        (fates["in_doubt"], "in doubt"),
        (fates["not_attempted"], "not attempted"),
    ):
        if number:
            parts.append(f"{grouped_digits(number)} {word}")
    unread = sum(content["amounts_unreadable"].values())
    tail = "every record and every cent is accounted for"
    if unread:
        tail = (
            f"every record, and every cent that can be read ({grouped_digits(unread)} amounts cannot), is accounted for"
        )
    if fates["in_doubt"] or fates["not_attempted"]:
        tail += ", but the run is not finished: resume it"
    return f"{', '.join(parts)}; {tail}."


def _exit_code(facts: Facts, fates: dict[str, int], *, holds: bool) -> int:
    """Where several hold: the first of 4, 3, 5, 7, 1."""
    unfinished = fates[Fate.NOT_ATTEMPTED] + fates[Fate.IN_DOUBT] > 0
    if facts.stop_code is not None and (facts.stop_code != 5 or unfinished):
        return facts.stop_code
    if not holds:
        return 7
    if facts.status != "planned" and fates[Fate.NOT_ATTEMPTED]:
        return 5  # whatever the reason: what was planned and never sent is no clean end
    return int(any(fates[fate] for fate in TROUBLED_FATES))


def _counts(workbench: duckdb.DuckDBPyConnection) -> dict[str, int]:
    found = dict(workbench.execute("SELECT fate, count(*) FROM fates GROUP BY fate").fetchall())
    return {fate.value: found.get(fate.value, 0) for fate in Fate}


def _sums(workbench: duckdb.DuckDBPyConnection, which: str) -> dict[str, dict[str, int]]:
    """Currency -> fate -> minor units, exact (DuckDB sums BIGINT in 128 bits); every fate for every currency read."""
    rows = workbench.execute(
        f"SELECT currency, fate, sum(balance) FILTER ({which}) FROM fates WHERE balance IS NOT NULL GROUP BY ALL"
    ).fetchall()
    sums = {currency: dict.fromkeys((fate.value for fate in Fate), 0) for currency in sorted({row[0] for row in rows})}
    for currency, fate, total in rows:
        if fate is not None:
            sums[currency][fate] = int(total or 0)
    return sums


def _net(debits: dict[str, dict[str, int]], credits: dict[str, dict[str, int]]) -> dict[str, dict[str, int]]:
    return {
        currency: {fate: amount + credits[currency][fate] for fate, amount in by_fate.items()}
        for currency, by_fate in debits.items()
    }


def _unreadable_amounts(workbench: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """Fate -> records in which an amount may stand that nobody can read; they are in no sum."""
    rows = workbench.execute(
        "SELECT fate, count(*) FROM fates WHERE balance IS NULL AND (balance_kind IS NOT NULL OR fate = 'unreadable') GROUP BY fate"
    ).fetchall()
    return dict(sorted(rows))


def _reasons(workbench: duckdb.DuckDBPyConnection) -> list[dict[str, Any]]:
    """Every reason with its count, its sentence and the first rows that have it, the most frequent first."""
    rows = workbench.execute(
        "SELECT reason, count(*) AS times, min_by(row_id, position, 3) FROM"
        " (SELECT unnest(reasons) AS reason, row_id, position FROM fates) GROUP BY reason ORDER BY times DESC, reason"
    ).fetchall()
    return [
        {"reason": reason, "rows": times, "sentence": _SENTENCES[reason.partition(":")[0]], "examples": examples}
        for reason, times, examples in rows
    ]


def _not_payable(workbench: duckdb.DuckDBPyConnection) -> int:
    found = workbench.execute(
        "SELECT count(*) FROM fates WHERE fate IN ('created', 'created_different') AND NOT payable"
    ).fetchone()
    return int(found[0]) if found else 0


def _conservation(
    workbench: duckdb.DuckDBPyConnection,
    facts: Facts,
    fates: dict[str, int],
    debits: dict[str, dict[str, int]],
    credits: dict[str, dict[str, int]],
) -> dict[str, Any]:
    """Left: what was read, counted on the input. Right: what came out, counted on the fates."""
    once = workbench.execute(
        "SELECT count(*), count(DISTINCT position), coalesce(sum(line_count), 0) FROM fates"
    ).fetchone()
    rows, positions, lines = once or (0, 0, 0)
    checks = [
        _check("records read = sum over fates", facts.records_read, sum(fates.values())),
        _check(
            "records read = records with a fate, once each", facts.records_read, positions if rows == positions else -1
        ),
        _check(
            "physical lines = header + blank + lines of all records",
            facts.lines["physical"],
            facts.lines["header"] + facts.lines["blank"] + int(lines),
        ),
    ]
    for name, read, ended in (("debits", facts.debits_read, debits), ("credits", facts.credits_read, credits)):
        for currency in sorted({*read, *ended}):
            total = sum(ended.get(currency, {}).values())
            what = f"{name} {currency} read = sum over fates"
            checks.append({**_check(what, read.get(currency, 0), total), "currency": currency})
    return {"holds": all(check["holds"] for check in checks), "checks": checks}


def _check(what: str, read: int, ended: int) -> dict[str, Any]:
    return {"what": what, "currency": None, "read": read, "ended": ended, "holds": read == ended}
