"""The loop that obeys `deciding.decide`: one thread decides and journals, a fixed pool of workers makes the calls.

Intents are committed in windows before the first of them is sent; outcomes in groups, because losing one is harmless
(the same key replays it). An exception anywhere leaves intents unsettled and never a row unrecorded.
"""

import contextlib
import heapq
import itertools
import math
import queue
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from pipeline.billing import Call, Create, LookUp, Pace
from pipeline.customer import Environment, create_key
from pipeline.errors import LedgerError
from pipeline.ledger import Answer, Begun, Intent, Known, Ledger, Withdrawal
from pipeline.outcomes import Limited, NoAnswer, Outcome, ServerTrouble, State
from pipeline.submission.deciding import (
    LeaveInDoubt,
    LookUpNext,
    NextGeneration,
    Policy,
    Progress,
    SendAgain,
    Settle,
    Step,
    Stop,
    Why,
    begin,
    decide,
    quiet,
)
from pipeline.submission.stopping import Evidence

WINDOW = 256  #: rows whose intents are made durable together
GROUP_ROWS, GROUP_SECONDS = 256, 0.25  #: outcomes that are committed together
HOLD_AFTER = (
    2.0  #: seconds of nothing but failures after which rows wait for billing instead of using up their own budgets
)
PROBE_EVERY = 5.0  #: seconds between two questions to a billing that is silent
_PROBE = ""  #: the reference under which a probe comes back; no customer has it
_TICK = 0.05  #: seconds; how soon a signal or a due retry is noticed


@dataclass(frozen=True, slots=True)
class Planned:
    """A create that the plan wants."""

    external_reference: str
    fingerprint: str
    key: str
    payload: bytes
    normalization: int | None = None  #: the version of the rules that made the payload


@dataclass(slots=True)
class Tally:
    """How far a submission has come."""

    total: int
    states: Counter[State] = field(default_factory=Counter)
    passed_over: int = 0  #: planned creates that the ledger settles without a request
    in_doubt: int = 0

    @property
    def done(self) -> int:
        """Rows that this run is finished with."""
        return self.states.total() + self.passed_over + self.in_doubt


class StopRequest:
    """Asks a running submission to stop in order; the first reason stands."""

    def __init__(self) -> None:
        self.event = threading.Event()
        self.stop: Stop | None = None

    def interrupt(self, signal_name: str) -> None:
        """A signal asks for it: resumable."""
        self.ask(Stop(f"interrupted ({signal_name}); resume when you are ready", exit_code=5))

    def ask(self, stop: Stop) -> None:
        """No new sends from now on; what is in flight is waited for and recorded."""
        if self.stop is None:
            self.stop = stop
        self.event.set()


@dataclass(frozen=True, slots=True)
class Clock:
    """Time as an argument: `now` (aware, UTC) for what is recorded, `monotonic` (seconds) for waiting."""

    now: Callable[[], datetime]
    monotonic: Callable[[], float]
    #: How far billing's clock, as its answers tell it, is ahead of ours: by its clock a key grows old.
    billing_ahead: Callable[[], timedelta] = timedelta

    def at_billing(self) -> datetime:
        """Now, by billing's clock."""
        return self.now() + self.billing_ahead()


