"""The commands `verify`, `reconcile`, `report`, `sign` and `bundle`."""

from pathlib import Path
from typing import Any

import click

from pipeline.cli import invocation, options
from pipeline.cli.output.reconciliation import show_reconciliation
from pipeline.cli.output.terminal import say, show_json, show_line
from pipeline.cli.output.verification import show_verdict
from pipeline.domain.plurals import number_of

inputs_at = click.option(
    "--inputs",
    "inputs_at",
    multiple=True,
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Also look in this folder for inputs and a config that have moved.",
)


@click.command()
@click.argument("run_id")
@inputs_at
@options.places
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def verify(**given: Any) -> int:
    """Recompute a run from its files alone.

    Recomputes counts, sums, lines and hashes from the run folder and the inputs. Ends with exit 7
    if one is wrong.

    RUN_ID may also name a reconciliation or the report of a period. It may be the path of a copied
    folder or of an evidence bundle.
    """
    from dataclasses import asdict

    from pipeline.verifier import verify, verify_bundle
    from pipeline.workflows.status import LATEST, sealed_folder

    path = Path(given["run_id"])
    if path.is_file():
        found = verify_bundle(path)
    else:
        places = invocation.places_of(given)
        # Path("") is the working folder.
        is_path = given["run_id"] not in ("", LATEST) and path.is_dir()
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
        number_of(broken, "does not hold", "do not hold")
        if broken
        else "all that can be recomputed holds"
        if open_checks
        else "everything holds"
    )
    records = "" if found.records is None else f"{number_of(found.records, 'record')}, "
    show_line(f"{found.run_id}: {records}{number_of(len(found.checks), 'check')}, {verdict}")
    return found.exit_code


@click.command()
@click.argument("run_ids", nargs=-1, metavar="[RUN_ID]...")
@click.option(
    "--since",
    metavar="DAY",
    callback=options.day,
    help="Take every run since this day (UTC), such as 2026-11-01.",
)
@click.option(
    "--export",
    "exports",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Compare with this export of billing (CSV, Parquet, Excel).  [default: lookups]",
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
    help="Start the bridge from this control total of the legacy system, such as records=2000.",
)
@click.option(
    "--because",
    multiple=True,
    metavar="CODE=TEXT",
    help="Explain why a total or a residual differs; unexplained, it cannot be signed.",
)
@options.destination
@options.looking_up
@options.reviewer
@options.places
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def reconcile(**given: Any) -> int:
    """Compare the customers of runs with billing.

    Without RUN_ID, takes the newest run. Compares every record to the cent. Ends with exit 7 if out
    of balance.
    """
    from functools import partial

    from pipeline.cli.progress import watching
    from pipeline.workflows.reconcile.run_selection import runs_to_reconcile
    from pipeline.workflows.reconcile.workflow import ByExport, ByLookups, legacy_from, reconcile

    if given["exports"] and given["sample"]:
        raise click.UsageError("An export is read whole: use either --export or --sample.")
    if given["run_ids"] and given["since"]:
        raise click.UsageError("Use either RUN_ID or --since.")
    legacy = legacy_from(given["legacy_totals"], given["because"])
    places = invocation.places_of(given)
    selected = runs_to_reconcile(places.reports, places.home, given["run_ids"], given["since"])
    newest = selected.runs[-1]
    known = {**given, "home": places.home, "reports": places.reports}
    settings = invocation.settings(
        known, invocation.config(given) or invocation.planned_config(newest)
    )
    invocation.warned_of_damaged(places.reports)
    with invocation.stoppable() as stopping, watching(quiet=given["as_json"]) as watch:
        compare = partial(
            reconcile, selected, settings, legacy=legacy, stopping=stopping, watch=watch
        )
        if given["exports"]:
            found = compare(ByExport(given["exports"]))
        else:
            place = invocation.destination_given(given, None) or newest.read_plan().destination
            with invocation.target(
                place, invocation.planned_naming(newest, given), settings.home
            ) as target:
                found = compare(ByLookups(target, place, given["sample"]))
    if given["as_json"]:
        show_json(found.to_json())
    else:
        show_reconciliation(found)
    return found.exit_code


