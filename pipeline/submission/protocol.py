"""The next step of a row after an answer: (progress, outcome, dice, policy) -> step. Pure; the loop carries it out.

Four rules decide every step:
1  Ambiguous: same key, same bytes. Never a new key, never "failed".
2  Key old, of unknown age or begun with another credential: look up first; if nothing is found, send the same key again.
3  A refusal is final only on a definite answer; if an earlier send of the row is unsettled, look up first.
4  A new generation only after a replayed failure for the current key and a lookup that finds nothing.

A lookup that finds nothing counts only if it left `lookup_lag` after the last send and after our last lookup of the record:
billing may show an earlier state, and a cache may repeat an earlier "not found".
"""

import math
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from pipeline.domain.fates import State
from pipeline.domain.responses import (
    Accepted,
    AnotherCustomer,
    CertificateRefused,
    Conflicting,
    CredentialRefused,
    Difference,
    Found,
    KeyReused,
    Limited,
    Misaddressed,
    NoAnswer,
    NotFound,
    Outcome,
    RequestRefused,
    RowRefused,
    ServerTrouble,
    Unexpected,
    Unintelligible,
)


@dataclass(frozen=True, slots=True)
class Policy:
    """Limits of a run; times in seconds unless the name says otherwise."""

    workers: int = 8
    per_second: float | None = None  #: requests per second; None: no limit
    sends: int = 6  #: of one row, the last of them by the sweep at the end of the run
    row_seconds: float = 120.0  #: of its own time; half of it is kept for the sweep
    backoff_base: float = 0.5
    backoff_cap: float = 30.0
    limited_base: float = 1.0
    limited_cap: float = 60.0
    longest_retry_after: float = 600.0
    lookup_lag: float = 30.0  #: how long a lookup may show an earlier state of billing
    outage_seconds: float = 300.0  #: without any success: stop, resumable
    usual_refusals: float = 0.005  #: share of rows that billing refuses in a normal run
    alarming_refusals: float = 0.30  #: share at which a run shall stop within 60 rows
    canary: int = 0  #: rows that are created, looked up and compared before the others are sent
    stop_at: datetime | None = None  #: when to stop, resumable
    generations: int = 3
    young_hours: float = 23.0  #: a key lives 24 hours at billing; from here on it counts as old


_ROUNDING = 1e-6  #: seconds of error that sums of times may have
OLD_KEY_WAITS = "billing replays a failure under a key that it is about to forget; resume when it has, within a day"


class Why(StrEnum):
    """Why a customer is looked up; it decides what "not found" means."""

    OLD_KEY = "old_key"
    OTHER_CREDENTIAL = "other_credential"
    REPLAYED_FAILURE = "replayed_failure"
    TAKEN = "taken"
    UNKNOWN_CONFLICT = "unknown_conflict"
    REFUSED = "refused"
    NO_SENSE = "no_sense"
    FOR_THE_RECORD = "for_the_record"
    KEY_REUSED = "key_reused"
    CANARY = "canary"
    SWEEP = "sweep"


@dataclass(frozen=True, slots=True)
class Progress:
    """The progress of one row in this process; whatever must survive the process is in the ledger."""

    unsettled: bool = False  #: an earlier send of ours may have taken effect
    sends: int = 0
    running: int = 0  #: answers that the first request still runs
    senseless: int = 0  #: unreadable 2xx answers
    look_ups: int = 0  #: since the last send
    why: Why | None = None
    refusal: RowRefused | None = None
    generation: int = 1
    is_canary: bool = False  #: it is looked up and compared before it counts as created
    accepted: Accepted | None = None  #: the answer that a canary's lookup is compared with
    is_key_old: bool = (
        False  #: billing may forget the key between two deliveries of the same request
    )
    may_be_sent: bool = True  #: False if another send could do harm: then the sweep only looks up
    since_last_call: float = (
        math.inf
    )  #: seconds from the last send or lookup to the moment when the present lookup left
    last_answer: str = ""  #: the answer that left the record in doubt
    is_last: bool = False  #: the sweep handles it: at most one more send


