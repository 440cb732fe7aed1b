"""How far a run is: a bar with rate and time left on a terminal, one line every 30 seconds off it."""

import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pipeline.cli.printing import say

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.progress import Progress, TaskID

    from pipeline.verbs.run import Tally, Watch

SECONDS_BETWEEN_LINES = 30.0


@contextmanager
def watching(*, quiet: bool) -> "Iterator[Watch]":
    """A watch that shows progress on stderr while the block runs."""
    from pipeline.verbs.run import Watch

    if quiet:
        yield Watch()
    elif sys.stderr.isatty():
        with _bars() as bars:
            shown = _Bars(bars)
            yield Watch(shown.reading, shown.submitting)
    else:
        lines = _Lines()
        yield Watch(lines.reading, lines.submitting)


class _Lines:
    """Off a terminal: a line now and then, for a log."""

    def __init__(self) -> None:
        self._began = self._said = time.monotonic()
        self._first_done: tuple[float, int] | None = None

    def reading(self, records: int) -> None:
        if self._is_due():
            say(f"read {records} records")

    def submitting(self, tally: "Tally") -> None:
        now = time.monotonic()
        self._first_done = self._first_done or (now, tally.done)
        if self._is_due():
            since, done = self._first_done
            rate = (tally.done - done) / max(now - since, 1e-9)
            left = f", about {(tally.total - tally.done) / rate:.0f} s left" if rate > 0 else ""
            say(f"submitted {tally.done} of {tally.total}: {_counts(tally)}; {rate:.0f} a second{left}")

    def _is_due(self) -> bool:
        now = time.monotonic()
        if now - self._said < SECONDS_BETWEEN_LINES:
            return False
        self._said = now
        return True


class _Bars:
    """On a terminal."""

    def __init__(self, progress: "Progress") -> None:
        self._progress = progress
        self._read: TaskID | None = None
        self._sent: TaskID | None = None

    def reading(self, records: int) -> None:
        if self._read is None:
            self._read = self._progress.add_task("reading", total=None)
        self._progress.update(self._read, completed=records)

    def submitting(self, tally: "Tally") -> None:
        if self._sent is None:
            if self._read is not None:
                self._progress.remove_task(self._read)
            self._sent = self._progress.add_task("submitting", total=tally.total)
        self._progress.update(self._sent, completed=tally.done, description=_counts(tally) or "submitting")


def _bars() -> "Progress":
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeRemainingColumn,
    )

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TaskProgressColumn(show_speed=True),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
        speed_estimate_period=10,
    )


def _counts(tally: "Tally") -> str:
    parts = [f"{count} {state}" for state, count in sorted(tally.states.items())]
    return ", ".join([*parts, *([f"{tally.in_doubt} in doubt"] if tally.in_doubt else [])])
