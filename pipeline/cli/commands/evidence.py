"""Evidence: whether what a run says holds, whether billing is what the runs meant, the report of it, and who signs."""

from pathlib import Path
from typing import Any

import click

from pipeline.cli import options
from pipeline.cli.output import say, show_json, show_line, show_reconciliation, show_verdict

inputs_at = click.option(
    "--inputs",
    "inputs_at",
    multiple=True,
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Folder in which to look for inputs, and a config, that were moved since.",
)


@click.command()
@click.argument("run_id")
@inputs_at
@options.places
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def verify(**given: Any) -> int:
    """Recompute a run from its files alone.

    Counts, sums, lines and hashes are recomputed from the run folder and the inputs; exit 7 if one is wrong.

    RUN_ID may also name a reconciliation or the report of a span, or be the path of a copied folder or of an evidence bundle,
    which is checked by itself.
    """
    from dataclasses import asdict

    from pipeline.verifier import verify, verify_bundle
    from pipeline.workflows.status import LATEST, sealed_folder

    path = Path(given["run_id"])
    if path.is_file():
        found = verify_bundle(path)
    else:
        places = options.places_of(given)
        is_path = (
            given["run_id"] not in ("", LATEST) and path.is_dir()
        )  # Path("") is the working folder
        folder = path if is_path else sealed_folder(places.reports, given["run_id"])
        found = verify(folder, given["inputs_at"], places.home)
    if given["as_json"]:
        show_json({**asdict(found), "holds": found.holds, "exit_code": found.exit_code})
        return found.exit_code
    for check in found.checks:
        show_verdict(check)
    broken = sum(check.holds is False for check in found.checks)
    open_checks = sum(check.holds is None for check in found.checks)
    verdict = (
        f"{broken} do not hold"
        if broken
        else "all that can be recomputed holds"
        if open_checks
        else "everything holds"
    )
    records = "" if found.records is None else f"{found.records:,} records, "
    show_line(f"{found.run_id}: {records}{len(found.checks)} checks, {verdict}")
    return found.exit_code


@click.command()
@click.argument("run_ids", nargs=-1, metavar="[RUN_ID]...")
@click.option(
    "--since",
    metavar="DAY",
    callback=options.day,
    help="Every run since this day (in UTC), such as 2026-11-01, instead of named ones.",
)
@click.option(
    "--export",
    "exports",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Customers as billing holds them: CSV, Parquet or Excel. Without it each customer is looked up.",
)
@click.option(
    "--sample",
    type=click.IntRange(min=1),
    help="Look up this many random customers and report a 95 % confidence bound.",
)
@click.option(
    "--legacy-total",
    "legacy_totals",
    multiple=True,
    metavar="WHAT=TOTAL",
    help="Control total of the legacy system, where the bridge starts: records=2000, ZAR=1234567 (cents) or ZAR=12345.67.",
)
@click.option(
    "--because",
    multiple=True,
    metavar="CODE=TEXT",
    help="Why a total or a residual of a currency (or of records) differs; without a reason it cannot be signed.",
)
@options.destination
@options.looking_up
@options.reviewer
@options.places
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def reconcile(**given: Any) -> int:
    """Compare what runs meant with billing.

    Without RUN_ID, the newest run. Compares record by record and to the cent; exit 7 if out of balance.
    """
    from functools import partial

    from pipeline.cli.progress import watching
    from pipeline.workflows.reconcile.run_selection import runs_to_reconcile
    from pipeline.workflows.reconcile.workflow import legacy_from, reconcile

    if given["exports"] and given["sample"]:
        raise click.UsageError("an export is read whole: say --export or --sample, not both")
    if given["run_ids"] and given["since"]:
        raise click.UsageError("say which runs, or since when; not both")
    legacy = legacy_from(given["legacy_totals"], given["because"])
    places = options.places_of(given)
    taken_in = runs_to_reconcile(places.reports, places.home, given["run_ids"], given["since"])
    newest = taken_in.runs[-1]
    known = {**given, "home": places.home, "reports": places.reports}
    settings = options.settings(known, options.config(given) or options.planned_config(newest))
    options.warned_of_damaged(places.reports)
    with options.stoppable() as stopping, watching(quiet=given["as_json"]) as watch:
        asked = partial(
            reconcile, taken_in, settings, legacy=legacy, stopping=stopping, watch=watch
        )
        if given["exports"]:
            found = asked(exports=given["exports"])
        else:
            place = options.where(given, None) or newest.read_plan()["destination"]
            with options.target(
                place, options.planned_naming(newest, given), settings.home
            ) as target:
                found = asked(target=target, place=place, sample=given["sample"])
    if given["as_json"]:
        show_json(found.content)
    else:
        show_reconciliation(found.content)
    return found.exit_code


