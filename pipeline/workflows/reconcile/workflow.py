"""Reconcile: compare our runs and the ledger with billing, and report every difference."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import duckdb
import polars as pl

from pipeline.config import Settings, Target
from pipeline.domain.customer import Environment
from pipeline.domain.reconciliation import Reconciliation
from pipeline.domain.redaction import Pii
from pipeline.errors import OptionRefused
from pipeline.planning.file_checks import parse_expected
from pipeline.reconciling import (
    RECORDS,
    Legacy,
    Terms,
    bridge,
    choose,
    compare,
    count_candidates,
    from_legacy,
    mark_changes,
    to_look_up,
)
from pipeline.reporting import (
    differences_shown,
    read_once,
    reconciliation_tables,
    render_reconciliation,
    shown_as,
)
from pipeline.storage.files import write_bytes
from pipeline.storage.known_customers import References, known_to
from pipeline.storage.ledger import Ledger, LedgerReader
from pipeline.storage.run_folder import RunFolder
from pipeline.storage.workbench import open_workbench, show
from pipeline.storage.xlsx import write_text_book
from pipeline.workflows.input_rows import stage_records
from pipeline.workflows.progress import CLOCK, NOBODY, StopRequest, Watch
from pipeline.workflows.reconcile.actual import BillingSide, blocks, stage_export, stage_lookups
from pipeline.workflows.reconcile.expected import fields_of, stage_our_rows
from pipeline.workflows.reconcile.ledger_queries import (
    agreements,
    load_origins,
    load_outcome_times,
    resolve_doubts,
)
from pipeline.workflows.reconcile.lookups import look_up
from pipeline.workflows.reconcile.result import (
    Compared,
    Identified,
    reconciliation_of,
    write_differences,
)
from pipeline.workflows.reconcile.run_selection import SelectedRuns
from pipeline.workflows.reconcile.workspace import (
    LookupRequest,
    folder_by_export,
    folder_by_lookups,
    request_in,
)
from pipeline.workflows.report.open_items import home_key, naming
from pipeline.workflows.report.render import as_sheet

_FILES = ("differences.csv", "report.html", "report.xlsx")
_MOST_SHOWN = 20_000  #: differences, in the workbook
NO_LEGACY = Legacy()
Read = tuple[str, str, int, int]  #: fate, currency, records, minor units


@dataclass(frozen=True, slots=True)
class ByExport:
    """What billing holds, from files that it exported."""

    files: Sequence[Path]


@dataclass(frozen=True, slots=True)
class ByLookups:
    """What billing holds, from lookups."""

    target: Target  #: the address and the credential
    place: str | None  #: a constant name of billing, if its address changes like a sandbox's
    sample: int | None = None  #: the number of customers to look up; None for all


BillingSource = ByExport | ByLookups


def reconcile(
    selected: SelectedRuns,
    settings: Settings,
    source: BillingSource,
    *,
    legacy: Legacy = NO_LEGACY,
    stopping: StopRequest | None = None,
    watch: Watch = NOBODY,
) -> Reconciliation:
    """Compare these runs with an export of billing, or look up each of their customers.

    Writes a new folder in the reports folder. If lookups were stopped or killed, the same command
    resumes them.

    Args:
        selected: the runs to reconcile
        settings: where runs and ledgers are, and how to make lookups
        source: the export to read, or the lookups to make
        legacy: control totals of the legacy system; the bridge starts from them
        stopping: set to stop the lookups
        watch: shows the progress

    Raises:
        LedgerLocked: if the same reconciliation is running in another process
    """
    environment = selected.runs[0].read_plan().environment
    stop = stopping or StopRequest()
    request = _Request(selected, environment, settings, source, legacy, stop, watch)
    known = known_to(request.home)
    opened = folder_by_export if isinstance(source, ByExport) else folder_by_lookups
    with opened(settings.reports, _lookup_request(request.runs, source)) as (folder, journal):
        content = _content(request, folder, journal, known)
    # The summary marks a finished reconciliation, so its temporary files are deleted before.
    folder.write_json("summary.json", content.to_json())
    folder.seal("reconciliation")
    return content


@dataclass(frozen=True, slots=True)
class _Request:
    """The arguments of `reconcile`, and the environment of its runs."""

    selected: SelectedRuns
    environment: Environment
    settings: Settings
    source: BillingSource
    legacy: Legacy
    stopping: StopRequest
    watch: Watch

    @property
    def runs(self) -> Sequence[RunFolder]:
        return self.selected.runs

    @property
    def home(self) -> Path:
        """The folder with the ledger and the known customers of the environment."""
        return self.settings.home / self.environment.name

    @property
    def sample(self) -> int | None:
        """The number of customers to compare; None for all."""
        return self.source.sample if isinstance(self.source, ByLookups) else None


@dataclass(frozen=True, slots=True)
class _Tables:
    """The folder of a reconciliation, its open tables, and the ledger if there is one."""

    folder: RunFolder
    workbench: duckdb.DuckDBPyConnection
    ledger: LedgerReader | None


def _content(
    request: _Request, folder: RunFolder, journal: BinaryIO | None, known: References | None
) -> Reconciliation:
    """Compare both sides; write the differences and pages; return the content of summary.json."""
    rows_read, side = _both_sides(request, folder)
    has_repeats = stage_records(folder, request.runs)
    with (
        open_workbench(folder.path, references=known.path if known else None) as workbench,
        Ledger.read(request.home) as ledger,
    ):
        tables = _Tables(folder, workbench, ledger)
        show(workbench, "our_rows")
        resolve_doubts(workbench, ledger)
        chosen = choose(workbench, request.sample, seed=folder.run_id)
        if side is None:
            side = _looked_up(request, tables, chosen.count, journal)
        terms = _compare(request, tables, side)
        once = _read_once(workbench, rows_read, once=has_repeats)
        compared = Compared(
            side,
            terms,
            chosen,
            from_legacy(bridge(workbench, once), request.legacy),
            list(agreements(workbench, ledger, request.runs)),
            request.legacy,
            sum(records for _, _, records, _ in rows_read),
        )
        content = reconciliation_of(workbench, compared, _identified(request, folder))
        write_differences(folder, workbench)
        _write_pages(folder, content, request.settings.home)
    return content


def _looked_up(
    request: _Request, tables: _Tables, count: int, journal: BinaryIO | None
) -> BillingSide:
    """Look up the chosen customers, and stage the answers."""
    # Without an export there are lookups, and their folder has a journal.
    assert isinstance(request.source, ByLookups) and journal is not None  # noqa: PT018, S101
    answers = look_up(
        lambda: to_look_up(tables.workbench),
        count,
        journal,
        request.settings,
        request.source.target,
        request.stopping,
        request.watch,
    )
    return stage_lookups(tables.folder, blocks(answers), fields_of(request.runs))


def _compare(request: _Request, tables: _Tables, side: BillingSide) -> Terms:
    """Compare our rows with those of billing; return the terms of the comparison."""
    workbench, ledger = tables.workbench, tables.ledger
    show(workbench, "their_rows")
    show(workbench, "unanswered")
    load_origins(workbench, ledger, {run.run_id for run in request.runs})
    terms = Terms(side.fields, fields_of(request.runs), request.settings.reconcile.tolerances)
    compare(workbench, terms)
    if side.has_times and ledger is not None:
        load_outcome_times(workbench, ledger)
        mark_changes(workbench)
    return terms


def legacy_from(totals: Sequence[str], because: Sequence[str]) -> Legacy:
    """Parse the options --legacy-total and --because; raise OptionRefused if one is wrong.

    Args:
        totals: such as `ZAR=1234567` (minor units), `ZAR=12345.67` or `records=2000`
        because: such as `ZAR=two accounts were written off by hand`
    """
    stated = parse_expected(totals, "--legacy-total")
    if twice := sorted(
        {one.what for one in stated if [other.what for other in stated].count(one.what) > 1}
    ):
        raise OptionRefused([(f"--legacy-total {', '.join(twice)}", "stated more than once")])
    pairs = [
        (code.strip(), text.strip()) for code, _, text in (one.partition("=") for one in because)
    ]
    if wrong := [one for one, pair in zip(because, pairs, strict=True) if not all(pair)]:
        expected = (
            "CODE=TEXT is expected, such as ZAR=two accounts were written off by hand;"
            f" CODE is a currency or {RECORDS} of a legacy total, or residual.ZAR for a residual"
        )
        raise OptionRefused([(f"--because {wrong[0]}", expected)])
    return Legacy({one.what: int(one.value) for one in stated}, dict(pairs))


def _lookup_request(runs: Sequence[RunFolder], source: BillingSource) -> LookupRequest:
    """The identity of a series of lookups: only the same one may resume with its answers."""
    run_ids = tuple(run.run_id for run in runs)
    if isinstance(source, ByExport):
        return LookupRequest(runs=run_ids, sample=None, billing=None)
    target = source.target
    billing = (source.place or target.address.base_url, target.api_key.fingerprint)
    return LookupRequest(runs=run_ids, sample=source.sample, billing=billing)


def _both_sides(request: _Request, folder: RunFolder) -> tuple[list[Read], BillingSide | None]:
    """Stage our side, and in parallel an export of billing if there is one."""
    exports = request.source.files if isinstance(request.source, ByExport) else ()
    with ThreadPoolExecutor(1, "our-rows") as background:
        staging = background.submit(stage_our_rows, folder, request.runs, with_payloads=not exports)
        side = stage_export(folder, exports, request.settings, request.watch) if exports else None
        return staging.result(), side


def _read_once(workbench: duckdb.DuckDBPyConnection, read: list[Read], *, once: bool) -> list[Read]:
    """The records read, each record once: fate, currency, records, minor units."""
    if once:
        show(workbench, "input_rows")
        show(workbench, "current_rows")
        read = read_once(workbench)
    count_candidates(workbench, once=once)
    return read


def _identified(request: _Request, folder: RunFolder) -> Identified:
    return Identified(
        reconciliation_id=folder.run_id,
        selected=request.selected,
        environment=request.environment,
        reviewer=request.settings.planner,
        begun_at=request_in(folder).begun_at,
        finished_at=CLOCK.now().isoformat(timespec="milliseconds"),
        files={name: str(folder.path / name) for name in _FILES},
    )


def _write_pages(folder: RunFolder, content: Reconciliation, home: Path) -> None:
    """Write the page and the workbook, with the first differences, masked."""
    found = (
        pl.scan_csv(folder.path / "differences.csv", infer_schema=False, glob=False)
        .head(_MOST_SHOWN)
        .collect()
    )
    shown = shown_as(
        differences_shown(found, Pii.MASKED, naming(home_key(home), Pii.MASKED))
    ).to_dicts()
    write_bytes(folder.path / "report.html", render_reconciliation(content, shown).encode())
    write_text_book(
        folder.path / "report.xlsx",
        [as_sheet(table) for table in reconciliation_tables(content, shown)],
    )