@dataclass(frozen=True, slots=True)
class Settle:
    """The row is settled."""

    state: State
    billing_id: str | None = None
    payable: bool | None = None
    differences: tuple[Difference, ...] = ()
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class SendAgain:
    """Send the same bytes under the same key, after some seconds."""

    after: float
    progress: Progress
    pause_all: float = 0.0  #: seconds for which no call of any row leaves


@dataclass(frozen=True, slots=True)
class LookUpNext:
    """Look up what billing holds, after some seconds."""

    after: float
    progress: Progress
    pause_all: float = 0.0
    rests: bool = False  #: it waits out the lookup lag, which occupies no place and uses no budget


@dataclass(frozen=True, slots=True)
class NextGeneration:
    """A new key, recorded as a new intent before it is sent."""

    progress: Progress


@dataclass(frozen=True, slots=True)
class LeaveInDoubt:
    """Nothing more can be found out now; the row stays in doubt, the sweep at the end tries again, and the next run resumes it."""

    why: str
    is_refusal: bool = (
        False  #: billing answered, but its answers contradict each other or cannot be read
    )
    may_be_sent: bool = True
    names_another: bool = False  #: the answer named another customer, so answers may be mixed up


@dataclass(frozen=True, slots=True)
class TurnedAway:
    """Refused before billing read the record, perhaps by a gateway; the answers to other records show whether the record is at fault."""

    status: int
    progress: Progress
    stop: "Stop"  #: the reason to stop if other records are refused alike
    why: str


@dataclass(frozen=True, slots=True)
class Stop:
    """Nothing more may be sent in this run; the row itself stays unsettled unless `settle` is given."""

    reason: str
    exit_code: int = 4
    settle: Settle | None = None


Step = Settle | SendAgain | LookUpNext | NextGeneration | LeaveInDoubt | TurnedAway | Stop

_MONEY = frozenset({"external_reference", "currency", "balance"})


def begin(
    *,
    begun_before: bool,
    age_hours: float | None,
    same_credential: bool,
    is_ledger_whole: bool,
    policy: Policy,
) -> Why | None:
    """How a row starts: None to send, otherwise why to look up first (rule 2). `age_hours` is None if it is unknown."""
    if not is_ledger_whole:
        return Why.OLD_KEY  # a damaged ledger may have lost that the row was begun
    if not begun_before:
        return None
    limit = policy.young_hours - policy.row_seconds / 3600
    young = age_hours is not None and 0 <= age_hours < limit
    if not young:
        return Why.OLD_KEY
    return None if same_credential else Why.OTHER_CREDENTIAL


def decide(
    row: Progress, outcome: Outcome, dice: float, seconds_spent: float, policy: Policy
) -> Step:
    """The next step of a row; `dice` is uniform in [0, 1), `seconds_spent` the row's own time so far."""
    if row.why is not None:
        return _after_look_up(row, outcome, dice, seconds_spent, policy)
    if isinstance(outcome, Accepted):
        return _accepted(row, outcome)
    row = replace(row, sends=row.sends + 1)
    again = _Again(replace(row, unsettled=True), dice, seconds_spent, policy)
    match outcome:
        case NoAnswer():
            return again.send(f"no answer ({outcome.why})")
        case ServerTrouble(replayed=False):
            return again.send(f"status {outcome.status}", at_least=outcome.retry_after)
        case Limited(replayed=False):
            return again.limited(outcome.retry_after)
        case ServerTrouble(status=408 | 425):
            return again.look_later(Why.FOR_THE_RECORD, f"status {outcome.status}")
        case (
            ServerTrouble()
            | Limited()
            | CredentialRefused(replayed=True)
            | Misaddressed(replayed=True)
        ):
            return replace(again, row=row).look_later(Why.REPLAYED_FAILURE)
        case RequestRefused(replayed=True):
            return replace(again, row=row).look_later(Why.REPLAYED_FAILURE)
        case Conflicting(kind="running"):
            return again.running()
        case Conflicting(kind="taken"):
            return LookUpNext(
                0, replace(row, why=Why.TAKEN, last_answer="the external reference is taken (409)")
            )
        case Conflicting():
            return LookUpNext(0, replace(row, why=Why.UNKNOWN_CONFLICT))
        case RowRefused():
            if outcome.certain and not row.unsettled and not outcome.replayed:
                return Settle(State.REFUSED, detail=outcome.detail)
            return replace(again, row=replace(row, refusal=outcome)).look_later(Why.REFUSED)
        case Unintelligible():
            return again.senseless(outcome.why)
        case Unexpected():
            answer = outcome.why or f"status {outcome.status}"
            return replace(again, row=replace(again.row, may_be_sent=False)).look_later(
                Why.FOR_THE_RECORD, answer
            )
        case AnotherCustomer():
            return _another_customer()
        case KeyReused():
            return LookUpNext(0, replace(again.row, why=Why.KEY_REUSED, may_be_sent=False))
        case _ if is_turned_away(outcome):
            return _turned_away(again.row, outcome)
        case _:
            return _stop(outcome)


