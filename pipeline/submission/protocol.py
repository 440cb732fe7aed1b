"""The next step of a row after an answer: (progress, outcome, dice, policy) -> step. Pure; the engine carries it out.

Four rules decide every step:
1  Ambiguous: same key, same bytes. Never a new key, never "failed".
2  Key old, of unknown age or begun with another credential: look up first; if nothing is found, send the same key again.
3  A refusal is final only on a definite answer; if an earlier send of the row may have taken effect, look up first.
4  A new generation only after a replayed failure for the current key and a lookup that finds nothing.

A lookup that finds nothing counts only if it left `lookup_lag` after the last send and after our last lookup of the record:
billing may show an earlier state, and a cache may repeat an earlier "not found".
"""

import math
from dataclasses import replace

from pipeline.domain.fates import State
from pipeline.domain.responses import (
    Accepted,
    AnotherCustomer,
    CertificateRefused,
    Conflicting,
    CredentialRefused,
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
from pipeline.submission.retries import Retries
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
    Tries,
    TurnedAway,
    Why,
)
from pipeline.submission.stops import step_for_canary, stop_for, stop_for_reused_key

OLD_KEY_WAITS = "billing replays a failure under a key that it is about to forget; resume when it has, within a day"
_ROUNDING = 1e-6  #: seconds of error that sums of times may have
_MONEY = frozenset({"external_reference", "currency", "balance"})


def why_look_up_first(
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
        return _after_lookup(row, outcome, dice, seconds_spent, policy)
    return _after_create(row, outcome, dice, seconds_spent, policy)


def _after_create(
    row: Progress, outcome: Outcome, dice: float, seconds_spent: float, policy: Policy
) -> Step:
    if isinstance(outcome, Accepted):
        return _accepted(row, outcome)
    row = row.counting(sends=1)
    again = Retries(replace(row, is_in_doubt=True), dice, seconds_spent, policy)
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
            | RequestRefused(replayed=True)
        ):
            return replace(again, row=row).look_later(Why.REPLAYED_FAILURE)
        case Conflicting(kind="running"):
            return again.running()
        case Conflicting(kind="taken"):
            return LookupNext(
                0, replace(row, why=Why.TAKEN, last_answer="the external reference is taken (409)")
            )
        case Conflicting():
            return LookupNext(0, replace(row, why=Why.UNKNOWN_CONFLICT))
        case RowRefused():
            return _refused(row, outcome, again)
        case Unintelligible():
            return again.unreadable(outcome.why)
        case Unexpected():
            answer = outcome.why or f"status {outcome.status}"
            return replace(again, row=replace(again.row, may_be_sent=False)).look_later(
                Why.FOR_THE_RECORD, answer
            )
        case AnotherCustomer():
            return _another_customer()
        case KeyReused():
            return LookupNext(0, replace(again.row, why=Why.KEY_REUSED, may_be_sent=False))
        case _ if is_turned_away(outcome):
            return _turned_away(again.row, outcome)
        case _:
            return stop_for(outcome)


def _refused(row: Progress, refusal: RowRefused, again: Retries) -> Step:
    """Rule 3: a refusal is final only on a definite answer, and if no earlier send may have taken effect."""
    if refusal.certain and not row.is_in_doubt and not refusal.replayed:
        return Final(State.REFUSED, detail=refusal.detail)
    return replace(again, row=replace(row, refusal=refusal)).look_later(Why.REFUSED)


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
            seconds <= policy.backoff.longest_retry_after
        ):
            return seconds
        case ServerTrouble(replayed=False, retry_after=float() | int() as seconds) if (
            seconds <= policy.backoff.longest_retry_after
        ):
            return seconds
        case _:
            return 0.0


def _after_lookup(
    row: Progress, outcome: Outcome, dice: float, seconds_spent: float, policy: Policy
) -> Step:
    if row.why is Why.KEY_REUSED:
        return stop_for_reused_key(outcome)
    again = Retries(row.counting(lookups=1), dice, seconds_spent, policy)
    match outcome:
        case Found():
            return (
                found_at_billing(row, outcome)
                if row.accepted is None
                else step_for_canary(outcome, row.accepted)
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
            return stop_for(outcome)


def _another_customer() -> LeaveInDoubt:
    return LeaveInDoubt(
        "the answer named another customer", is_refusal=True, may_be_sent=False, names_another=True
    )


def _turned_away(row: Progress, outcome: Outcome) -> TurnedAway:
    status = int(getattr(outcome, "status", 0))
    why = f"refused with status {status} before the record was looked at"
    return TurnedAway(status, replace(row, last_answer=why), stop_for(outcome), why)


def _not_found(row: Progress, again: Retries, policy: Policy) -> Step:
    fresh = replace(row, why=None, tries=replace(row.tries, lookups=0))
    match row.why:
        case Why.OLD_KEY | Why.OTHER_CREDENTIAL:
            return SendAgain(0, replace(fresh, is_in_doubt=True, is_key_old=row.why is Why.OLD_KEY))
        case Why.REPLAYED_FAILURE if row.is_key_old:
            # The key expires within the hour. A copy of this send that arrives later would count as a first request, and would
            # create a second customer next to that of a new key.
            return LeaveInDoubt(OLD_KEY_WAITS)
        case Why.REPLAYED_FAILURE if (
            row.generation < policy.generations and row.tries.sends < policy.sends - 1
        ):
            # An earlier key may have taken effect: after a stale lookup our own customer would look like somebody else's.
            return NextGeneration(
                Progress(
                    generation=row.generation + 1,
                    tries=Tries(sends=row.tries.sends),
                    is_in_doubt=row.is_in_doubt,
                    is_canary=row.is_canary,
                )
            )
        case Why.REPLAYED_FAILURE:
            return LeaveInDoubt(
                f"billing replays failures ({row.generation} keys, {row.tries.sends} sends)"
            )
        case Why.UNKNOWN_CONFLICT:
            return replace(again, row=replace(fresh, is_in_doubt=True)).running()
        case Why.REFUSED:
            return Final(State.REFUSED, detail=row.refusal.detail if row.refusal else None)
        case Why.CANARY:
            return Stop(
                "a customer that billing says it created cannot be found there; nothing more was sent"
            )
        case Why.SWEEP if row.may_be_sent:
            return SendAgain(0, fresh)
        case _:
            return LeaveInDoubt(
                f"{row.last_answer or f'the answers disagree ({row.why})'}, and a lookup finds nothing",
                is_refusal=row.why in {Why.UNREADABLE, Why.FOR_THE_RECORD},
                may_be_sent=row.may_be_sent,
            )


def found_at_billing(row: Progress, found: Found) -> Final:
    """The end of a row whose customer a lookup finds."""
    if found.differences:
        return Final(State.CONFLICT, found.billing_id, found.payable, found.differences)
    state = State.ADOPTED if row.is_in_doubt else State.PRE_EXISTING
    return Final(state, found.billing_id, found.payable)


def _accepted(row: Progress, answer: Accepted) -> Step:
    if not answer.differences:
        if row.is_canary:
            return LookupNext(0, replace(row, is_in_doubt=True, why=Why.CANARY, accepted=answer))
        return Final(State.CREATED, answer.billing_id, answer.payable)
    final = Final(State.CREATED_DIFFERENT, answer.billing_id, answer.payable, answer.differences)
    if moved := sorted({difference.field for difference in answer.differences} & _MONEY):
        return Stop(f"billing echoed another {' and '.join(moved)} than was sent", final=final)
    return final
