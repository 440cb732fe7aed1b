"""The loop that carries out `protocol.decide`: one thread decides and records, a pool of workers makes the calls.

Intents are committed in windows before the first of them is sent; outcomes in groups, because losing one is harmless
(the same key replays it). After an exception some intents may be in doubt, but no sent row is unrecorded.
"""

import contextlib
import math
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from pipeline.billing import Call, Create, Pace
from pipeline.domain.customer import create_key
from pipeline.domain.responses import (
    Accepted,
    Found,
    Limited,
    NoAnswer,
    NotFound,
    Outcome,
    ServerTrouble,
)
from pipeline.errors import LedgerError
from pipeline.storage.ledger import Ledger
from pipeline.submission.circuit_breaker import Evidence, Kind
from pipeline.submission.context import Context, Row
from pipeline.submission.dispatch import Dispatch
from pipeline.submission.earlier import EarlierRequests
from pipeline.submission.endings import Endings
from pipeline.submission.gate import Gate
from pipeline.submission.inputs import (
    Callbacks,
    Clock,
    RunIdentity,
    Runtime,
    StopRequest,
    Tally,
    Work,
)
from pipeline.submission.intake import Intake
from pipeline.submission.outage import Outage
from pipeline.submission.pool import Result, kind_of
from pipeline.submission.protocol import decide, global_pause, is_turned_away
from pipeline.submission.recorder import Recorder
from pipeline.submission.refusals import Refusals
from pipeline.submission.steps import (
    Final,
    LeaveInDoubt,
    LookupNext,
    NextGeneration,
    Policy,
    Progress,
    SendAgain,
    Step,
    Stop,
    TurnedAway,
    Why,
)

HOLD_AFTER = 2.0  #: seconds in which every create fails, after which creates wait for an answer
#: An older call does not leave: its key may have expired.
_LONGEST_IN_QUEUE = timedelta(minutes=30)
_LONGEST_GAP = 300.0  #: seconds; a call and a backoff take less between two events of a ledger
_MOST_AT_ONCE = 256  #: results that are taken between two looks at the other work
_TICK = 0.05  #: seconds; how soon a signal or a due retry is noticed


def submit(
    work: Work,
    *,
    run: RunIdentity,
    ledger: Ledger,
    make: Callable[[Call], Outcome],
    policy: Policy,
    runtime: Runtime,
    stopping: StopRequest,
    callbacks: Callbacks = Callbacks(),  # noqa: B008 - frozen
) -> Tally:
    """Create the planned rows, each once, and finish requests that earlier runs left in doubt.

    Return when no planned row is left, or when `stopping` is set. Requests of earlier runs are tried
    after a create was accepted, in a bounded share of the time, and delay no planned row.
    """
    clock = runtime.clock
    pace, gate = Pace(policy.per_second, clock.monotonic), Gate()
    queued: dict[str, datetime] = {}

    send = _sending(make, pace, gate, queued, clock, policy)
    pool = runtime.make_pool(send, pace, gate, clock.monotonic, stopping.event, policy.workers)
    started = clock.monotonic()
    evidence = Evidence.start(policy, started)
    tally = Tally(work.total, passed_over=work.passed_over)
    context = Context(run, ledger, policy, clock, stopping, tally, evidence, started)
    dispatch = Dispatch(
        context,
        pool,
        not ledger.reader.damage(),
        started - _known_silence(ledger, policy, clock),
        queued,
    )
    loop = _loop(context, dispatch, work, pace, gate, runtime.dice, callbacks)
    try:
        loop.run()
    except BaseException:
        stopping.event.set()
        with contextlib.suppress(LedgerError):
            loop.recorder.commit()
        raise
    finally:
        pool.close()
    return tally


def _sending(
    make: Callable[[Call], Outcome],
    pace: Pace,
    gate: Gate,
    queued: Mapping[str, datetime],
    clock: Clock,
    policy: Policy,
) -> Callable[[Call], Outcome | None]:
    """The function that each worker calls: it makes a call, and pauses all workers if the answer asks for it."""

    def send_and_pause(call: Call) -> Outcome | None:
        if (
            isinstance(call, Create)
            and clock.latest() - queued[call.external_reference] > _LONGEST_IN_QUEUE
        ):
            return None  # the machine was asleep: `_take` hands it out again if its key is young
        outcome = make(call)
        if is_turned_away(outcome):
            gate.shut(kind_of(call))
        elif seconds := global_pause(outcome, policy):
            pace.pause(seconds)
        return outcome

    return send_and_pause


