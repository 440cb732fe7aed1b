"""One lookup of a reconciliation: `deciding.decide` says when to ask again; here one bad record is set aside, and a billing that refuses everybody stops."""

import random
import threading
from dataclasses import dataclass, field
from typing import Any

from pipeline.billing import Billing, LookUp, Pace, as_billing_holds_it, preflight
from pipeline.domain.outcomes import Found, Limited, NoAnswer, NotFound, Outcome, ServerTrouble
from pipeline.errors import Interrupted, SubmissionStopped
from pipeline.submission import Policy, Stop
from pipeline.submission.protocol import LeaveInDoubt, LookUpNext, Progress, TurnedAway, Why, decide
from pipeline.submission.turned_away import Suspicion
from pipeline.workflows.progress import CLOCK

_LONGEST_WAIT = 30.0  #: seconds between two tries
_POLICY = Policy(sends=3)  #: a record is asked for so often, and once more when all others are
_LIMITED = 20  #: times that billing may ask one record to come later


@dataclass(frozen=True, slots=True)
class LookedUp:
    """What a lookup found: the customer as billing holds it, or None; with an `answer` nobody knows which."""

    reference: str
    found: dict[str, Any] | None = None
    answer: str = ""  #: the answer that says nothing about the customer

    @property
    def is_determined(self) -> bool:
        """Whether billing has answered if it holds the customer."""
        return not self.answer


@dataclass(slots=True)
class Asking:
    """What all workers know of billing's answers so far."""

    pace: Pace
    outage_seconds: float
    stopping: threading.Event
    suspicion: Suspicion = field(default_factory=Suspicion)
    stop: Stop | None = None
    heard_at: float = field(default_factory=CLOCK.monotonic)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def ask(
        self, billing: Billing, reference: str, payload: str, before: str = ""
    ) -> LookedUp | None:
        """What billing holds under a reference; None where the reconciliation stops before that is known.

        `before`: the answer of an earlier try. It is asked for once only, and the same answer says nothing of other records.
        """
        progress = Progress(why=Why.FOR_THE_RECORD, look_ups=_POLICY.sends - 1 if before else 0)
        began, spent, limited = CLOCK.monotonic(), 0.0, 0
        while self._may_ask():
            left_at = CLOCK.monotonic()
            answer = billing.make(LookUp(reference, payload.encode()))
            now = CLOCK.monotonic()
            spent += now - left_at
            is_silent = isinstance(answer, ServerTrouble | NoAnswer)
            if not is_silent:
                self.heard_at = now
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
            match decide(progress, answer, random.random(), spent, _POLICY):  # noqa: S311 - dice for backoff
                case Stop() as stop:
                    self.stop = stop
                case TurnedAway() as step:
                    return self._set_aside(reference, step.why, step.status, step.stop, before)
                case LeaveInDoubt() as step if not is_silent:
                    text = _words_of(answer) or step.why
                    code = (
                        Interrupted.exit_code
                        if isinstance(answer, Limited)
                        else SubmissionStopped.exit_code
                    )
                    stop = Stop(f"three customers got the same unusable answer ({text})", code)
                    return self._set_aside(
                        reference, text, int(getattr(answer, "status", 0)), stop, before
                    )
                case LeaveInDoubt() as step if self.heard_at > began or self._answers_at_all(
                    billing
                ):
                    return LookedUp(reference, answer=step.why)
                case LookUpNext() as step:
                    progress = step.progress
                    self._wait(billing, step.after, is_silent=is_silent)
                case _:
                    self._wait(billing, _LONGEST_WAIT, is_silent=is_silent)
        return None

    def _may_ask(self) -> bool:
        return self.stop is None and self.pace.wait(self.stopping) and self.stop is None

    def _wait(self, billing: Billing, seconds: float, *, is_silent: bool) -> None:
        """Until the next try; an outage that has lasted too long stops everybody."""
        silence = CLOCK.monotonic() - self.heard_at
        if is_silent and silence > self.outage_seconds and not self._answers_at_all(billing):
            self.stop = Stop(f"no answer for {self.outage_seconds:g} seconds", exit_code=5)
            return
        left = max(0.0, self.outage_seconds - silence) if is_silent else seconds
        self.stopping.wait(min(seconds, _LONGEST_WAIT, left + 0.1))

    def _answers_at_all(self, billing: Billing) -> bool:
        """Whether billing answers a lookup of a made-up customer: then only one record gets no answer."""
        if not self._may_ask() or isinstance(billing.make(preflight()), ServerTrouble | NoAnswer):
            return False
        self.heard_at = CLOCK.monotonic()
        return True

    def _accepted(self, looked_up: LookedUp) -> LookedUp:
        with self._lock:
            self.suspicion.accepted()
        return looked_up

    def _set_aside(
        self, reference: str, answer: str, status: int, stop: Stop, before: str
    ) -> LookedUp:
        if answer != before:
            with self._lock:
                self.stop = self.stop or self.suspicion.add(reference, status, stop)
        return LookedUp(reference, answer=answer)


def _words_of(answer: Outcome) -> str:
    """What an answer is that cannot be used, in our words; empty where deciding has words for it."""
    why, status = getattr(answer, "why", ""), getattr(answer, "status", None)
    return f"{why} (status {status})" if why and status else ""
