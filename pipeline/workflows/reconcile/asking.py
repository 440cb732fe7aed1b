"""One lookup of a reconciliation, with its retries. `protocol.decide` says when to retry.

A lookup without a usable answer is set aside. If billing refuses several customers alike, the
reconciliation stops.
"""

import random
import threading
from dataclasses import dataclass, field

from pydantic import JsonValue

from pipeline.billing import Billing, Lookup, Pace, as_billing_holds_it, preflight
from pipeline.domain.responses import Found, Limited, NoAnswer, NotFound, Outcome, ServerTrouble
from pipeline.errors import Interrupted, SubmissionStopped
from pipeline.submission import Policy, Stop
from pipeline.submission.protocol import decide
from pipeline.submission.steps import LeaveInDoubt, LookupNext, Progress, Tries, TurnedAway, Why
from pipeline.submission.turned_away import Suspicion
from pipeline.workflows.progress import CLOCK

_LONGEST_WAIT = 30.0  #: seconds between two tries
_POLICY = Policy(sends=3)  #: tries for a customer, and one more after all other customers
_LIMITED = 20  #: answers "rate limited" for one customer, at most
Answer = dict[str, JsonValue]  #: a customer as billing returned it


@dataclass(frozen=True, slots=True)
class LookedUp:
    """The result of a lookup: the customer in billing, or None. With an `answer`, it is unknown."""

    reference: str
    found: Answer | None = None
    answer: str = ""  #: an answer that does not show whether billing holds the customer

    @property
    def is_determined(self) -> bool:
        """Whether the lookup showed if billing holds the customer."""
        return not self.answer


@dataclass(slots=True)
class Asking:
    """The state of billing's answers that all workers share."""

    pace: Pace
    outage_seconds: float
    stopping: threading.Event
    suspicion: Suspicion = field(default_factory=Suspicion)
    stop: Stop | None = None
    answered_at: float = field(default_factory=CLOCK.monotonic)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def ask(
        self, billing: Billing, reference: str, payload: str, before: str = ""
    ) -> LookedUp | None:
        """Look up one customer; None if the reconciliation stops before there is a result.

        `before`: the answer of the first pass. Then there is one try only, and the same answer does
        not count as trouble with other customers.
        """
        progress = Progress(
            why=Why.FOR_THE_RECORD, tries=Tries(lookups=_POLICY.sends - 1 if before else 0)
        )
        began, spent, limited = CLOCK.monotonic(), 0.0, 0
        while self._may_ask():
            left_at = CLOCK.monotonic()
            answer = billing.make(Lookup(reference, payload.encode()))
            now = CLOCK.monotonic()
            spent += now - left_at
            is_silent = isinstance(answer, ServerTrouble | NoAnswer)
            if not is_silent:
                self.answered_at = now
            match answer:
                case Found():
                    return self._accepted(LookedUp(reference, as_billing_holds_it(payload, answer)))
                case NotFound():
                    return self._accepted(LookedUp(reference))
                case Limited() if limited < _LIMITED:
                    self.pace.slow_down()
                    self.pace.pause(
                        min(answer.retry_after or 2.0 ** min(limited, 9), _LONGEST_WAIT)
                    )
                    limited += 1
                    continue
                case ServerTrouble(retry_after=float() | int() as seconds):
                    self.pace.pause(min(seconds, _LONGEST_WAIT))
            match decide(progress, answer, random.random(), spent, _POLICY):  # noqa: S311 - jitter
                case Stop() as stop:
                    self.stop = stop
                case TurnedAway() as step:
                    return self._set_aside(reference, step.why, step.status, step.stop, before)
                case LeaveInDoubt() as step if not is_silent:
                    return self._unusable(reference, answer, step.why, before)
                case LeaveInDoubt() as step if self.answered_at > began or self._is_answering(
                    billing
                ):
                    return LookedUp(reference, answer=step.why)
                case LookupNext() as step:
                    progress = step.progress
                    self._wait(billing, step.after, is_silent=is_silent)
                case _:
                    self._wait(billing, _LONGEST_WAIT, is_silent=is_silent)
        return None

    def _may_ask(self) -> bool:
        return self.stop is None and self.pace.wait(self.stopping) and self.stop is None

    def _wait(self, billing: Billing, seconds: float, *, is_silent: bool) -> None:
        """Wait for the next try; stop all workers if an outage has lasted too long."""
        silence = CLOCK.monotonic() - self.answered_at
        if is_silent and silence > self.outage_seconds and not self._is_answering(billing):
            self.stop = Stop(f"no answer for {self.outage_seconds:g} seconds", exit_code=5)
            return
        left = max(0.0, self.outage_seconds - silence) if is_silent else seconds
        self.stopping.wait(min(seconds, _LONGEST_WAIT, left + 0.1))

    def _is_answering(self, billing: Billing) -> bool:
        """Whether billing answers a lookup of an invented customer; if so, there is no outage."""
        if not self._may_ask() or isinstance(billing.make(preflight()), ServerTrouble | NoAnswer):
            return False
        self.answered_at = CLOCK.monotonic()
        return True

    def _accepted(self, looked_up: LookedUp) -> LookedUp:
        with self._lock:
            self.suspicion.accepted()
        return looked_up

    def _unusable(self, reference: str, answer: Outcome, why: str, before: str) -> LookedUp:
        """Set aside a customer whose answers do not show whether billing holds it."""
        text = _words_of(answer) or why
        is_limited = isinstance(answer, Limited)
        code = Interrupted.exit_code if is_limited else SubmissionStopped.exit_code
        stop = Stop(f"three customers got the same unusable answer ({text})", code)
        return self._set_aside(reference, text, int(getattr(answer, "status", 0)), stop, before)

    def _set_aside(
        self, reference: str, answer: str, status: int, stop: Stop, before: str
    ) -> LookedUp:
        if answer != before:
            with self._lock:
                self.stop = self.stop or self.suspicion.add(reference, status, stop)
        return LookedUp(reference, answer=answer)


def _words_of(answer: Outcome) -> str:
    """Our words for an unusable answer; empty if `decide` has words for it."""
    why, status = getattr(answer, "why", ""), getattr(answer, "status", None)
    return f"{why} (status {status})" if why and status else ""
