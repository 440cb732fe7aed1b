"""Where the time and the memory of a run go: seconds, rows and peak memory of each stage."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipeline.workflows.progress import CLOCK

_EVERY = 0.02  #: seconds between two looks at the memory
_STATUS = Path("/proc/self/status")


class Profile:
    """The stages of one run in the order in which they were first entered.

    Stages of batches are entered once a batch and add up; what runs in a thread beside others counts its own seconds, so
    the sum may be more than the run took. Memory is what no file backs, looked at fifty times a second: the most of it
    while a stage was at work (None where the system does not tell).
    """

    def __init__(self) -> None:
        self.stages: dict[str, dict[str, Any]] = {}
        self._open: list[str] = []
        self._over = threading.Event()

    @contextmanager
    def running(self) -> Iterator["Profile"]:
        """Look at the memory until the block ends."""
        watcher = threading.Thread(target=self._watch, name="profile", daemon=True)
        watcher.start()
        try:
            yield self
        finally:
            self._over.set()
            watcher.join()

    @contextmanager
    def stage(self, name: str, rows: int = 0) -> Iterator[None]:
        """What happens in the block belongs to this stage, and `rows` rows go through it."""
        entry = self.stages.setdefault(name, {"seconds": 0.0, "rows": 0, "peak_bytes": None})
        self._open.append(name)
        began = CLOCK.monotonic()
        try:
            yield
        finally:
            entry["seconds"] = round(entry["seconds"] + CLOCK.monotonic() - began, 4)
            entry["rows"] += rows
            self._look()
            self._open.remove(name)

    def timed(self, name: str, series: Iterator[Any]) -> Iterator[Any]:
        """The same items; making each of them belongs to this stage."""
        while True:
            with self.stage(name):
                item = next(series, self)
            if item is self:
                return
            yield item

    @property
    def seconds(self) -> dict[str, float]:
        """Seconds by stage."""
        return {name: round(entry["seconds"], 3) for name, entry in self.stages.items()}

    def _watch(self) -> None:
        while not self._over.wait(_EVERY):
            self._look()

    def _look(self) -> None:
        now = anonymous_bytes()
        if now is None:
            return
        for name in tuple(self._open):
            entry = self.stages[name]
            entry["peak_bytes"] = max(entry["peak_bytes"] or 0, now)


def anonymous_bytes() -> int | None:
    """Resident memory of this process that no file backs, None where the system does not tell."""
    try:
        status = _STATUS.read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    for line in status.splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    return None
