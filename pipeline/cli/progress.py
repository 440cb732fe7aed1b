"""Progress of a run: a bar with rate and time left on a terminal, else a line every 30 seconds."""

import contextlib
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pipeline.cli.output.terminal import say
from pipeline.cli.suggestions import suggested
from pipeline.domain.plurals import number_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.progress import Progress, TaskID

    from pipeline.workflows.progress import Tally, Watch

SECONDS_BETWEEN_LINES = 30.0


@contextmanager
def watching(*, quiet: bool) -> "Iterator[Watch]":
    """A watch that shows progress on stderr while the block runs."""
    from pipeline.workflows.progress import Watch

    if quiet:
        yield Watch(unfinished=_say_unfinished)
    elif sys.stderr.isatty():
        bars = _Bars()
        try:
            yield Watch(bars.reading, bars.clear, bars.submitting, bars.looking_up, _say_unfinished)
        finally:
            bars.clear()
    else:
        lines = _Lines()
        yield Watch(
            reading=lines.reading,
            submitting=lines.submitting,
            looking_up=lines.looking_up,
            unfinished=_say_unfinished,
        )


def _say_unfinished(run_id: str) -> None:
    command = suggested("resume", run_id)
    say(
        f"Run {run_id} is unfinished and its results are partial."
        f" Fix the error below, then: {command}"
    )


class _Lines:
    """Without a terminal: a line every 30 seconds, for a log."""

    def __init__(self) -> None:
        self._last = time.monotonic()
        self._first_done: tuple[float, int] | None = None

    def reading(self, records: int) -> None:
        if self._is_due():
            say(f"read {number_of(records, 'record')}")

    def submitting(self, tally: "Tally") -> None:
        now = time.monotonic()
        self._first_done = self._first_done or (now, tally.done)
        if self._is_due():
            since, done = self._first_done
            rate = (tally.done - done) / max(now - since, 1e-9)
            left = f", about {(tally.total - tally.done) / rate:,.0f} s left" if rate > 0 else ""
            say(
                f"submitted {tally.done:,} of {tally.total:,}: {_counts(tally)};"
                f" {rate:,.0f} a second{left}"
            )

    def looking_up(self, done: int, wanted: int) -> None:
        if self._is_due():
            say(f"looked up {done:,} of {wanted:,}")

    def _is_due(self) -> bool:
        now = time.monotonic()
        if now - self._last < SECONDS_BETWEEN_LINES:
            return False
        self._last = now
        return True


class _Bars:
    """On a terminal: one bar at a time, removed before a question."""

    def __init__(self) -> None:
        self._bar: Progress | None = None
        self._task: TaskID | None = None

    def reading(self, records: int) -> None:
        self._show("reading", records, None)

    def submitting(self, tally: "Tally") -> None:
        self._show(_counts(tally) or "submitting", tally.done, tally.total)

    def looking_up(self, done: int, wanted: int) -> None:
        self._show("looking up", done, wanted)

    def clear(self) -> None:
        if self._bar is not None:
            # A terminal that is gone stops no run and hides no error.
            with contextlib.suppress(OSError):
                self._bar.stop()
        self._bar = None

    def _show(self, what: str, done: int, total: int | None) -> None:
        with contextlib.suppress(OSError):
            self._update(what, done, total)

    def _update(self, what: str, done: int, total: int | None) -> None:
        if self._bar is None:
            self._bar = _bar()
            self._bar.start()
            self._task = self._bar.add_task(what, total=total, rate="")
        if self._task is not None:
            speed = self._bar.tasks[0].speed
            self._bar.update(
                self._task,
                completed=done,
                description=what,
                rate=f"{speed:.0f} a second" if speed else "",
            )


def _bar() -> "Progress":
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
        speed_estimate_period=10,
    )


def _counts(tally: "Tally") -> str:
    parts = [f"{count:,} {state}" for state, count in sorted(tally.states.items())]
    return ", ".join([*parts, *([f"{tally.in_doubt:,} in doubt"] if tally.in_doubt else [])])
