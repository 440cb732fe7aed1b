"""Apply a plan: lock, check that nothing changed, preflight, submit, report; and resume a run that was stopped."""

import itertools
import os
import random
import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any

import polars as pl

from pipeline import __version__
from pipeline.billing import Billing, preflight
from pipeline.config import SANDBOX, Settings, Target, stop_at
from pipeline.domain.customer import Environment
from pipeline.domain.fates import SENDING, Action, State, sends
from pipeline.domain.file_expectations import Delivery
from pipeline.domain.responses import (
    AnotherCustomer,
    CertificateRefused,
    CredentialRefused,
    Found,
    Misaddressed,
    NoAnswer,
    RequestRefused,
    Unexpected,
    Unintelligible,
)
from pipeline.errors import NotApproved, ThresholdExceeded
from pipeline.reporting import EarlierRuns, LeftInDoubt, Report, render_unfinished
from pipeline.storage.files import token_key, write_bytes
from pipeline.storage.ledger import HOME_IS_NEW, IN_RUN, OUTCOME_COLUMNS, Ledger, run_lock
from pipeline.storage.run_folder import PAGES, RunFolder
from pipeline.storage.run_search import find_run_folder
from pipeline.submission import Planned, Policy, Stop, submit
from pipeline.workflows.accepting import accepted_by, open_issues, to_apply
from pipeline.workflows.account import CHANGED, Account, check_account, keep_account, kept_account
from pipeline.workflows.connecting import connected
from pipeline.workflows.crosswalk import Crosswalk
from pipeline.workflows.giving_up import GivingUp, give_up_requests, refuse_unless_unsettled
from pipeline.workflows.places import destination_options, place_options
from pipeline.workflows.plan_freshness import refuse_damaged, refuse_stale
from pipeline.workflows.progress import CLOCK, NOBODY, StopRequest, Watch
from pipeline.workflows.rehearsal import rehearsed
from pipeline.workflows.report.sign_off import sign_for_plan
from pipeline.workflows.unfinished import Attempt, attempting
from pipeline.workflows.write_results import write_results

#: Rows that are sent before the others with a live key, unless the job sets another number.
CANARY_WHERE_IT_COUNTS = 3
_CREATED = [State.CREATED.value, State.CREATED_DIFFERENT.value, State.ADOPTED.value]
_READ_AT_ONCE = 50_000  #: creates of a plan
_UNFINISHED = """\
Run {run_id} has begun and has not finished, so every file of this folder is partial.
created.csv holds the customers that were created so far. To finish the run and its results:
{command}
"""
NOTHING_SAID: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class _Sent:
    """The result of sending: why it stopped, the requests of earlier runs, the account, and billing's clock."""

    stop: Stop | None
    earlier: EarlierRuns
    account: Account | None
    billing_ahead: timedelta  #: how far billing's clock is ahead of ours, by the newest answers


def apply_plan(
    run_id: str,
    settings: Settings,
    target: Target,
    *,
    said: Mapping[str, Any] = NOTHING_SAID,
    stopping: StopRequest | None = None,
    watch: Watch = NOBODY,
) -> Report:
    """Do exactly what a plan says, or raise PlanStale, which names what has changed.

    `said`: planning settings that were given again; a value that differs from the plan's makes the plan stale.
    """
    folder = find_run_folder(settings.reports, run_id)
    with (
        attempting(folder.run_id, watch.unfinished) as attempt,
        writing(settings, target.environment, folder.run_id) as ledger,
    ):
        refuse_stale(folder, ledger, settings, target.environment, said)
        refuse_too_many(folder.read_plan(), settings)
        refuse_open_issues(folder, settings)
        # The report names who accepted it, whoever planned it.
        folder.accept(settings.accept, settings.planner, CLOCK.now().isoformat(timespec="seconds"))
        sign_for_plan(folder, "approver", settings.planner)
        return submit_and_report(
            folder, settings, target, ledger, stopping or StopRequest(), watch, attempt
        )


