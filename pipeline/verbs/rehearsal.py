"""A process that dies where a test says: kill points around the journal and the calls, for sandboxes on this machine alone.

    PIPELINE_REHEARSAL="kill_at=after-intents,nth=3"

Without that variable nothing is wrapped. With a live key, or any address that is not this machine, it is refused.
"""

import os
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pipeline.billing import Call, Create
from pipeline.config import Target
from pipeline.errors import ConfigError
from pipeline.ledger import Ledger
from pipeline.outcomes import Outcome

VARIABLE = "PIPELINE_REHEARSAL"
POINTS = (
    "before-intents",
    "after-intents",
    "before-send",
    "after-send",
    "before-outcomes",
    "after-outcomes",
    "before-end",
    "after-end",
)


@dataclass
class Rehearsal:
    """At the n-th time that the process comes to a point it is killed, as `kill -9` does."""

    kill_at: str
    nth: int = 1
    _reached: int = field(default=0, init=False)

    def reached(self, point: str) -> None:
        """Die, if it is here."""
        if point == self.kill_at:
            self._reached += 1
            if self._reached >= self.nth:
                os.kill(os.getpid(), signal.SIGKILL)


def rehearsed(
    ledger: Ledger, make: Callable[[Call], Outcome], target: Target, variables: Mapping[str, str] = os.environ
) -> tuple[Ledger, Callable[[Call], Outcome]]:
    """The ledger and the calls as they are; in a rehearsal with its kill point around them."""
    if not (text := variables.get(VARIABLE)):
        return ledger, make
    if target.api_key.is_live or not target.address.is_loopback:
        raise ConfigError(f"{VARIABLE} is for tests against a sandbox on this machine; unset it")
    rehearsal = _read(text)

    def make_or_die(call: Call) -> Outcome:
        if not isinstance(call, Create):
            return make(call)
        rehearsal.reached("before-send")
        outcome = make(call)
        rehearsal.reached("after-send")
        return outcome

    return _around(ledger, rehearsal), make_or_die


def _around(ledger: Ledger, rehearsal: Rehearsal) -> Ledger:
    class MortalLedger(Ledger):
        """The same open ledger, with points before and after its transactions."""

        def __init__(self) -> None:
            self.__dict__ = ledger.__dict__

        def record_intents(self, *told: Any) -> None:
            rehearsal.reached("before-intents")
            super().record_intents(*told)
            rehearsal.reached("after-intents")

        def record(self, *told: Any) -> None:
            rehearsal.reached("before-outcomes")
            super().record(*told)
            rehearsal.reached("after-outcomes")

        def end_run(self, *told: Any) -> None:
            rehearsal.reached("before-end")
            super().end_run(*told)
            rehearsal.reached("after-end")

    return MortalLedger()


def _read(text: str) -> Rehearsal:
    told = dict(item.partition("=")[::2] for item in text.split(","))
    point, nth = told.pop("kill_at", ""), told.pop("nth", "1")
    if told or point not in POINTS or not nth.isdecimal():
        raise ConfigError(f"{VARIABLE}: kill_at=POINT,nth=N is expected, with a point of {', '.join(POINTS)}")
    return Rehearsal(point, int(nth))
