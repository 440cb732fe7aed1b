"""Give up a request in doubt; after two days it is final as never created.

The request may take effect as long as a gateway, the network or billing may still carry it out. So giving it up early leaves it
in doubt: only the same bytes may be sent again, under the same key. `FINAL_AFTER` its last send, two lookups that find nothing,
with the lookup lag between them, make it final. Then other content may be sent under its own key.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from pipeline.billing import Call, Lookup
from pipeline.domain.fates import State
from pipeline.domain.responses import Found, NotFound, Outcome
from pipeline.storage.ledger import Answer, Begun, Ledger
from pipeline.submission.inputs import Clock
from pipeline.submission.protocol import found_at_billing
from pipeline.submission.steps import Progress

FINAL_AFTER = timedelta(hours=48)  #: twice as long as billing keeps the answer to a key


@dataclass(frozen=True, slots=True)
class GivenUp:
    """The result for one request: its state, and if it is in doubt, from when giving it up again makes it final.

    `final_from` is None if the request is final, or if billing sends no date, so that the age of the last send is unknown.
    """

    external_reference: str
    state: State
    final_from: datetime | None = None
    is_looked_up: bool = True  #: whether billing answered whether it holds the customer


def give_up(
    requests: Sequence[Begun],
    *,
    ledger: Ledger,
    make: Callable[[Call], Outcome],
    wait: Callable[[float], bool],
    clock: Clock,
    lookup_lag: float,
    note: str,
) -> list[GivenUp]:
    """Look each request in doubt up, and record that it was given up, or what the lookups show.

    `wait` pauses for some seconds, and returns True if the run is to stop; nothing becomes final as never created then.
    `lookup_lag` in seconds. `note`: who gave them up, and why.
    """
    first = {one.intent.external_reference: make(_lookup(one)) for one in requests}
    old = [one for one in requests if _is_old_enough(one, ledger, clock)]
    again = [one for one in old if isinstance(first[one.intent.external_reference], NotFound)]
    second: dict[str, Outcome] = {}
    if again and not wait(lookup_lag):
        second = {one.intent.external_reference: make(_lookup(one)) for one in again}
    results = []
    for one in requests:
        reference = one.intent.external_reference
        outcome = second.get(reference, first[reference])
        is_absent = isinstance(outcome, NotFound) and reference in second
        answer = _answer(one, outcome, note, is_absent=is_absent)
        ledger.record(one.run_id, clock.now(), [answer])
        is_final = answer.state is not State.GIVEN_UP
        results.append(
            GivenUp(
                reference,
                answer.state,
                None
                if is_final or clock.billing_ahead() is None
                else _last_sent(one, ledger) + FINAL_AFTER,
                is_looked_up=isinstance(outcome, Found | NotFound),
            )
        )
    return results


def _lookup(request: Begun) -> Lookup:
    return Lookup(request.intent.external_reference, request.intent.payload)


def _last_sent(request: Begun, ledger: Ledger) -> datetime:
    """The time of the last send. A damaged ledger may have lost later sends, so then it is at least when damage was last found."""
    recorded = ledger.reader.last_sent(request.intent.external_reference) or request.first_sent
    return max(recorded, ledger.reader.damaged_at() or recorded)


def _is_old_enough(request: Begun, ledger: Ledger, clock: Clock) -> bool:
    """Whether both clocks show FINAL_AFTER since the last send; False if a clock is behind the ledger or billing sends no date."""
    if clock.billing_ahead() is None:
        return False
    now, newest = min(clock.now(), clock.at_billing()), ledger.reader.last_event_at()
    return (newest is None or newest <= now) and now - _last_sent(request, ledger) >= FINAL_AFTER


def _answer(request: Begun, outcome: Outcome, note: str, *, is_absent: bool) -> Answer:
    """The event: what a lookup found, or that the request was given up."""
    kind, status = type(outcome).__name__, getattr(outcome, "status", None)
    if isinstance(outcome, Found):
        found = found_at_billing(Progress(is_in_doubt=True), outcome)
        return Answer(
            request.intent, found.state, "look_up", kind, status, billing_id=found.billing_id, payable=found.payable,
            differences=found.differences,
        )  # fmt: skip
    state = State.NEVER_CREATED if is_absent else State.GIVEN_UP
    return Answer(request.intent, state, "look_up", kind, status, detail=note)
