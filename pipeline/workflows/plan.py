"""`pipeline plan`: read, normalize, validate, stage, match, plan and report. Sends nothing."""

import secrets
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import duckdb
import polars as pl

from pipeline.config import Settings
from pipeline.domain.column_mapping import Layout
from pipeline.domain.customer import Environment
from pipeline.domain.fates import Action
from pipeline.domain.file_expectations import Delivery
from pipeline.domain.file_issues import Finding
from pipeline.domain.plan_file import PlanFile
from pipeline.errors import Interrupted, SourceError
from pipeline.planning import Plan, created_otherwise, find_differing, plan_query
from pipeline.planning.file_checks import (
    Rejections,
    find_doubts,
    find_mixed_units,
    parse_expected,
)
from pipeline.planning.matching import find_matches
from pipeline.reporting import Report
from pipeline.sources import (
    BATCH_BYTES,
    Declared,
    SourceFile,
    in_order,
    read,
)
from pipeline.storage.files import sha256_of_each, token_key
from pipeline.storage.known_customers import References, known_to
from pipeline.storage.ledger import Ledger, LedgerReader
from pipeline.storage.memory import memory_ceiling
from pipeline.storage.run_folder import DIFFERING, RunFolder
from pipeline.storage.run_search import all_runs
from pipeline.storage.workbench import open_workbench, parts_to_plan
from pipeline.transforming.normalize import NORMALIZATION_VERSION, Defaults
from pipeline.transforming.source_totals import ControlTotals
from pipeline.workflows.background import one_ahead, one_behind
from pipeline.workflows.plan_content import NewPlan, PlanResults, build_plan
from pipeline.workflows.plan_findings import check_files
from pipeline.workflows.plan_inputs import PlanInputs
from pipeline.workflows.profile import Profile
from pipeline.workflows.progress import CLOCK, NOBODY, StopRequest, Watch
from pipeline.workflows.report.sign_off import sign_for_plan
from pipeline.workflows.resubmission import Returns
from pipeline.workflows.row_stages import judged, no_records
from pipeline.workflows.write_plan import write_plan
from pipeline.workflows.write_results import write_results


@dataclass
class PlannedRun:
    """A plan in its run folder, and the report of what it would do."""

    folder: RunFolder
    plan: Plan
    home: Path
    _report: Report | None = None

    @property
    def report(self) -> Report:
        """The report of what the plan would do; the first use writes the results."""
        return self.write_results()

    def write_results(self) -> Report:
        """Write the results of the plan, once.

        A run that sends at once does without: the results are written after sending.
        """
        if self._report is None:
            self._report = write_results(self.folder, self.home, status="planned", now=CLOCK.now())
        return self._report

    @property
    def run_id(self) -> str:
        """The id of the run, which `pipeline apply` takes."""
        return self.folder.run_id


#: A run id this far in the future came from a wrong clock, so new ids do not follow it.
_WRONG_CLOCK = timedelta(days=1)


