"""`pipeline plan`: read, normalize, validate, stage, match, plan and report. Sends nothing."""

import secrets
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from pipeline import __version__
from pipeline.config import Settings
from pipeline.domain.column_mapping import Layout
from pipeline.domain.customer import Environment
from pipeline.domain.file_expectations import Delivery
from pipeline.domain.outcomes import Action, Alarm, Finding
from pipeline.errors import Interrupted, SourceError
from pipeline.planning import Plan, created_otherwise, find_differing, plan_query
from pipeline.planning.file_checks import (
    Held,
    Rejections,
    find_doubts,
    find_mixed_units,
    hold,
    judge_rejections,
    judge_repeats,
    judge_stream,
    parse_expected,
    stated_in,
)
from pipeline.planning.matching import find_matches
from pipeline.reporting import Report
from pipeline.sources import (
    BATCH_BYTES,
    Declared,
    SourceFile,
    beside,
    came_back,
    in_order,
    read,
    unknown_columns,
)
from pipeline.storage.files import sha256_of_each, token_key
from pipeline.storage.known_customers import References, known_to
from pipeline.storage.ledger import Ledger
from pipeline.storage.memory import memory_ceiling
from pipeline.storage.run_folder import DIFFERING, PLAN_SCHEMA, RunFolder
from pipeline.storage.run_search import all_runs
from pipeline.transforming.mapping import count_absent
from pipeline.transforming.normalize import NORMALIZATION_VERSION, Defaults
from pipeline.transforming.source_totals import ControlTotals, added_up
from pipeline.workflows.background import one_ahead, one_behind
from pipeline.workflows.profile import Profile
from pipeline.workflows.progress import CLOCK, NOBODY, StopRequest, Watch
from pipeline.workflows.report.sign_off import sign_for_plan
from pipeline.workflows.resubmission import Returns
from pipeline.workflows.row_stages import described_layout, judged, layout_of, no_records
from pipeline.workflows.write_plan import write_plan
from pipeline.workflows.write_results import write_results


@dataclass(frozen=True, slots=True)
class PlannedRun:
    """A plan in its run folder, and the report of what it would do."""

    folder: RunFolder
    plan: Plan
    report: Report

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
) -> PlannedRun:
    """Make a plan in a new folder under `settings.reports`. Sends nothing."""
    files = in_order(paths, Declared(**settings.source.model_dump()), settings.mapping)
    folder = RunFolder.create(settings.reports, run_id or new_run_id(paths, settings.reports))
    try:
        with Profile().running() as profile:
            record = _plan(
                folder,
                files,
                settings,
                environment,
                stopping or StopRequest(),
                watch,
                batch_bytes,
                profile,
            )
        folder.write_json("plan.json", record)
    except BaseException:
        shutil.rmtree(folder.path)  # half a plan is useless and holds personal data
        raise
    folder.accept(settings.accept, settings.planner, CLOCK.now().isoformat(timespec="seconds"))
    sign_for_plan(folder, "planner", settings.planner)
    report = write_results(folder, settings.home, status="planned", now=CLOCK.now())
    return PlannedRun(
        folder, Plan({action: record["actions"].get(action.value, 0) for action in Action}), report
    )


