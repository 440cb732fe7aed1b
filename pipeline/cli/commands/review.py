"""The commands `status`, `runs`, `trace`, `explain` and `audit`."""

from typing import TYPE_CHECKING, Any

import click

from pipeline.cli import invocation, options
from pipeline.cli.output.explanation import show_explained
from pipeline.cli.output.history import show_life
from pipeline.cli.output.runs import show_status, show_statuses
from pipeline.cli.output.terminal import say, show_json, show_line
from pipeline.cli.suggestions import remember, suggested

if TYPE_CHECKING:
    from pipeline.domain.published import JsonObject
    from pipeline.workflows.status import DamagedRun, RunFolder, RunStatus


@click.command()
@click.argument("run_id", required=False)
@options.places
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def status(**given: Any) -> int:
    """Show the progress of a run.

    Without RUN_ID, shows the newest run. Works while another process runs it.
    """
    from pipeline.workflows.places import destination_given
    from pipeline.workflows.status import find_run, readable_run, status_of

    settings = invocation.places_of(given)
    if given["run_id"] is not None:
        folder: RunFolder | None = readable_run(settings.reports, given["run_id"])
    else:
        folder = find_run(settings.reports, settings.home, None)
    damaged = invocation.warned_of_damaged(settings.reports)
    if folder is None:
        say(f"no runs in {settings.reports}; to make one: {suggested('plan', 'FILE')}")
        return 0
    found = status_of(folder, settings.home, since=True)
    remember(**destination_given(folder.read_plan_of_any_version()))
    if given["as_json"]:
        show_json({**_described(found), "damaged_runs": damaged})
    else:
        show_status(found)
    return 0


@click.command()
@options.places
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def runs(**given: Any) -> int:
    """List all runs, oldest first."""
    from pipeline.workflows.status import statuses

    settings = invocation.places_of(given)
    found = statuses(settings.reports, settings.home)
    if given["as_json"]:
        show_json(list(map(_described, found)))
    else:
        show_statuses(found)
    return 0


def _described(run: "RunStatus | DamagedRun") -> "JsonObject":
    from dataclasses import asdict

    from pipeline.workflows.status import DamagedRun

    if isinstance(run, DamagedRun):
        return {**asdict(run), "status": "damaged"}
    return {**run.to_json(), "settled": run.settled, "left": run.left}


@click.command()
@click.argument("what", metavar="REFERENCE|ROW_ID|BILLING_ID")
@click.option("--now", "looks_up", is_flag=True, help="Also look up what billing holds now.")
@options.destination
@options.places
@options.pii
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def trace(**given: Any) -> int:
    """Show the history of one customer.

    Shows its rows and how they were normalized, the plan, every request and every answer. Ends with
    exit 1 if nothing is known.

    A ROW_ID is looked for in the newest run that has it; "RUN_ID ROW_ID" names another run.
    """
    from pipeline.domain.redaction import Pii
    from pipeline.workflows.status import newest_run
    from pipeline.workflows.trace import trace

    settings, pii = invocation.settings(given, invocation.config(given)), Pii(given["pii"])
    newest = newest_run(settings.reports)
    if given["looks_up"] and newest is not None:
        place = (
            invocation.destination_given(given, None)
            or newest.read_plan_of_any_version().destination
        )
        with invocation.target(
            place, invocation.planned_naming(newest, given), settings.home
        ) as target:
            found = trace(given["what"], settings, pii=pii, target=target)
    else:
        found = trace(given["what"], settings, pii=pii)
    if given["as_json"]:
        show_json(found.content())
    elif found.appearances or found.events:
        show_life(found)
    else:
        for one in found.damaged_runs:
            say(f"Warning: {one}")
        say(
            f"Nothing found: no row of a run under {settings.reports}"
            f" and no event of a ledger under {settings.home} matches."
        )
    return 0 if found.appearances or found.events else 1


@click.command()
@click.argument("codes", nargs=-1, metavar="[CODE]…")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def explain(codes: tuple[str, ...], *, as_json: bool) -> int:
    """Explain a reason code.

    Shows how to correct the row. Without CODE, lists every code.
    """
    from dataclasses import asdict

    from pipeline.workflows.explain import explain

    found = explain(codes)
    if as_json:
        show_json([asdict(one) for one in found])
    else:
        show_explained(found, whole=bool(codes))
    return 0


@click.group()
def audit() -> None:
    """Check that the ledger is unchanged."""


@audit.command()
@options.places
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def verify(**given: Any) -> int:
    """Recompute each ledger's hash chain.

    Covers every ledger under --home. Names the first changed event and ends with exit 7.
    """
    from dataclasses import asdict

    from pipeline.errors import OutOfBalance
    from pipeline.workflows.audit import audit

    found = audit(invocation.places_of(given).home)
    code = 0 if all(one.holds for one in found) else OutOfBalance.exit_code
    if given["as_json"]:
        show_json({"ledgers": [asdict(one) for one in found], "exit_code": code})
        return code
    for one in found:
        show_line(f"{one.environment}: {one.broken or f'all {one.events:,} events hold'}")
        for damage in one.damage:
            show_line(f"{one.environment}: found when it was opened earlier: {damage}")
    return code
