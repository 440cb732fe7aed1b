"""One function for each command."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipeline import __version__
from pipeline.cli import options
from pipeline.cli.printing import say, show_json, show_line, show_plan, show_report, show_status, show_statuses

if TYPE_CHECKING:
    from pipeline.verbs.results import Report
    from pipeline.verbs.status import RunFolder


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="pipeline")
def cli() -> None:
    """Bring customers into billing, each exactly once, and account for every record and every cent."""


@cli.command()
@options.reading
@options.destination
@options.sending
@options.places
@click.option("--yes", is_flag=True, help="Do not ask.")
@options.as_json
def run(**given: Any) -> int:
    """Plan, then apply; asks first on a terminal, wants --yes off it."""
    from pipeline.cli.progress import watching
    from pipeline.verbs.run import run_import

    place = options.said_where(given)
    settings = options.settings(given, destination=place)
    with (
        options.stoppable() as stopping,
        options.target(place, given, settings.home) as target,
        watching(quiet=given["as_json"]) as watch,
    ):
        report = run_import(
            list(given["files"]), settings, target, approve=options.approval(given), stopping=stopping, watch=watch
        )
    return _show(report, as_json=given["as_json"])


@cli.command()
@options.reading
@options.destination
@options.places
@options.as_json
def plan(**given: Any) -> int:
    """Everything up to the plan; nothing is sent."""
    from pipeline.cli.progress import watching
    from pipeline.verbs.plan import plan_import

    place = options.where(given) or "sandbox"
    settings = options.settings(given, destination=place)
    with options.stoppable() as stopping, watching(quiet=given["as_json"]) as watch:
        planned = plan_import(
            list(given["files"]), settings, options.environment(place, given), stopping=stopping, watch=watch
        )
    if given["as_json"]:
        show_json(planned.report.content)
    else:
        show_plan(planned)
    return planned.report.exit_code


@cli.command()
@click.argument("run_id")
@options.destination
@options.sending
@options.places
@options.as_json
def apply(**given: Any) -> int:
    """Do exactly what a plan says, or refuse (exit 6) where something has moved since."""
    from pipeline.verbs.apply import apply_plan
    from pipeline.verbs.status import named_run

    return _apply(apply_plan, named_run(options.settings(given).reports, given["run_id"]), given)


@cli.command()
@click.argument("run_id", required=False)
@options.destination
@options.sending
@options.places
@options.as_json
def resume(**given: Any) -> int:
    """Finish what was stopped: the run that is named, or the newest that can be resumed."""
    from pipeline.verbs.apply import resume_run
    from pipeline.verbs.status import find_run

    settings = options.settings(given)
    folder = find_run(settings.reports, settings.home, given["run_id"], resumable=True)
    if folder is None:
        say("nothing to resume")
        return 0
    return _apply(resume_run, folder, given)


@cli.command()
@click.argument("run_id", required=False)
@options.places
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def status(**given: Any) -> int:
    """Where a run stands, the newest where none is named; also while it goes on in another process."""
    from dataclasses import asdict

    from pipeline.verbs.status import find_run, status_of

    settings = options.settings(given)
    folder = find_run(settings.reports, settings.home, given["run_id"])
    if folder is None:
        say(f"no runs in {settings.reports}")
        return 0
    found = status_of(folder, settings.home)
    if given["as_json"]:
        show_json({**asdict(found), "settled": found.settled})
    else:
        show_status(found)
    return 0


@cli.command()
@options.places
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def runs(**given: Any) -> int:
    """Every run of the reports folder, oldest first."""
    from dataclasses import asdict

    from pipeline.verbs.status import statuses

    settings = options.settings(given)
    found = statuses(settings.reports, settings.home)
    if given["as_json"]:
        show_json([{**asdict(run), "settled": run.settled} for run in found])
    else:
        show_statuses(found)
    return 0


@cli.command()
@click.option("--reports", type=click.Path(path_type=Path), help="Folder of run folders.  [default: reports]")
def demo(**given: Any) -> int:
    """The whole job on the sample data against a fresh sandbox, and where its report is."""
    from tempfile import TemporaryDirectory

    from pipeline.cli.progress import watching
    from pipeline.config import sandbox_target
    from pipeline.verbs.demo import run_demo

    with (
        TemporaryDirectory(prefix="pipeline-demo-") as home,
        options.stoppable() as stopping,
        options.sandbox_in_process(None) as sandbox,
        watching(quiet=False) as watch,
    ):
        settings = options.settings({**given, "home": Path(home)}, destination="sandbox")
        target = sandbox_target(sandbox.base_url, sandbox.api_key)
        result = run_demo(settings, target, stopping=stopping, watch=watch)
    show_report(result.report.content)
    sums = ", ".join(f"{amount} {currency}" for currency, amount in sorted(result.held["sums"].items()))
    show_line(f"the sandbox holds {result.held['customers']} customers, in minor units: {sums}")
    show_line(f"report: {result.report.content['files']['report.html']}")
    for difference in result.surprises:
        say(difference)
    return 0 if not result.surprises and result.report.holds else (result.report.exit_code or 7)


@cli.command()
@click.option("--port", type=click.IntRange(0, 65535), default=0, show_default=True, help="0 takes a free one.")
@click.option("--state", type=click.Path(path_type=Path), help="SQLite file; in memory where none is named.")
@click.option("--api-key", help="The test key that it takes; made up where none is given. A stage prop, no secret.")
@click.option("--faults", default="", help='Misbehaviour to order, such as "lost_reply=0.05,error_before=0.02".')
@click.option("--seed", type=int, help="Makes the misbehaviour repeatable.")
def sandbox(port: int, state: Path | None, api_key: str | None, faults: str, seed: int | None) -> int:
    """A billing API to practise on, on this machine only; prints one JSON line when it is ready."""
    from pipeline.sandbox import SandboxServer, StateError, parse_faults, serve_forever

    try:
        settings = parse_faults(faults)
    except ValueError as wrong:
        raise click.BadParameter(str(wrong), param_hint="--faults") from None
    try:
        serve_forever(SandboxServer(state, api_key, port, settings, seed))
    except StateError as wrong:
        raise click.ClickException(str(wrong)) from None
    return 0


def _apply(verb: Any, folder: "RunFolder", given: dict[str, Any]) -> int:
    from pipeline.cli.progress import watching

    place = options.said_where(given, planned_for=folder.read_json("plan.json")["destination"])
    settings = options.settings(given, destination=place)
    named = _named_in_plan(folder, given)
    with (
        options.stoppable() as stopping,
        options.target(place, named, settings.home) as target,
        watching(quiet=given["as_json"]) as watch,
    ):
        report = verb(folder.run_id, settings, target, stopping=stopping, watch=watch)
    return _show(report, as_json=given["as_json"])


def _named_in_plan(folder: "RunFolder", given: dict[str, Any]) -> dict[str, Any]:
    """The names of environment and merchant need not be said again: the plan knows them."""
    known = folder.read_json("plan.json")["environment"]
    return {
        **given,
        "environment": given["environment"] or known["name"],
        "merchant": given["merchant"] or known["merchant"],
    }


def _show(report: "Report", *, as_json: bool) -> int:
    if as_json:
        show_json(report.content)
    else:
        show_report(report.content)
    if report.content["stopped_because"]:
        say(f"stopped: {report.content['stopped_because']}; pipeline resume {report.content['run_id']}")
    sys.stdout.flush()
    return report.exit_code