def is_turned_away(outcome: Outcome) -> bool:
    """Whether a call was refused before billing read the record; a replayed answer does not count."""
    match outcome:
        case CredentialRefused(replayed=False) | Misaddressed(replayed=False):
            return True
        case RequestRefused(status=406 | 415, replayed=False):
            return True
        case _:
            return False


def global_pause(outcome: Outcome, policy: Policy) -> float:
    """For how many seconds nothing may leave, from the answer alone; infinity if `decide` is certain to stop.

    A worker applies this as soon as it has an answer; other calls would leave before the step is decided.
    """
    match outcome:
        case _ if is_turned_away(outcome):
            return 0.0
        case CertificateRefused() | RequestRefused(replayed=False):
            return math.inf
        case Limited(replayed=False, retry_after=float() | int() as seconds) if (
            seconds <= policy.longest_retry_after
        ):
            return seconds
        case ServerTrouble(replayed=False, retry_after=float() | int() as seconds) if (
            seconds <= policy.longest_retry_after
        ):
            return seconds
        case _:
            return 0.0


def _after_look_up(
    row: Progress, outcome: Outcome, dice: float, seconds_spent: float, policy: Policy
) -> Step:
    if row.why is Why.KEY_REUSED:
        return _key_reused(outcome)
    again = _Again(replace(row, look_ups=row.look_ups + 1), dice, seconds_spent, policy)
    match outcome:
        case Found():
            return (
                found_at_billing(row, outcome)
                if row.accepted is None
                else _canary_found(outcome, row.accepted)
            )
        case NotFound() if row.since_last_call < policy.lookup_lag - _ROUNDING:
            return again.look_later(row.why)
        case NotFound():
            return _not_found(row, again, policy)
        case NoAnswer():
            return again.look_up(f"no answer to the lookup ({outcome.why})")
        case ServerTrouble():
            return again.look_up(
                f"status {outcome.status} to the lookup", at_least=outcome.retry_after
            )
        case Limited():
            return again.look_up("too many lookups", at_least=outcome.retry_after, pause_all=True)
        case Unintelligible() | Unexpected():
            return again.look_up("an unintelligible lookup")
        case AnotherCustomer():
            return _another_customer()
        case _ if is_turned_away(outcome) or isinstance(outcome, CredentialRefused | Misaddressed):
            return _turned_away(row, outcome)
        case _:
            return _stop(outcome)


def _another_customer() -> LeaveInDoubt:
    return LeaveInDoubt(
        "the answer named another customer", is_refusal=True, may_be_sent=False, names_another=True
    )


def _turned_away(row: Progress, outcome: Outcome) -> TurnedAway:
    status = int(getattr(outcome, "status", 0))
    why = f"refused with status {status} before the record was looked at"
    return TurnedAway(status, replace(row, last_answer=why), _stop(outcome), why)


