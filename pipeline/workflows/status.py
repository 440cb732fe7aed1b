"""`pipeline status` and `pipeline runs`: the progress of runs, also while another process works."""

from dataclasses import dataclass
from pathlib import Path

from pydantic import Field

from pipeline.domain.fates import Action, State, sends
from pipeline.domain.plan_file import PlanFile
from pipeline.domain.plurals import number_of
from pipeline.domain.published import Published
from pipeline.domain.run_summary import RunSummary
from pipeline.errors import ThresholdExceeded
from pipeline.reporting import FateChange, reasons_of, stopped_by
from pipeline.storage.ledger import Ledger, RecordedRun, is_holding
from pipeline.storage.run_damage import DamagedRun
from pipeline.storage.run_folder import RunFolder
from pipeline.storage.run_search import (
    LATEST,
    all_runs,
    find_readable_run,
    find_run_folder,
    find_runs,
    newest_of,
    refuse_damaged_newest,
)
from pipeline.workflows.report.became import NOTHING, became_of

__all__ = [
    "LATEST",
    "DamagedRun",
    "RunFolder",
    "RunStatus",
    "damaged_runs",
    "find_run",
    "named_run",
    "readable_run",
    "sealed_folder",
    "status_of",
    "statuses",
]

#: The verdict of a run without a summary of its present status.
_VERDICTS = {
    "planned": "Planned; its report is not written.",
    "running": "The run is in progress; its results are partial.",
    "interrupted": "The run ended early; its results are partial. Resume it.",
    "stopped": "The run stopped before its results were written. Resume it.",
    "finished": "The run finished, but its results are missing.",
}


_NO_LEDGER = "No ledger under {} has this run. Its own report states: "


class RunStatus(Published):
    """The progress of a run, as `status --json` prints it."""

    run_id: str
    #: planned, running, interrupted (ended before its results were complete), stopped or finished
    status: str
    environment: str
    planned: int
    later: int  #: creates that were left for a later run
    states: dict[str, int]
    started_at: str | None
    ended_at: str | None
    exit_code: int | None
    reports: str
    verdict: str  #: one sentence about the result
    resubmitted: int = 0  #: records that were resubmitted to later runs
    overall: dict[str, int] = Field(default={})  #: fate now -> records of this run
    changes: tuple[FateChange, ...] = ()  #: by later runs
    open: int | None = None  #: records of this run that need a person; None before it is applied
    stops: tuple[str, ...] = ()  #: issues that stop the plan until a person accepts them
    waits: int = 0  #: records that wait for an earlier request, at the end of the run
    #: fate -> records, at the end of the run
    fates: dict[str, int] = Field(default={})
    #: list -> reason -> records, at the end of the run
    reasons: dict[str, dict[str, int]] = Field(default={})
    #: field -> held records that differ in it
    held_differs: dict[str, int] = Field(default={})

    @property
    def label(self) -> str:
        """The status and the exit code; a plan that a threshold refuses counts as stopped."""
        is_refused = self.status == "planned" and self.exit_code == ThresholdExceeded.exit_code
        status = "stopped" if is_refused else self.status
        return (
            status
            if self.exit_code is None or status == "planned"
            else f"{status} (exit code {self.exit_code})"
        )

    @property
    def left(self) -> int:
        """Creates of the plan that this run has not settled."""
        return max(0, self.planned - self.settled)

    @property
    def settled(self) -> int:
        """Creates that this run has settled."""
        return sum(
            count
            for state, count in self.states.items()
            if state not in {State.UNKNOWN, State.WITHDRAWN}
        )


def status_of(folder: RunFolder, home: Path, *, since: bool = False) -> RunStatus:
    """The progress of a run, from its folder and its ledger. Writes nothing.

    `since`: also what later runs did with its records.
    """
    plan = folder.read_plan_of_any_version()
    progress = _progress(folder, home / plan.environment.name)
    recorded, status = progress.recorded, progress.status
    summary = _summary(folder, status)
    too_many = _too_many(plan) if status == "planned" else ""
    has_results = since and folder.was_applied
    found = became_of(folder, home) if has_results else NOTHING
    results = summary if has_results else None
    return RunStatus(
        run_id=folder.run_id,
        status=status,
        environment=plan.environment.name,
        planned=sends(plan.actions),
        later=plan.count_of(Action.DEFER),
        states=progress.states,
        started_at=recorded.started_at if recorded else None,
        ended_at=recorded.ended_at if recorded else None,
        exit_code=ThresholdExceeded.exit_code
        if too_many
        else summary.exit_code
        if summary
        else None,
        reports=str(folder.path),
        verdict=(_NO_LEDGER.format(home) if progress.is_from_summary else "")
        + too_many
        + (_verdict(summary) or _VERDICTS[status]),
        resubmitted=found.resubmitted,
        overall=found.overall,
        changes=tuple(found.changes),
        open=found.open,
        stops=_stops(summary),
        waits=summary.waiting.records if summary and folder.was_applied else 0,
        fates=results.fates if results else {},
        held_differs=(results.held_differs or {}) if results else {},
        reasons={name: reasons_of(results, name) for name in ("rejected", "held", "in_doubt")}
        if results is not None
        else {},
    )


