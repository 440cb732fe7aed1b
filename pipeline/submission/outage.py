"""Creates that wait for an outage to end, while one of them at a time tests whether billing answers."""

from collections import deque
from dataclasses import dataclass, field

from pipeline.submission.context import Context, Row
from pipeline.submission.dispatch import Dispatch

PROBE_EVERY = 5.0  #: seconds between two creates that test whether billing answers again


@dataclass(slots=True)
class Outage:
    """The rows that an outage holds back; none outside an outage."""

    context: Context
    dispatch: Dispatch
    #: Each with the moment from which it may be sent; monotonic.
    held: deque[tuple[float, Row]] = field(default_factory=deque)
    _probe: str | None = None  #: the held row that tests whether billing answers again
    _probe_at: float = 0.0

    def hold(self, row: Row, until: float) -> None:
        """Keep a row back; it is sent at `until` at the earliest."""
        self.held.append((until, row))

    def send_probe(self) -> None:
        """Send one held create at a time as a probe; it is a send like any other."""
        now = self.context.clock.monotonic()
        if not self.held or self._probe is not None or now < self._probe_at:
            return
        for _ in range(len(self.held)):
            due, row = self.held.popleft()
            if due <= now:
                self._probe = row.reference
                self.dispatch.hand_out(row)
                return
            self.held.append((due, row))

    def note_answer(self, row: Row, now: float) -> None:
        """A call has ended; if it was the probe, the next one may leave after a while."""
        if self._probe == row.reference:
            self._probe, self._probe_at = None, now + PROBE_EVERY

    def release(self) -> None:
        """Billing answers creates again."""
        now = self.context.clock.monotonic()
        rows, self.held = self.held, deque()
        for due, row in rows:
            self.dispatch.later(row, due - now)