def new_run_id(paths: list[Path], reports: Path) -> str:
    """A unique id that sorts by time, such as `20261122T060000Z-customers-3f9a1c`.

    Two runs within one second, or after a clock was turned back, get ids a second apart, in their
    order.
    """
    now = CLOCK.now().replace(microsecond=0)
    if before := all_runs(reports):
        newest = datetime.strptime(before[-1].run_id[:16], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        now = max(now, newest + timedelta(seconds=1)) if newest - now < _WRONG_CLOCK else now
    stem = "".join(
        c if c.isascii() and (c.isalnum() or c in "_-") else "-" for c in min(paths).stem
    )[:60]
    return f"{now:%Y%m%dT%H%M%SZ}-{stem or 'file'}-{secrets.token_hex(3)}"


def plan_import(
    paths: list[Path],
    settings: Settings,
    environment: Environment,
    *,
    stopping: StopRequest | None = None,
    watch: Watch = NOBODY,
    batch_bytes: int = BATCH_BYTES,
    run_id: str | None = None,
    writes_results: bool = True,
) -> PlannedRun:
    """Make a plan in a new folder under `settings.reports`. Sends nothing.

    `writes_results`: without its results the plan can be applied all the same; `PlannedRun.report`
    writes them when somebody asks.
    """
    files = in_order(paths, Declared(**settings.source.model_dump()), settings.mapping)
    folder = RunFolder.create(settings.reports, run_id or new_run_id(paths, settings.reports))
    progress = _Progress(stopping or StopRequest(), watch)
    try:
        with Profile().running() as profile:
            new = NewPlan(folder, settings, environment, profile)
            content = _plan(new, files, batch_bytes, progress)
        folder.write_plan(content)
    except BaseException:
        shutil.rmtree(folder.path)  # half a plan is useless and holds personal data
        raise
    folder.accept(settings.accept, settings.planner, CLOCK.now().isoformat(timespec="seconds"))
    sign_for_plan(folder, "planner", settings.planner)
    counts = Plan({action: content.count_of(action) for action in Action})
    planned = PlannedRun(folder, counts, settings.home)
    if writes_results:
        planned.write_results()
    return planned


@dataclass(frozen=True, slots=True)
class _Progress:
    """How the caller stops a plan and follows its progress."""

    stopping: StopRequest
    watch: Watch


def _plan(
    new: NewPlan, files: Sequence[SourceFile], batch_bytes: int, progress: _Progress
) -> PlanFile:
    """Stage the tables of a plan; return the content of `plan.json`."""
    defaults = _defaults(new.settings)
    expected = parse_expected(new.settings.expect)
    inputs = _inputs(files, new.settings)
    batches = inputs.counted(read(files, batch_bytes), new.profile)
    rejections = _stage_rows(new, inputs, batches, defaults, progress)
    _complete_rows(new, inputs, defaults)
    known = known_to(new.ledger_folder)
    ledger = _stage_history(new, inputs.totals.records)
    plan, doubts = _decide(new, known, inputs.totals.records)
    checked = check_files(
        inputs,
        new.settings,
        expected=expected,
        delivered=ledger.deliveries,
        rejections=rejections,
        doubts=doubts,
    )
    new.folder.stage("returned.parquet", inputs.returns.cells)
    staged = _staged_digests(new)
    progress.watch.planned()
    return build_plan(new, inputs, PlanResults(plan, checked, known, ledger.last_event, staged))


def _defaults(settings: Settings) -> Defaults:
    return Defaults(settings.region, token_key(settings.home) if settings.wants_tokens else b"")


def _inputs(files: Sequence[SourceFile], settings: Settings) -> PlanInputs:
    returns = Returns(settings.reports, settings.home)
    return PlanInputs(
        files, settings.mapping, returns, {file.name: ControlTotals() for file in files}
    )


def _stage_rows(
    new: NewPlan,
    inputs: PlanInputs,
    batches: Iterator[tuple[Layout, pl.DataFrame]],
    defaults: Defaults,
    progress: _Progress,
) -> Rejections:
    """Normalize, validate and stage the records, batch by batch; count the rejected ones."""
    rejections = Rejections()
    # Three threads: one reads and counts, this one normalizes and validates, one stores.
    with one_behind(partial(_stage_records, new)) as stage_behind:
        for number, (layout, records) in enumerate(one_ahead(batches), start=1):
            if progress.stopping.event.is_set():
                raise Interrupted("stopped while planning; nothing was sent")
            customers = judged(records, layout, defaults, new.profile)
            # Resubmitted rows are exempt, but only those with a proven origin.
            rejections.add(customers.filter(pl.col("origin_run").is_null()))
            stage_behind((number, customers))
            progress.watch.reading(inputs.records_read())
    return rejections


def _stage_records(new: NewPlan, numbered: tuple[int, pl.DataFrame]) -> None:
    number, customers = numbered
    with new.profile.stage("stage", customers.height):
        new.folder.stage_records(number, customers)


def _complete_rows(new: NewPlan, inputs: PlanInputs, defaults: Defaults) -> None:
    """Refuse files without records, or stage an empty table if `--allow-empty` allows it."""
    records = inputs.totals.records
    _refuse_empty(inputs.files, records, new.settings)
    if not records:
        new.folder.stage_records(0, judged(no_records(inputs.columns), inputs.layout, defaults))
    new.profile.add_rows("read", records)


@dataclass(frozen=True, slots=True)
class _LedgerState:
    """What the ledger held when the plan was made."""

    last_event: int = 0
    deliveries: Sequence[Delivery] = ()


def _stage_history(new: NewPlan, records: int) -> _LedgerState:
    """Stage the ledger's history of the staged records."""
    with (
        new.profile.stage("remember"),
        Ledger.read(new.ledger_folder, new.environment) as ledger,
    ):
        new.folder.stage_blocks("history", _history(ledger, new.folder, records))
        if ledger is None:
            return _LedgerState()
        return _LedgerState(ledger.last_event(), ledger.runs.deliveries())


def _staged_digests(new: NewPlan) -> dict[str, str]:
    """Name of a staged file -> SHA-256."""
    with new.profile.stage("hash"):
        digests = sha256_of_each(sorted(new.folder.staged.glob("*.parquet")))
        return {path.name: digest for path, digest in digests.items()}


def _decide(new: NewPlan, known: References | None, rows: int) -> tuple[Plan, list[Finding]]:
    """Match and plan the staged records; return the plan and the findings about doubtful ones."""
    profile = new.profile
    with open_workbench(new.folder.path, references=known.path if known else None) as workbench:
        with profile.stage("match", rows):
            find_matches(workbench)
        with profile.stage("plan", rows):
            plan = _write_actions(new, workbench)
        with profile.stage("doubt", rows):
            contents = _created_contents(workbench, new)
            new.folder.stage(DIFFERING, find_differing(workbench, contents))
            return plan, [
                *find_doubts(workbench),
                *find_mixed_units(workbench, new.settings.mapping),
            ]


def _write_actions(new: NewPlan, workbench: duckdb.DuckDBPyConnection) -> Plan:
    """Write the planned action of each row."""
    settings = new.settings
    query = plan_query(
        workbench,
        new.environment,
        ceiling=memory_ceiling,
        retry_refused=settings.retry_refused,
        same_identity=settings.same_identity,
        limit=settings.limit,
        where=settings.where,
        normalization=NORMALIZATION_VERSION,
    )
    return write_plan(workbench, query, parts_to_plan(workbench))


def _created_contents(workbench: duckdb.DuckDBPyConnection, new: NewPlan) -> list[tuple[str, str]]:
    """External reference and payload of the customers that rows are held for, from the ledger."""
    references = created_otherwise(workbench)
    if not references:
        return []
    with Ledger.read(new.ledger_folder) as ledger:
        return ledger.contents(references) if ledger is not None else []


def _history(
    ledger: LedgerReader | None, folder: RunFolder, records: int
) -> Iterator[pl.DataFrame]:
    """The ledger's history of the staged records; the whole history if the ledger is small."""
    texts = ("external_reference", "state", "fingerprint", "key")
    schema = {**dict.fromkeys(texts, pl.String), "normalization": pl.Int64}
    yield pl.DataFrame(schema=schema)
    if ledger is None:
        return
    # A customer has at least two events, and one lookup takes about as long as reading two.
    is_small = ledger.last_event() < 4 * records
    for references in [None] if is_small else _accepted_references(folder):
        for block in ledger.history(references):
            yield pl.DataFrame(block, schema=schema, orient="row")


def _accepted_references(folder: RunFolder) -> Iterator[pl.Series]:
    """The external references of the accepted rows, part by part."""
    for part in folder.parts("records"):
        accepted = (
            pl.scan_parquet(part, glob=False)
            .filter(pl.col("fate").is_null())
            .select("external_reference")
        )
        yield accepted.collect()["external_reference"].unique()


def _refuse_empty(files: Sequence[SourceFile], records: int, settings: Settings) -> None:
    if headless := [str(file.path) for file in files if file.header is None]:
        raise SourceError(f"{', '.join(headless)}: empty, not even a header")
    if not records and not settings.allow_empty:
        raise SourceError(
            f"{', '.join(str(file.path) for file in files)}: 0 records;"
            " if that is right, use --allow-empty"
        )
