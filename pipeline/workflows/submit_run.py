"""Send what a plan contains and the ledger does not hold yet, then report."""

import os
import shlex
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from pathlib import Path

from pipeline import __version__
from pipeline.billing import Billing
from pipeline.config import Settings, Target, stop_at
from pipeline.domain.defaults import CANARY_IF_LIVE
from pipeline.domain.fates import Action, State, sends
from pipeline.domain.file_expectations import Delivery
from pipeline.domain.plan_file import PlanFile
from pipeline.domain.summary_parts import Requests
from pipeline.reporting import EarlierRuns, LeftInDoubt, Report, render_unfinished
from pipeline.storage.files import write_bytes
from pipeline.storage.ledger import IN_RUN, Ledger
from pipeline.storage.run_folder import PAGES
from pipeline.submission import (
    Callbacks,
    Policy,
    RefusalRates,
    RunIdentity,
    Runtime,
    Stop,
    Work,
    submit,
)
from pipeline.workflows.account import Account, kept_account
from pipeline.workflows.connecting import connected
from pipeline.workflows.crosswalk import Crosswalk
from pipeline.workflows.giving_up import GivingUp, give_up_requests
from pipeline.workflows.open_run import OpenRun
from pipeline.workflows.places import destination_options, place_options
from pipeline.workflows.planned_creates import final_rows, given_up_requests, planned_creates
from pipeline.workflows.preflight import check_before_sending
from pipeline.workflows.progress import CLOCK
from pipeline.workflows.run_outcomes import create_times, run_outcomes
from pipeline.workflows.write_results import Sending, write_results

_CREATED = [State.CREATED.value, State.CREATED_DIFFERENT.value, State.ADOPTED.value]
_UNFINISHED = """\
Run {run_id} has begun and has not finished, so every file of this folder is partial.
created.csv holds the customers that were created so far. To finish the run and its results:
{command}
"""


@dataclass(frozen=True, slots=True)
class _Sent:
    """The result of sending: why it stopped, the requests of earlier runs, the account, and billing's clock."""

    stop: Stop | None
    earlier: EarlierRuns
    account: Account | None
    billing_ahead: timedelta  #: how far billing's clock is ahead of ours, by the newest answers


def submit_and_report(run: OpenRun, giving_up: GivingUp | None = None) -> Report:
    """Send what the plan contains and the ledger does not yet hold, then report.

    If anything fails after the first intent, the run stays unfinished, and another call finishes it.
    """
    run.folder.remove_unfinished()
    plan = run.folder.read_plan()
    run.ledger.begin_run(
        run.run_id,
        CLOCK.now(),
        sends(plan.actions),
        os.getpid(),
        files=_deliveries(plan),
        is_whole=not plan.count_of(Action.DEFER),
    )
    run.attempt.is_begun = True
    _mark_unfinished(run)
    began = CLOCK.monotonic()
    if giving_up is not None:
        _give_up(run, giving_up)
    sent = _submit(run)
    report = _report(run, sent, submit_seconds=CLOCK.monotonic() - began)
    run.folder.end()
    return report


def _mark_unfinished(run: OpenRun) -> None:
    """Mark the folder and its page as partial, with the command that finishes them."""
    plan = run.folder.read_plan()
    places = place_options(run.settings.home, run.settings.reports)
    command = shlex.join(["pipeline", "resume", run.run_id, *places, *destination_options(plan)])
    run.folder.begin(_UNFINISHED.format(run_id=run.run_id, command=command))
    page = render_unfinished(run.run_id, asdict(plan.environment), __version__, command)
    write_bytes(run.folder.path / PAGES[0], page.encode())


def _give_up(run: OpenRun, wanted: GivingUp) -> None:
    """Give requests of this run up, before anything else is sent."""
    with connected(run.settings, run.target) as billing:
        check_before_sending(run, billing)
        if not run.stopping.event.is_set():
            give_up_requests(
                wanted,
                run.ledger,
                billing,
                replace(CLOCK, billing_ahead=billing.ahead),
                run.stopping,
                lookup_lag=run.settings.seconds_of_lag,
                by=run.settings.planner,
            )


