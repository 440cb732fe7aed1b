"""Print what a plan would do."""

from typing import TYPE_CHECKING

from pipeline.cli.output.report import show_report
from pipeline.cli.output.terminal import say
from pipeline.cli.suggestions import suggested

if TYPE_CHECKING:
    from pipeline.workflows.plan import PlannedRun


def show_plan(planned: "PlannedRun") -> None:
    """Print what a plan would do, and the command that applies it."""
    from pipeline.workflows.accepting import accepted_by, open_issues, to_apply

    plan = planned.folder.read_plan()
    show_report(planned.report.content)
    issues = open_issues(plan.findings, accepted_by(planned.folder, plan))
    goal = "proceed anyway" if issues else "do it"
    say(f"nothing was sent; to {goal}: {suggested(*to_apply(planned.run_id, issues))}")
