"""The summary of a run: counts and sums by fate, and the accounting checks."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

import duckdb

from pipeline.domain.causes import Cause
from pipeline.domain.fates import LISTS, Action, Fate
from pipeline.domain.plan_file import InputFile, LineCounts, PlanFile, StageProfile
from pipeline.domain.run_summary import RunSummary
from pipeline.domain.summary_parts import (
    Accounting,
    AccountingCheck,
    Batch,
    ReasonCount,
    RecordCounts,
    Requests,
    SumsRead,
    Throughput,
)
from pipeline.reporting.earlier_runs import EarlierRuns
from pipeline.reporting.money import (
    Sums,
    add_up,
    at_stake,
    balances,
    net,
    own_bridge,
    sums,
    unreadable_amounts,
)
from pipeline.reporting.plan_summary import by_action, estimate, flagged, waiting
from pipeline.reporting.verdict import exit_code_of, verdict_on


@dataclass(frozen=True, slots=True)
class StopCause:
    """Why a run stopped before its end, and the exit code of that."""

    reason: str
    exit_code: int


@dataclass(frozen=True, slots=True)
class RunOutcome:
    """What a run adds to its plan and its tables of fates."""

    status: str  #: "planned", "finished" or "stopped"
    finished_at: datetime
    stop: StopCause | None = None
    requests: Requests = field(default_factory=Requests)
    profile: Mapping[str, StageProfile] = field(default_factory=dict)  #: stage -> time, memory
    earlier: EarlierRuns = field(default_factory=EarlierRuns)
    #: What lookups showed about the account of the API key; None without lookups.
    account: str | None = None
    account_is_doubtful: bool = False
    accepted: Mapping[str, str] = field(default_factory=dict)  #: code of an issue -> who accepted
    tools: Mapping[str, str] = field(default_factory=dict)  #: software of the run -> version
    throughput: Throughput | None = None
    held_differs: Mapping[str, int] = field(default_factory=dict)  #: field -> held records


@dataclass(frozen=True, slots=True)
class Report:
    """The result of a run; `content` is what `summary.json` holds and `--json` prints."""

    content: RunSummary

    @property
    def exit_code(self) -> int:
        """The exit code of the command."""
        return self.content.exit_code

    @property
    def holds(self) -> bool:
        """Whether all accounting checks hold."""
        return self.content.accounting.holds


def summarize(
    workbench: duckdb.DuckDBPyConnection, plan: PlanFile, outcome: RunOutcome
) -> RunSummary:
    """Count and sum the table `fates` (see `find_fates`) and compare it with what was read."""
    parts = {**_of_plan(plan), **_of_outcome(outcome), **_of_fates(workbench, plan)}
    summary = RunSummary.model_validate({**parts, "exit_code": 0})
    code = exit_code_of(summary, outcome.stop.exit_code if outcome.stop else None)
    return summary.changed(exit_code=code, verdict=verdict_on(summary))


def _of_plan(plan: PlanFile) -> dict[str, object]:
    """The fields of a summary that repeat the plan, or follow from it."""
    lines, (limit, where) = lines_of(plan.inputs), (plan.settings.limit, plan.settings.where)
    return {
        "run_id": plan.run_id,
        "environment": plan.environment,
        "planner": plan.planner,
        "version": plan.version,
        "planned_at": plan.planned_at,
        "records": RecordCounts(
            read=plan.read.records, header=lines.header, skipped=lines.skipped, blank=lines.blank
        ),
        "read": SumsRead(debits=plan.read.debits, credits=plan.read.credits),
        "actions": {action.value: plan.count_of(action) for action in Action},
        "findings": plan.findings,
        "control_totals": plan.control_totals,
        "estimate": estimate(plan.count_of(Action.CREATE), plan.per_second),
        "columns_not_sent": plan.columns_not_sent,
        "mapping": plan.mapping,
        "absent_texts": plan.absent_texts,
        "known_customers": plan.known_customers,
        "settings": plan.settings,
        "config": plan.config.file if plan.config else None,
        "batch": Batch(limit=limit, where=where) if limit or where else None,
        "inputs": plan.inputs,
    }


def _of_outcome(outcome: RunOutcome) -> dict[str, object]:
    """The fields of a summary that the run itself adds."""
    return {
        "status": outcome.status,
        "stopped_because": outcome.stop.reason if outcome.stop else None,
        "tools": outcome.tools,
        "finished_at": outcome.finished_at.isoformat(timespec="seconds"),
        "accepted": outcome.accepted,
        "throughput": outcome.throughput,
        "requests": outcome.requests,
        "settled_for_earlier_runs": outcome.earlier.settled,
        "left_by_earlier_runs": outcome.earlier.left_in_doubt(),
        "other_ledgers": outcome.earlier.other_ledgers,
        "account": outcome.account,
        "account_is_doubtful": outcome.account_is_doubtful,
        "seconds": {stage: entry.seconds for stage, entry in outcome.profile.items()},
        "profile": outcome.profile,
        "held_differs": outcome.held_differs,
    }


def _of_fates(workbench: duckdb.DuckDBPyConnection, plan: PlanFile) -> dict[str, object]:
    """The fields of a summary that are counted and summed over the fates."""
    add_up(workbench)
    fates, kinds = _counts(workbench), balances(workbench)
    debits, credits = sums(workbench, "debits"), sums(workbench, "credits")
    wanted, samples = by_action(workbench)
    both, read = net(debits, credits), plan.read
    both_read = {
        code: read.debits.get(code, 0) + read.credits.get(code, 0)
        for code in {*read.debits, *read.credits}
    }
    return {
        "fates": fates,
        "sums": both,
        "debits": debits,
        "credits": credits,
        "balances": kinds,
        "at_stake": at_stake(kinds, debits, credits),
        "amounts_unreadable": unreadable_amounts(kinds),
        "reasons": _reasons(workbench),
        "not_payable": _not_payable(workbench),
        "by_action": wanted,
        "waiting": waiting(workbench),
        "samples": samples,
        "flagged": flagged(workbench),
        "accounting": _accounting(workbench, plan, fates, debits, credits),
        "bridge": own_bridge(_records_by_currency(workbench), both, both_read),
    }


def lines_of(inputs: tuple[InputFile, ...]) -> LineCounts:
    """The lines of all inputs by use."""
    return LineCounts(
        **{
            kind: sum(getattr(file.lines, kind) for file in inputs)
            for kind in LineCounts.model_fields
        }
    )


def _records_by_currency(workbench: duckdb.DuckDBPyConnection) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for currency, fate, records in workbench.execute(
        "SELECT currency, fate, sum(records)::BIGINT FROM totals WHERE fate IS NOT NULL GROUP BY ALL"
    ).fetchall():
        found.setdefault(currency, {})[fate] = records
    return found


def _counts(workbench: duckdb.DuckDBPyConnection) -> dict[str, int]:
    found = dict(
        workbench.execute("SELECT fate, sum(records)::BIGINT FROM totals GROUP BY fate").fetchall()
    )
    return {fate.value: found.get(fate.value, 0) for fate in Fate}


def _reasons(workbench: duckdb.DuckDBPyConnection) -> tuple[ReasonCount, ...]:
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
    return tuple(
        ReasonCount(
            reason=reason,
            rows=times,
            by_list=dict(sorted(by_list[reason].items())),
            sentence=Cause.parse(reason).reason.sentence,
            examples=tuple(examples),
        )
        for reason, times, examples in rows
    )


def _not_payable(workbench: duckdb.DuckDBPyConnection) -> int:
    found = workbench.execute(
        "SELECT sum(records) FROM totals WHERE fate IN ('created', 'created_different') AND NOT payable"
    ).fetchone()
    return int(found[0] or 0) if found else 0


def _accounting(
    workbench: duckdb.DuckDBPyConnection,
    plan: PlanFile,
    fates: dict[str, int],
    debits: Sums,
    credits: Sums,
) -> Accounting:
    """Compare counts and sums of the input (read) with those of the fates (ended)."""
    once = workbench.execute(
        "SELECT count(*), count(DISTINCT position), coalesce(sum(line_count), 0) FROM fates"
    ).fetchone()
    rows, positions, lines_of_records = once or (0, 0, 0)
    lines, records = lines_of(plan.inputs), plan.read.records
    checks = [
        _check("records read = sum over fates", records, sum(fates.values())),
        _check(
            "records read = records with a fate, once each",
            records,
            positions if rows == positions else -1,
        ),
        _check(
            "physical lines = header + skipped + blank + lines of all records",
            lines.physical,
            lines.header + lines.skipped + lines.blank + int(lines_of_records),
        ),
    ]
    for name, read, ended in (
        ("debits", plan.read.debits, debits),
        ("credits", plan.read.credits, credits),
    ):
        checks += [
            _check(
                f"{name} {currency} read = sum over fates",
                read.get(currency, 0),
                sum(ended.get(currency, {}).values()),
                currency,
            )
            for currency in sorted({*read, *ended})
        ]
    return Accounting(holds=all(check.holds for check in checks), checks=tuple(checks))


def _check(what: str, read: int, ended: int, currency: str | None = None) -> AccountingCheck:
    return AccountingCheck(
        what=what, currency=currency, read=read, ended=ended, holds=read == ended
    )