def resume_run(
    run_id: str,
    settings: Settings,
    target: Target,
    *,
    giving_up: GivingUp | None = None,
    stopping: StopRequest | None = None,
    watch: Watch = NOBODY,
) -> Report:
    """Finish a run that was stopped or killed; only report a finished run again.

    `giving_up`: requests of this run to give up first; raise NothingToGiveUp if there is none.
    """
    folder = find_run_folder(settings.reports, run_id)
    with (
        attempting(folder.run_id, watch.unfinished) as attempt,
        writing(settings, target.environment, folder.run_id) as ledger,
    ):
        refuse_damaged(folder, target.environment)
        if ledger.run(folder.run_id) is None:
            plan = folder.read_plan()
            raise NotApproved(
                f"plan {folder.run_id} was never applied, so there is nothing to resume",
                suggests=to_apply(
                    folder.run_id, open_issues(plan["findings"], accepted_by(folder, plan))
                ),
            )
        if giving_up is not None:
            refuse_unless_unsettled(giving_up, ledger, folder.run_id)
        folder.accept(settings.accept, settings.planner, CLOCK.now().isoformat(timespec="seconds"))
        return submit_and_report(
            folder, settings, target, ledger, stopping or StopRequest(), watch, attempt, giving_up
        )


@contextmanager
def writing(settings: Settings, environment: Environment, run_id: str) -> Iterator[Ledger]:
    """Lock the environment and open its ledger for writing; raise OutputRefused where the home's key cannot be used."""
    folder = settings.home / environment.name
    with (
        run_lock(folder, run_id, CLOCK.now().isoformat(timespec="seconds")),
        Ledger.opened(
            folder,
            environment,
            CLOCK.now,
            # The sandbox of this process keeps its customers in the home, so both are lost together.
            reports=None if settings.destination == SANDBOX else settings.reports,
            accepts_new_home=HOME_IS_NEW in settings.accept,
        ) as ledger,
    ):
        token_key(
            settings.home
        )  # the results need it, and nothing may be sent that they cannot be written for
        yield ledger


def submit_and_report(
    folder: RunFolder,
    settings: Settings,
    target: Target,
    ledger: Ledger,
    stopping: StopRequest,
    watch: Watch,
    attempt: Attempt,
    giving_up: GivingUp | None = None,
) -> Report:
    """Send what the plan contains and the ledger does not yet hold, then report; the caller holds the lock.

    If anything fails after the first intent, the run stays unfinished, and another call finishes it.
    """
    folder.remove_unfinished()
    plan = folder.read_plan()
    ledger.begin_run(
        folder.run_id,
        CLOCK.now(),
        sends(plan["actions"]),
        os.getpid(),
        files=_deliveries(plan),
        is_whole=not plan["actions"][Action.DEFER.value],
    )
    attempt.is_begun = True
    _mark_unfinished(folder, settings)
    began = CLOCK.monotonic()
    if giving_up is not None:
        _give_up(giving_up, folder, settings, target, ledger, stopping)
    sent = _submit(folder, settings, target, ledger, stopping, watch, attempt)
    report = _report(folder, settings, ledger, sent, submit_seconds=CLOCK.monotonic() - began)
    folder.end()
    return report


def _mark_unfinished(folder: RunFolder, settings: Settings) -> None:
    """Mark the folder and its page as partial, with the command that finishes them."""
    plan, places = folder.read_plan(), place_options(settings.home, settings.reports)
    command = shlex.join(["pipeline", "resume", folder.run_id, *places, *destination_options(plan)])
    folder.begin(_UNFINISHED.format(run_id=folder.run_id, command=command))
    page = render_unfinished(folder.run_id, plan["environment"], __version__, command)
    write_bytes(folder.path / PAGES[0], page.encode())