def _not_found(row: Progress, again: "_Again", policy: Policy) -> Step:
    fresh = replace(row, why=None, look_ups=0)
    match row.why:
        case Why.OLD_KEY | Why.OTHER_CREDENTIAL:
            return SendAgain(0, replace(fresh, unsettled=True, is_key_old=row.why is Why.OLD_KEY))
        case Why.REPLAYED_FAILURE if row.is_key_old:
            # The key expires within the hour. A copy of this send that arrives later would count as a first request, and would
            # create a second customer next to that of a new key.
            return LeaveInDoubt(OLD_KEY_WAITS)
        case Why.REPLAYED_FAILURE if (
            row.generation < policy.generations and row.sends < policy.sends - 1
        ):
            # An earlier key may have taken effect: after a stale lookup our own customer would look like somebody else's.
            return NextGeneration(
                Progress(
                    generation=row.generation + 1,
                    sends=row.sends,
                    unsettled=row.unsettled,
                    is_canary=row.is_canary,
                )
            )
        case Why.REPLAYED_FAILURE:
            return LeaveInDoubt(
                f"billing replays failures ({row.generation} keys, {row.sends} sends)"
            )
        case Why.UNKNOWN_CONFLICT:
            return replace(again, row=replace(fresh, unsettled=True)).running()
        case Why.REFUSED:
            return Settle(State.REFUSED, detail=row.refusal.detail if row.refusal else None)
        case Why.CANARY:
            return Stop(
                "a customer that billing says it created cannot be found there; nothing more was sent"
            )
        case Why.SWEEP if row.may_be_sent:
            return SendAgain(0, fresh)
        case _:
            return LeaveInDoubt(
                f"{row.last_answer or f'the answers disagree ({row.why})'}, and a lookup finds nothing",
                is_refusal=row.why in {Why.NO_SENSE, Why.FOR_THE_RECORD},
                may_be_sent=row.may_be_sent,
            )


def found_at_billing(row: Progress, found: Found) -> Settle:
    """How a lookup that finds the customer settles the row."""
    if found.differences:
        return Settle(State.CONFLICT, found.billing_id, found.payable, found.differences)
    state = State.ADOPTED if row.unsettled else State.PRE_EXISTING
    return Settle(state, found.billing_id, found.payable)


def _canary_found(found: Found, accepted: Accepted) -> Step:
    """A canary is looked up: billing must hold what it answered and what was sent."""
    if found.billing_id != accepted.billing_id:
        return Stop(
            "a customer that was just created has another id in billing; nothing more was sent"
        )
    if found.differences:
        settled = Settle(
            State.CREATED_DIFFERENT, found.billing_id, found.payable, found.differences
        )
        fields = ", ".join(sorted({difference.field for difference in found.differences}))
        return Stop(
            f"billing keeps another {fields} than was sent; nothing more was sent", settle=settled
        )
    return Settle(State.CREATED, accepted.billing_id, accepted.payable)


def _key_reused(outcome: Outcome) -> Stop:
    """Row 9: report what billing holds, and conclude nothing from it."""
    match outcome:
        case Found(differences=()):
            held = "it holds this customer as we would have sent it"
        case Found():
            held = "it holds this customer with other content"
        case NotFound():
            held = "it does not hold this customer"
        case _:
            held = "what it holds could not be found out"
    return Stop(
        f"billing knows an idempotency key with another payload, so ledger and server disagree; {held}"
    )


def _accepted(row: Progress, answer: Accepted) -> Step:
    if not answer.differences:
        if row.is_canary:
            return LookUpNext(0, replace(row, unsettled=True, why=Why.CANARY, accepted=answer))
        return Settle(State.CREATED, answer.billing_id, answer.payable)
    settled = Settle(State.CREATED_DIFFERENT, answer.billing_id, answer.payable, answer.differences)
    if moved := sorted({difference.field for difference in answer.differences} & _MONEY):
        return Stop(f"billing echoed another {' and '.join(moved)} than was sent", settle=settled)
    return settled


def _stop(outcome: Outcome) -> Stop:
    match outcome:
        case CertificateRefused():
            return Stop(
                "billing's certificate does not prove who it is; check the address and the machine's clock"
            )
        case CredentialRefused(status=402):
            return Stop("billing asks for payment first (402)")
        case CredentialRefused():
            return Stop(
                f"billing refuses the API key ({outcome.status}); fix BILLING_API_KEY, then resume"
            )
        case Misaddressed():
            return Stop(
                f"status {outcome.status}: this is not the billing API's address; redirects are never followed"
            )
        case RequestRefused():
            return Stop(
                f"billing refuses the form of our request ({outcome.status}); please report this"
            )
        case _:
            return Stop(f"unexpected outcome {type(outcome).__name__}", exit_code=70)


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number} times"


