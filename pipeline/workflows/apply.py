"""Apply a plan if nothing changed since it was made, and resume a run that was stopped."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any

from pipeline.config import Settings, Target
from pipeline.domain.fates import sends
from pipeline.errors import NotApproved, ThresholdExceeded
from pipeline.reporting import Report
from pipeline.storage.run_folder import RunFolder
from pipeline.storage.run_search import find_run_folder
from pipeline.workflows.accepting import accepted_by, open_issues, to_apply
from pipeline.workflows.giving_up import GivingUp, refuse_unless_unsettled
from pipeline.workflows.open_run import OpenRun, writing
from pipeline.workflows.plan_freshness import refuse_damaged, refuse_stale
from pipeline.workflows.progress import CLOCK, NOBODY, StopRequest, Watch
from pipeline.workflows.report.sign_off import sign_for_plan
from pipeline.workflows.submit_run import submit_and_report
from pipeline.workflows.unfinished import attempting

NO_OPTIONS: Mapping[str, Any] = MappingProxyType({})


def apply_plan(
    run_id: str,
    settings: Settings,
    target: Target,
    *,
    options: Mapping[str, Any] = NO_OPTIONS,
    stopping: StopRequest | None = None,
    watch: Watch = NOBODY,
) -> Report:
    """Do exactly what a plan says, or raise PlanStale, which names what has changed.

    `options`: planning options that are given again; a value other than the plan's makes it stale.
    """
    folder = find_run_folder(settings.reports, run_id)
    with _opened(folder, settings, target, stopping, watch) as run:
        refuse_stale(folder, run.ledger.reader, settings, target.environment, options)
        refuse_too_many(folder, settings)
        refuse_open_issues(folder, settings)
        # The report names who accepted it, whoever planned it.
        folder.accept(settings.accept, settings.planner, CLOCK.now().isoformat(timespec="seconds"))
        sign_for_plan(folder, "approver", settings.planner)
        return submit_and_report(run)


def resume_run(
    run_id: str,
    settings: Settings,
    target: Target,
    *,
    giving_up: GivingUp | None = None,
    stopping: StopRequest | None = None,
    watch: Watch = NOBODY,
) -> Report:
    """Finish a run that was stopped or killed; only report a finished run again.

    `giving_up`: requests of this run to give up first; raise NothingToGiveUp if there is none.
    """
    folder = find_run_folder(settings.reports, run_id)
    with _opened(folder, settings, target, stopping, watch) as run:
        refuse_damaged(folder, target.environment)
        if run.ledger.reader.runs.find(folder.run_id) is None:
            plan = folder.read_plan()
            raise NotApproved(
                f"plan {folder.run_id} was never applied, so there is nothing to resume",
                suggests=to_apply(
                    folder.run_id, open_issues(plan["findings"], accepted_by(folder, plan))
                ),
            )
        if giving_up is not None:
            refuse_unless_unsettled(giving_up, run.ledger.reader, folder.run_id)
        folder.accept(settings.accept, settings.planner, CLOCK.now().isoformat(timespec="seconds"))
        return submit_and_report(run, giving_up)


@contextmanager
def _opened(
    folder: RunFolder,
    settings: Settings,
    target: Target,
    stopping: StopRequest | None,
    watch: Watch,
) -> Iterator[OpenRun]:
    """Lock the environment of a run and open its ledger."""
    with (
        attempting(folder.run_id, watch.unfinished) as attempt,
        writing(settings, target.environment, folder.run_id) as ledger,
    ):
        yield OpenRun(folder, settings, target, ledger, stopping or StopRequest(), watch, attempt)


def refuse_too_many(folder: RunFolder, settings: Settings) -> None:
    """Refuse a plan that would create more customers than the job allows."""
    plan = folder.read_plan()
    creates = sends(plan["actions"])
    if settings.max_creates is not None and creates > settings.max_creates:
        raise ThresholdExceeded(
            f"THRESHOLD.MAX_CREATES: plan {plan['run_id']} would create {creates:,} customers, and"
            f" thresholds.max_creates allows {settings.max_creates:,}; nothing was sent. Plan a part of it (--limit, --where)"
            " or allow more",
            suggests=("apply", plan["run_id"], "--max-creates", str(creates)),
        )


def refuse_open_issues(folder: RunFolder, settings: Settings) -> None:
    """Refuse a plan with issues that were not accepted; name all of them at once."""
    plan = folder.read_plan()
    found = open_issues(plan["findings"], {*accepted_by(folder, plan), *settings.accept})
    if found:
        lines = [
            *(f"{one['code']}: {one['what']}" for one in found),
            "Nothing was sent. To proceed anyway",
        ]
        raise ThresholdExceeded("\n".join(lines), suggests=to_apply(plan["run_id"], found))
