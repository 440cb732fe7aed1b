"""Report a period: its runs and their files, each record once, and the age of open records."""

import secrets
import shutil
from collections.abc import Sequence
from datetime import date, datetime

from pipeline import __version__
from pipeline.config import Settings
from pipeline.domain.fates import LISTS
from pipeline.domain.period_report import (
    FileOfPeriod,
    PeriodReport,
    ReconciliationOfRun,
    RecordsOnce,
    ReviewOfRun,
    RunOfPeriod,
)
from pipeline.domain.reconciliation import OUT_OF_BALANCE, DamagedFolder
from pipeline.domain.redaction import Pii
from pipeline.domain.sign_offs import valid_sign_off
from pipeline.errors import RunNotFound
from pipeline.reporting import (
    Current,
    FatesNow,
    ReportContext,
    RunTotals,
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
from pipeline.workflows.input_rows import stage_input_rows
from pipeline.workflows.progress import CLOCK
from pipeline.workflows.reconcile.run_selection import day_of
from pipeline.workflows.report.current import current_fates
from pipeline.workflows.report.evidence import Reconciliations, signed_digests
from pipeline.workflows.report.open_items import home_key, naming, oldest
from pipeline.workflows.report.render import as_sheet

_MOST_OPEN = 100  #: rows on the page


def report_period(
    settings: Settings, since: str, until: str | None = None, *, pii: Pii = Pii.MASKED
) -> tuple[RunFolder, PeriodReport]:
    """Report every applied run from one day to another (ISO 8601, UTC, both included).

    Writes a new folder. All runs must be of one environment. Open records are those after the last
    of these runs. Their age counts to the end of the period or to today, whichever is earlier.
    """
    first, last = day_of(since), day_of(until) if until is not None else CLOCK.now().date()
    runs, unfinished, damaged = _runs(settings, first, last)
    folder = RunFolder.create(
        settings.reports, f"{CLOCK.now():%Y%m%dT%H%M%SZ}-since-{secrets.token_hex(3)}"
    )
    try:
        current = current_fates(runs[-1], settings.home)
        received, once = _records_once(folder, runs, current)
        as_of = min(last, CLOCK.now().date()).isoformat()
        reconciliations = Reconciliations.of(settings.reports)
        unread = [*damaged, *reconciliations.damaged]
        content = _judged(
            PeriodReport(
                since=first.isoformat(),
                until=last.isoformat(),
                environment=runs[0].read_plan_of_any_version().environment,
                reviewer=settings.planner,
                version=__version__,
                finished_at=CLOCK.now().isoformat(timespec="seconds"),
                runs=tuple(_run_entry(run, reconciliations) for run in runs),
                not_finished=tuple(unfinished),
                damaged_runs=tuple(
                    DamagedFolder(run_id=one.run_id, reason=one.reason) for one in unread
                ),
                files=tuple(received),
                once=once,
                open=tuple(ages(current.open, as_of)),
                open_as_of=as_of,
                without_sums=tuple(run.run_id for run in runs if not run.parts("fates")),
                exit_code=0,
                verdict="",
            )
        )
        person = naming(home_key(settings.home), pii)
        oldest_open = oldest(current.open, datetime.fromisoformat(as_of), person, _MOST_OPEN)
        context = ReportContext(
            pii=pii,
            current=FatesNow(open_items=list(content.open), oldest=list(oldest_open)),
            damaged_runs=[str(one) for one in unread],
        )
    except BaseException:
        shutil.rmtree(folder.path)
        raise
    _write(folder, content, context)
    return folder, content


def _records_once(
    folder: RunFolder, runs: Sequence[RunFolder], current: Current
) -> tuple[list[FileOfPeriod], RecordsOnce]:
    """The different files of these runs, and their records, each counted once."""
    received = stage_input_rows(folder, runs, current)
    with open_workbench(folder.path) as workbench:
        show(workbench, "input_rows")
        show(workbench, "current_rows")
        return received, add_up_once(workbench, received, [_read(run) for run in runs])


def _judged(content: PeriodReport) -> PeriodReport:
    """The report with its exit code and its verdict."""
    return content.changed(exit_code=_exit_code(content), verdict=verdict_on_period(content))


def _write(folder: RunFolder, content: PeriodReport, context: ReportContext) -> None:
    """Write the page, the workbook and the summary, and seal the folder."""
    write_bytes(folder.path / "report.html", render_period(content, context).encode())
    write_text_book(
        folder.path / "report.xlsx", [as_sheet(table) for table in period_tables(content, context)]
    )
    folder.write_json("summary.json", content.to_json())
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
    names = sorted({run.read_plan_of_any_version().environment.name for run in applied})
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


def _read(run: RunFolder) -> RunTotals:
    """The records and sums that a run read; no sums if its staged rows are gone."""
    summary = run.read_summary()
    debits, credits = summary.read.debits, summary.read.credits
    sums = {code: debits.get(code, 0) + credits.get(code, 0) for code in {*debits, *credits}}
    return RunTotals(summary.records.read, sums if run.parts("fates") else None)


def _run_entry(run: RunFolder, reconciliations: Reconciliations) -> RunOfPeriod:
    summary, newest = run.read_summary(), reconciliations.newest(run.run_id)
    is_signed = any(one.role == "reviewer" for one in run.signers())
    digests = signed_digests(run, "reviewer", newest) if is_signed else {}
    reviewed = valid_sign_off(run.signatures(), digests, "reviewer")
    against = newest.content if newest else None
    return RunOfPeriod(
        run_id=run.run_id,
        planned_at=summary.planned_at,
        planner=summary.planner,
        read=summary.records.read,
        created=sum(summary.fates[fate] for fate in LISTS["created"]),
        exit_code=summary.exit_code,
        reviewed=ReviewOfRun(state=reviewed.state, name=reviewed.name, at=reviewed.at),
        against=ReconciliationOfRun(
            exit_code=against.exit_code, signable=against.signable, verdict=against.verdict
        )
        if against
        else None,
    )


def _exit_code(content: PeriodReport) -> int:
    """7 if a total does not add up or billing differs from a run; 1 if something is left to do."""
    if (
        not content.once.accounting.holds
        or content.out_of_balance()
        or any(run.exit_code == OUT_OF_BALANCE for run in content.runs)
    ):
        return OUT_OF_BALANCE
    is_open = content.open or content.not_finished
    return int(bool(is_open or any(run.against and run.against.exit_code for run in content.runs)))