def _submit(run: OpenRun) -> _Sent:
    """Create what is left of the plan, finish what earlier runs left, and record in the ledger how it ended."""
    status, finished_for_others, account, ahead = "stopped", 0, None, None
    folder, ledger = run.folder, run.ledger
    try:
        final = final_rows(ledger, run.run_id)
        crosswalk = Crosswalk(folder, final)
        done, given_up = final.select("external_reference"), given_up_requests(folder, ledger)
        run.attempt.has_sent = done.height > 0
        earlier = [left.external_reference for left in _left_by_earlier_runs(ledger, run.run_id)]
        has_work = bool(earlier) or next(planned_creates(folder, done, given_up), None) is not None
        if has_work and not run.stopping.event.is_set():
            work = Work(
                planned_creates(folder, done, given_up),
                sends(folder.read_plan().actions),
                passed_over=final.height,
                earlier=earlier,
                has_created=bool(final["state"].is_in(_CREATED).any()),
            )
            with connected(run.settings, run.target) as billing:
                account = check_before_sending(run, billing)
                finished_for_others = _send(run, work, billing, crosswalk)
                ahead = billing.ahead()
        stop = run.stopping.stop
        status = _status(stop)
    finally:
        ledger.end_run(run.run_id, CLOCK.now(), status)
    left = tuple(_left_by_earlier_runs(ledger, run.run_id))
    return _Sent(
        stop, EarlierRuns(finished_for_others, left, ledger.others), account, ahead or timedelta()
    )


def _send(run: OpenRun, work: Work, billing: Billing, crosswalk: Crosswalk) -> int:
    """Send the work; the number of requests of earlier runs that became final."""
    target = run.target
    tally = submit(
        work,
        run=RunIdentity(run.run_id, target.environment, target.api_key.fingerprint),
        ledger=run.ledger,
        make=run.attempt.noting(billing.make),
        policy=_policy(run.settings, target),
        runtime=Runtime(replace(CLOCK, billing_ahead=billing.ahead)),
        stopping=run.stopping,
        callbacks=Callbacks(run.watch.submitting, crosswalk.add),
    )
    return tally.earlier


def _left_by_earlier_runs(ledger: Ledger, run_id: str) -> Iterator[LeftInDoubt]:
    """The requests in doubt of other runs."""
    for reference, owner, why in ledger.reader.requests_in_doubt():
        if owner != run_id:
            yield LeftInDoubt(reference, owner, why)


def _status(stop: Stop | None) -> str:
    return "finished" if stop is None else "stopped"


def _report(run: OpenRun, sent: _Sent, *, submit_seconds: float) -> Report:
    """Write the results of a run from the present ledger."""
    folder, ledger = run.folder, run.ledger
    if not run.is_practice:  # as in `writing`: the sandbox of this process is lost with its home
        write_bytes(folder.path / IN_RUN, ledger.statement())
    folder.stage_blocks("outcomes", run_outcomes(ledger, folder))
    sending = Sending(
        stop=sent.stop,
        requests=Requests(**ledger.reader.runs.requests(run.run_id)._asdict()),
        seconds=submit_seconds,
        create_times=create_times(ledger, run.run_id, sent.billing_ahead),
        earlier=sent.earlier,
        account=sent.account or kept_account(folder),
    )
    return write_results(
        folder,
        run.settings.home,
        status=_status(sent.stop),
        now=CLOCK.now(),
        sending=sending,
    )


def _deliveries(plan: PlanFile) -> list[Delivery]:
    """The files of a plan, without lists that came back: those are not the supplier's files."""
    return [
        Delivery(
            Path(file.path).name,
            file.sha256,
            file.records,
            file.columns,
            file.debits,
            file.credits,
        )
        for file in plan.inputs
        if not file.is_resubmission
    ]


def _policy(settings: Settings, target: Target) -> Policy:
    canary = settings.canary
    if canary is None:
        canary = CANARY_IF_LIVE if target.api_key.is_live else 0
    return Policy(
        workers=settings.workers,
        per_second=settings.per_second,
        lookup_lag=settings.seconds_of_lag,
        outage_seconds=settings.outage_seconds,
        refusals=RefusalRates(settings.usual_refusals, settings.alarming_refusals),
        canary=canary,
        stop_at=stop_at(settings.stop_by, CLOCK.now()),
    )
