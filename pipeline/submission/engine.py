"""The loop that carries out `protocol.decide`: one thread decides and records, a fixed pool of workers makes the calls.

Intents are committed in windows before the first of them is sent; outcomes in groups, because losing one is harmless
(the same key replays it). After an exception some intents may be unsettled, but no sent row is unrecorded.
"""

import contextlib
import heapq
import itertools
import math
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from pipeline.billing import Call, Create, LookUp, Pace
from pipeline.domain.customer import Environment, create_key
from pipeline.domain.fates import State
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
from pipeline.storage.ledger import Answer, Begun, Intent, Known, Ledger, Withdrawal
from pipeline.submission.circuit_breaker import Evidence, Kind
from pipeline.submission.gate import Gate
from pipeline.submission.pool import Pool, Result, kind_of
from pipeline.submission.protocol import (
    LeaveInDoubt,
    LookUpNext,
    NextGeneration,
    Policy,
    Progress,
    SendAgain,
    Settle,
    Step,
    Stop,
    TurnedAway,
    Why,
    begin,
    decide,
    global_pause,
    is_turned_away,
)
from pipeline.submission.turned_away import Suspicion

WINDOW = 256  #: rows whose intents are made durable together
GROUP_ROWS, GROUP_SECONDS = 256, 0.25  #: outcomes that are committed together
HOLD_AFTER = 2.0  #: seconds in which every create fails, after which creates wait until billing answers again
PROBE_EVERY = 5.0  #: seconds between two creates that test whether billing answers again
_EARLIER_SHARE = 4  #: rows of earlier runs take at most every fourth worker,
_EARLIER_LONGER = (
    0.1  #: and, once this run's rows are done, at most this share of the time that these took,
)
_EARLIER_LEAST = 0.5  #: or this many seconds; if this run has no rows of its own,
_EARLIER_ALONE = 10.0  #: two lookup lags and this many seconds
_LONGEST_IN_QUEUE = timedelta(minutes=30)  #: an older call does not leave: its key may have expired
_LONGEST_GAP = 300.0  #: seconds; a call and a backoff take less between two events of a ledger
_LONG_AGO = datetime.min.replace(tzinfo=UTC)
_TICK = 0.05  #: seconds; how soon a signal or a due retry is noticed


@dataclass(frozen=True, slots=True)
class Planned:
    """A planned create. If the ledger has an unsettled request for its reference with other content, it waits for that."""

    external_reference: str
    fingerprint: str
    key: str
    payload: bytes
    normalization: int | None = None  #: the version of the rules that made the payload


@dataclass(slots=True)
class Tally:
    """The progress of a submission."""

    total: int
    states: Counter[State] = field(default_factory=Counter)
    passed_over: int = 0  #: planned creates that the ledger settles without a request
    in_doubt: int = 0
    earlier: int = 0  #: requests of earlier runs that this one has settled

    @property
    def done(self) -> int:
        """The number of rows that this run has finished."""
        return self.states.total() + self.passed_over + self.in_doubt


class StopRequest:
    """Asks a running submission to stop in an orderly way; the first reason counts."""

    def __init__(self) -> None:
        self.event = threading.Event()
        self.stop: Stop | None = None

    def interrupt(self, signal_name: str) -> None:
        """Stop because of a signal: resumable."""
        self.ask(Stop(f"interrupted ({signal_name}); resume when you are ready", exit_code=5))

    def ask(self, stop: Stop) -> None:
        """Send nothing new from now on; calls under way are awaited and recorded."""
        if self.stop is None:
            self.stop = stop
        self.event.set()


@dataclass(frozen=True, slots=True)
class Clock:
    """Time as an argument: `now` (aware, UTC) for what is recorded, `monotonic` (seconds) for waiting."""

    now: Callable[[], datetime]
    monotonic: Callable[[], float]
    #: How far billing's clock is ahead of ours, by the dates of its answers; keys age by its clock. None: no dates.
    billing_ahead: Callable[[], timedelta | None] = timedelta

    def at_billing(self) -> datetime:
        """Now, by billing's clock; by ours if its answers have no date."""
        return self.now() + (self.billing_ahead() or timedelta())

    def latest(self) -> datetime:
        """Now, by the clock that is ahead, so that no key counts as younger than it is if one of them is wrong."""
        return max(self.now(), self.at_billing())


