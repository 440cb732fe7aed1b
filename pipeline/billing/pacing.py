"""When a request may leave: at most so many a second, and none while billing asked for a pause."""

import threading
from collections.abc import Callable


class Pace:
    """Shared by all workers. `clock` is monotonic, in seconds; `per_second` None means as fast as answers come."""

    def __init__(self, per_second: float | None, clock: Callable[[], float]) -> None:
        self._gap = 1 / per_second if per_second else 0.0
        self._clock = clock
        self._lock = threading.Lock()
        self._next = clock()
        self._paused_until = self._next

    def pause(self, seconds: float) -> None:
        """Nothing leaves for so long; a shorter pause never ends a longer one."""
        with self._lock:
            self._paused_until = max(self._paused_until, self._clock() + seconds)

    def wait(self, stopping: threading.Event) -> bool:
        """Wait for this request's turn; False where the run is stopping, and then it must not leave."""
        turn = self._take_turn()
        while not stopping.is_set():
            now = self._clock()
            if now < turn:
                stopping.wait(turn - now)
            elif turn < self._paused_until:
                turn = self._take_turn()  # the pause came after: a new turn, or all who waited would leave at once
            else:
                return True
        return False

    def _take_turn(self) -> float:
        with self._lock:
            turn = max(self._next, self._clock(), self._paused_until)
            self._next = turn + self._gap
            return turn
