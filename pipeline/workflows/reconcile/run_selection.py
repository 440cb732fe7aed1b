"""Select the runs of a reconciliation: the named ones, or all since a day, except unfit ones."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from pipeline.config import DEMO_HOMES
from pipeline.domain.fates import LISTS
from pipeline.errors import ConfigError, RunNotFound
from pipeline.storage.ledger import Ledger
from pipeline.storage.run_damage import DamagedRun
from pipeline.storage.run_folder import PLAN_SCHEMA, RunFolder
from pipeline.storage.run_search import all_runs, find_readable_run, find_runs, no_runs_yet


@dataclass(frozen=True, slots=True)
class SelectedRuns:
    """Runs of one environment, the oldest first."""

    runs: Sequence[RunFolder]
    left_out: dict[str, str] = field(default_factory=dict)  #: run id -> why it is unfit
    damaged: Sequence[DamagedRun] = ()  #: runs of the period that cannot be read


def runs_to_reconcile(
    reports: Path, home: Path, run_ids: Sequence[str] = (), since: str | None = None
) -> SelectedRuns:
    """The named runs, or else every applied run since a day (ISO 8601), or else the newest one.

    Raises:
        RunNotFound: if a named run or the newest run is unfit, or for several environments
    """
    if run_ids:
        found = [find_readable_run(reports, run_id) for run_id in run_ids]
        runs = list({run.run_id: run for run in found}.values())
        if faults := [f"run {run.run_id} {why}" for run in runs if (why := _unfit(run, home))]:
            raise RunNotFound("; ".join(faults), suggests=_next_for(runs, home))
        return _of_one_environment(SelectedRuns(runs))
    if not all_runs(reports):
        raise no_runs_yet(reports)
    every = find_runs(reports, wholly=True)
    first = day_of(since).strftime("%Y%m%d") if since is not None else ""
    fit, left_out = list[RunFolder](), dict[str, str]()
    for run in every.readable:
        if run.run_id[:8] < first:
            continue
        why = _unfit(run, home)
        if not why:
            fit.append(run)
        elif why is not NEVER_APPLIED:
            left_out[run.run_id] = why
    if since is None:
        newest = max([*(run.run_id for run in fit), *left_out], default=None)
        if newest in left_out:
            raise RunNotFound(
                f"run {newest} {left_out[newest]}", suggests=_resume(newest, left_out[newest])
            )
        fit, left_out = fit[-1:], {}
        if fit and not _is_known(fit[0], home):
            raise _unknown(fit[0], reports, home)
    if not fit:
        raise RunNotFound(
            f"{reports}: nothing to reconcile, for no run{f' since {since}' if since else ''}"
            " was applied and can be reconciled"
            + "".join(f"; run {run_id} {why}" for run_id, why in left_out.items())
        )
    damaged = [one for one in every.damaged if one.run_id[:8] >= (first or fit[0].run_id[:8])]
    return _of_one_environment(SelectedRuns(fit, left_out, damaged))


def _next_for(runs: Sequence[RunFolder], home: Path) -> tuple[str, ...]:
    """The command that resumes the first unfinished one of these runs; empty if there is none."""
    return next((words for run in runs if (words := _resume(run.run_id, _unfit(run, home)))), ())


def _resume(run_id: str, why: str | None) -> tuple[str, ...]:
    return ("resume", run_id) if why is NEVER_FINISHED else ()


def _unknown(run: RunFolder, reports: Path, home: Path) -> RunNotFound:
    """The error for a run that no ledger of the home knows; it suggests the home of a demo."""
    unknown = f"no ledger under {home} knows run {run.run_id}"
    for of_demo in reports.glob(f"{DEMO_HOMES}/*"):
        if _is_known(run, of_demo):
            words = ("reconcile", run.run_id, "--home", str(of_demo), "--sandbox")
            return RunNotFound(
                f"{unknown}, but that of a demo does. To reconcile it", suggests=words
            )
    why = "it was made with another --home, or the ledger is gone. To reconcile it anyway"
    return RunNotFound(f"{unknown}: {why}", suggests=("reconcile", run.run_id))


def _is_known(run: RunFolder, home: Path) -> bool:
    """Whether the ledger knows the run, or the run created no customers."""
    summary = run.read_summary()
    if not any(summary["fates"][fate] for fate in LISTS["created"]):
        return True
    with Ledger.read(home / summary["environment"]["name"]) as ledger:
        return ledger is not None and ledger.runs.find(run.run_id) is not None


def day_of(text: str) -> date:
    """Parse a day in ISO 8601; raise ConfigError if it is not one."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ConfigError(f"{text!r} is not a day; write it like 2026-11-01") from None


NEVER_FINISHED = "has begun and has not finished, so part of it is in billing"
NEVER_APPLIED = (
    "was planned and never applied: there is nothing of it in billing, and nothing to reconcile"
)


def _unfit(run: RunFolder, home: Path) -> str | None:
    """Why a run cannot be reconciled, or None."""
    if not run.was_applied or run.is_unfinished:
        with Ledger.read(home / run.read_plan_of_any_version()["environment"]["name"]) as ledger:
            begun = ledger is not None and ledger.runs.find(run.run_id) is not None
        return NEVER_FINISHED if begun else NEVER_APPLIED
    plan = run.read_plan_of_any_version()
    if plan.get("schema") != PLAN_SCHEMA:
        return (
            f"was written by version {plan.get('version', 'unknown')}, in a format that this"
            " version cannot read; reconcile it with the version that wrote it"
        )
    if not run.parts("records") or len(run.parts("records")) != len(run.parts("fates")):
        return (
            "has no staged files any more (they fell under retention),"
            " and only they hold what was sent"
        )
    return None


def _of_one_environment(selected: SelectedRuns) -> SelectedRuns:
    names = sorted({run.read_plan()["environment"]["name"] for run in selected.runs})
    if len(names) > 1:
        raise RunNotFound(
            f"the runs are of several environments ({', '.join(names)});"
            " name runs of one, or use a separate reports folder for each"
        )
    return selected