@dataclass(slots=True)
class _Row:
    intent: Intent
    run_id: str
    progress: Progress
    first_sent: datetime
    credential: str
    spent: (
        float  #: seconds of its calls and its own backoff, without queues and pauses of all workers
    )
    is_new: bool  #: this process wrote its intent and has not sent it, so it can be withdrawn
    touched: float  #: when its last send or lookup ended; monotonic
    is_earlier: bool = False  #: another run began it
    statuses_before: frozenset[int] = frozenset()  #: of its answers in earlier processes
    is_swept: bool = False  #: the end-of-run sweep has taken it up
    is_counted: bool = False  #: it is part of the statistics of refusals

    @property
    def reference(self) -> str:
        return self.intent.external_reference

    @property
    def kind(self) -> Kind:
        """The kind of its present call."""
        return Kind.CREATE if self.progress.why is None else Kind.LOOK_UP


def submit(
    planned: Iterator[Planned],
    total: int,
    *,
    run_id: str,
    environment: Environment,
    ledger: Ledger,
    make: Callable[[Call], Outcome],
    credential: str,
    policy: Policy,
    clock: Clock,
    dice: Callable[[], float],
    stopping: StopRequest,
    earlier: Iterable[str] = (),
    passed_over: int = 0,
    has_created: bool = False,
    on_progress: Callable[[Tally], None] = lambda _: None,
    on_recorded: Callable[[Iterable[Answer | Withdrawal]], None] = lambda _: None,
    pool_of: "Callable[..., Pool] | None" = None,
) -> Tally:
    """Create the planned rows, each once, and settle requests that earlier runs left unsettled.

    Return when no planned row is left, or when `stopping` is set. `earlier`: references whose request another run began and
    did not settle. They are tried after a create was accepted, in a bounded share of the time, and delay no planned row.
    `on_recorded` gets every outcome once the ledger holds it.
    `has_created`: this run has created customers before; then a record that is refused again as before is set aside at once.
    `passed_over` of the `total` were settled by this run before, and are not in `planned`.
    `pool_of` makes a pool that replaces the threads, such as one with simulated time.
    """
    pace, gate = Pace(policy.per_second, clock.monotonic), Gate()
    queued: dict[str, datetime] = {}

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

    pool = (pool_of or Pool)(
        send_and_pause, pace, gate, clock.monotonic, stopping.event, policy.workers
    )
    loop = _Loop(
        run_id, environment, ledger, pool, pace, gate, credential, policy, clock, dice, stopping, Tally(total, passed_over=passed_over), on_progress, on_recorded,
        Evidence.from_now(policy, clock.monotonic()), is_ledger_whole=not ledger.damage(), canaries=policy.canary,
        began=clock.monotonic(), earlier=deque(earlier), has_created=has_created, under_way=queued,
    )  # fmt: skip
    loop.sent_before = loop.began - _known_silence(ledger, policy, clock)
    try:
        loop.run(planned)
    except BaseException:
        stopping.event.set()
        with contextlib.suppress(LedgerError):
            loop.commit()
        raise
    finally:
        pool.close()
    return loop.tally


