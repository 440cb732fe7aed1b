"""The story of one import: plan it, apply it, or finish what was stopped.

plan    read -> normalize -> validate -> stage -> match -> plan; nothing is sent
apply   exactly that plan: lock, check that nothing moved, submit, report
resume  the same plan again; what the ledger has settled is not sent twice
"""

import itertools
import os
import random
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq

from pipeline import __version__
from pipeline.billing import Billing, LookUp
from pipeline.config import Settings, Target
from pipeline.customer import Environment, payload_expression
from pipeline.errors import Interrupted, NotApproved, PlanStale, SourceError, SubmissionStopped
from pipeline.files import renamed_when_whole, sha256_of
from pipeline.ledger import OUTCOME_COLUMNS, Ledger, run_lock
from pipeline.matching import find_matches
from pipeline.normalizing import Defaults, normalize
from pipeline.outcomes import Action, CertificateRefused, CredentialRefused, Fate, Misaddressed, NoAnswer
from pipeline.planning import Plan, make_plan
from pipeline.reporting import Report
from pipeline.run_folder import RunFolder
from pipeline.sources import BATCH_BYTES, CsvFile, in_order, read, unknown_columns
from pipeline.submission import Clock, Planned, Policy, StopRequest, Tally, submit
from pipeline.totalling import ControlTotals
from pipeline.validating import validate
from pipeline.verbs.results import write_results

__all__ = [
    "PlannedRun",
    "Report",
    "StopRequest",
    "Tally",
    "Watch",
    "apply_plan",
    "plan_import",
    "resume_run",
    "run_import",
]

CLOCK = Clock(lambda: datetime.now(UTC), time.monotonic)


@dataclass(frozen=True, slots=True)
class Watch:
    """Who is told how far things are; by default nobody."""

    reading: Callable[[int], None] = lambda _records: None
    planned: Callable[[], None] = lambda: None
    submitting: Callable[[Tally], None] = lambda _tally: None


@dataclass(frozen=True, slots=True)
class PlannedRun:
    """A plan that stands in its run folder, and the report that shows what it would do."""

    folder: RunFolder
    plan: Plan
    report: Report

    @property
    def run_id(self) -> str:
        """The name under which it is applied."""
        return self.folder.run_id


def plan_import(
    paths: list[Path],
    settings: Settings,
    environment: Environment,
    *,
    stopping: StopRequest | None = None,
    watch: Watch = Watch(),
    batch_bytes: int = BATCH_BYTES,
) -> PlannedRun:
    """Everything up to the plan, and the plan itself, in a new folder under `settings.reports`; nothing is sent."""
    files = in_order(paths)
    folder = RunFolder.create(settings.reports, _new_run_id(files))
    try:
        record = _plan(folder, files, settings, environment, stopping or StopRequest(), watch, batch_bytes)
        folder.write_json("plan.json", record)
    except BaseException:
        shutil.rmtree(folder.path)  # half a plan holds people's data and is good for nothing
        raise
    report = write_results(folder, status="planned", now=CLOCK.now())
    return PlannedRun(folder, Plan({action: record["actions"][action.value] for action in Action}), report)


def apply_plan(
    run_id: str,
    settings: Settings,
    target: Target,
    *,
    stopping: StopRequest | None = None,
    watch: Watch = Watch(),
) -> Report:
    """Do exactly what a plan says, or refuse with PlanStale, naming what has moved."""
    folder = RunFolder.find(settings.reports, run_id)
    with _writing(settings, target.environment, run_id) as ledger:
        _refuse_stale(folder, ledger, target.environment)
        return _submit_and_report(folder, settings, target, ledger, stopping or StopRequest(), watch)


def run_import(
    paths: list[Path],
    settings: Settings,
    target: Target,
    *,
    approve: Callable[[PlannedRun], None],
    stopping: StopRequest | None = None,
    watch: Watch = Watch(),
) -> Report:
    """Plan, ask `approve` (which raises where it does not), then apply, under one lock."""
    stopping = stopping or StopRequest()
    with _writing(settings, target.environment, "a new run") as ledger:
        left_over = _settle_earlier_runs(settings, target, ledger, stopping, watch)
        planned = plan_import(paths, settings, target.environment, stopping=stopping, watch=watch)
        approve(planned)
        return _submit_and_report(planned.folder, settings, target, ledger, stopping, watch, left_over=left_over)


