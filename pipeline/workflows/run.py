"""`pipeline run`: plan, ask, apply and report, under one lock."""

from collections.abc import Callable
from pathlib import Path

from pipeline.config import Settings, Target
from pipeline.reporting import Report
from pipeline.workflows.apply import refuse_open_issues, refuse_too_many
from pipeline.workflows.open_run import OpenRun, writing
from pipeline.workflows.plan import PlannedRun, new_run_id, plan_import
from pipeline.workflows.progress import NOBODY, StopRequest, Watch
from pipeline.workflows.report.sign_off import sign_for_plan
from pipeline.workflows.submit_run import submit_and_report
from pipeline.workflows.unfinished import attempting


def run_import(
    paths: list[Path],
    settings: Settings,
    target: Target,
    *,
    approve: Callable[[PlannedRun], None],
    stopping: StopRequest | None = None,
    watch: Watch = NOBODY,
) -> Report:
    """Plan, call `approve`, which raises to refuse, then apply, under one lock."""
    stopping = stopping or StopRequest()
    run_id = new_run_id(paths, settings.reports)
    with (
        attempting(run_id, watch.unfinished) as attempt,
        writing(settings, target.environment, run_id) as ledger,
    ):
        planned = plan_import(
            paths,
            settings,
            target.environment,
            stopping=stopping,
            watch=watch,
            run_id=run_id,
            writes_results=False,
        )
        try:
            refuse_too_many(planned.folder, settings)
            refuse_open_issues(planned.folder, settings)
            approve(planned)
        except Exception:
            planned.write_results()  # somebody will look at the plan, and may apply it
            raise
        sign_for_plan(planned.folder, "approver", settings.planner)
        run = OpenRun(planned.folder, settings, target, ledger, stopping, watch, attempt)
        return submit_and_report(run)