@dataclass(slots=True)
class _Row:
    intent: Intent
    run_id: str
    progress: Progress
    first_sent: datetime
    credential: str
    spent: float  #: seconds of its own: from leaving to answer, and its own backoff; not queues, not pauses of the pool
    is_new: bool  #: its intent was written by this process, so that while unsent it can be withdrawn
    is_swept: bool = False  #: the end-of-run sweep has taken it up


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a call that was handed out."""

    reference: str
    outcome: Outcome | BaseException | None  #: None: the call never left
    left_at: float = 0.0


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
    begun: Iterable[Begun] = (),
    passed_over: int = 0,
    on_progress: Callable[[Tally], None] = lambda _: None,
    on_recorded: Callable[[Iterable[Answer | Withdrawal]], None] = lambda _: None,
    pool_of: "Callable[..., Pool] | None" = None,
) -> Tally:
    """Settle the begun rows and create the planned ones, each once; return when nothing is left or `stopping` says so.

    `on_recorded` gets every outcome once the ledger holds it.
    `passed_over` of the `total` were settled by this run before, and are not among the planned ones any more.
    `pool_of` makes another pool of workers than that of threads: one in which time is simulated.
    """
    pace = Pace(policy.per_second, clock.monotonic)

    def make_and_hush(call: Call) -> Outcome:
        outcome = make(call)
        if seconds := quiet(outcome, policy):
            pace.pause(seconds)
        return outcome

    pool = (pool_of or Pool)(make_and_hush, pace, clock.monotonic, stopping.event, policy.workers)
    loop = _Loop(
        run_id, environment, ledger, pool, pace, credential, policy, clock, dice, stopping, Tally(total, passed_over=passed_over), on_progress, on_recorded,
        Evidence(policy, heard_at=clock.monotonic()), is_ledger_whole=not ledger.damage(), canaries=policy.canary,
    )  # fmt: skip
    try:
        loop.run(planned, begun)
    except BaseException:
        stopping.event.set()
        with contextlib.suppress(LedgerError):
            loop.commit()
        raise
    finally:
        pool.close()
    return loop.tally


class Pool:
    """A fixed number of workers that make calls in their turn; daemons, so that none outlives the process."""

    def __init__(
        self,
        make: Callable[[Call], Outcome],
        pace: Pace,
        clock: Callable[[], float],
        stopping: threading.Event,
        workers: int,
    ) -> None:
        self._make = make
        self._clock = clock
        self._pace = pace
        self._stopping = stopping
        self._calls: queue.SimpleQueue[tuple[str, Call] | None] = queue.SimpleQueue()
        self._results: queue.SimpleQueue[Result] = queue.SimpleQueue()
        self._threads = [threading.Thread(target=self._work, name=f"worker-{n}", daemon=True) for n in range(workers)]
        self.in_hand = 0
        for thread in self._threads:
            thread.start()

    def hand_out(self, reference: str, call: Call) -> None:
        """A worker will make this call."""
        self.in_hand += 1
        self._calls.put((reference, call))

    def next_result(self, timeout: float) -> Result | None:
        """The next answer, or None where none comes in time."""
        try:
            result = self._results.get(timeout=timeout) if timeout else self._results.get_nowait()
        except queue.Empty:
            return None
        self.in_hand -= 1
        return result

    def close(self) -> None:
        """Let the workers go; those in a call are left to end with the process."""
        for _ in self._threads:
            self._calls.put(None)

    def _work(self) -> None:
        while (item := self._calls.get()) is not None:
            reference, call = item
            outcome: Outcome | BaseException | None = None
            left_at = 0.0
            try:
                if self._pace.wait(self._stopping):
                    left_at = self._clock()
                    outcome = self._make(call)
            except BaseException as error:  # noqa: BLE001 - told to the deciding thread, which raises it
                outcome = error
            self._results.put(Result(reference, outcome, left_at))


@dataclass(slots=True)
class _Loop:
    run_id: str
    environment: Environment
    ledger: Ledger
    pool: Pool
    pace: Pace
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
    canaries: int  #: rows that must still come back as they were sent before the others go
    rows: dict[str, _Row] = field(default_factory=dict)
    timers: list[tuple[float, str]] = field(default_factory=list)
    entries: dict[str, list[Answer | Withdrawal]] = field(default_factory=dict)
    entries_since: float = 0.0
    doubtful: list[_Row] = field(default_factory=list)
    held: list[_Row] = field(default_factory=list)  #: waiting for billing to be heard again
    probe_at: float = 0.0
    is_probing: bool = False

    def run(self, planned: Iterator[Planned], begun: Iterable[Begun]) -> None:
        """Until every row is settled, left in doubt, or taken back."""
        for row in begun:
            self._go_on_with(row, row.run_id)
        more = True
        while more or self.rows or self.doubtful:
            self._judge()
            if self.stopping.event.is_set():
                break
            if more and len(self.rows) < WINDOW and not (self.canaries and self.rows) and not self.held:
                more = self._take_window(planned)
            if not more and not self.rows:
                self._sweep()
            self._release_due()
            self._probe()
            self._collect(_TICK)
            self._commit_if_due()
            self.on_progress(self.tally)
        self._wind_down()
        self.commit()
        self.on_progress(self.tally)

    def commit(self) -> None:
        """Make what happened durable."""
        while self.entries:
            run_id, entries = next(iter(self.entries.items()))
            self.ledger.record(run_id, self.clock.now(), entries)
            del self.entries[run_id]  # what is recorded is not recorded again, whatever fails next
            self.on_recorded(entries)

    # -- into the pool --------------------------------------------------------------------------------------------

    def _take_window(self, planned: Iterator[Planned]) -> bool:
        """Journal the intents of the next rows, then hand them out; False where the plan has no more."""
        drawn = list(itertools.islice(planned, self.canaries or WINDOW))
        if not drawn:
            return False
        window = [row for row in drawn if row.external_reference not in self.rows]  # those it has begun come first
        known = self.ledger.states([row.external_reference for row in window])
        # The ledger has the last word: what another run has settled since the plan is not sent, whatever the plan says.
        fresh = [row for row in window if _may_begin(row, known.get(row.external_reference), self.run_id)]
        unsettled = [row.external_reference for row in window if _goes_on(row, known.get(row.external_reference))]
        self.tally.passed_over += len(window) - len(fresh) - len(unsettled)
        intents = [
            Intent(row.external_reference, row.fingerprint, row.key, row.payload, normalization=row.normalization)
            for row in fresh
        ]
        now = self.clock.at_billing()
        self.ledger.record_intents(self.run_id, now, intents, self.credential)
        for intent in intents:
            progress = Progress(is_canary=self.canaries > 0)
            self._take_up(_Row(intent, self.run_id, progress, now, self.credential, 0.0, is_new=True))
        for begun in self.ledger.begun(unsettled):
            self._go_on_with(begun, self.run_id)
        return True

    def _go_on_with(self, begun: Begun, run_id: str) -> None:
        """Take up a row that an earlier process began."""
        progress = Progress(unsettled=True, generation=begun.intent.generation)
        self._take_up(_Row(begun.intent, run_id, progress, begun.first_sent, begun.credential, 0.0, is_new=False))

    def _look_first(self, row: _Row, *, is_ledger_whole: bool) -> Why | None:
        return begin(
            begun_before=row.progress.unsettled,
            age_hours=(self.clock.at_billing() - row.first_sent).total_seconds() / 3600,
            same_credential=row.credential == self.credential,
            is_ledger_whole=is_ledger_whole,
            policy=self.policy,
        )

    def _take_up(self, row: _Row) -> None:
        """A row enters this process; what the ledger may have forgotten is asked of billing, once."""
        self.rows[row.intent.external_reference] = row
        if why := self._look_first(row, is_ledger_whole=self.is_ledger_whole):
            row.progress = replace(row.progress, why=why)
        self._hand_out(row)

    def _hand_out(self, row: _Row) -> None:
        """Send, or send again, or look up; a key that has grown old, or another credential, is looked up first (rule 2)."""
        if row.progress.why is None and row.progress.unsettled:
            row.progress = replace(row.progress, why=self._look_first(row, is_ledger_whole=True))
        intent = row.intent
        call: Call = Create(intent.external_reference, intent.key, intent.payload)
        if row.progress.why is not None:
            call = LookUp(intent.external_reference, intent.payload)
        self.pool.hand_out(intent.external_reference, call)

    def _release_due(self) -> None:
        now = self.clock.monotonic()
        while self.timers and self.timers[0][0] <= now:
            _, reference = heapq.heappop(self.timers)
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
        if isinstance(outcome, BaseException):
            raise outcome
        if outcome is None:
            return  # it never left: the run is stopping, and winding down takes the row back
        now, is_failure = self.clock.monotonic(), isinstance(outcome, NoAnswer | ServerTrouble)
        if not is_failure:
            self.evidence.heard(now)
            self._let_go()
        self._keep_quiet(outcome, now)
        if result.reference == _PROBE:
            self.is_probing, self.probe_at = False, now + PROBE_EVERY
            return
        if isinstance(outcome, Limited) and not outcome.replayed:
            self.pace.slow_down()
        row = self.rows[result.reference]
        row.is_new = False
        if is_failure and not getattr(outcome, "replayed", False) and self.evidence.silence(now) > HOLD_AFTER:
            self._hold(row, outcome)
            return
        row.spent += self.clock.monotonic() - result.left_at
        step = decide(row.progress, outcome, self.dice(), row.spent, self.policy)
        self._note(row, outcome, step)
        self._obey(row, step)

    def _keep_quiet(self, outcome: Outcome, now: float) -> None:
        """What an answer says to all: its worker has obeyed already, and here it is known from now on."""
        seconds = quiet(outcome, self.policy)
        if seconds == math.inf:
            stop = decide(Progress(), outcome, 0.0, 0.0, self.policy)
            assert isinstance(stop, Stop)  # noqa: S101 - what `quiet` says of it
            self.stopping.ask(stop)
        elif seconds:
            self.pace.pause(seconds)
            self.evidence.paused(now + seconds)

    def _obey(self, row: _Row, step: Step) -> None:
        match step:
            case Settle():
                self._finish(row, step.state)
            case SendAgain() | LookUpNext():
                if row.progress.why in {Why.OLD_KEY, Why.OTHER_CREDENTIAL} and step.progress.why is None:
                    # Billing does not know the customer: with this send the key's life begins anew.
                    row.first_sent, row.credential = self.clock.at_billing(), self.credential
                row.progress = step.progress
                self._later(row, step.after, step.pause_all)
            case NextGeneration():
                self._raise_generation(row, step.progress)
            case LeaveInDoubt():
                self._leave(row, step)
            case Stop():
                self.stopping.ask(step)
                if step.settle is not None:
                    self._finish(row, step.settle.state)

    # -- while billing is silent ----------------------------------------------------------------------------------

    def _hold(self, row: _Row, outcome: Outcome) -> None:
        """An outage is nobody's fault: what it costs comes off no row's budget, and one question at a time is enough."""
        self._note(row, outcome, LeaveInDoubt("billing is silent; the row waits"))
        if row.progress.why is None:
            row.progress = replace(row.progress, unsettled=True)
        self.held.append(row)

    def _probe(self) -> None:
        if self.held and not self.is_probing and self.clock.monotonic() >= self.probe_at:
            intent = self.held[0].intent
            self.is_probing = True
            self.pool.hand_out(_PROBE, LookUp(intent.external_reference, intent.payload))

    def _let_go(self) -> None:
        rows, self.held = self.held, []
        for row in rows:
            self._hand_out(row)

    def _leave(self, row: _Row, step: LeaveInDoubt) -> None:
        del self.rows[row.intent.external_reference]
        if row.is_swept:
            self.tally.in_doubt += 1
            self.evidence.saw(refusal=step.is_refusal)
        else:
            row.progress = replace(row.progress, may_be_sent=step.may_be_sent)
            self.doubtful.append(row)

    def _sweep(self) -> None:
        """Once nothing else is left: look up what was left in doubt, and where nothing is found send the same once more."""
        rows, self.doubtful = self.doubtful, []
        for row in rows:
            row.progress = Progress(
                unsettled=True,
                why=Why.SWEEP,
                sends=self.policy.sends - 1,
                generation=row.progress.generation,
                may_be_sent=row.progress.may_be_sent,
                is_key_old=row.progress.is_key_old,
            )
            row.spent, row.is_swept = 0.0, True
            self.rows[row.intent.external_reference] = row
            self._hand_out(row)

    def _finish(self, row: _Row, state: State) -> None:
        self.tally.states[state] += 1
        self.evidence.saw(refusal=state in {State.REFUSED, State.CREATED_DIFFERENT})
        if row.progress.is_canary and state is State.CREATED:
            self.canaries -= 1
        del self.rows[row.intent.external_reference]

    def _later(self, row: _Row, after: float, pause_all: float) -> None:
        now = self.clock.monotonic()
        row.spent += max(0.0, after - pause_all)
        if after <= 0:
            self._hand_out(row)
        else:
            heapq.heappush(self.timers, (now + after, row.intent.external_reference))

    def _raise_generation(self, row: _Row, progress: Progress) -> None:
        intent = row.intent
        key = create_key(self.environment, intent.external_reference, intent.fingerprint, progress.generation)
        row.intent = replace(intent, key=key, generation=progress.generation)
        row.progress, row.first_sent, row.credential = progress, self.clock.at_billing(), self.credential
        self.commit()  # events stand in the order in which things happened
        self.ledger.record_intents(row.run_id, row.first_sent, [row.intent], self.credential)
        self._hand_out(row)

    # -- the journal ----------------------------------------------------------------------------------------------

    def _note(self, row: _Row, outcome: Outcome, step: Step) -> None:
        settled = step.settle if isinstance(step, Stop) else step if isinstance(step, Settle) else None
        answer = Answer(
            intent=row.intent,
            state=settled.state if settled else State.UNKNOWN,
            call="create" if row.progress.why is None else "look_up",
            outcome=type(outcome).__name__,
            status=getattr(outcome, "status", None),
            replayed=getattr(outcome, "replayed", None),
            billing_id=settled.billing_id if settled else None,
            payable=settled.payable if settled else None,
            detail=settled.detail if settled else getattr(step, "why", None) or getattr(outcome, "why", None),
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
        verdict = self.evidence.verdict(self.clock.monotonic(), self.clock.now(), is_waiting=bool(self.rows))
        if verdict is not None and not self.stopping.event.is_set():
            self.stopping.ask(verdict)

    def _wind_down(self) -> None:
        """Wait for what is in flight and record it; take back what never left; the rest stays unsettled."""
        while self.pool.in_hand:
            self._collect(_TICK)
            self._commit_if_due()
        for row in self.rows.values():
            if row.is_new:
                self._add(row.run_id, Withdrawal(row.intent))
            else:
                self.tally.in_doubt += 1
        self.tally.in_doubt += len(self.doubtful)
        self.rows, self.doubtful = {}, []


def _may_begin(row: Planned, known: Known | None, run_id: str) -> bool:
    """Whether a planned create may be begun anew: nothing that the ledger knows of its reference stands against it."""
    match known:
        case None | Known(state=State.WITHDRAWN):
            return True
        case Known(state=State.REFUSED):
            # What this very run was refused is final; an older refusal the plan has already weighed.
            return known.fingerprint != row.fingerprint or known.run_id != run_id
        case _:
            return False


def _goes_on(row: Planned, known: Known | None) -> bool:
    """Whether a planned create was begun before, with this content, and never settled."""
    return known is not None and known.state is State.UNKNOWN and known.fingerprint == row.fingerprint
