"""Run the command line and kill it at a chosen point: `KILL_AT="after-intents 3" python -m tests.kill_points run …`.

The points surround the methods that a run calls between two states of the ledger and of billing. They are wrapped here,
before the command starts, so the package itself contains no kill point.
"""

import functools
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any
from unittest import mock

from pipeline.billing import Billing, Create
from pipeline.storage.ledger import Ledger

VARIABLE = "KILL_AT"
#: The place of a point -> the class and the method that it surrounds.
_METHODS: dict[str, tuple[type, str]] = {
    "intents": (Ledger, "record_intents"),
    "send": (Billing, "make"),
    "outcomes": (Ledger, "record"),
    "end": (Ledger, "end_run"),
}
POINTS = tuple(f"{side}-{place}" for place in _METHODS for side in ("before", "after"))


def kill_this_process() -> None:
    """As `kill -9`: nothing of the process runs on."""
    os.kill(os.getpid(), signal.SIGKILL)


@dataclass
class KillPoint:
    """A point, and how often it may still be reached."""

    point: str
    left: int
    kill: Callable[[], None] = kill_this_process

    @classmethod
    def read(cls, text: str) -> "KillPoint":
        """The point of a text such as `after-intents 3`; ValueError if there is none of this name."""
        point, nth = text.split()
        if point not in POINTS:
            raise ValueError(f"{point} is none of {', '.join(POINTS)}")
        return cls(point, int(nth))

    def reached(self, point: str) -> None:
        """Kill the process if this is the point, for the n-th time."""
        if point == self.point:
            self.left -= 1
            if self.left <= 0:
                self.kill()

    @contextmanager
    def armed(self) -> Iterator[None]:
        """Surround the methods with their points."""
        with ExitStack() as stack:
            for place, (owner, name) in _METHODS.items():
                around = self._around(place, getattr(owner, name))
                stack.enter_context(mock.patch.object(owner, name, around))
            yield

    def _around(self, place: str, method: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(method)
        def with_points(owner: object, *given: Any, **named: Any) -> Any:
            if place == "send" and not isinstance(given[0], Create):
                return method(owner, *given, **named)
            self.reached(f"before-{place}")
            result = method(owner, *given, **named)
            self.reached(f"after-{place}")
            return result

        return with_points


def program(environment: dict[str, str]) -> str:
    """The module to start: this one if the environment names a kill point."""
    return "tests.kill_points" if VARIABLE in environment else "pipeline"


if __name__ == "__main__":
    from pipeline.cli import main

    with KillPoint.read(os.environ[VARIABLE]).armed():
        sys.exit(main())