@dataclass(slots=True)
class _Loop:
    run_id: str
    environment: Environment
    ledger: Ledger
    pool: Pool
    pace: Pace
    gate: Gate
    credential: str
    policy: Policy
    clock: Clock
    dice: Callable[[], float]
    stopping: StopRequest
    tally: Tally
    on_progress: Callable[[Tally], None]
    on_recorded: Callable[[Iterable[Answer | Withdrawal]], None]
    evidence: Evidence
    is_ledger_whole: bool
    canaries: int  #: rows that must still be found as they were sent, before the others are sent
    began: float  #: monotonic
    has_created: bool  #: an earlier attempt at this run has created customers
    earlier: deque[str]  #: references that earlier runs left unsettled, still to be tried
    under_way: dict[
        str, datetime
    ]  #: rows whose call is queued or running in the pool, each with the time when it was queued
    sent_before: float = 0.0  #: no send of an earlier process left after this; monotonic
    rows: dict[str, _Row] = field(default_factory=dict)
    #: Planned, and begun before with the same content; they are sent last.
    begun_here: deque[str] = field(default_factory=deque)
    #: Every reference that was ever in `begun_here`, or taken over from an earlier run.
    own: set[str] = field(default_factory=set)
    #: Planned, and never sent: an earlier request for their reference, with other content, is unsettled.
    waiting: dict[str, Planned] = field(default_factory=dict)
    released: deque[Planned] = field(
        default_factory=deque
    )  #: those of `waiting` whose earlier request is settled now
    timers: list[tuple[float, str]] = field(default_factory=list)
    resting: set[str] = field(default_factory=set)  #: rows that wait out the lookup lag
    entries: dict[str, list[Answer | Withdrawal]] = field(default_factory=dict)
    entries_since: float = 0.0
    doubtful: list[_Row] = field(default_factory=list)
    #: Rows that wait until billing answers creates again, each with the moment from which it may be sent.
    held: deque[tuple[float, _Row]] = field(default_factory=deque)
    probe: str | None = None  #: the held row that tests whether billing answers again
    probe_at: float = 0.0
    suspicion: dict[Kind, Suspicion] = field(
        default_factory=lambda: {kind: Suspicion() for kind in Kind}
    )
    earlier_taken: int = 0  #: rows of earlier runs among `rows`
    earlier_until: float | None = (
        None  #: when the time for these ends; None while own rows are left
    )

    def run(self, planned: Iterator[Planned]) -> None:
        """Run until every row is settled, left in doubt, or withdrawn."""
        more = True
        while True:
            self._judge()
            if self.stopping.event.is_set():
                break
            if more and self._has_room():
                more = self._take_window(planned)
            if self.released and self._has_room():
                self._take_window(self._drain_released())
            if not more or self.suspicion[Kind.CREATE].has_accepted:
                self._go_on_with_own()
            self._take_earlier(may_begin=not more)
            if not more and not self.begun_here:
                self._judge_turned_away()
            if (
                not more
                and not self._own_rows()
                and not self.doubtful
                and not self._earlier_has_time()
            ):
                break
            if not more and not self._own_rows():
                self._sweep()
            self._release_due()
            self._send_probe()
            self._collect(_TICK)
            self._commit_if_due()
            self.on_progress(self.tally)
        self._wind_down()
        self.commit()
        self.on_progress(self.tally)

    def commit(self) -> None:
        """Record the pending entries in the ledger."""
        while self.entries:
            run_id, entries = next(iter(self.entries.items()))
            self.ledger.record(run_id, self.clock.now(), entries)
            del self.entries[run_id]  # what is recorded is not recorded again, whatever fails next
            self.on_recorded(entries)

    def _own_rows(self) -> int:
        return len(self.rows) - self.earlier_taken + len(self.begun_here) + len(self.released)

    def _has_room(self) -> bool:
        if self.held or (self.canaries and len(self.rows) > self.earlier_taken):
            return False
        return len(self.rows) - len(self.resting) < WINDOW

    # -- into the pool --------------------------------------------------------------------------------------------

    def _take_window(self, planned: Iterator[Planned]) -> bool:
        """Record the intents of the next rows, then hand them out; False if the plan has no more rows."""
        drawn = list(itertools.islice(planned, self.canaries or WINDOW))
        if not drawn:
            return False
        window = [row for row in drawn if not self._is_taken_over(row)]
        known = self.ledger.states([row.external_reference for row in window])
        if any(_waits(row, known.get(row.external_reference)) for row in window):
            self.commit()  # so that the ledger says whether the earlier request has been settled meanwhile
            known = self.ledger.states([row.external_reference for row in window])
        if waiting := {
            row.external_reference: row
            for row in window
            if _waits(row, known.get(row.external_reference))
        }:
            self.waiting |= waiting
            self.earlier = deque(
                sorted(self.earlier, key=lambda reference: reference not in self.waiting)
            )
            window = [row for row in window if row.external_reference not in waiting]
        # The ledger decides: what another run has settled since the plan is not sent.
        fresh = [
            row for row in window if _may_begin(row, known.get(row.external_reference), self.run_id)
        ]
        unsettled = [
            row.external_reference
            for row in window
            if _goes_on(row, known.get(row.external_reference))
        ]
        self.tally.passed_over += len(window) - len(fresh) - len(unsettled)
        intents = [
            Intent(
                row.external_reference,
                row.fingerprint,
                row.key,
                row.payload,
                normalization=row.normalization,
            )
            for row in fresh
        ]
        now = self.clock.at_billing()
        self.ledger.record_intents(self.run_id, now, intents, self.credential)
        for intent in intents:
            progress = Progress(is_canary=self.canaries > 0)
            self._take_up(
                _Row(
                    intent,
                    self.run_id,
                    progress,
                    now,
                    self.credential,
                    0.0,
                    is_new=True,
                    touched=self.began,
                )
            )
        self.begun_here += unsettled
        self.own.update(unsettled)
        return True

    def _drain_released(self) -> Iterator[Planned]:
        while self.released:
            yield self.released.popleft()

    def _is_taken_over(self, planned: Planned) -> bool:
        """Whether a planned row is being tried already for an earlier run, with the same content; from now on it is this run's."""
        row = self.rows.get(planned.external_reference)
        if row is None:
            return False
        if row.is_earlier and row.intent.fingerprint == planned.fingerprint:
            row.is_earlier, row.run_id = False, self.run_id
            self.earlier_taken -= 1
            self.own.add(row.reference)
            return True
        return False

    def _go_on_with_own(self) -> None:
        """Take up what this run began before and did not settle: after rows that were never tried, so that it cannot stop them."""
        while self.begun_here and self._has_room():
            references = [
                self.begun_here.popleft() for _ in range(min(WINDOW, len(self.begun_here)))
            ]
            for begun in self.ledger.begun(references):
                self._go_on_with(begun, self.run_id)

    def _take_earlier(self, *, may_begin: bool) -> None:
        """Take up a few rows of earlier runs at a time, in parallel with the new rows, after a create was accepted."""
        if not (self.suspicion[Kind.CREATE].has_accepted or (may_begin and not self._own_rows())):
            return
        places = max(1, self.policy.workers // _EARLIER_SHARE)
        while self.earlier and self.earlier_taken - self._earlier_resting() < places:
            reference = self.earlier.popleft()
            if reference in self.own:
                continue
            self.commit()  # so that the ledger says whether it has been settled meanwhile
            for begun in self.ledger.begun([reference]):
                self.earlier_taken += 1
                self._go_on_with(begun, begun.run_id, is_earlier=True)

    def _earlier_resting(self) -> int:
        return (
            sum(self.rows[reference].is_earlier for reference in self.resting)
            if self.earlier_taken
            else 0
        )

    def _earlier_has_time(self) -> bool:
        """Whether time is left to continue only for rows of earlier runs."""
        if not self.earlier and not self.earlier_taken:
            return False
        now = self.clock.monotonic()
        if self.earlier_until is None:
            took = now - self.began
            alone = 2 * self.policy.lookup_lag + _EARLIER_ALONE
            longer = max(took * _EARLIER_LONGER, _EARLIER_LEAST)
            self.earlier_until = now + (longer if self.tally.done and not self.waiting else alone)
        return now < self.earlier_until

    def _go_on_with(self, begun: Begun, run_id: str, *, is_earlier: bool = False) -> None:
        """Take up a row that an earlier process began."""
        progress = Progress(unsettled=True, generation=begun.intent.generation)
        self._take_up(
            _Row(
                begun.intent,
                run_id,
                progress,
                # Our clock may have been set back since: then an expired key would seem young.
                _LONG_AGO if self.clock.billing_ahead() is None else begun.first_sent,
                begun.credential,
                0.0,
                is_new=False,
                touched=self.sent_before,
                is_earlier=is_earlier,
                statuses_before=begun.statuses,
            )
        )

    def _look_first(self, row: _Row, *, is_ledger_whole: bool) -> Why | None:
        return begin(
            begun_before=row.progress.unsettled,
            age_hours=(self.clock.latest() - row.first_sent).total_seconds() / 3600,
            same_credential=row.credential == self.credential,
            is_ledger_whole=is_ledger_whole,
            policy=self.policy,
        )

    def _take_up(self, row: _Row) -> None:
        """Add a row to this process: hand it out, or look it up first if `begin` requires it."""
        self.rows[row.reference] = row
        if why := self._look_first(row, is_ledger_whole=self.is_ledger_whole):
            row.progress = replace(row.progress, why=why)
            self._rest(row)
        else:
            self._hand_out(row)

    def _hand_out(self, row: _Row) -> None:
        """Hand out the next send or lookup; with an old key or another credential, look up first (rule 2)."""
        if row.progress.why is None and row.progress.unsettled:
            row.progress = replace(row.progress, why=self._look_first(row, is_ledger_whole=True))
            if row.progress.why is not None:
                self._rest(row)
                return
        intent = row.intent
        call: Call = Create(intent.external_reference, intent.key, intent.payload)
        if row.progress.why is not None:
            call = LookUp(intent.external_reference, intent.payload)
        self.under_way[row.reference] = self.clock.latest()
        self.pool.hand_out(row.reference, call)

    def _rest(self, row: _Row) -> None:
        """Look up when the lookup lag after the last call has passed."""
        wait = row.touched + self.policy.lookup_lag - self.clock.monotonic()
        self._later(row, max(0.0, wait), rests=True)

    def _later(self, row: _Row, after: float, *, rests: bool = False) -> None:
        if after <= 0:
            self._hand_out(row)
            return
        if rests:
            self.resting.add(row.reference)
        heapq.heappush(self.timers, (self.clock.monotonic() + after, row.reference))

    def _release_due(self) -> None:
        now = self.clock.monotonic()
        while self.timers and self.timers[0][0] <= now:
            _, reference = heapq.heappop(self.timers)
            self.resting.discard(reference)
            self._hand_out(self.rows[reference])

    # -- out of the pool ------------------------------------------------------------------------------------------

    def _collect(self, timeout: float) -> None:
        result = self.pool.next_result(timeout)
        for _ in range(GROUP_ROWS):
            if result is None:
                return
            self._take(result)
            result = self.pool.next_result(0)
        if result is not None:
            self._take(result)

    def _take(self, result: Result) -> None:
        outcome = result.outcome
        self.under_way.pop(result.reference, None)
        if isinstance(outcome, BaseException):
            raise outcome
        if outcome is None:
            if not self.stopping.event.is_set():
                self._hand_out(self.rows[result.reference])
            return  # if the run stops, `_wind_down` withdraws the row
        row, now = self.rows[result.reference], self.clock.monotonic()
        kind, is_failure = row.kind, isinstance(outcome, NoAnswer | ServerTrouble)
        if self.probe == row.reference:
            self.probe, self.probe_at = None, now + PROBE_EVERY
        if not is_failure:
            self.evidence.hears(kind, now)
            if kind is Kind.CREATE:
                self._release_held()
        if isinstance(outcome, Accepted):
            self._accepted(Kind.CREATE)
        elif isinstance(outcome, Found | NotFound):
            self._accepted(Kind.LOOK_UP)
        self._pause_all(outcome, now)
        if isinstance(outcome, Limited) and not outcome.replayed:
            self.pace.slow_down()
        row.is_new = False
        if kind is Kind.LOOK_UP:
            row.progress = replace(row.progress, since_last_call=result.left_at - row.touched)
        row.touched = now
        row.spent += now - result.left_at
        step = decide(row.progress, outcome, self.dice(), row.spent, self.policy)
        self._note(row, outcome, step)
        is_silent = (
            is_failure
            and kind is Kind.CREATE
            and self.evidence.silence(Kind.CREATE, now) > HOLD_AFTER
        )
        wait = getattr(outcome, "retry_after", None) or 0.0
        if is_silent and (isinstance(step, SendAgain) or wait > self.policy.longest_retry_after):
            row.progress = (
                step.progress
                if isinstance(step, SendAgain)
                else replace(row.progress, unsettled=True)
            )
            self.held.append((now + wait, row))
        else:
            self._obey(row, step)

    def _pause_all(self, outcome: Outcome, now: float) -> None:
        """Pause or stop all workers if an answer asks for it; its own worker has paused them already."""
        seconds = global_pause(outcome, self.policy)
        if seconds == math.inf:
            stop = decide(Progress(), outcome, 0.0, 0.0, self.policy)
            assert isinstance(stop, Stop)  # noqa: S101 - infinity means that
            self.stopping.ask(stop)
        elif seconds:
            self.pace.pause(seconds)
            if isinstance(outcome, Limited):
                self.evidence.paused(now + seconds)

    def _obey(self, row: _Row, step: Step) -> None:
        match step:
            case Settle():
                self._finish(row, step.state)
            case SendAgain() | LookUpNext():
                if (
                    row.progress.why in {Why.OLD_KEY, Why.OTHER_CREDENTIAL}
                    and step.progress.why is None
                ):
                    # Billing does not have the customer, so the life of the key starts with this send.
                    row.first_sent, row.credential = self.clock.at_billing(), self.credential
                row.progress = step.progress
                rests = isinstance(step, LookUpNext) and step.rests
                row.spent += 0.0 if rests else max(0.0, step.after - step.pause_all)
                self._later(row, step.after, rests=rests)
            case NextGeneration():
                self._raise_generation(row, step.progress)
            case LeaveInDoubt():
                if step.names_another and (stop := self.evidence.named_another(row.reference)):
                    self.stopping.ask(stop)
                self._leave(row, step)
            case TurnedAway():
                self._turn_away(row, step)
            case Stop():
                self.stopping.ask(step)
                if step.settle is not None:
                    self._finish(row, step.settle.state)

    # -- during an outage ----------------------------------------------------------------------------------

    def _send_probe(self) -> None:
        """During an outage, send one held create at a time as a probe; it is a send like any other."""
        now = self.clock.monotonic()
        if not self.held or self.probe is not None or now < self.probe_at:
            return
        for _ in range(len(self.held)):
            due, row = self.held.popleft()
            if due <= now:
                self.probe = row.reference
                self._hand_out(row)
                return
            self.held.append((due, row))

    def _release_held(self) -> None:
        now = self.clock.monotonic()
        rows, self.held = self.held, deque()
        for due, row in rows:
            self._later(row, due - now)

    # -- refused before the record was read --------------------------------------------------------------------------------------

    def _turn_away(self, row: _Row, step: TurnedAway) -> None:
        kind = row.kind
        row.progress = step.progress
        if step.status in row.statuses_before and (
            row.is_earlier or self.has_created or self.suspicion[kind].has_accepted
        ):
            # The same refusal as before says nothing about the present run.
            self._set_aside(row)
            if self.suspicion[kind].waiting:
                self.gate.narrow(kind)
            else:
                self.gate.widen(kind)
            return
        self.gate.narrow(kind)
        if stop := self.suspicion[kind].add(row.reference, step.status, step.stop):
            self.stopping.ask(stop)

    def _accepted(self, kind: Kind) -> None:
        if refused := self.suspicion[kind].accepted():
            for reference in refused:
                self._set_aside(self.rows[reference])
            self.gate.widen(kind)

    def _judge_turned_away(self) -> None:
        """Judge the rows that were refused before they were read, when no other row is left to compare them with."""
        waiting = [
            reference for suspicion in self.suspicion.values() for reference in suspicion.waiting
        ]
        if not waiting or any(
            reference not in waiting and not row.is_earlier for reference, row in self.rows.items()
        ):
            return
        for kind, suspicion in self.suspicion.items():
            own = any(not self.rows[reference].is_earlier for reference in suspicion.waiting)
            left, stop = suspicion.nobody_else()
            if stop is not None and own:
                self.stopping.ask(stop)
                return
            for reference in left:
                self._set_aside(self.rows[reference])
            self.gate.widen(kind)

    def _set_aside(self, row: _Row) -> None:
        self._leave(row, LeaveInDoubt(row.progress.last_answer, is_refusal=True, may_be_sent=False))

    def _leave(self, row: _Row, step: LeaveInDoubt) -> None:
        del self.rows[row.reference]
        if row.is_earlier:
            self.earlier_taken -= 1
            return
        if not row.is_counted and (step.is_refusal or row.is_swept):
            self.evidence.saw(refusal=step.is_refusal)
            row.is_counted = True
        if row.is_swept:
            self.tally.in_doubt += 1
        else:
            row.progress = replace(
                row.progress,
                # A create that ends in doubt may have taken effect; a lookup changes nothing.
                unsettled=row.progress.unsettled or row.kind is Kind.CREATE,
                may_be_sent=step.may_be_sent,
                last_answer=row.progress.last_answer or step.why,
            )
            self.doubtful.append(row)

    def _sweep(self) -> None:
        """When nothing else is left: look up each row in doubt, and if nothing is found, send it once more."""
        rows, self.doubtful = self.doubtful, []
        for row in rows:
            before = row.progress
            row.progress = Progress(
                unsettled=before.unsettled,
                why=Why.SWEEP,
                sends=before.sends,
                is_last=True,
                generation=before.generation,
                may_be_sent=before.may_be_sent,
                is_key_old=before.is_key_old,
                last_answer=before.last_answer,
            )
            row.spent, row.is_swept = 0.0, True
            self.rows[row.reference] = row
            self._rest(row)

    def _finish(self, row: _Row, state: State) -> None:
        del self.rows[row.reference]
        if row.is_earlier:
            self.earlier_taken -= 1
            self.tally.earlier += 1
            if (waiting := self.waiting.pop(row.reference, None)) is not None:
                self.released.append(waiting)
            return
        self.tally.states[state] += 1
        if not row.is_counted:
            self.evidence.saw(refusal=state in {State.REFUSED, State.CREATED_DIFFERENT})
        if row.progress.is_canary and state is State.CREATED:
            self.canaries -= 1

    def _raise_generation(self, row: _Row, progress: Progress) -> None:
        intent = row.intent
        key = create_key(
            self.environment, intent.external_reference, intent.fingerprint, progress.generation
        )
        row.intent = replace(intent, key=key, generation=progress.generation)
        row.progress, row.first_sent, row.credential = (
            progress,
            self.clock.at_billing(),
            self.credential,
        )
        self.commit()  # so that events are in chronological order
        self.ledger.record_intents(row.run_id, row.first_sent, [row.intent], self.credential)
        self._hand_out(row)

    # -- the ledger ----------------------------------------------------------------------------------------------

    def _note(self, row: _Row, outcome: Outcome, step: Step) -> None:
        settled = (
            step.settle if isinstance(step, Stop) else step if isinstance(step, Settle) else None
        )
        answer = Answer(
            intent=row.intent,
            state=settled.state if settled else State.UNKNOWN,
            call=row.kind.value,
            outcome=type(outcome).__name__,
            status=getattr(outcome, "status", None),
            replayed=getattr(outcome, "replayed", None),
            billing_id=settled.billing_id if settled else None,
            payable=settled.payable if settled else None,
            detail=settled.detail
            if settled
            else getattr(step, "why", None) or _last_answer(outcome),
            differences=settled.differences if settled else (),
        )
        self._add(row.run_id, answer)

    def _add(self, run_id: str, entry: Answer | Withdrawal) -> None:
        if not self.entries:
            self.entries_since = self.clock.monotonic()
        self.entries.setdefault(run_id, []).append(entry)

    def _commit_if_due(self) -> None:
        if not self.entries:
            return
        old = self.clock.monotonic() - self.entries_since >= GROUP_SECONDS
        if old or sum(map(len, self.entries.values())) >= GROUP_ROWS:
            self.commit()

    # -- stopping -------------------------------------------------------------------------------------------------

    def _judge(self) -> None:
        if self.stopping.event.is_set():
            return
        verdict = self.evidence.verdict(self.clock.monotonic(), self.clock.now(), self._waiting)
        if verdict is not None:
            self.stopping.ask(verdict)

    def _waiting(self) -> Counter[Kind]:
        """How many rows wait for an answer of each kind; if none does, the outage clock of that kind starts again."""
        parked = {
            reference for suspicion in self.suspicion.values() for reference in suspicion.waiting
        }
        expects_none = parked | self.resting
        many = Counter(
            row.kind for reference, row in self.rows.items() if reference not in expects_none
        )
        for kind in Kind:
            if not many[kind]:
                self.evidence.rested(kind, self.clock.monotonic())
        return many

    def _wind_down(self) -> None:
        """Wait for calls under way and record them; withdraw what never left; the rest stays unsettled.

        Only rows of this run are awaited; the next run looks up rows of earlier runs.
        """
        while any(
            not row.is_earlier for row in map(self.rows.get, self.under_way) if row is not None
        ):
            self._collect(_TICK)
            self._commit_if_due()
        for row in self.rows.values():
            if row.is_new:
                self._add(row.run_id, Withdrawal(row.intent))
            elif not row.is_earlier:
                self.tally.in_doubt += 1
        self.tally.in_doubt += len(self.doubtful) + len(self.begun_here) + len(self.waiting)
        self.rows, self.doubtful = {}, []


def _last_answer(outcome: Outcome) -> str | None:
    """The last answer to a record, as a text for the case that it stays in doubt; None if the answer explains nothing."""
    match outcome:
        case NoAnswer(why=why):
            return f"no answer ({why})"
        case Accepted() | Found() | NotFound():
            return None
        case _:
            status = getattr(outcome, "status", None)
            return getattr(outcome, "why", None) or (f"status {status}" if status else None)


def _known_silence(ledger: Ledger, policy: Policy, clock: Clock) -> float:
    """For how many seconds before now no earlier process has sent anything; 0 if the ledger does not show it.

    A send follows an event of the ledger by no more than a pause, a rate limit and a call. The clock that is behind counts.
    """
    last = None if ledger.damage() else ledger.last_event_at()
    if last is None or clock.billing_ahead() is None:
        return 0.0
    since = (min(clock.now(), clock.at_billing()) - last).total_seconds()
    slowest = 2 / policy.per_second if policy.per_second else 0.0
    return max(0.0, since - policy.longest_retry_after - slowest - _LONGEST_GAP)


def _may_begin(row: Planned, known: Known | None, run_id: str) -> bool:
    """Whether a planned create may be begun: the ledger has nothing for its reference that forbids it."""
    match known:
        case None | Known(state=State.WITHDRAWN):
            return True
        case Known(state=State.REFUSED | State.NEVER_CREATED):
            # A refusal or giving up in this run is final; the plan has taken older ones into account.
            return known.fingerprint != row.fingerprint or known.run_id != run_id
        case _:
            return False


def _waits(row: Planned, known: Known | None) -> bool:
    """Whether a request for its reference with other content is unsettled; until that is settled, nothing else is sent for it."""
    return (
        known is not None and known.state is State.UNKNOWN and known.fingerprint != row.fingerprint
    )


def _goes_on(row: Planned, known: Known | None) -> bool:
    """Whether a planned create was begun before with the same content and never settled."""
    return (
        known is not None
        and known.state in {State.UNKNOWN, State.GIVEN_UP}
        and known.fingerprint == row.fingerprint
    )