@click.command()
@click.argument("run_id", required=False)
@click.option(
    "--since",
    metavar="DAY",
    callback=options.day,
    help="Instead of one run, every run since this day (in UTC), such as 2026-11-01.",
)
@click.option(
    "--until",
    metavar="DAY",
    callback=options.day,
    help="With --since: the last day.  [default: today]",
)
@options.pii
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    help="Folder for the page and the workbook, instead of the run's own.",
)
@options.reviewer
@options.places
@click.option("--json", "as_json", is_flag=True, help="Print what stands in the summary as JSON.")
def report(**given: Any) -> int:
    """Make the report of a run or a span again.

    Without RUN_ID, the page and workbook of the newest run, with what was found and signed since. With --since: all runs of a
    span, each record once however often it was fed, with what is open and for how long.
    """
    from pipeline.domain.redaction import Pii
    from pipeline.reporting import since_then
    from pipeline.workflows.report.period import report_period
    from pipeline.workflows.report.render import make_report
    from pipeline.workflows.status import LATEST

    settings = options.places_of(given)
    pii = Pii(given["pii"])
    options.warned_of_damaged(settings.reports)
    if given["until"] is not None and given["since"] is None:
        raise click.UsageError("--until ends a span that --since begins")
    if given["since"] is not None:
        if given["run_id"] or given["output"]:
            raise click.UsageError(
                "--since takes every run of a span, and reports it in a folder of its own"
            )
        folder, content = report_period(settings, given["since"], given["until"], pii=pii)
        if given["as_json"]:
            show_json(content)
        else:
            show_line(f"{content['verdict']} ({folder.path / 'report.html'})")
        return int(content["exit_code"])
    paths, content = make_report(
        given["run_id"] or LATEST, settings, pii=pii, output=given["output"]
    )
    if given["as_json"]:
        show_json(content)
    else:
        for path in paths:
            show_line(str(path))
        if since := since_then(
            content.get("became", ()), content.get("overall", {}), content["run_id"]
        ):
            say(since)
    return 0


@click.command()
@click.argument("run_id")
@click.option(
    "--as",
    "role",
    type=click.Choice(["reviewer", "approver"]),
    default="reviewer",
    show_default=True,
    help="What you sign as.",
)
@click.option(
    "--name",
    "planner",
    callback=options.somebody,
    help="Who signs.  [default: PIPELINE_PLANNER, or the user's name]",
)
@click.option("--note", help="A remark beside the name; required if the page shows reservations.")
@click.option(
    "--evidence",
    metavar="DIGEST",
    help="The digest on the page that you read, or its beginning; refuse to sign anything else.",
)
@inputs_at
@options.places
def sign(**given: Any) -> int:
    """Sign off a run with your name.

    A reviewer signs what was done, an approver its plan. The run is verified first, and not signed if it is wrong (exit 7). A
    sign-off is stale as soon as anything that it covers changes.
    """
    from pipeline.workflows.report.sign_off import sign

    settings = options.places_of(given)
    wanted = {name: given[name] for name in ("evidence", "note", "inputs_at")}
    digest, (page, *_) = sign(given["run_id"], given["role"], settings, **wanted)
    show_line(f"signed by {settings.planner} as {given['role']}, for {digest}")
    show_line(f"report: {page}")
    return 0


@click.command()
@click.argument("run_id")
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    help="The archive.  [default: REPORTS/RUN_ID.evidence.zip]",
)
@click.option(
    "--pii",
    type=click.Choice(["none", "masked"]),
    default="masked",
    show_default=True,
    help="How much of people's data is shown; masked: the shape of a text, and a token for each person.",
)
@click.option(
    "--canary",
    "canaries",
    multiple=True,
    metavar="TEXT",
    help="A text that must not be in the archive, planted or known.",
)
@click.option(
    "--allow",
    "allowed",
    multiple=True,
    metavar="TEXT",
    help="A text that may be in the archive although a record holds it, such as a town that is also a surname.",
)
@click.option("--replace", is_flag=True, help="Replace an archive that exists.")
@options.maker
@options.places
def bundle(**given: Any) -> int:
    """Archive the evidence of a run, without names.

    The run is verified first. The archive is searched for the personal data of the run's records and for every --canary; if one is
    found, no archive is made (exit 4). `pipeline verify` checks it on any machine.
    """
    from pipeline.domain.redaction import Pii
    from pipeline.workflows.bundle.workflow import make_bundle

    settings = options.places_of(given)
    wanted = {name: given[name] for name in ("output", "canaries", "allowed", "replace")}
    options.warned_of_damaged(settings.reports)
    path = make_bundle(given["run_id"], settings, pii=Pii(given["pii"]), **wanted)
    show_line(str(path))
    return 0