@dataclass(frozen=True, slots=True)
class _Progress:
    """How far a run is, from its ledger; from its own summary if no ledger has it."""

    status: str
    states: dict[str, int]  #: state -> creates
    recorded: RecordedRun | None
    is_from_summary: bool = False


def _progress(folder: RunFolder, ledgers: Path) -> _Progress:
    recorded: RecordedRun | None = None
    states: dict[str, int] = {}
    with Ledger.read(ledgers) as ledger:
        if ledger is not None:
            recorded = ledger.runs.find(folder.run_id)
            states = ledger.runs.counts(folder.run_id)
    if recorded is None:
        if not folder.was_applied:
            return _Progress("planned", states, None)
        applied = folder.read_summary()
        return _Progress(applied.status, _states_of(applied), None, is_from_summary=True)
    status = recorded.status
    # All creates may be settled while the results are not written.
    if status == "running" or folder.is_unfinished:
        status = "running" if is_holding(ledgers, folder.run_id) else "interrupted"
    return _Progress(status, states, recorded)


def statuses(reports: Path, home: Path) -> list[RunStatus | DamagedRun]:
    """Every run of a reports folder, also damaged ones, oldest first."""
    runs = find_runs(reports)
    found: list[RunStatus | DamagedRun] = [status_of(folder, home) for folder in runs.readable]
    found += runs.damaged
    return sorted(found, key=lambda one: one.run_id)


def damaged_runs(reports: Path) -> list[DamagedRun]:
    """The folders of runs that cannot be read, oldest first."""
    return find_runs(reports).damaged


def newest_run(reports: Path) -> RunFolder | None:
    """The newest readable run of a reports folder; None without one."""
    runs = all_runs(reports)
    return newest_of(runs) if runs else None


def named_run(reports: Path, run_id: str) -> RunFolder:
    """The run with this id (see `find_run_folder`)."""
    return find_run_folder(reports, run_id)


def readable_run(reports: Path, run_id: str) -> RunFolder:
    """The run with this id; raise RunDamaged if it cannot be read (see `find_readable_run`)."""
    return find_readable_run(reports, run_id)


def sealed_folder(reports: Path, name: str) -> Path:
    """The folder of a run, a reconciliation or a period, by its id or the beginning of it."""
    return find_run_folder(reports, name, of_any_kind=True).path


def find_run(
    reports: Path, home: Path, run_id: str | None, *, resumable: bool = False
) -> RunFolder | None:
    """The run with this id; without an id, the newest readable one, or the newest one to resume.

    `resumable`: raise RunDamaged if the newest run was interrupted and cannot be read.
    """
    if run_id is not None:
        return named_run(reports, run_id)
    if resumable:
        refuse_damaged_newest([run for run in all_runs(reports)[-1:] if run.is_unfinished])
    runs = find_runs(reports)
    for folder in reversed(runs.readable):
        if not resumable or (
            folder.has_tables_of_this_version and _can_go_on(status_of(folder, home))
        ):
            return folder
    return None


def _states_of(summary: RunSummary) -> dict[str, int]:
    """State -> creates of a run whose ledger is not here, from its own summary."""
    fates, creates = summary.fates, sends(summary.actions)
    named = {
        name: fates[name]
        for name in ("created", "created_different", "refused", "given_up")
        if fates.get(name)
    }
    unsettled = fates["in_doubt"] + fates["not_attempted"] - summary.actions.get(Action.DEFER, 0)
    there_before = creates - unsettled - sum(named.values())
    return {**named, **({"pre_existing": there_before} if there_before > 0 else {})}


def _can_go_on(run: RunStatus) -> bool:
    """Whether the run can be resumed: it has not finished, or has records in doubt."""
    return (
        run.status in {"stopped", "interrupted"}
        or bool(run.states.get(State.UNKNOWN))
        or run.waits > 0
    )


def _verdict(summary: RunSummary | None) -> str:
    """The verdict of a summary, after the issues that stop the plan; empty without one."""
    if summary is None:
        return ""
    stops = _stops(summary)
    return f"Stopped by {', '.join(stops)}. {summary.verdict}" if stops else summary.verdict


def _stops(summary: RunSummary | None) -> tuple[str, ...]:
    return tuple(stopped_by(summary)) if summary is not None and summary.is_planned else ()


def _too_many(plan: PlanFile) -> str:
    """A sentence if the plan creates more customers than its limit; else an empty text."""
    creates, allowed = sends(plan.actions), plan.max_creates
    if allowed is None or creates <= allowed:
        return ""
    return f"Stopped by THRESHOLD.MAX_CREATES: {number_of(creates, 'create')}, and {number_of(allowed, 'is', 'are')} allowed. "


def _summary(folder: RunFolder, status: str) -> RunSummary | None:
    """The summary of a run if it matches its status."""
    if folder.is_unfinished or not (folder.path / "summary.json").is_file():
        return None
    summary = folder.read_summary()
    return summary if summary.status == status else None