def _loop(
    context: Context,
    dispatch: Dispatch,
    work: Work,
    pace: Pace,
    gate: Gate,
    dice: Callable[[], float],
    callbacks: Callbacks,
) -> "_Loop":
    """The parts of a loop, put together."""
    recorder = Recorder(context, callbacks.on_recorded)
    intake = Intake(
        context, dispatch, recorder, work.planned, context.policy.canary, deque(work.earlier)
    )
    endings = Endings(context, dispatch, intake)
    return _Loop(
        context,
        dispatch,
        recorder,
        intake,
        EarlierRequests(context, dispatch, recorder, intake),
        endings,
        Refusals(context, dispatch, endings, gate, work.has_created),
        Outage(context, dispatch),
        pace,
        dice,
        callbacks.on_progress,
    )


@dataclass(frozen=True, slots=True)
class _Loop:
    context: Context
    dispatch: Dispatch
    recorder: Recorder
    intake: Intake
    earlier: EarlierRequests
    endings: Endings
    refusals: Refusals
    outage: Outage
    pace: Pace
    dice: Callable[[], float]
    on_progress: Callable[[Tally], None]

    def run(self) -> None:
        """Run until every row is final, left in doubt, or withdrawn."""
        intake, outage, stopping = self.intake, self.outage, self.context.stopping
        while True:
            self._judge()
            if stopping.event.is_set():
                break
            intake.take(is_held=bool(outage.held))
            if not intake.has_more or self.refusals.has_accepted_create:
                intake.take_begun_before(is_held=bool(outage.held))
            self.earlier.take(has_accepted=self.refusals.has_accepted_create)
            if not intake.has_more and not intake.begun_before:
                self.refusals.judge_last()
            if intake.is_empty and not self.endings.in_doubt and not self.earlier.has_time():
                break
            if intake.is_empty:
                self.endings.sweep()
            self.dispatch.release_due()
            outage.send_probe()
            self._collect(_TICK)
            self.recorder.commit_if_due()
            self.on_progress(self.context.tally)
        self._wind_down()
        self.recorder.commit()
        self.on_progress(self.context.tally)

    # -- answers ---------------------------------------------------------------------------------

    def _collect(self, timeout: float) -> None:
        """Take the results that are there; wait for the first."""
        pool = self.dispatch.pool
        result = pool.next_result(timeout)
        for _ in range(_MOST_AT_ONCE):
            if result is None:
                return
            self._take(result)
            result = pool.next_result(0)
        if result is not None:
            self._take(result)

    def _take(self, result: Result) -> None:
        """Record the outcome of a call, and carry out the next step of its row."""
        outcome = result.outcome
        self.dispatch.queued.pop(result.reference, None)
        if isinstance(outcome, BaseException):
            raise outcome
        if outcome is None:
            if not self.context.stopping.event.is_set():
                self.dispatch.hand_out(self.dispatch.rows[result.reference])
            return  # if the run stops, `_wind_down` withdraws the row
        row, now = self.dispatch.rows[result.reference], self.context.clock.monotonic()
        self._learn(row, outcome, now)
        row.is_new = False
        if row.kind is Kind.LOOKUP:
            row.progress = replace(row.progress, since_last_call=result.left_at - row.last_call)
        row.last_call = now
        row.spent += now - result.left_at
        step = decide(row.progress, outcome, self.dice(), row.spent, self.context.policy)
        self.recorder.note(row, outcome, step)
        if not self._is_held(row, outcome, step, now):
            self._obey(row, step)

    def _learn(self, row: Row, outcome: Outcome, now: float) -> None:
        """Draw the conclusions from an answer that concern other rows."""
        self.outage.note_answer(row, now)
        if not isinstance(outcome, NoAnswer | ServerTrouble):
            self.context.evidence.note_answer(row.kind, now)
            if row.kind is Kind.CREATE:
                self.outage.release()
        if isinstance(outcome, Accepted):
            self.refusals.accept(Kind.CREATE)
        elif isinstance(outcome, Found | NotFound):
            self.refusals.accept(Kind.LOOKUP)
        self._pause_all(outcome, now)
        if isinstance(outcome, Limited) and not outcome.replayed:
            self.pace.slow_down()

    def _pause_all(self, outcome: Outcome, now: float) -> None:
        """Pause or stop all workers if an answer asks for it; its own worker has paused them already."""
        context = self.context
        seconds = global_pause(outcome, context.policy)
        if seconds == math.inf:
            stop = decide(Progress(), outcome, 0.0, 0.0, context.policy)
            assert isinstance(stop, Stop)  # noqa: S101 - infinity means that
            context.stopping.ask(stop)
        elif seconds:
            self.pace.pause(seconds)
            if isinstance(outcome, Limited):
                context.evidence.note_pause(now + seconds)

    def _is_held(self, row: Row, outcome: Outcome, step: Step, now: float) -> bool:
        """Whether a create that failed waits for the end of an outage, instead of its next step."""
        is_silent = (
            isinstance(outcome, NoAnswer | ServerTrouble)
            and row.kind is Kind.CREATE
            and self.context.evidence.silence(Kind.CREATE, now) > HOLD_AFTER
        )
        if not is_silent:
            return False
        wait = getattr(outcome, "retry_after", None) or 0.0
        if isinstance(step, SendAgain):
            row.progress = step.progress
        elif wait > self.context.policy.backoff.longest_retry_after:
            row.progress = replace(row.progress, is_in_doubt=True)
        else:
            return False
        self.outage.hold(row, now + wait)
        return True

    # -- steps -----------------------------------------------------------------------------------

    def _obey(self, row: Row, step: Step) -> None:
        """Carry out the step that the protocol decided."""
        match step:
            case Final():
                self.endings.finish(row, step.state)
            case SendAgain() | LookupNext():
                self._continue(row, step)
            case NextGeneration():
                self._raise_generation(row, step.progress)
            case LeaveInDoubt():
                evidence = self.context.evidence
                if step.names_another and (stop := evidence.note_other_customer(row.reference)):
                    self.context.stopping.ask(stop)
                self.endings.leave(row, step)
            case TurnedAway():
                self.refusals.add(row, step)
            case Stop():
                self.context.stopping.ask(step)
                if step.final is not None:
                    self.endings.finish(row, step.final.state)

    def _continue(self, row: Row, step: SendAgain | LookupNext) -> None:
        """Send or look up again, when the step says so."""
        was_old = row.progress.why in {Why.OLD_KEY, Why.OTHER_CREDENTIAL}
        if was_old and step.progress.why is None:
            # Billing does not have the customer, so the life of the key starts with this send.
            row.first_sent = self.context.clock.at_billing()
            row.credential = self.context.run.credential
        row.progress = step.progress
        rests = isinstance(step, LookupNext) and step.rests
        row.spent += 0.0 if rests else max(0.0, step.after - step.pause_all)
        self.dispatch.later(row, step.after, rests=rests)

    def _raise_generation(self, row: Row, progress: Progress) -> None:
        """Record a new intent with the next key of a row, then send it."""
        run, intent = self.context.run, row.intent
        key = create_key(
            run.environment, intent.external_reference, intent.fingerprint, progress.generation
        )
        row.intent = replace(intent, key=key, generation=progress.generation)
        row.progress, row.credential = progress, run.credential
        row.first_sent = self.context.clock.at_billing()
        self.recorder.commit()  # so that events are in chronological order
        self.recorder.record_intents(row.run_id, row.first_sent, [row.intent])
        self.dispatch.hand_out(row)

    # -- stopping --------------------------------------------------------------------------------

    def _judge(self) -> None:
        """Stop the run if its answers so far call for it."""
        context = self.context
        if context.stopping.event.is_set():
            return
        now = context.clock.monotonic()
        verdict = context.evidence.verdict(now, context.clock.now(), self._waiting)
        if verdict is not None:
            context.stopping.ask(verdict)

    def _waiting(self) -> Counter[Kind]:
        """How many rows wait for an answer of each kind; if none does, the outage clock of that kind starts again."""
        expects_none = self.refusals.waiting() | self.dispatch.resting
        many = Counter(
            row.kind
            for reference, row in self.dispatch.rows.items()
            if reference not in expects_none
        )
        for kind in Kind:
            if not many[kind]:
                self.context.evidence.note_rest(kind, self.context.clock.monotonic())
        return many

    def _wind_down(self) -> None:
        """Wait for calls under way and record them; withdraw what never left; the rest stays in doubt.

        Only rows of this run are awaited; the next run looks up rows of earlier runs.
        """
        rows, tally, intake = self.dispatch.rows, self.context.tally, self.intake
        while any(
            not row.is_earlier for row in map(rows.get, self.dispatch.queued) if row is not None
        ):
            self._collect(_TICK)
            self.recorder.commit_if_due()
        for row in rows.values():
            if row.is_new:
                self.recorder.withdraw(row)
            elif not row.is_earlier:
                tally.in_doubt += 1
        tally.in_doubt += len(self.endings.in_doubt)
        tally.in_doubt += len(intake.begun_before) + len(intake.waiting)


def _known_silence(ledger: Ledger, policy: Policy, clock: Clock) -> float:
    """For how many seconds before now no earlier process has sent anything; 0 if the ledger does not show it.

    A send follows an event of the ledger by no more than a pause, a rate limit and a call. The clock that is behind counts.
    """
    last = None if ledger.reader.damage() else ledger.reader.last_event_at()
    if last is None or clock.billing_ahead() is None:
        return 0.0
    since = (min(clock.now(), clock.at_billing()) - last).total_seconds()
    slowest = 2 / policy.per_second if policy.per_second else 0.0
    return max(0.0, since - policy.backoff.longest_retry_after - slowest - _LONGEST_GAP)
