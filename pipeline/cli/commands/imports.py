"""The commands `plan`, `run`, `apply` and `resume`."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from pipeline.cli import invocation, options
from pipeline.cli.given import Given
from pipeline.cli.output.plan import show_plan
from pipeline.cli.output.report import show_report
from pipeline.cli.output.stages import show_profile
from pipeline.cli.output.terminal import say, show_json
from pipeline.cli.suggestions import suggested
from pipeline.domain.plurals import number_of
from pipeline.errors import Interrupted, ResultNotShown

if TYPE_CHECKING:
    from pipeline.config import Settings
    from pipeline.domain.run_summary import RunSummary
    from pipeline.workflows.giving_up import GivenUp
    from pipeline.workflows.status import RunFolder
    from pipeline.workflows.write_results import Report


@click.command()
@options.reading
@options.sheet
@options.planning
@options.accepting
@options.destination
@options.sending
@options.places
@click.option("--yes", is_flag=True, help="Apply without asking.")
@options.as_json
def run(**given: Any) -> int:
    """Plan an import, then apply it.

    Asks before it applies. Without a terminal it needs --yes.
    """
    from pipeline.cli.progress import watching
    from pipeline.workflows.run import run_import

    config = invocation.config(given)
    place = invocation.required_destination(given, config)
    settings = invocation.settings(given, config, destination=place)
    with (
        invocation.stoppable() as stopping,
        invocation.target(place, invocation.naming(place, given, config), settings.home) as target,
        watching(quiet=given["as_json"]) as watch,
    ):
        _warn_of_unused_ledger(settings, target.environment.name)
        report = run_import(
            list(given["files"]),
            settings,
            target,
            approve=invocation.approval(given),
            stopping=stopping,
            watch=watch,
        )
    return _show(report, settings, as_json=given["as_json"])


@click.command()
@options.reading
@options.sheet
@options.planning
@options.accepting
@options.destination
@options.sending
@options.places
@click.option(
    "--profile", is_flag=True, help="Also show seconds, rows and peak memory of each stage."
)
@options.as_json
def plan(**given: Any) -> int:
    """Show what an import would do.

    Sends nothing.
    """
    from pipeline.cli.progress import watching
    from pipeline.config import environment_from
    from pipeline.workflows.plan import plan_import

    config = invocation.config(given)
    place = invocation.destination_given(given, config) or "sandbox"
    settings = invocation.settings(given, config, destination=place)
    environment = environment_from(place, invocation.naming(place, given, config))
    _warn_of_unused_ledger(settings, environment.name)
    with invocation.stoppable() as stopping, watching(quiet=given["as_json"]) as watch:
        planned = plan_import(
            list(given["files"]), settings, environment, stopping=stopping, watch=watch
        )
    damaged = invocation.warned_of_damaged(settings.reports)
    if given["as_json"]:
        show_json(_with_damaged(planned.report.content, damaged))
    else:
        show_plan(planned)
    if given["profile"]:
        show_profile(planned.report.content.profile)
    if settings.max_creates is not None and planned.plan.creates > settings.max_creates:
        say(
            f"the job allows {number_of(settings.max_creates, 'create')}: apply will refuse this plan (exit 3)"
        )
    return planned.report.exit_code


@click.command()
@click.argument("run_id")
@options.planning
@options.accepting
@options.destination
@options.sending
@options.places
@options.as_json
def apply(**given: Any) -> int:
    """Apply a saved plan.

    Does exactly what the plan lists. Refuses (exit 6) if something changed since. Planning options
    may be repeated, but a value other than the plan's is refused.
    """
    from functools import partial

    from pipeline.workflows.apply import apply_plan
    from pipeline.workflows.status import named_run

    repeated = {name: given[name] for name in options.PLANNING if given[name]}
    folder = named_run(invocation.places_of(given).reports, given["run_id"])
    return _apply(partial(apply_plan, given_again=repeated), folder, given)


@click.command()
@click.argument("run_id", required=False)
@click.option(
    "--give-up",
    "given_up",
    multiple=True,
    metavar="REFERENCE",
    help="Give up this record in doubt; may be repeated.",
)
@click.option(
    "--note", metavar="TEXT", help="Reason to give up the record; required with --give-up."
)
@options.accepting
@options.destination
@options.sending
@options.places
@options.as_json
def resume(**given: Any) -> int:
    """Finish a run that stopped.

    Without RUN_ID, takes the newest run that can be resumed.

    --give-up stops work on a record that stays in doubt. Its request may still take effect, so
    reconcile keeps looking for it. A record with other content is held. 48 hours after the last
    send, the same command settles the request as never created if two lookups find nothing.
    """
    from functools import partial

    from pipeline.workflows.apply import resume_run
    from pipeline.workflows.giving_up import GivingUp
    from pipeline.workflows.status import find_run

    if given["given_up"] and given["run_id"] is None:
        raise click.UsageError(
            "--give-up needs the run of the record: put its RUN_ID before the options"
        )
    if bool(given["given_up"]) != bool(given["note"] and given["note"].strip()):
        raise click.UsageError(
            "--give-up and --note go together: use --give-up REFERENCE --note TEXT"
        )

    settings = invocation.places_of(given)
    folder = find_run(settings.reports, settings.home, given["run_id"], resumable=True)
    if folder is None:
        invocation.warned_of_damaged(settings.reports)
        say("nothing to resume")
        return 0
    if not given["given_up"]:
        return _apply(resume_run, folder, given)
    done = list[str]()

    def on_result(one: "GivenUp") -> None:
        done.append(one.external_reference)
        _say_given_up(one)

    giving_up = GivingUp(given["given_up"], given["note"].strip(), on_result)
    code = _apply(partial(resume_run, giving_up=giving_up), folder, given)
    if left := [reference for reference in giving_up.references if reference not in done]:
        words = [word for reference in left for word in ("--give-up", reference)]
        say(
            "Nothing was given up. To try again: "
            f"{suggested('resume', folder.run_id, *words, '--note', giving_up.note)}"
        )
    return code


def _say_given_up(one: "GivenUp") -> None:
    name = repr(one.external_reference)
    looked_up = (
        "" if one.is_looked_up else ", and billing did not answer whether it holds the customer"
    )
    if one.final_from is not None and one.final_from <= datetime.now(UTC):
        say(
            f"{name} is given up. Its request may still take effect{looked_up}."
            " A record with other content is held."
            " Run the same command again to repeat the lookups."
        )
    elif one.final_from is not None:
        say(
            f"{name} is given up. Its request may still take effect{looked_up}. The same command"
            f" settles it as never created from {one.final_from:%Y-%m-%d %H:%M} UTC on, if two"
            " lookups find nothing. Until then, a record with other content is held."
        )
    elif one.state == "given_up":
        say(
            f"{name} is given up. Its request may still take effect{looked_up}."
            " Billing's answers carry no date, so no later command settles it as never created:"
            " a record with other content is held."
        )
    elif one.state == "never_created":
        say(
            f"{name} is given up and settled as never created:"
            " a record with other content can be sent now."
        )
    else:
        say(
            f"{name} exists in billing, so it is not given up:"
            f" it is settled as {one.state.value.replace('_', ' ')}."
        )


def _warn_of_unused_ledger(settings: "Settings", environment: str) -> None:
    if warning := settings.unused_ledger(environment):
        say(f"Warning: {warning}")


def _apply(workflow: Any, folder: "RunFolder", given: Given) -> int:
    from pipeline.cli.progress import watching

    config = invocation.config(given) or invocation.planned_config(folder)
    place = invocation.destination_given(given, None) or folder.read_plan().destination
    settings = invocation.settings(
        {**given, **dict.fromkeys(options.PLANNING)}, config, destination=place
    )
    with (
        invocation.stoppable() as stopping,
        invocation.target(place, invocation.planned_naming(folder, given), settings.home) as target,
        watching(quiet=given["as_json"]) as watch,
    ):
        report = workflow(folder.run_id, settings, target, stopping=stopping, watch=watch)
    return _show(report, settings, as_json=given["as_json"])


def _show(report: "Report", settings: "Settings", *, as_json: bool) -> int:
    damaged = invocation.warned_of_damaged(settings.reports)
    try:
        if as_json:
            show_json(_with_damaged(report.content, damaged))
        else:
            show_report(report.content)
    except ResultNotShown as lost:
        if report.content.requests.creates:
            raise Interrupted(
                f"{lost.message}. Customers were sent and the report is whole; to show it",
                suggests=("status", report.content.run_id),
            ) from lost
        raise
    if report.content.stopped_because:
        say(
            f"stopped: {report.content.stopped_because}; to go on:"
            f" {suggested('resume', report.content.run_id)}"
        )
    return report.exit_code


def _with_damaged(summary: "RunSummary", damaged: "list[dict[str, str]]") -> dict[str, object]:
    """The summary as JSON, with the run folders that cannot be read."""
    return {**summary.to_json(), **({"damaged_runs": damaged} if damaged else {})}
