"""Evidence: whether what a run says holds, recomputed from its files alone, and whether billing is what the runs meant."""

from pathlib import Path
from typing import Any

import click

from pipeline.cli import options
from pipeline.cli.printing import show_json, show_line, show_reconciliation, show_verdict


@click.command()
@click.argument("run_id")
@options.places
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def verify(**given: Any) -> int:
    """Recompute counts, sums, lines and hashes of a run from its folder and inputs alone; exit 7 where one does not hold.

    RUN_ID may be the path of a run's folder, wherever it was copied to.
    """
    from dataclasses import asdict

    from pipeline.verbs.status import named_run
    from pipeline.verifier import verify

    path = Path(given["run_id"])
    folder = path if path.is_dir() else named_run(options.settings(given).reports, given["run_id"]).path
    found = verify(folder)
    if given["as_json"]:
        show_json({**asdict(found), "holds": found.holds, "exit_code": found.exit_code})
        return found.exit_code
    for check in found.checks:
        show_verdict(holds=check.holds, what=check.what, found=check.found)
    broken = sum(check.holds is False for check in found.checks)
    open_checks = sum(check.holds is None for check in found.checks)
    told = (
        f"{broken} do not hold" if broken else "all that can be recomputed holds" if open_checks else "everything holds"
    )
    show_line(f"{found.run_id}: {found.records} records, {len(found.checks)} checks, {told}")
    return found.exit_code


@click.command()
@click.argument("run_ids", nargs=-1, metavar="[RUN_ID]...")
@click.option("--since", metavar="DAY", help="Every run since this day, such as 2026-11-01, instead of named ones.")
@click.option(
    "--export",
    "exports",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Customers as billing holds them: CSV, Parquet or Excel. Without it each customer is looked up.",
)
@click.option("--sample", type=click.IntRange(min=1), help="Look up so many at random, and say what that lets one say.")
@options.config_file
@options.destination
@options.looking_up
@options.reviewer
@options.places
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def reconcile(**given: Any) -> int:
    """Hold what runs meant (the newest, where none is named) against billing, to the cent; exit 7 when out of balance."""
    from pipeline.cli.progress import watching
    from pipeline.verbs.reconcile import reconcile, runs_to_reconcile

    if given["exports"] and given["sample"]:
        raise click.UsageError("an export is read whole: say --export or --sample, not both")
    runs = runs_to_reconcile(options.settings({"reports": given["reports"]}).reports, given["run_ids"], given["since"])
    config = options.config(given) or options.planned_config(runs[-1])
    settings = options.settings(given, config)
    with options.stoppable() as stopping, watching(quiet=given["as_json"]) as watch:
        if given["exports"]:
            found = reconcile(runs, settings, exports=given["exports"], stopping=stopping, watch=watch)
        else:
            place = options.where(given, None) or runs[-1].read_plan()["destination"]
            with options.target(place, options.planned_naming(runs[-1], given), settings.home) as target:
                found = reconcile(runs, settings, target=target, sample=given["sample"], stopping=stopping, watch=watch)
    if given["as_json"]:
        show_json(found.content)
    else:
        show_reconciliation(found.content)
    return found.exit_code
