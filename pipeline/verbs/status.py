"""The story of looking on: what a run has done so far, also while it goes on in another process."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.ledger import Ledger
from pipeline.outcomes import State
from pipeline.reporting import reasons_of
from pipeline.run_folder import RunFolder, all_runs
from pipeline.verbs.report.became import NOTHING, became_of

__all__ = ["RunFolder", "RunStatus", "find_run", "named_run", "status_of", "statuses"]


@dataclass(frozen=True, slots=True)
class RunStatus:
    """Where a run stands."""

    run_id: str
    status: str  #: planned, running, interrupted (its process is gone), stopped or finished
    environment: str
    planned: int
    later: int  #: creates that were left for a later wave
    states: dict[str, int]
    started_at: str | None
    ended_at: str | None
    exit_code: int | None
    reports: str
    came_back: int = 0  #: records that later runs took once more, mended perhaps
    overall: dict[str, int] = field(default_factory=dict)  #: fate now -> records of this run
    became: list[dict[str, Any]] = field(default_factory=list)  #: then, now, run_id, records: what became of them later
    open: int | None = None  #: records of this run that wait for somebody; None where it was not applied
    fates: dict[str, int] = field(default_factory=dict)  #: fate -> records, as the run left them
    reasons: dict[str, dict[str, int]] = field(default_factory=dict)  #: list -> reason -> records, as the run left them
    held_differs: dict[str, int] = field(default_factory=dict)  #: field -> held records that differ in it

    @property
    def left(self) -> int:
        """Creates of the plan that this run has not settled."""
        return max(0, self.planned - self.settled)

    @property
    def settled(self) -> int:
        """Creates that are settled, by this run."""
        return sum(count for state, count in self.states.items() if state not in {State.UNKNOWN, State.WITHDRAWN})


def status_of(folder: RunFolder, home: Path, *, since: bool = False) -> RunStatus:
    """Read one run's folder and its environment's ledger; nothing is written.

    `since`: also what became of its records since.
    """
    plan = folder.read_json("plan.json")
    known: dict[str, Any] | None = None
    states: dict[str, int] = {}
    with Ledger.read(home / plan["environment"]["name"]) as ledger:
        if ledger is not None:
            known = ledger.run(folder.run_id)
            states = ledger.counts(folder.run_id)
    status = known["status"] if known else "planned"
    is_under_way = bool(known) and (status == "running" or folder.is_unfinished)
    if known and is_under_way:  # what it sent may be all settled, and its results not written
        status = "running" if _is_alive(known["pid"]) else "interrupted"
    has_results = since and folder.was_applied
    found = became_of(folder, home) if has_results else NOTHING
    summary = folder.read_json("summary.json") if has_results else {}
    return RunStatus(
        run_id=folder.run_id,
        status=status,
        environment=plan["environment"]["name"],
        planned=plan["actions"]["create"],
        later=plan["actions"].get("defer", 0),
        states=states,
        started_at=known["started_at"] if known else None,
        ended_at=known["ended_at"] if known else None,
        exit_code=_exit_code(folder, status),
        reports=str(folder.path),
        came_back=found.came_back,
        overall=found.overall,
        became=found.later,
        open=found.open,
        fates=summary.get("fates", {}),
        held_differs=summary.get("held_differs", {}),
        reasons={name: reasons_of(summary, name) for name in ("rejected", "held", "in_doubt")} if summary else {},
    )


def statuses(reports: Path, home: Path) -> list[RunStatus]:
    """Every run of a reports folder, oldest first."""
    return [status_of(folder, home) for folder in all_runs(reports)]


def newest_run(reports: Path) -> RunFolder | None:
    """The newest run of a reports folder."""
    return next(reversed(all_runs(reports)), None)


def named_run(reports: Path, run_id: str) -> RunFolder:
    """The run of that name; raise RunNotFound, naming the latest, where there is none."""
    return RunFolder.find(reports, run_id)


def find_run(reports: Path, home: Path, run_id: str | None, *, resumable: bool = False) -> RunFolder | None:
    """The run of that name; without one the newest, or the newest that can be resumed."""
    if run_id is not None:
        return named_run(reports, run_id)
    for folder in reversed(all_runs(reports)):
        if not resumable or status_of(folder, home).status in {"stopped", "interrupted"}:
            return folder
    return None


def _exit_code(folder: RunFolder, status: str) -> int | None:
    if status not in {"finished", "stopped"} or not (folder.path / "summary.json").is_file():
        return None
    summary = folder.read_json("summary.json")
    return int(summary["exit_code"]) if summary["status"] == status else None


def _is_alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists() if Path("/proc").is_dir() else True
