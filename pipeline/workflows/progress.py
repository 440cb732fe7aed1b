"""What every workflow needs: a clock, and callbacks for progress."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from pipeline.submission import Clock, StopRequest, Tally

__all__ = ["CLOCK", "NOBODY", "StopRequest", "Tally", "Watch"]

CLOCK = Clock(lambda: datetime.now(UTC), time.monotonic)


@dataclass(frozen=True, slots=True)
class Watch:
    """Callbacks for progress; by default they do nothing."""

    reading: Callable[[int], None] = lambda _records: None
    planned: Callable[[], None] = lambda: None
    submitting: Callable[[Tally], None] = lambda _tally: None
    looking_up: Callable[[int, int], None] = lambda _done, _wanted: None
    unfinished: Callable[[str], None] = lambda _run_id: None  #: a run failed after it began


NOBODY = Watch()