def resume_run(
    run_id: str,
    settings: Settings,
    target: Target,
    *,
    stopping: StopRequest | None = None,
    watch: Watch = Watch(),
) -> Report:
    """Finish a run that was stopped or killed; a run that is finished is only reported again."""
    folder = RunFolder.find(settings.reports, run_id)
    with _writing(settings, target.environment, run_id) as ledger:
        _refuse_damaged(folder, target.environment)
        if ledger.run(run_id) is None:
            raise NotApproved(f"plan {run_id} was never begun, so there is nothing to resume: pipeline apply {run_id}")
        return _submit_and_report(folder, settings, target, ledger, stopping or StopRequest(), watch)


# -- planning ---------------------------------------------------------------------------------------------------------


def _plan(
    folder: RunFolder,
    files: list[CsvFile],
    settings: Settings,
    environment: Environment,
    stopping: StopRequest,
    watch: Watch,
    batch_bytes: int,
) -> dict[str, Any]:
    seconds = _Stopwatch()
    totals = ControlTotals()
    for number, batch in enumerate(read(files, batch_bytes), start=1):
        if stopping.event.is_set():
            raise Interrupted("stopped while planning; nothing was sent")
        totals.add(batch.records)
        folder.stage_records(number, _judged(batch.records, files[0].columns, settings))
        watch.reading(totals.records)
    _refuse_empty(files, totals.records, settings)
    if not totals.records:
        folder.stage_records(0, _judged(_no_records(files[0].columns), files[0].columns, settings))
    seconds.lap("read and validate")
    with Ledger.read(settings.home / environment.name) as ledger:
        folder.stage_blocks("history", _history(ledger))
        last_event = ledger.last_event() if ledger else 0
    with folder.workbench() as workbench:
        find_matches(workbench)
        with renamed_when_whole(folder.staged / "plan.parquet") as path:
            plan = make_plan(workbench, path, environment, retry_refused=settings.retry_refused)
    seconds.lap("match and plan")
    watch.planned()
    return {
        "schema": 1,
        "run_id": folder.run_id,
        "planned_at": CLOCK.now().isoformat(timespec="seconds"),
        "planner": settings.planner,
        "version": __version__,
        "environment": asdict(environment),
        "destination": settings.destination,
        "settings": {"region": settings.region, "retry_refused": settings.retry_refused},
        "inputs": [_described(file) for file in files],
        "columns": files[0].columns,
        "columns_not_sent": unknown_columns(files[0].columns),
        "ledger_event": last_event,
        "read": {"records": totals.records, "debits": dict(totals.debits), "credits": dict(totals.credits)},
        "actions": {action.value: count for action, count in plan.rows.items()},
        "staged": {path.name: sha256_of(path) for path in sorted(folder.staged.glob("*.parquet"))},
        "seconds": seconds.laps,
    }


def _judged(records: pl.DataFrame, columns: list[str], settings: Settings) -> pl.DataFrame:
    """The row-local stages over one batch: every record comes out once, accepted (fate null) or set aside."""
    customers = normalize(records, Defaults(region=settings.region), columns)
    unreadable = pl.col("reason").is_not_null()
    reasons = validate(customers).reasons
    return (
        customers.with_columns(reasons=reasons)
        .with_columns(
            reasons=pl.when(unreadable).then(pl.concat_list("reason")).otherwise("reasons"),
            payload=payload_expression(customers.columns),
        )
        .with_columns(
            fate=pl.when(unreadable)
            .then(pl.lit(Fate.UNREADABLE.value))
            .when(pl.col("reasons").list.len() > 0)
            .then(pl.lit(Fate.INVALID.value))
        )
        .drop("reason", "line")
    )


def _no_records(columns: list[str]) -> pl.DataFrame:
    texts = ["row_id", "reason", "text", *(f"given.{column}" for column in columns)]
    numbers = ["position", "line", "line_count"]
    return pl.DataFrame(schema={**dict.fromkeys(numbers, pl.Int64), **dict.fromkeys(texts, pl.String)})


def _history(ledger: Ledger | None) -> Iterator[pl.DataFrame]:
    schema = dict.fromkeys(("external_reference", "state", "fingerprint", "key"), pl.String)
    yield pl.DataFrame(schema=schema)
    for block in ledger.history() if ledger is not None else ():
        yield pl.DataFrame(block, schema=schema, orient="row")