def _submit(
    folder: RunFolder,
    settings: Settings,
    target: Target,
    ledger: Ledger,
    stopping: StopRequest,
    watch: Watch,
    attempt: Attempt,
) -> _Sent:
    """Create what is left of the plan, settle what earlier runs left, and record in the ledger how it ended."""
    status, settled_for_others, account, ahead = "stopped", 0, None, None
    try:
        settled = pl.concat([_settled([]), *map(_settled, ledger.settled_by(folder.run_id))])
        crosswalk = Crosswalk(folder, settled)
        done, given_up = settled.select("external_reference"), _given_up(folder, ledger)
        attempt.has_sent = done.height > 0
        earlier = [left.external_reference for left in _left_by_earlier_runs(ledger, folder.run_id)]
        has_work = bool(earlier) or next(_planned_creates(folder, done, given_up), None) is not None
        if has_work and not stopping.event.is_set():
            with connected(settings, target) as billing:
                _preflight(billing, stopping)
                if not stopping.event.is_set() and settings.destination != SANDBOX:
                    account = _check_account(folder, settings, target, ledger, billing, stopping)
                ledger, make = rehearsed(ledger, billing.make, target)
                settled_for_others = submit(
                    _planned_creates(folder, done, given_up),
                    sends(folder.read_plan()["actions"]),
                    passed_over=settled.height,
                    has_created=settled["state"].is_in(_CREATED).any(),
                    run_id=folder.run_id,
                    environment=target.environment,
                    ledger=ledger,
                    make=attempt.noting(make),
                    credential=target.api_key.fingerprint,
                    policy=_policy(settings, target),
                    clock=replace(CLOCK, billing_ahead=billing.ahead),
                    dice=random.random,
                    stopping=stopping,
                    earlier=earlier,
                    on_progress=watch.submitting,
                    on_recorded=crosswalk.add,
                ).earlier
                ahead = billing.ahead()
        stop = stopping.stop
        status = _status(stop)
    finally:
        ledger.end_run(folder.run_id, CLOCK.now(), status)
    left = tuple(_left_by_earlier_runs(ledger, folder.run_id))
    return _Sent(
        stop, EarlierRuns(settled_for_others, left, ledger.others), account, ahead or timedelta()
    )


def _give_up(
    wanted: GivingUp,
    folder: RunFolder,
    settings: Settings,
    target: Target,
    ledger: Ledger,
    stopping: StopRequest,
) -> None:
    with connected(settings, target) as billing:
        _preflight(billing, stopping)
        if not stopping.event.is_set() and settings.destination != SANDBOX:
            _check_account(folder, settings, target, ledger, billing, stopping)
        if not stopping.event.is_set():
            clock = replace(CLOCK, billing_ahead=billing.ahead)
            give_up_requests(
                wanted,
                ledger,
                billing,
                clock,
                stopping,
                lookup_lag=settings.seconds_of_lag,
                by=settings.planner,
            )


def _check_account(
    folder: RunFolder,
    settings: Settings,
    target: Target,
    ledger: Ledger,
    billing: Billing,
    stopping: StopRequest,
) -> Account:
    account, stop = check_account(
        ledger,
        settings.home / target.environment.name,
        target.api_key.fingerprint,
        billing.make,
        is_accepted=CHANGED in {*accepted_by(folder, folder.read_plan()), *settings.accept},
        is_here=target.address.is_loopback,
    )
    if stop is not None:
        stopping.ask(stop)
    if account.is_known and (before := kept_account(folder)) is not None:
        return before
    keep_account(folder, account)
    return account


def _left_by_earlier_runs(ledger: Ledger, run_id: str) -> Iterator[LeftInDoubt]:
    """The unsettled requests of other runs."""
    for reference, owner, why in ledger.unsettled_requests():
        if owner != run_id:
            yield LeftInDoubt(reference, owner, why)


def _status(stop: Stop | None) -> str:
    return "finished" if stop is None else "stopped"


