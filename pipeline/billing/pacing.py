"""When a request may leave: at most so many a second, fewer after a 429, and none while billing asked for a pause."""

import threading
from collections.abc import Callable

_SLOWEST = 0.1  #: requests a second; slower than that, the pause that billing asks for says more
_GROWTH = 1.05  #: a second: a halved pace is back after 14 seconds without a 429
_LONGEST_SLEEP = 60.0  #: seconds; a pause may be for ever, and no system sleeps that long
_SAME_BURST = 1.0  #: seconds; refusals of requests that left together halve the pace once


class Pace:
    """Shared by all workers. `clock` is monotonic, in seconds; `per_second` None means as fast as answers come.

    Requests are kept apart by when they really left, not by when they should have: a worker that the system woke
    late never makes two leave together, and so no second sees more than the pace and one.
    """

    def __init__(self, per_second: float | None, clock: Callable[[], float]) -> None:
        self._ceiling = per_second
        self._limit = per_second  #: at present; None: none
        self._clock = clock
        self._lock = threading.Lock()
        now = clock()
        self._last_left = now  # as the lookup did that a run begins with
        self._paused_until = now
        self._slowed_at = float("-inf")
        self._grown_at = now
        self._left, self._counting_since = 0, now

    @property
    def per_second(self) -> float | None:
        """The pace at present; None: as fast as answers come."""
        return self._limit

    def pause(self, seconds: float) -> None:
        """Nothing leaves for so long; a shorter pause never ends a longer one."""
        with self._lock:
            self._paused_until = max(self._paused_until, self._clock() + seconds)

    def slow_down(self) -> None:
        """Billing finds this too much: half as many a second from now on, growing back while it does not complain."""
        with self._lock:
            now = self._clock()
            if now - self._slowed_at < _SAME_BURST:
                return
            seen = self._left / max(now - self._counting_since, 0.1)
            self._limit = max((self._limit or seen) / 2, _SLOWEST)
            self._slowed_at = self._grown_at = now

    def wait(self, stopping: threading.Event) -> bool:
        """Wait until this request may leave; False where the run is stopping, and then it must not."""
        while not stopping.is_set():
            if (seconds := self.leave()) <= 0:
                return True
            stopping.wait(min(seconds, _LONGEST_SLEEP))
        return False

    def leave(self) -> float:
        """Leave now and get 0, or the seconds after which to ask again."""
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