@dataclass(frozen=True, slots=True)
class _Again:
    """The possible steps with the same key, each within the row's budget."""

    row: Progress
    dice: float
    seconds_spent: float
    policy: Policy

    def send(self, why: str, *, at_least: float | None = None) -> Step:
        """Send again after a backoff with full jitter, so that the workers do not all return at once."""
        if self._is_spent():
            return LeaveInDoubt(f"{why}, {_times(self.row.sends)}")
        if (wait := at_least or 0.0) > self.policy.longest_retry_after:
            return LeaveInDoubt(f"{why}, and billing asks to wait {wait:.0f} s", may_be_sent=False)
        return SendAgain(max(self._jittered(), wait), self.row)

    def limited(self, retry_after: float | None) -> Step:
        """429: all workers wait as long as billing asks; without a Retry-After, only this row backs off."""
        policy = self.policy
        if self._is_spent():
            return LeaveInDoubt("too many requests, again and again")
        if retry_after is None:
            bound = min(policy.limited_cap, policy.limited_base * 2**self.row.sends)
            return SendAgain(
                policy.limited_base + self.dice * (bound - policy.limited_base), self.row
            )
        if retry_after > policy.longest_retry_after:
            return Stop(f"billing asks to wait {retry_after:.0f} s; resume later", exit_code=5)
        return SendAgain(retry_after, self.row, pause_all=retry_after)

    def running(self) -> Step:
        """409 while our first request runs: after 1, 2, 4 … 15 s again, within the budget of the record."""
        if self._is_spent():
            return LeaveInDoubt(
                "billing says that the first request still runs (409)", is_refusal=True
            )
        return SendAgain(
            float(min(15, 2**self.row.running)), replace(self.row, running=self.row.running + 1)
        )

    def senseless(self, why: str) -> Step:
        """An unreadable 2xx: send twice more, then look up, never a new key."""
        row = replace(
            self.row,
            senseless=self.row.senseless + 1,
            last_answer=f"a success that cannot be read ({why})",
        )
        if row.senseless <= 2 and not self._is_spent():
            return SendAgain(self._jittered(), row)
        return LookUpNext(0, replace(row, why=Why.NO_SENSE))

    def look_later(self, why: Why | None, answer: str = "") -> LookUpNext:
        """Look up after the lookup lag."""
        row = replace(self.row, why=why, last_answer=answer or self.row.last_answer)
        return LookUpNext(self.policy.lookup_lag, row, rests=True)

    def look_up(self, why: str, *, at_least: float | None = None, pause_all: bool = False) -> Step:
        """Repeat a lookup, as often as a send may be repeated."""
        if self.row.look_ups >= self.policy.sends or self.seconds_spent > self.policy.row_seconds:
            return LeaveInDoubt(
                f"{self.row.last_answer}; {why}" if self.row.last_answer else why,
                may_be_sent=self.row.may_be_sent,
            )
        if (wait := at_least or 0.0) > self.policy.longest_retry_after:
            return LeaveInDoubt(
                f"{why}, and billing asks to wait {wait:.0f} s", may_be_sent=self.row.may_be_sent
            )
        return LookUpNext(
            max(self._jittered(), wait), self.row, pause_all=wait if pause_all else 0.0
        )

    def _is_spent(self) -> bool:
        """Whether only the sweep's part of the row's budget is left."""
        if self.row.is_last:
            return True
        return (
            self.row.sends >= self.policy.sends - 1
            or self.seconds_spent >= self.policy.row_seconds / 2
        )

    def _jittered(self) -> float:
        tries = max(self.row.sends, self.row.look_ups)
        return self.dice * min(self.policy.backoff_cap, self.policy.backoff_base * float(2**tries))
