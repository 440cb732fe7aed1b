"""Measure seconds, rows and peak memory of each stage of a run."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pipeline.domain.plan_file import StageProfile
from pipeline.workflows.progress import CLOCK

_EVERY = 0.02  #: seconds between two measurements of the memory
_STATUS = Path("/proc/self/status")

_Item = TypeVar("_Item")


@dataclass(slots=True)
class _Stage:
    """The figures of a stage so far."""

    seconds: float = 0.0
    rows: int = 0
    peak_bytes: int | None = None


class Profile:
    """The stages of one run, in the order in which they first began.

    A stage is entered once a batch and adds up. Threads count their own seconds, so the sum may
    exceed the duration of the run. Memory is the peak of anonymous memory during a stage, measured
    fifty times a second; None if the system does not report it.
    """

    def __init__(self) -> None:
        self._stages: dict[str, _Stage] = {}
        self._open: list[str] = []
        self._over = threading.Event()

    @contextmanager
    def running(self) -> Iterator["Profile"]:
        """Measure the memory until the block ends."""
        watcher = threading.Thread(target=self._watch, name="profile", daemon=True)
        watcher.start()
        try:
            yield self
        finally:
            self._over.set()
            watcher.join()

    @contextmanager
    def stage(self, name: str, rows: int = 0) -> Iterator[None]:
        """Count the block and its `rows` as part of this stage."""
        entry = self._stages.setdefault(name, _Stage())
        self._open.append(name)
        began = CLOCK.monotonic()
        try:
            yield
        finally:
            entry.seconds = round(entry.seconds + CLOCK.monotonic() - began, 4)
            entry.rows += rows
            self._measure()
            self._open.remove(name)

    def timed(self, name: str, series: Iterator[_Item]) -> Iterator[_Item]:
        """The same items; making each of them counts as part of this stage."""
        while True:
            with self.stage(name):
                try:
                    item = next(series)
                except StopIteration:
                    return
            yield item

    def add(self, stages: Mapping[str, StageProfile]) -> None:
        """Take over stages that were measured elsewhere."""
        for name, stage in stages.items():
            self._stages[name] = _Stage(stage.seconds, stage.rows, stage.peak_bytes)

    def add_rows(self, name: str, rows: int) -> None:
        """Count rows of a stage that were not known when it began."""
        self._stages[name].rows += rows

    @property
    def stages(self) -> dict[str, StageProfile]:
        """The figures of each stage."""
        return {
            name: StageProfile(seconds=one.seconds, rows=one.rows, peak_bytes=one.peak_bytes)
            for name, one in self._stages.items()
        }

    @property
    def seconds(self) -> dict[str, float]:
        """Seconds by stage."""
        return {name: round(entry.seconds, 3) for name, entry in self._stages.items()}

    def _watch(self) -> None:
        while not self._over.wait(_EVERY):
            self._measure()

    def _measure(self) -> None:
        now = anonymous_bytes()
        if now is None:
            return
        for name in tuple(self._open):
            entry = self._stages[name]
            entry.peak_bytes = max(entry.peak_bytes or 0, now)


def anonymous_bytes() -> int | None:
    """Anonymous resident memory of this process; None if the system does not report it."""
    try:
        status = _STATUS.read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    for line in status.splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    return None
