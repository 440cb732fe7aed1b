"""Kill the process at a point that a test chooses: around the ledger and the calls, with sandboxes on this machine only.

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
from pipeline.domain.responses import Outcome
from pipeline.errors import ConfigError
from pipeline.storage.ledger import Ledger

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
    """Kill the process with SIGKILL when it reaches a point for the n-th time."""

    kill_at: str
    nth: int = 1
    _reached: int = field(default=0, init=False)

    def reached(self, point: str) -> None:
        """Kill the process if this is the point."""
        if point == self.kill_at:
            self._reached += 1
            if self._reached >= self.nth:
                os.kill(os.getpid(), signal.SIGKILL)


def rehearsed(
    ledger: Ledger,
    make: Callable[[Call], Outcome],
    target: Target,
    variables: Mapping[str, str] = os.environ,
) -> tuple[Ledger, Callable[[Call], Outcome]]:
    """The ledger and the calls unchanged; in a rehearsal, wrapped with its kill point."""
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

        def record_intents(self, *arguments: Any) -> None:
            rehearsal.reached("before-intents")
            super().record_intents(*arguments)
            rehearsal.reached("after-intents")

        def record(self, *arguments: Any) -> None:
            rehearsal.reached("before-outcomes")
            super().record(*arguments)
            rehearsal.reached("after-outcomes")

        def end_run(self, *arguments: Any) -> None:
            rehearsal.reached("before-end")
            super().end_run(*arguments)
            rehearsal.reached("after-end")

    return MortalLedger()


def _read(text: str) -> Rehearsal:
    given = dict(item.partition("=")[::2] for item in text.split(","))
    point, nth = given.pop("kill_at", ""), given.pop("nth", "1")
    if given or point not in POINTS or not nth.isdecimal():
        raise ConfigError(
            f"{VARIABLE}: kill_at=POINT,nth=N is expected, with a point of {', '.join(POINTS)}"
        )
    return Rehearsal(point, int(nth))
