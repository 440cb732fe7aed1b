"""The rate limit: a maximum of requests per second, less after a 429, and none during a pause that billing asked for."""

import threading
from collections.abc import Callable

_SLOWEST = (
    0.1  #: requests per second, the lowest rate; below it, the pause that billing asks for decides
)
_GROWTH = 1.05  #: per second: a halved rate is back after 14 seconds without a 429
_LONGEST_SLEEP = 60.0  #: seconds; a pause may be infinite, and a wait may not
_SAME_BURST = 1.0  #: seconds; several 429s within them halve the rate once


class Pace:
    """Shared by all workers. `clock` is monotonic, in seconds; `per_second` None means no limit.

    The gap between requests counts from when the last one really left, not from when it was due. So a worker that wakes
    late does not make two requests leave together, and no second has more than the limit and one.
    """

    def __init__(self, per_second: float | None, clock: Callable[[], float]) -> None:
        self._ceiling = per_second
        self._limit = per_second  #: at present; None: no limit
        self._clock = clock
        self._lock = threading.Lock()
        now = clock()
        self._last_left = now  # a run begins with a lookup, which has just left
        self._paused_until = now
        self._slowed_at = float("-inf")
        self._grown_at = now
        self._left, self._counting_since = 0, now

    @property
    def per_second(self) -> float | None:
        """The rate limit at present; None: no limit."""
        return self._limit

    def pause(self, seconds: float) -> None:
        """Let nothing leave for some seconds; a shorter pause never ends a longer one."""
        with self._lock:
            self._paused_until = max(self._paused_until, self._clock() + seconds)

    def slow_down(self) -> None:
        """Halve the rate after a 429; it grows back while no other 429 comes."""
        with self._lock:
            now = self._clock()
            if now - self._slowed_at < _SAME_BURST:
                return
            seen = self._left / max(now - self._counting_since, 0.1)
            self._limit = max((self._limit or seen) / 2, _SLOWEST)
            self._slowed_at = self._grown_at = now

    def wait(self, stopping: threading.Event) -> bool:
        """Wait until this request may leave; False if the run is stopping: then it must not leave."""
        while not stopping.is_set():
            if (seconds := self.leave()) <= 0:
                return True
            stopping.wait(min(seconds, _LONGEST_SLEEP))
        return False

    def leave(self) -> float:
        """Take a turn and return 0, or return the seconds after which to ask again."""
        with self._lock:
            now = self._clock()
            due = self._due(now)
            if now < due:
                return due - now
            self._last_left = now
            self._count(now)
            return 0.0

    def _due(self, now: float) -> float:
        if self._limit is None:
            return self._paused_until
        if self._limit != self._ceiling:
            self._grow(now)
        gap = 1 / self._limit if self._limit else 0.0
        return max(self._last_left + gap, self._paused_until)

    def _grow(self, now: float) -> None:
        if self._limit is None:
            return
        grown = self._limit * _GROWTH ** (now - self._grown_at)
        self._grown_at = now
        self._limit = grown if self._ceiling is None else min(grown, self._ceiling)

    def _count(self, now: float) -> None:
        if now - self._counting_since > 10:
            self._left, self._counting_since = 0, now
        self._left += 1
