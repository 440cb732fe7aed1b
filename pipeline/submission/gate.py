"""The limit of concurrent calls of a kind: no limit, one at a time, or none."""

import threading
from collections import Counter

from pipeline.submission.circuit_breaker import Kind

_TICK = 0.05  #: seconds; how soon a signal is noticed


class Gate:
    """Shared by the workers; each enters before its call and leaves after it."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._under_way: Counter[Kind] = Counter()
        self._room: dict[Kind, int] = {}  #: the limit of each kind that has one

    def shut(self, kind: Kind) -> None:
        """Let no new call enter until the deciding thread allows it; calls under way continue."""
        self._set(kind, 0)

    def narrow(self, kind: Kind) -> None:
        """Let one call at a time enter, while a refusal is judged."""
        self._set(kind, 1)

    def widen(self, kind: Kind) -> None:
        """Remove the limit."""
        self._set(kind, None)

    def try_enter(self, kind: Kind) -> bool:
        """Enter if the limit allows it, without waiting."""
        with self._changed:
            return self._entered(kind)

    def enter(self, kind: Kind, stopping: threading.Event) -> bool:
        """Enter as soon as the limit allows it; False if the run is stopping."""
        with self._changed:
            while not stopping.is_set():
                if self._entered(kind):
                    return True
                self._changed.wait(_TICK)
        return False

    def leave(self, kind: Kind) -> None:
        """The call has ended."""
        with self._changed:
            self._under_way[kind] -= 1
            if kind in self._room:
                self._changed.notify_all()

    def _set(self, kind: Kind, room: int | None) -> None:
        with self._changed:
            if room is None:
                self._room.pop(kind, None)
            else:
                self._room[kind] = room
            self._changed.notify_all()

    def _entered(self, kind: Kind) -> bool:
        if self._under_way[kind] >= self._room.get(kind, self._under_way[kind] + 1):
            return False
        self._under_way[kind] += 1
        return True
