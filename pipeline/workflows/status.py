"""The story of looking on: what a run has done so far, also while it goes on in another process."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.domain.outcomes import State, sends
from pipeline.errors import ThresholdExceeded
from pipeline.reporting import reasons_of, stopped_by
from pipeline.storage.ledger import Ledger, is_holding
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

#: What there is to say of a run that has no summary of its status.
_VERDICTS = {
    "planned": "Planned; its report is not written.",
    "running": "The run goes on; its results are partial.",
    "interrupted": "The run has ended before its results were complete: what is here is partial. Resume it.",
    "stopped": "The run has stopped; its results are not written. Resume it.",
    "finished": "The run has finished; its results are not here.",
}


_NO_LEDGER = "No ledger under {} knows this run. By its own report: "


@dataclass(frozen=True, slots=True)
class RunStatus:
    """Where a run stands."""

    run_id: str
    status: str  #: planned, running, interrupted (it has ended before its results were complete), stopped or finished
    environment: str
    planned: int
    later: int  #: creates that were left for a later wave
    states: dict[str, int]
    started_at: str | None
    ended_at: str | None
    exit_code: int | None
    reports: str
    verdict: str  #: one sentence: what became of the records, or that nobody knows yet
    came_back: int = 0  #: records that later runs took once more, mended perhaps
    overall: dict[str, int] = field(default_factory=dict)  #: fate now -> records of this run
    became: list[dict[str, Any]] = field(
        default_factory=list
    )  #: then, now, run_id, records: what became of them later
    open: int | None = (
        None  #: records of this run that wait for somebody; None where it was not applied
    )
    stops: tuple[
        str, ...
    ] = ()  #: alarms that keep a plan from being applied, until somebody accepts them
    waits: int = 0  #: records that wait for an earlier request, as the run left them
    fates: dict[str, int] = field(default_factory=dict)  #: fate -> records, as the run left them
    reasons: dict[str, dict[str, int]] = field(
        default_factory=dict
    )  #: list -> reason -> records, as the run left them
    held_differs: dict[str, int] = field(
        default_factory=dict
    )  #: field -> held records that differ in it

    @property
    def label(self) -> str:
        """The status and the exit code; a plan that a threshold refuses is stopped."""
        is_refused = self.status == "planned" and self.exit_code == ThresholdExceeded.exit_code
        status = "stopped" if is_refused else self.status
        return (
            status
            if self.exit_code is None or status == "planned"
            else f"{status} ({self.exit_code})"
        )

    @property
    def left(self) -> int:
        """Creates of the plan that this run has not settled."""
        return max(0, self.planned - self.settled)

    @property
    def settled(self) -> int:
        """Creates that are settled, by this run."""
        return sum(
            count
            for state, count in self.states.items()
            if state not in {State.UNKNOWN, State.WITHDRAWN}
        )


def status_of(folder: RunFolder, home: Path, *, since: bool = False) -> RunStatus:
    """Read one run's folder and its environment's ledger; nothing is written.

    `since`: also what became of its records since.
    """
    plan = folder.read_plan_of_any_version()
    known: dict[str, Any] | None = None
    states: dict[str, int] = {}
    with Ledger.read(home / plan["environment"]["name"]) as ledger:
        if ledger is not None:
            known = ledger.run(folder.run_id)
            states = ledger.counts(folder.run_id)
    applied = folder.read_summary() if known is None and folder.was_applied else None
    status = known["status"] if known else applied["status"] if applied else "planned"
    if applied:
        states = _states_of(applied)
    if known and (
        status == "running" or folder.is_unfinished
    ):  # all may be settled, and the results not written
        is_running = is_holding(home / plan["environment"]["name"], folder.run_id)
        status = "running" if is_running else "interrupted"
    summary = _summary(folder, status)
    too_many = _too_many(plan) if status == "planned" else ""
    has_results = since and folder.was_applied
    found = became_of(folder, home) if has_results else NOTHING
    results = summary if has_results else {}
    return RunStatus(
        run_id=folder.run_id,
        status=status,
        environment=plan["environment"]["name"],
        planned=sends(plan["actions"]),
        later=plan["actions"].get("defer", 0),
        states=states,
        started_at=known["started_at"] if known else None,
        ended_at=known["ended_at"] if known else None,
        exit_code=ThresholdExceeded.exit_code if too_many else summary.get("exit_code"),
        reports=str(folder.path),
        verdict=(_NO_LEDGER.format(home) if applied else "")
        + too_many
        + (_verdict(summary) or _VERDICTS[status]),
        came_back=found.came_back,
        overall=found.overall,
        became=found.later,
        open=found.open,
        stops=_stops(summary),
        waits=summary.get("waiting", {}).get("records", 0) if folder.was_applied else 0,
        fates=results.get("fates", {}),
        held_differs=results.get("held_differs", {}),
        reasons={name: reasons_of(results, name) for name in ("rejected", "held", "in_doubt")}
        if results
        else {},
    )


def statuses(reports: Path, home: Path) -> list[RunStatus | DamagedRun]:
    """Every run of a reports folder, oldest first, those among them that cannot be read."""
    runs = find_runs(reports)
    found: list[RunStatus | DamagedRun] = [status_of(folder, home) for folder in runs.readable]
    found += runs.damaged
    return sorted(found, key=lambda one: one.run_id)


def damaged_runs(reports: Path) -> list[DamagedRun]:
    """The folders of runs that cannot be read, oldest first."""
    return find_runs(reports).damaged


def newest_run(reports: Path) -> RunFolder | None:
    """The newest run of a reports folder that can be read."""
    runs = all_runs(reports)
    return newest_of(runs) if runs else None


def named_run(reports: Path, run_id: str) -> RunFolder:
    """The run of that name (see `find_run_folder`)."""
    return find_run_folder(reports, run_id)


def readable_run(reports: Path, run_id: str) -> RunFolder:
    """The run of that name; raise RunDamaged where it cannot be read (see `find_readable_run`)."""
    return find_readable_run(reports, run_id)


def sealed_folder(reports: Path, name: str) -> Path:
    """The folder of a run, a reconciliation or a span by its id, or by the beginning of its id."""
    return find_run_folder(reports, name, of_any_kind=True).path


def find_run(
    reports: Path, home: Path, run_id: str | None, *, resumable: bool = False
) -> RunFolder | None:
    """The run of that name; without one the newest that can be read, or the newest that can be resumed.

    `resumable`: raise RunDamaged where the newest run was interrupted and cannot be read, since it is the one to resume.
    """
    if run_id is not None:
        return named_run(reports, run_id)
    if resumable:
        refuse_damaged_newest([run for run in all_runs(reports)[-1:] if run.is_unfinished])
    runs = find_runs(reports)
    for folder in reversed(runs.readable):
        if not resumable or _can_go_on(status_of(folder, home)):
            return folder
    return None


def _states_of(summary: dict[str, Any]) -> dict[str, int]:
    """What became of the creates of a run whose ledger is not here, by its own summary."""
    fates, creates = summary["fates"], sends(summary["actions"])
    named = {
        name: fates[name]
        for name in ("created", "created_different", "refused", "given_up")
        if fates.get(name)
    }
    unsettled = fates["in_doubt"] + fates["not_attempted"] - summary["actions"].get("defer", 0)
    there_before = creates - unsettled - sum(named.values())
    return {**named, **({"pre_existing": there_before} if there_before > 0 else {})}


def _can_go_on(run: RunStatus) -> bool:
    """Whether a resume has something to do: the run has not finished, or has left records in doubt."""
    return (
        run.status in {"stopped", "interrupted"}
        or bool(run.states.get(State.UNKNOWN))
        or run.waits > 0
    )


def _verdict(summary: dict[str, Any]) -> str:
    """The verdict of a summary; of a plan that is refused, by what."""
    stops = _stops(summary)
    return (
        f"Stopped by {', '.join(stops)}. {summary['verdict']}"
        if stops
        else summary.get("verdict", "")
    )


def _stops(summary: dict[str, Any]) -> tuple[str, ...]:
    return tuple(stopped_by(summary)) if summary.get("status") == "planned" else ()


def _too_many(plan: Mapping[str, Any]) -> str:
    """That a plan would create more customers than was allowed when it was made; else nothing."""
    creates, allowed = sends(plan["actions"]), plan.get("max_creates")
    if allowed is None or creates <= allowed:
        return ""
    return f"Stopped by THRESHOLD.MAX_CREATES: {creates:,} creates, and {allowed:,} are allowed. "


def _summary(folder: RunFolder, status: str) -> dict[str, Any]:
    """The summary of a run, where it is that of its present status."""
    if folder.is_unfinished or not (folder.path / "summary.json").is_file():
        return {}
    summary = folder.read_summary()
    return summary if summary["status"] == status else {}