def _refuse_empty(files: list[CsvFile], records: int, settings: Settings) -> None:
    if headless := [str(file.path) for file in files if file.header is None]:
        raise SourceError(f"{', '.join(headless)}: empty, without even a header")
    if not records and not settings.allow_empty:
        raise SourceError(
            f"{', '.join(str(file.path) for file in files)}: 0 records; if that is right, say --allow-empty"
        )


def _described(file: CsvFile) -> dict[str, Any]:
    return {
        "path": str(file.path),
        "name": file.name,
        "sha256": file.sha256,
        "bytes": file.size,
        "lines": asdict(file.lines),
    }


def _new_run_id(files: list[CsvFile]) -> str:
    stem = "".join(c if c.isascii() and (c.isalnum() or c in "_-") else "-" for c in files[0].path.stem)[:60] or "file"
    return f"{CLOCK.now():%Y%m%dT%H%M%SZ}-{stem}-{secrets.token_hex(3)}"


# -- applying ---------------------------------------------------------------------------------------------------------


@contextmanager
def _writing(settings: Settings, environment: Environment, run_id: str) -> Iterator[Ledger]:
    """The only writer of this environment, with its ledger open."""
    folder = settings.home / environment.name
    with (
        run_lock(folder, run_id, CLOCK.now().isoformat(timespec="seconds")),
        Ledger.opened(folder, environment) as ledger,
    ):
        yield ledger


def _submit_and_report(
    folder: RunFolder,
    settings: Settings,
    target: Target,
    ledger: Ledger,
    stopping: StopRequest,
    watch: Watch,
    *,
    left_over: int = 0,
) -> Report:
    creates = folder.read_json("plan.json")["actions"][Action.CREATE.value]
    began = CLOCK.monotonic()
    ledger.begin_run(folder.run_id, CLOCK.now(), creates, os.getpid())
    status = "stopped"
    try:
        if creates and not stopping.event.is_set():
            with Billing(target.address, target.api_key, workers=settings.workers) as billing:
                _knock(billing, next(_planned_creates(folder)), stopping)
                submit(
                    _planned_creates(folder),
                    creates,
                    run_id=folder.run_id,
                    environment=target.environment,
                    ledger=ledger,
                    make=billing.make,
                    credential=target.api_key.fingerprint,
                    policy=_policy(settings),
                    clock=CLOCK,
                    dice=random.random,
                    stopping=stopping,
                    on_progress=watch.submitting,
                )
        status = "finished" if stopping.stop is None else "stopped"
    finally:
        ledger.end_run(folder.run_id, CLOCK.now(), status)
    folder.stage_blocks("outcomes", _outcomes(ledger, folder))
    return write_results(
        folder,
        status=status,
        now=CLOCK.now(),
        stop=stopping.stop,
        requests=ledger.requests(folder.run_id),
        submit_seconds=CLOCK.monotonic() - began,
        left_over=left_over,
    )


def _settle_earlier_runs(
    settings: Settings, target: Target, ledger: Ledger, stopping: StopRequest, watch: Watch
) -> int:
    """Requests that earlier runs left unsettled come before anything new; each is credited to the run that began it."""
    begun = ledger.begun()
    if not begun:
        return 0
    with Billing(target.address, target.api_key, workers=settings.workers) as billing:
        _knock(billing, Planned(begun[0].intent.external_reference, "", "", begun[0].intent.payload), stopping)
        submit(
            iter(()),
            len(begun),
            run_id=begun[0].run_id,
            environment=target.environment,
            ledger=ledger,
            make=billing.make,
            credential=target.api_key.fingerprint,
            policy=_policy(settings),
            clock=CLOCK,
            dice=random.random,
            stopping=stopping,
            begun=begun,
            on_progress=watch.submitting,
        )
    if stopping.stop is not None:
        kind = Interrupted if stopping.stop.exit_code == Interrupted.exit_code else SubmissionStopped
        raise kind(f"stopped while settling what earlier runs left: {stopping.stop.reason}")
    return len(begun)


