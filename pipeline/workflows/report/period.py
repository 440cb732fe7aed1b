"""Report a period: its runs and their files, each record once, and the age of open records."""

import secrets
import shutil
from dataclasses import asdict
from datetime import date, datetime
from typing import Any

from pipeline import __version__
from pipeline.config import Settings
from pipeline.domain.fates import LISTS
from pipeline.domain.redaction import Pii
from pipeline.domain.sign_offs import valid_sign_off
from pipeline.errors import RunNotFound
from pipeline.reporting import (
    ReportContext,
    add_up_once,
    ages,
    period_tables,
    render_period,
    verdict_on_period,
)
from pipeline.storage.files import write_bytes
from pipeline.storage.ledger import Ledger
from pipeline.storage.run_damage import DamagedRun
from pipeline.storage.run_folder import RunFolder
from pipeline.storage.run_search import find_runs
from pipeline.storage.workbench import open_workbench, show
from pipeline.storage.xlsx import write_text_book
from pipeline.workflows.input_rows import stage_fed
from pipeline.workflows.progress import CLOCK
from pipeline.workflows.reconcile.run_selection import day_of
from pipeline.workflows.report.current import current_fates
from pipeline.workflows.report.evidence import Reconciliations, signed_digests
from pipeline.workflows.report.open_items import home_key, naming, oldest
from pipeline.workflows.report.render import as_sheet

_MOST_OPEN = 100  #: rows on the page


def report_period(
    settings: Settings, since: str, until: str | None = None, *, pii: Pii = Pii.MASKED
) -> tuple[RunFolder, dict[str, Any]]:
    """Report every applied run from one day to another (ISO 8601, UTC, both included).

    Writes a new folder. All runs must be of one environment. Open records are those after the last
    of these runs. Their age counts to the end of the period or to today, whichever is earlier.
    """
    first, last = day_of(since), day_of(until) if until is not None else CLOCK.now().date()
    runs, unfinished, damaged = _runs(settings, first, last)
    environment = runs[0].read_plan_of_any_version()["environment"]
    folder = RunFolder.create(
        settings.reports, f"{CLOCK.now():%Y%m%dT%H%M%SZ}-since-{secrets.token_hex(3)}"
    )
    try:
        current = current_fates(runs[-1], settings.home)
        received = stage_fed(folder, runs, current)
        with open_workbench(folder.path) as workbench:
            show(workbench, "fed")
            show(workbench, "followed")
            once = add_up_once(workbench, received, [_read(run) for run in runs])
        items = current.open
        as_of = min(last, CLOCK.now().date()).isoformat()
        reconciliations = Reconciliations.of(settings.reports)
        content = {
            "schema": 1,
            "kind": "period",
            "since": first.isoformat(),
            "until": last.isoformat(),
            "environment": environment,
            "reviewer": settings.planner,
            "version": __version__,
            "finished_at": CLOCK.now().isoformat(timespec="seconds"),
            "runs": [_run_entry(run, reconciliations) for run in runs],
            "not_finished": unfinished,
            "damaged_runs": [asdict(one) for one in (*damaged, *reconciliations.damaged)],
            "files": received,
            "once": once,
            "open": ages(items, as_of),
            "open_as_of": as_of,
            "without_sums": [run.run_id for run in runs if not run.parts("fates")],
        }
        content["exit_code"] = _exit_code(content)
        content["verdict"] = verdict_on_period(content)
        shown = oldest(
            items, datetime.fromisoformat(as_of), naming(home_key(settings.home), pii), _MOST_OPEN
        )
        unread = [str(one) for one in (*damaged, *reconciliations.damaged)]
        context = ReportContext(
            pii=pii, open_items=content["open"], oldest=list(shown), damaged_runs=unread
        )
    except BaseException:
        shutil.rmtree(folder.path)
        raise
    _write(folder, content, context)
    return folder, content


def _write(folder: RunFolder, content: dict[str, Any], context: ReportContext) -> None:
    """Write the page, the workbook and the summary, and seal the folder."""
    write_bytes(folder.path / "report.html", render_period(content, context).encode())
    write_text_book(
        folder.path / "report.xlsx", [as_sheet(table) for table in period_tables(content, context)]
    )
    folder.write_json("summary.json", content)
    shutil.rmtree(folder.staged)
    folder.seal("period")


def _runs(
    settings: Settings, first: date, last: date
) -> tuple[list[RunFolder], list[str], list[DamagedRun]]:
    """The applied runs of a period, its unfinished runs, and those that cannot be read."""
    days = range(int(f"{first:%Y%m%d}"), int(f"{last:%Y%m%d}") + 1)
    found = find_runs(settings.reports, wholly=True)
    in_period = [run for run in found.readable if int(run.run_id[:8]) in days]
    damaged = [run for run in found.damaged if int(run.run_id[:8]) in days]
    applied = [run for run in in_period if run.was_applied and not run.is_unfinished]
    names = sorted({run.read_plan_of_any_version()["environment"]["name"] for run in applied})
    if len(names) != 1:
        fault = (
            f"the runs are of several environments ({', '.join(names)}):"
            " use a separate reports folder for each"
            if names
            else f"no run was applied from {first} to {last}"
        )
        raise RunNotFound(f"{settings.reports}: {fault}")
    with Ledger.read(settings.home / names[0]) as ledger:
        begun = [
            run.run_id
            for run in in_period
            if run not in applied and ledger and ledger.runs.find(run.run_id)
        ]
    return applied, begun, damaged


def _read(run: RunFolder) -> dict[str, Any]:
    """The records and sums that a run read; no sums if its staged rows are gone."""
    summary = run.read_summary()
    debits, credits = summary["read"]["debits"], summary["read"]["credits"]
    sums = {code: debits.get(code, 0) + credits.get(code, 0) for code in {*debits, *credits}}
    return {"records": summary["records"]["read"], "sums": sums if run.parts("fates") else None}


def _run_entry(run: RunFolder, reconciliations: Reconciliations) -> dict[str, Any]:
    summary, against = run.read_summary(), reconciliations.newest(run.run_id)
    lines = run.signatures()
    digests = (
        signed_digests(run, "reviewer", against)
        if any('"reviewer"' in line for line in lines)
        else {}
    )
    reviewed = valid_sign_off(lines, digests, "reviewer")
    return {
        "run_id": run.run_id,
        "planned_at": summary["planned_at"],
        "planner": summary["planner"],
        "read": summary["records"]["read"],
        "created": sum(summary["fates"][fate] for fate in LISTS["created"]),
        "exit_code": summary["exit_code"],
        "reviewed": {"state": reviewed.state, "name": reviewed.name, "at": reviewed.at},
        "against": {name: against[1][name] for name in ("exit_code", "signable", "verdict")}
        if against
        else None,
    }


def _exit_code(content: dict[str, Any]) -> int:
    """7 if a total does not add up or billing differs from a run; 1 if something is left to do."""
    runs: list[dict[str, Any]] = content["runs"]
    reconciled = [run["against"]["exit_code"] for run in runs if run["against"]]
    if (
        not content["once"]["conservation"]["holds"]
        or 7 in reconciled
        or any(run["exit_code"] == 7 for run in runs)
    ):
        return 7
    return int(bool(content["open"] or content["not_finished"] or any(reconciled)))
