"""How many calls of a kind may be under way: as many as there are workers, or one at a time while a refusal is judged."""

import threading
from collections import Counter

from pipeline.submission.stopping import Kind

_TICK = 0.05  #: seconds; how soon a signal is noticed


class Gate:
    """Shared by the workers, each of which enters before its call and leaves after it."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._under_way: Counter[Kind] = Counter()
        self._narrow: set[Kind] = set()

    def narrow(self, kind: Kind) -> None:
        """One at a time from now on; what is under way goes on."""
        with self._changed:
            self._narrow.add(kind)

    def widen(self, kind: Kind) -> None:
        """As many as there are workers."""
        with self._changed:
            self._narrow.discard(kind)
            self._changed.notify_all()

    def try_enter(self, kind: Kind) -> bool:
        """Enter where there is room."""
        with self._changed:
            return self._entered(kind)

    def enter(self, kind: Kind, stopping: threading.Event) -> bool:
        """Enter as soon as there is room; False where the run is stopping."""
        with self._changed:
            while not stopping.is_set():
                if self._entered(kind):
                    return True
                self._changed.wait(_TICK)
        return False

    def leave(self, kind: Kind) -> None:
        """The call has come to its end."""
        with self._changed:
            self._under_way[kind] -= 1
            if kind in self._narrow:
                self._changed.notify_all()

    def _entered(self, kind: Kind) -> bool:
        if kind in self._narrow and self._under_way[kind]:
            return False
        self._under_way[kind] += 1
        return True
