"""Counts and sums by fate, and the accounting checks."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import duckdb

from pipeline.domain.causes import Cause
from pipeline.domain.currency import grouped_digits
from pipeline.domain.fates import LISTS, TROUBLED_FATES, Action, Fate
from pipeline.reporting.earlier_runs import EarlierRuns
from pipeline.reporting.money import (
    Sums,
    at_stake,
    balances,
    net,
    own_bridge,
    sums,
    unreadable_amounts,
)
from pipeline.reporting.plan_summary import by_action, estimate, flagged, waiting


@dataclass(frozen=True, slots=True)
class Facts:
    """Facts about a run that are not in the tables: inputs, planner, times, settings, progress."""

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
    lines: dict[str, int]  #: physical, header, skipped, blank
    records_read: int
    debits_read: dict[str, int]
    credits_read: dict[str, int]
    not_sent_columns: dict[str, str | None]
    actions: dict[str, int]
    requests: dict[str, int]
    profile: dict[str, dict[str, Any]]  #: stage -> seconds, rows, peak_bytes
    earlier: EarlierRuns = field(default_factory=EarlierRuns)
    #: What lookups showed about the account of the API key; None without lookups.
    account: str | None = None
    account_is_doubtful: bool = False
    settings: dict[str, Any] = field(default_factory=dict)
    per_second: float | None = None  #: the rate limit of the job; None: as fast as billing answers
    mapping: dict[str, str] = field(default_factory=dict)  #: field -> its source, in words
    #: Text that means "no value" -> cells.
    absent_texts: dict[str, int] = field(default_factory=dict)
    references: dict[str, Any] | None = None  #: of the known customers: version, rows, loaded_at
    config: dict[str, Any] | None = None  #: path, sha256
    findings: list[dict[str, Any]] = field(default_factory=list)  #: code, stops, what, sentence
    accepted: dict[str, str] = field(
        default_factory=dict
    )  #: code of a file issue -> who accepted it
    waves: dict[str, Any] | None = None  #: limit, where: the batch of this run
    #: Each control total: where, what, stated, found, holds.
    control_totals: list[dict[str, Any]] = field(default_factory=list)
    tools: dict[str, str] = field(default_factory=dict)  #: software of the run: name -> version
    pace: dict[str, Any] | None = None  #: creates over time, see `throughput.pace`


@dataclass(frozen=True, slots=True)
class Report:
    """The result of a run; `content` is what `summary.json` holds and `--json` prints."""

    content: dict[str, Any]

    @property
    def exit_code(self) -> int:
        """The exit code of the command."""
        return int(self.content["exit_code"])

    @property
    def holds(self) -> bool:
        """Whether all accounting checks hold."""
        return bool(self.content["conservation"]["holds"])


def summarize(workbench: duckdb.DuckDBPyConnection, facts: Facts) -> Report:
    """Count and sum the table `fates` (see `find_fates`) and compare it with what was read."""
    fates, kinds = _counts(workbench), balances(workbench)
    debits, credits = sums(workbench, "balance > 0"), sums(workbench, "balance < 0")
    wanted, samples = by_action(workbench)
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
        "tools": facts.tools,
        "planned_at": facts.planned_at,
        "finished_at": facts.finished_at.isoformat(timespec="seconds"),
        "records": {
            "read": facts.records_read,
            "header": facts.lines["header"],
            "skipped": facts.lines["skipped"],
            "blank": facts.lines["blank"],
        },
        "read": {"debits": facts.debits_read, "credits": facts.credits_read},
        "actions": {action.value: facts.actions.get(action.value, 0) for action in Action},
        "fates": fates,
        "sums": net(debits, credits),
        "debits": debits,
        "credits": credits,
        "balances": kinds,
        "at_stake": at_stake(kinds, debits, credits),
        "amounts_unreadable": unreadable_amounts(kinds),
        "reasons": _reasons(workbench),
        "cannot_be_paid_against": _not_payable(workbench),
        "by_action": wanted,
        "waiting": waiting(workbench),
        "samples": samples,
        "flagged": flagged(workbench),
        "findings": facts.findings,
        "control_totals": facts.control_totals,
        "accepted": facts.accepted,
        "estimate": estimate(facts.actions.get(Action.CREATE.value, 0), facts.per_second),
        "conservation": conservation,
        "bridge": own_bridge(
            _records_by_currency(workbench),
            net(debits, credits),
            {
                code: facts.debits_read.get(code, 0) + facts.credits_read.get(code, 0)
                for code in {*facts.debits_read, *facts.credits_read}
            },
        ),
        "pace": facts.pace,
        "columns_not_sent": facts.not_sent_columns,
        "mapping": facts.mapping,
        "absent_texts": facts.absent_texts,
        "references": facts.references,
        "requests": facts.requests,
        "settled_for_earlier_runs": facts.earlier.settled,
        "left_by_earlier_runs": facts.earlier.content(),
        "other_ledgers": list(facts.earlier.other_ledgers),
        "account": facts.account,
        "account_is_doubtful": facts.account_is_doubtful,
        "seconds": {stage: entry["seconds"] for stage, entry in facts.profile.items()},
        "profile": facts.profile,
        "settings": facts.settings,
        "config": facts.config,
        "waves": facts.waves,
        "inputs": facts.inputs,
        "files": {},
    }
    return Report({**content, "verdict": verdict_on(content)})


def verdict_on(content: dict[str, Any]) -> str:
    """One sentence: records by fate, and whether the figures add up."""
    read = content["records"]["read"]
    if not content["conservation"]["holds"]:
        return "The figures do not add up: do not sign this report. See the conservation law below."
    if content["status"] == "planned":
        later = deferred(content)
        left = f", {grouped_digits(later)} left for a later wave" if later else ""
        creates = grouped_digits(content["actions"]["create"])
        waits = content["waiting"]["records"]
        left += (
            f", {grouped_digits(waits)} wait{'s' * (waits == 1)} for an earlier request"
            if waits
            else ""
        )
        return f"Planned: of {grouped_digits(read)} records, {creates} would be created{left}; nothing was sent."
    return f"{', '.join(_ended(content))}; {_accounted_for(content)}."


def deferred(content: Mapping[str, Any]) -> int:
    """Records that the plan leaves for a later wave: not attempted, but no problem."""
    return min(int(content["actions"]["defer"]), int(content["fates"]["not_attempted"]))


def _ended(content: dict[str, Any]) -> list[str]:
    """The counts of the verdict."""
    fates, later = content["fates"], deferred(content)
    created = sum(fates[fate] for fate in LISTS["created"])
    counted = (
        (sum(fates[fate] for fate in LISTS["skipped"]), "skipped"),
        (sum(fates[fate] for fate in LISTS["rejected"]), "rejected"),
        (sum(fates[fate] for fate in LISTS["held"]), "held for a person"),
        (fates["in_doubt"], f"in doubt{_never_sent(content)}"),
        (fates["given_up"], "given up"),
        (fates["not_attempted"] - later, "not attempted"),
        (later, "left for a later wave"),
    )
    head = f"{grouped_digits(created)} of {grouped_digits(content['records']['read'])} records were created"
    return [head, *(f"{grouped_digits(number)} {word}" for number, word in counted if number)]


def _never_sent(content: dict[str, Any]) -> str:
    waits = content["waiting"]["records"]
    return f" ({grouped_digits(waits)} of them never sent)" if waits else ""


def _accounted_for(content: dict[str, Any]) -> str:
    """The part of the verdict that states what is accounted for."""
    fates, unread = content["fates"], sum(content["amounts_unreadable"].values())
    cents = (
        f"cent that can be read ({grouped_digits(unread)} amount{'s' * (unread > 1)} cannot), is"
        if unread
        else "cent is"
    )
    claim = f"every record{',' if unread else ''} and every {cents} accounted for"
    unfinished = fates["in_doubt"] or fates["not_attempted"] > deferred(content)
    return f"{claim}, but the run is not finished: resume it" if unfinished else claim


def _exit_code(facts: Facts, fates: dict[str, int], *, holds: bool) -> int:
    """The exit code; if several apply, the first of 4, 3, 5, 7, 1."""
    if facts.stop_code is not None and facts.stop_code != 5:
        return facts.stop_code
    if facts.status == "planned" and any(
        one["stops"] and one["code"] not in facts.accepted for one in facts.findings
    ):
        return 3  # a file issue blocks the plan
    # This run was not supposed to send records of a later wave.
    unsent = fates[Fate.NOT_ATTEMPTED] > facts.actions.get(Action.DEFER.value, 0)
    if facts.stop_code == 5 and (unsent or fates[Fate.IN_DOUBT]):
        return 5
    if facts.status != "planned" and unsent:
        return 5  # planned records that were never sent are never a clean end
    if not holds:
        return 7
    return int(any(fates[fate] for fate in TROUBLED_FATES))


def _records_by_currency(workbench: duckdb.DuckDBPyConnection) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for currency, fate, records in workbench.execute(
        "SELECT currency, fate, count(*) FROM fates WHERE fate IS NOT NULL GROUP BY ALL"
    ).fetchall():
        found.setdefault(currency, {})[fate] = records
    return found


def _counts(workbench: duckdb.DuckDBPyConnection) -> dict[str, int]:
    found = dict(workbench.execute("SELECT fate, count(*) FROM fates GROUP BY fate").fetchall())
    return {fate.value: found.get(fate.value, 0) for fate in Fate}


def _reasons(workbench: duckdb.DuckDBPyConnection) -> list[dict[str, Any]]:
    """Every reason, most frequent first: counts by list, sentence and first rows."""
    of_rows = "(SELECT unnest(reasons) AS reason, row_id, position, fate FROM fates)"
    rows = workbench.execute(
        f"SELECT reason, count(*) AS times, min_by(row_id, position, 3) FROM {of_rows}"
        " GROUP BY reason ORDER BY times DESC, reason"
    ).fetchall()
    by_list: dict[str, dict[str, int]] = {}
    for reason, fate, times in workbench.execute(
        f"SELECT reason, fate, count(*) FROM {of_rows} GROUP BY ALL"
    ).fetchall():
        found = by_list.setdefault(reason, {})
        name = next((name for name, members in LISTS.items() if fate in members), None)
        if name is not None:  # a lost record has no fate and fails the accounting checks
            found[name] = found.get(name, 0) + times
    return [
        {
            "reason": reason, "rows": times, "by_list": dict(sorted(by_list[reason].items())),
            "sentence": Cause.parse(reason).reason.sentence, "examples": examples,
        }
        for reason, times, examples in rows
    ]  # fmt: skip


def _not_payable(workbench: duckdb.DuckDBPyConnection) -> int:
    found = workbench.execute(
        "SELECT count(*) FROM fates WHERE fate IN ('created', 'created_different') AND NOT payable"
    ).fetchone()
    return int(found[0]) if found else 0


def _conservation(
    workbench: duckdb.DuckDBPyConnection,
    facts: Facts,
    fates: dict[str, int],
    debits: Sums,
    credits: Sums,
) -> dict[str, Any]:
    """Compare counts and sums of the input (read) with those of the fates (ended)."""
    once = workbench.execute(
        "SELECT count(*), count(DISTINCT position), coalesce(sum(line_count), 0) FROM fates"
    ).fetchone()
    rows, positions, lines = once or (0, 0, 0)
    checks = [
        _check("records read = sum over fates", facts.records_read, sum(fates.values())),
        _check(
            "records read = records with a fate, once each",
            facts.records_read,
            positions if rows == positions else -1,
        ),
        _check(
            "physical lines = header + skipped + blank + lines of all records",
            facts.lines["physical"],
            facts.lines["header"] + facts.lines["skipped"] + facts.lines["blank"] + int(lines),
        ),
    ]
    for name, read, ended in (
        ("debits", facts.debits_read, debits),
        ("credits", facts.credits_read, credits),
    ):
        for currency in sorted({*read, *ended}):
            total = sum(ended.get(currency, {}).values())
            what = f"{name} {currency} read = sum over fates"
            checks.append({**_check(what, read.get(currency, 0), total), "currency": currency})
    return {"holds": all(check["holds"] for check in checks), "checks": checks}


def _check(what: str, read: int, ended: int) -> dict[str, Any]:
    return {"what": what, "currency": None, "read": read, "ended": ended, "holds": read == ended}