@click.command()
@click.argument("run_id", required=False)
@click.option(
    "--since",
    metavar="DAY",
    callback=options.day,
    help="Report every run since this day (UTC), such as 2026-11-01.",
)
@click.option(
    "--until",
    metavar="DAY",
    callback=options.day,
    help="Last day of the period that --since begins.  [default: today]",
)
@options.pii
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    help="Folder for the page and the workbook.  [default: the run's folder]",
)
@options.reviewer
@options.places
@click.option("--json", "as_json", is_flag=True, help="Print the content of the summary as JSON.")
def report(**given: Any) -> int:
    """Rebuild the report of a run or a period.

    Without RUN_ID, rebuilds the page and the workbook of the newest run, with later findings and
    sign-offs. With --since, reports all runs of a period. It counts each record once, however often
    it was read, and lists what is open and for how long.
    """
    from pipeline.domain.redaction import Pii
    from pipeline.reporting import since_then
    from pipeline.workflows.report.period import report_period
    from pipeline.workflows.report.render import make_report
    from pipeline.workflows.status import LATEST

    settings = invocation.places_of(given)
    pii = Pii(given["pii"])
    invocation.warned_of_damaged(settings.reports)
    if given["until"] is not None and given["since"] is None:
        raise click.UsageError("--until needs --since, which begins the period.")
    if given["since"] is not None:
        if given["run_id"] or given["output"]:
            raise click.UsageError(
                "--since reports every run of a period in its own folder:"
                " leave out RUN_ID and --output."
            )
        folder, content = report_period(settings, given["since"], given["until"], pii=pii)
        if given["as_json"]:
            show_json(content.to_json())
        else:
            show_line(f"{content.verdict} ({folder.path / 'report.html'})")
        return content.exit_code
    paths, summary, now = make_report(
        given["run_id"] or LATEST, settings, pii=pii, output=given["output"]
    )
    if given["as_json"]:
        show_json({**summary.to_json(), **(now.to_json() if now else {})})
    else:
        for path in paths:
            show_line(str(path))
        if now and (since := since_then(now.changes, now.overall, summary.run_id)):
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
    help="Role in which you sign.",
)
@click.option(
    "--name",
    "planner",
    callback=options.non_empty_name,
    help="Name of the signer.  [default: PIPELINE_PLANNER, or the user's name]",
)
@click.option("--note", help="Remark next to the name; required if the page shows reservations.")
@click.option(
    "--evidence",
    metavar="DIGEST",
    help="Sign only if the digest begins with this; the page that you read shows it.",
)
@inputs_at
@options.places
def sign(**given: Any) -> int:
    """Sign off a run with your name.

    A reviewer signs the result, an approver signs the plan. Verifies the run first and refuses to
    sign if it is wrong (exit 7). A sign-off is stale as soon as anything that it covers changes.
    """
    from pipeline.workflows.report.sign_off import sign

    settings = invocation.places_of(given)
    wanted = {name: given[name] for name in ("evidence", "note", "inputs_at")}
    digest, (page, *_) = sign(given["run_id"], given["role"], settings, **wanted)
    show_line(f"signed by {settings.planner} as {given['role']}, for the evidence {digest}")
    show_line(f"report: {page}")
    return 0


@click.command()
@click.argument("run_id")
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    help="File for the archive.  [default: REPORTS/RUN_ID.evidence.zip]",
)
@click.option(
    "--pii",
    type=click.Choice(["none", "masked"]),
    default="masked",
    show_default=True,
    help="How much personal data to show; masked: shapes of texts, a token per person.",
)
@click.option(
    "--canary",
    "canaries",
    multiple=True,
    metavar="TEXT",
    help="Fail if the archive contains this text.",
)
@click.option(
    "--allow",
    "allowed",
    multiple=True,
    metavar="TEXT",
    help="Allow this text although a record holds it, such as a town that is also a surname.",
)
@click.option("--replace", is_flag=True, help="Replace an existing archive.")
@options.maker
@options.places
def bundle(**given: Any) -> int:
    """Archive the evidence of a run without names.

    Verifies the run first. Searches the archive for the personal data of the run's records and for
    every --canary. If it finds one, it makes no archive (exit 4). `pipeline verify` checks the
    archive on any machine.
    """
    from pipeline.domain.redaction import Pii
    from pipeline.workflows.bundle.workflow import make_bundle

    settings = invocation.places_of(given)
    wanted = {name: given[name] for name in ("output", "canaries", "allowed", "replace")}
    invocation.warned_of_damaged(settings.reports)
    path = make_bundle(given["run_id"], settings, pii=Pii(given["pii"]), **wanted)
    show_line(str(path))
    return 0
