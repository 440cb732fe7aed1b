"""The sandbox's own clock, which can be moved. Keys expire by it, and every `Date` header shows it."""

import time
from datetime import UTC, datetime


class Clock:
    """A clock at the speed of the machine's clock, `offset` seconds ahead of it."""

    def __init__(self, offset: float = 0.0) -> None:
        """Start `offset` seconds ahead of the machine's clock; behind it if negative."""
        self.offset = offset

    def seconds(self) -> float:
        """Seconds since 1970, as the sandbox sees it."""
        return time.time() + self.offset

    def now(self) -> datetime:
        """Return the sandbox's time, in UTC."""
        return datetime.fromtimestamp(self.seconds(), UTC)

    def advance(self, seconds: float) -> None:
        """Move on by `seconds`; ValueError where that leaves the calendar."""
        self._move_to(self.seconds() + seconds)

    def set(self, moment: str) -> None:
        """Show `moment`, an ISO 8601 time with its offset from UTC; ValueError for anything else."""
        parsed = datetime.fromisoformat(moment)
        if parsed.tzinfo is None:
            raise ValueError("the time needs its offset from UTC, as in 2026-03-02T09:14:00+02:00")
        self._move_to(parsed.timestamp())

    def _move_to(self, seconds: float) -> None:
        try:
            datetime.fromtimestamp(seconds, UTC)
        except (OverflowError, OSError, ValueError):
            raise ValueError("that time is outside the years 1 to 9999") from None
        self.offset = seconds - time.time()