def _knock(billing: Billing, first: Planned, stopping: StopRequest) -> None:
    """One look-up before the first intent: a refused key or a wrong address is found out while nothing is in doubt."""
    for wait in (0.5, 1.0, 2.0, 0.0):
        match billing.make(LookUp(first.external_reference, first.payload)):
            case NoAnswer(why=why):
                if stopping.event.wait(wait):
                    break
                silence = why
            case CredentialRefused(status=status):
                raise SubmissionStopped(
                    f"billing refuses the API key ({status}); nothing was sent: mend it, then apply or resume"
                )
            case CertificateRefused():
                raise SubmissionStopped("billing's certificate does not prove who it is; nothing was sent")
            case Misaddressed(status=status):
                raise SubmissionStopped(f"status {status}: this is not the billing API's address; nothing was sent")
            case _:
                return
    else:
        raise Interrupted(f"billing does not answer ({silence}); nothing was sent: apply or resume when it is back")


def _policy(settings: Settings) -> Policy:
    return Policy(workers=settings.workers, per_second=settings.per_second, outage_seconds=settings.outage_seconds)


def _planned_creates(folder: RunFolder) -> Iterator[Planned]:
    """The creates of a plan, streamed in the order of the input."""
    columns = ["action", "external_reference", "fingerprint", "key", "payload"]
    with pq.ParquetFile(folder.staged / "plan.parquet") as plan:
        for batch in plan.iter_batches(batch_size=10_000, columns=columns):
            for action, reference, fingerprint, key, payload in zip(
                *(c.to_pylist() for c in batch.columns), strict=True
            ):
                if action == Action.CREATE.value:
                    yield Planned(reference, fingerprint, key, payload.encode())


def _outcomes(ledger: Ledger, folder: RunFolder) -> Iterator[pl.DataFrame]:
    """The ledger's rows for the references of this plan; other runs' customers have no business in this folder."""
    planned = pl.read_parquet(folder.staged / "plan.parquet", columns=["external_reference"]).unique()
    schema = {name: pl.Int64 if name == "payable" else pl.String for name in OUTCOME_COLUMNS}
    for block in itertools.chain([[]], ledger.outcomes()):
        rows = pl.DataFrame(block, schema=schema, orient="row").with_columns(pl.col("payable").cast(pl.Boolean))
        yield rows.join(planned, on="external_reference", how="semi")


# -- what must not have moved -----------------------------------------------------------------------------------------


def _refuse_stale(folder: RunFolder, ledger: Ledger, environment: Environment) -> None:
    _refuse_damaged(folder, environment)
    if ledger.run(folder.run_id) is not None:
        raise PlanStale(f"plan {folder.run_id} was begun before; to finish it: pipeline resume {folder.run_id}")
    plan = folder.read_json("plan.json")
    moved = [
        f"input {file['path']}"
        for file in plan["inputs"]
        if not Path(file["path"]).is_file() or sha256_of(Path(file["path"])) != file["sha256"]
    ]
    references = set(ledger.moved_since(plan["ledger_event"]))
    if references:
        planned = pl.scan_parquet(folder.staged / "plan.parquet").select("external_reference", "row_id", "fingerprint")
        hit = planned.filter(pl.col("external_reference").is_in(list(references))).collect()["row_id"].to_list()
        if hit:
            moved.append(
                f"the ledger's history of {len(hit)} planned rows ({', '.join(hit[:3])}{' …' if len(hit) > 3 else ''})"
            )
    if moved:
        raise PlanStale(f"plan {folder.run_id} is stale: {' and '.join(moved)} changed since; make a new plan")


def _refuse_damaged(folder: RunFolder, environment: Environment) -> None:
    """A plan is applied as it was made, in the environment that it was made for, or not at all."""
    plan = folder.read_json("plan.json")
    if plan["environment"] != asdict(environment):
        made_for = Environment(**plan["environment"])
        raise PlanStale(f"plan {folder.run_id} was made for {made_for}, not for {environment}; make a new plan")
    changed = [name for name, digest in plan["staged"].items() if not _is_whole(folder.staged / name, digest)]
    if changed:
        raise PlanStale(f"plan {folder.run_id}: {', '.join(changed)} changed or vanished since; make a new plan")


def _is_whole(path: Path, digest: str) -> bool:
    return path.is_file() and sha256_of(path) == digest


class _Stopwatch:
    """Seconds per stage."""

    def __init__(self) -> None:
        self.laps: dict[str, float] = {}
        self._since = CLOCK.monotonic()

    def lap(self, stage: str) -> None:
        """The time since the last lap belongs to `stage`."""
        now = CLOCK.monotonic()
        self.laps[stage] = round(now - self._since, 3)
        self._since = now