def _plan(
    folder: RunFolder,
    files: Sequence[SourceFile],
    settings: Settings,
    environment: Environment,
    stopping: StopRequest,
    watch: Watch,
    batch_bytes: int,
    profile: Profile,
) -> dict[str, Any]:
    defaults = Defaults(settings.region, token_key(settings.home) if settings.wants_tokens else b"")
    expected, returns, rejections = (
        parse_expected(settings.expect),
        Returns(settings.reports, settings.home),
        Rejections(),
    )
    by_file, absent = {file.name: ControlTotals() for file in files}, Counter[str]()

    def counted() -> Iterator[tuple[Layout, pl.DataFrame]]:
        for file, batch in profile.timed("read", read(files, batch_bytes)):
            layout = layout_of(
                settings.mapping, files[0].columns, returns.format_of(file, batch.records)
            )
            records = (
                returns.take(batch.records, files[0].columns, layout)
                if came_back(file)
                else batch.records
            )
            with profile.stage("total", records.height):
                by_file[file.name].add(records, layout)
                absent.update(count_absent(records, layout))
            yield layout, records

    # Three threads: one reads and counts, this one normalizes and validates, one stores.
    with one_behind(partial(_stage_records, folder, profile)) as stage_behind:
        for number, (layout, records) in enumerate(one_ahead(counted()), start=1):
            if stopping.event.is_set():
                raise Interrupted("stopped while planning; nothing was sent")
            customers = judged(records, layout, defaults, profile)
            # Resubmitted rows are exempt, but only those with a proven origin.
            rejections.add(customers.filter(pl.col("origin_run").is_null()))
            stage_behind((number, customers))
            watch.reading(sum(totals.records for totals in by_file.values()))
    totals = added_up(by_file.values())
    _refuse_empty(files, totals.records, settings)
    layout = layout_of(settings.mapping, files[0].columns)
    if not totals.records:
        folder.stage_records(0, judged(no_records(files[0].columns), layout, defaults))
    profile.stages["read"]["rows"] = totals.records
    known = known_to(settings.home / environment.name)
    with (
        profile.stage("remember"),
        Ledger.read(settings.home / environment.name, environment) as ledger,
    ):
        folder.stage_blocks("history", _history(ledger, folder, totals.records))
        last_event = ledger.last_event() if ledger else 0
        delivered = ledger.deliveries() if ledger else []
    plan, doubts = _decide(folder, settings, environment, known, totals.records, profile)
    arriving = {
        file.name: _delivery(file, by_file[file.name]) for file in files if not came_back(file)
    }
    stated = [
        *hold(expected, records=totals.records, net=totals.net),
        *_stated(files, by_file, settings, layout),
    ]
    findings = [
        *(one if isinstance(one, Finding) else one.finding for one in stated),
        *_unusual(list(arriving.values()), delivered, settings),
        *(finding for file in files for finding in file.findings),
        *judge_rejections(rejections, settings.max_rejected),
        *doubts,
        *returns.findings(),
    ]
    folder.stage("returned.parquet", returns.cells)
    with profile.stage("hash"):
        staged = {
            path.name: digest
            for path, digest in sha256_of_each(sorted(folder.staged.glob("*.parquet"))).items()
        }
    watch.planned()
    return {
        "schema": PLAN_SCHEMA,
        "run_id": folder.run_id,
        "planned_at": CLOCK.now().isoformat(timespec="seconds"),
        "planner": settings.planner,
        "version": __version__,
        "normalization": NORMALIZATION_VERSION,
        "environment": asdict(environment),
        "destination": settings.destination,
        "config": _config(settings),
        "settings": settings.planning,
        "per_second": settings.per_second,
        "max_creates": settings.max_creates,
        "mapping": described_layout(settings.mapping),
        "absent_texts": dict(sorted(absent.items())),
        "references": _references(known),
        "inputs": [_described(file, by_file[file.name], returns) for file in files],
        "findings": [_finding_content(finding) for finding in findings if finding is not None],
        "control_totals": [
            {**asdict(one), "holds": one.holds} for one in stated if isinstance(one, Held)
        ],
        "columns": files[0].columns,
        "columns_not_sent": unknown_columns(files[0].columns, settings.mapping),
        "ledger_event": last_event,
        "read": {
            "records": totals.records,
            "debits": dict(totals.debits),
            "credits": dict(totals.credits),
        },
        "actions": {action.value: count for action, count in plan.rows.items()},
        "staged": staged,
        "profile": profile.stages,
    }


def _stage_records(folder: RunFolder, profile: Profile, numbered: tuple[int, pl.DataFrame]) -> None:
    number, customers = numbered
    with profile.stage("stage", customers.height):
        folder.stage_records(number, customers)