def _report(
    folder: RunFolder,
    settings: Settings,
    ledger: Ledger,
    sent: _Sent,
    *,
    submit_seconds: float,
) -> Report:
    """Write the results of a run from the present ledger."""
    if (
        settings.destination != SANDBOX
    ):  # as in `writing`: the sandbox of this process is lost with its home
        write_bytes(folder.path / IN_RUN, ledger.statement())
    folder.stage_blocks("outcomes", _outcomes(ledger, folder))
    return write_results(
        folder,
        settings.home,
        status=_status(sent.stop),
        now=CLOCK.now(),
        stop=sent.stop,
        requests=ledger.requests(folder.run_id),
        submit_seconds=submit_seconds,
        settled=_waits(ledger, folder.run_id, sent.billing_ahead),
        earlier=sent.earlier,
        account=sent.account or kept_account(folder),
    )


def _preflight(billing: Billing, stopping: StopRequest) -> None:
    """Make one lookup before the first intent: it finds a refused key or a wrong address while nothing is in doubt."""
    silence = ""
    for wait in (0.5, 1.0, 2.0, 0.0):
        match billing.make(preflight()):
            case NoAnswer(why=why):
                silence = why
                if stopping.event.wait(wait):
                    return None
            case CredentialRefused(status=status):
                return stopping.ask(
                    Stop(
                        f"billing refuses the API key ({status}); nothing was sent: fix it, then resume"
                    )
                )
            case CertificateRefused():
                return stopping.ask(
                    Stop("billing's certificate does not prove who it is; nothing was sent")
                )
            case Found() | AnotherCustomer():
                return stopping.ask(
                    Stop(
                        "a lookup of a customer that does not exist found one; this is not billing; nothing was sent"
                    )
                )
            case (
                Misaddressed(status=status)
                | Unintelligible(status=status)
                | Unexpected(status=status)
                | RequestRefused(status=status)
            ):
                return stopping.ask(
                    Stop(
                        f"status {status}: this is not the billing API's address; nothing was sent"
                    )
                )
            case _:
                return None
    return stopping.ask(
        Stop(
            f"billing does not answer ({silence}); nothing was sent: resume when it is back",
            exit_code=5,
        )
    )


def refuse_too_many(plan: dict[str, Any], settings: Settings) -> None:
    """Refuse a plan that would create more customers than the job allows."""
    creates = sends(plan["actions"])
    if settings.max_creates is not None and creates > settings.max_creates:
        raise ThresholdExceeded(
            f"THRESHOLD.MAX_CREATES: plan {plan['run_id']} would create {creates:,} customers, and"
            f" thresholds.max_creates allows {settings.max_creates:,}; nothing was sent. Plan a part of it (--limit, --where)"
            " or allow more",
            suggests=("apply", plan["run_id"], "--max-creates", str(creates)),
        )


def refuse_open_issues(folder: RunFolder, settings: Settings) -> None:
    """Refuse a plan with issues that were not accepted; name all of them at once."""
    plan = folder.read_plan()
    found = open_issues(plan["findings"], {*accepted_by(folder, plan), *settings.accept})
    if found:
        lines = [
            *(f"{one['code']}: {one['what']}" for one in found),
            "Nothing was sent. To proceed anyway",
        ]
        raise ThresholdExceeded("\n".join(lines), suggests=to_apply(plan["run_id"], found))


def _deliveries(plan: dict[str, Any]) -> list[Delivery]:
    """The files of a plan, without lists that came back: those are not the supplier's files."""
    return [
        Delivery(
            Path(file["path"]).name,
            file["sha256"],
            file["records"],
            tuple(file["columns"]),
            file["debits"],
            file["credits"],
        )
        for file in plan["inputs"]
        if not file["came_back"]
    ]


def _policy(settings: Settings, target: Target) -> Policy:
    canary = settings.canary
    if canary is None:
        canary = CANARY_WHERE_IT_COUNTS if target.api_key.is_live else 0
    return Policy(
        workers=settings.workers,
        per_second=settings.per_second,
        lookup_lag=settings.seconds_of_lag,
        outage_seconds=settings.outage_seconds,
        usual_refusals=settings.usual_refusals,
        alarming_refusals=settings.alarming_refusals,
        canary=canary,
        stop_at=stop_at(settings.stop_by, CLOCK.now()),
    )


