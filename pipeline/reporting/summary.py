"""The summary of a run: counts and sums by fate, and the accounting checks."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

import duckdb

from pipeline.domain.causes import Cause
from pipeline.domain.fates import LISTS, Action, Fate
from pipeline.domain.plan_file import ConfigFile, InputFile, LineCounts, PlanFile, StageProfile
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
    fates, kinds = _counts(workbench), balances(workbench)
    debits, credits = sums(workbench, "balance > 0"), sums(workbench, "balance < 0")
    wanted, samples = by_action(workbench)
    lines = lines_of(plan.inputs)
    summary = RunSummary(
        run_id=plan.run_id,
        status=outcome.status,
        exit_code=0,
        stopped_because=outcome.stop.reason if outcome.stop else None,
        environment=plan.environment,
        planner=plan.planner,
        version=plan.version,
        tools=dict(outcome.tools),
        planned_at=plan.planned_at,
        finished_at=outcome.finished_at.isoformat(timespec="seconds"),
        records=RecordCounts(
            read=plan.read.records, header=lines.header, skipped=lines.skipped, blank=lines.blank
        ),
        read=SumsRead(debits=plan.read.debits, credits=plan.read.credits),
        actions={action.value: plan.count_of(action) for action in Action},
        fates=fates,
        sums=net(debits, credits),
        debits=debits,
        credits=credits,
        balances=kinds,
        at_stake=at_stake(kinds, debits, credits),
        amounts_unreadable=unreadable_amounts(kinds),
        reasons=_reasons(workbench),
        not_payable=_not_payable(workbench),
        by_action=wanted,
        waiting=waiting(workbench),
        samples=samples,
        flagged=flagged(workbench),
        findings=plan.findings,
        control_totals=plan.control_totals,
        accepted=dict(outcome.accepted),
        estimate=estimate(plan.count_of(Action.CREATE), plan.per_second),
        accounting=_accounting(workbench, plan, fates, debits, credits),
        bridge=own_bridge(
            _records_by_currency(workbench),
            net(debits, credits),
            {
                code: plan.read.debits.get(code, 0) + plan.read.credits.get(code, 0)
                for code in {*plan.read.debits, *plan.read.credits}
            },
        ),
        throughput=outcome.throughput,
        columns_not_sent=plan.columns_not_sent,
        mapping=plan.mapping,
        absent_texts=plan.absent_texts,
        known_customers=plan.known_customers,
        requests=outcome.requests,
        settled_for_earlier_runs=outcome.earlier.settled,
        left_by_earlier_runs=outcome.earlier.left_in_doubt(),
        other_ledgers=outcome.earlier.other_ledgers,
        account=outcome.account,
        account_is_doubtful=outcome.account_is_doubtful,
        seconds={stage: entry.seconds for stage, entry in outcome.profile.items()},
        profile=dict(outcome.profile),
        settings=plan.settings,
        config=ConfigFile(path=plan.config.path, sha256=plan.config.sha256)
        if plan.config
        else None,
        batch=_batch(plan),
        inputs=plan.inputs,
        held_differs=dict(outcome.held_differs),
    )
    code = exit_code_of(summary, outcome.stop.exit_code if outcome.stop else None)
    return summary.changed(exit_code=code, verdict=verdict_on(summary))


def lines_of(inputs: tuple[InputFile, ...]) -> LineCounts:
    """The lines of all inputs by use."""
    return LineCounts(
        **{
            kind: sum(getattr(file.lines, kind) for file in inputs)
            for kind in LineCounts.model_fields
        }
    )


def _batch(plan: PlanFile) -> Batch | None:
    limit, where = plan.settings.limit, plan.settings.where
    return Batch(limit=limit, where=where) if limit or where else None


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
        "SELECT count(*) FROM fates WHERE fate IN ('created', 'created_different') AND NOT payable"
    ).fetchone()
    return int(found[0]) if found else 0


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