def _decide(
    folder: RunFolder,
    settings: Settings,
    environment: Environment,
    known: References | None,
    rows: int,
    profile: Profile,
) -> tuple[Plan, list[Finding]]:
    """Match and plan the staged records; return the plan and the findings about doubtful ones."""
    with folder.workbench(references=known.path if known else None) as workbench:
        with profile.stage("match", rows):
            find_matches(workbench)
        with profile.stage("plan", rows):
            query = plan_query(
                workbench,
                environment,
                ceiling=memory_ceiling,
                retry_refused=settings.retry_refused,
                same_identity=settings.same_identity,
                limit=settings.limit,
                where=settings.where,
                normalization=NORMALIZATION_VERSION,
            )
            plan = write_plan(workbench, query, folder.parts_to_plan())
        with profile.stage("doubt", rows):
            folder.stage(
                DIFFERING,
                find_differing(workbench, _created_contents(workbench, settings, environment)),
            )
            return plan, [*find_doubts(workbench), *find_mixed_units(workbench, settings.mapping)]


def _created_contents(
    workbench: duckdb.DuckDBPyConnection, settings: Settings, environment: Environment
) -> list[tuple[str, str]]:
    """External reference and payload of the customers that rows are held for, from the ledger."""
    references = created_otherwise(workbench)
    if not references:
        return []
    with Ledger.read(settings.home / environment.name) as ledger:
        return ledger.contents(references) if ledger is not None else []


def _unusual(
    arriving: Sequence[Delivery], delivered: Sequence[Delivery], settings: Settings
) -> list[Finding]:
    if settings.stream is None:
        return judge_repeats(arriving, delivered)
    return judge_stream(settings.stream, arriving, delivered)


def _stated(
    files: Sequence[SourceFile],
    by_file: Mapping[str, ControlTotals],
    settings: Settings,
    layout: Layout,
) -> Iterator[Held | Finding]:
    """Compare the control totals from trailers or separate files with what was read."""
    control = settings.control
    if control is None:
        return
    for file in (file for file in files if not came_back(file)):
        name = control.file_beside(file.path.name)
        where = name or f"the trailer of {file.name}"
        text = "\n".join(file.footer) if name is None else beside(file.path, name)
        if text is None:
            yield Finding(Alarm.TOTAL_NOT_STATED, f"{where}: no such file beside {file.name}")
            continue
        stated = stated_in(text, where, control, layout)
        if isinstance(stated, Finding):
            yield stated
            continue
        totals = by_file[file.name]
        yield from hold(stated, records=totals.records, net=totals.net, sha256=file.sha256)


def _delivery(file: SourceFile, totals: ControlTotals) -> Delivery:
    return Delivery(
        file.path.name,
        file.sha256,
        totals.records,
        tuple(file.columns),
        dict(totals.debits),
        dict(totals.credits),
    )


def _finding_content(finding: Finding) -> dict[str, Any]:
    return {
        "code": finding.alarm.value,
        "stops": not finding.is_warning,
        "what": finding.what,
        "sentence": finding.alarm.sentence,
    }


def _history(ledger: Ledger | None, folder: RunFolder, records: int) -> Iterator[pl.DataFrame]:
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


def _config(settings: Settings) -> dict[str, Any] | None:
    config = settings.config
    if config is None:
        return None
    return {"path": config.path, "sha256": config.sha256, "job": config.job.model_dump(mode="json")}


def _references(known: References | None) -> dict[str, Any] | None:
    return (
        {"version": known.version, "rows": known.rows, "loaded_at": known.loaded_at}
        if known
        else None
    )


def _described(file: SourceFile, totals: ControlTotals, returns: Returns) -> dict[str, Any]:
    return {
        "path": str(file.path),
        "name": file.name,
        "sha256": file.sha256,
        "format": file.format,
        "bytes": file.size,
        "written": file.written,
        "lines": asdict(file.lines),
        "records": totals.records,
        "columns": file.columns,
        "debits": dict(totals.debits),
        "credits": dict(totals.credits),
        "came_back": came_back(file),
        **({"of_workbooks": True} if returns.of_workbooks.get(file.name) else {}),
    }