def _settled(rows: Sequence[tuple[str, str, str | None]]) -> pl.DataFrame:
    """What a run has settled, as columns; a list of texts would take five times the memory."""
    return pl.DataFrame(
        rows,
        schema=dict.fromkeys(("external_reference", "state", "billing_id"), pl.String),
        orient="row",
    )


def _planned_creates(
    folder: RunFolder, done: pl.DataFrame, given_up: pl.DataFrame
) -> Iterator[Planned]:
    """The creates of a plan without those that are done or given up, streamed in the order of the input."""
    normalization = folder.read_plan()["normalization"]
    for records, part in folder.planned_parts():
        creates = pl.scan_parquet(part, glob=False).filter(
            pl.col("action").is_in([action.value for action in SENDING])
        )
        left = creates.select("position", "external_reference", "fingerprint").collect()
        left = left.join(done, on="external_reference", how="anti", maintain_order="left")
        left = left.join(given_up, on=given_up.columns, how="anti", maintain_order="left").drop(
            "fingerprint"
        )
        for first in range(0, left.height, _READ_AT_ONCE):
            wanted = left.slice(first, _READ_AT_ONCE)
            span = pl.col("position").is_between(wanted["position"][0], wanted["position"][-1])
            keys = (
                pl.scan_parquet(part, glob=False)
                .filter(span)
                .select("position", "fingerprint", "key")
                .collect()
            )
            payloads = (
                pl.scan_parquet(records, glob=False)
                .filter(span)
                .select("position", "payload")
                .collect()
            )
            rows = wanted.join(keys, on="position", maintain_order="left").join(
                payloads, on="position", maintain_order="left"
            )
            for _, reference, fingerprint, key, payload in rows.iter_rows():
                yield Planned(reference, fingerprint, key, payload.encode(), normalization)


def _waits(ledger: Ledger, run_id: str, billing_ahead: timedelta) -> pl.DataFrame:
    """When each create of a run was begun and settled, both by our clock; the ledger has the beginning by billing's clock."""
    names = {"began_at": pl.String, "settled_at": pl.String}
    blocks = [pl.DataFrame(block, schema=names, orient="row") for block in ledger.waits(run_id)]
    moments = pl.all().str.to_datetime("%Y-%m-%dT%H:%M:%S%.f%#z", time_unit="us")
    waits = pl.concat([pl.DataFrame(schema=names), *blocks]).with_columns(moments)
    return waits.with_columns(pl.col("began_at") - billing_ahead)


def _outcomes(ledger: Ledger, folder: RunFolder) -> Iterator[pl.DataFrame]:
    """The ledger's rows for the references of this plan; customers of other runs do not belong in this folder."""
    schema = {name: pl.Int64 if name == "payable" else pl.String for name in OUTCOME_COLUMNS}
    yield _outcome_table([], schema)
    # What this run finished does not change, even if a later run began the same references again.
    own = {row[0]: row for row in ledger.moved_from(folder.run_id)}
    given_up = set(_given_up(folder, ledger).iter_rows())
    for part in folder.parts("plan"):
        planned = pl.read_parquet(part, columns=["external_reference"], glob=False)[
            "external_reference"
        ].unique()
        rows = [
            own.get(row[0], row) for row in itertools.chain.from_iterable(ledger.outcomes(planned))
        ]
        # A request that was given up after the plan is given up for this run, too, whichever run it belonged to.
        rows = [
            (*row[:2], folder.run_id, *row[3:]) if (row[0], row[3]) in given_up else row
            for row in rows
        ]
        yield _outcome_table(rows, schema)


def _given_up(folder: RunFolder, ledger: Ledger) -> pl.DataFrame:
    """The requests that were given up after the plan of a run: external_reference, fingerprint."""
    found = ledger.given_up_after(folder.read_plan()["ledger_event"])
    return pl.DataFrame(
        found, schema=dict.fromkeys(("external_reference", "fingerprint"), pl.String), orient="row"
    )


def _outcome_table(rows: list[tuple[Any, ...]], schema: Mapping[str, Any]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=schema, orient="row").with_columns(
        pl.col("payable").cast(pl.Boolean)
    )
