"""Print what a plan would do."""

from typing import TYPE_CHECKING

from pipeline.cli.output.report import show_report
from pipeline.cli.output.terminal import say
from pipeline.cli.suggestions import suggested

if TYPE_CHECKING:
    from pipeline.workflows.plan import PlannedRun


def show_plan(planned: "PlannedRun") -> None:
    """Print what a plan would do, and the command that applies it."""
    from pipeline.workflows.accepting import open_issues, to_apply

    content = planned.report.content
    show_report(content)
    issues = open_issues(content["findings"], content["accepted"])
    goal = "proceed anyway" if issues else "do it"
    say(f"nothing was sent; to {goal}: {suggested(*to_apply(planned.run_id, issues))}")
