"""Whether a refusal before the record was read concerns one record or all of them. Pure.

A refused key, a wrong address and a gateway that rejects one name all answer with 401 to 406, 415 or 3xx before billing
reads the record. One answer does not show which it is; the answers to other records do.
"""

from collections import Counter
from dataclasses import dataclass, field

from pipeline.submission.steps import Stop

_ALIKE = 3  #: different records refused with the same status, and none accepted between


@dataclass(slots=True)
class Suspicion:
    """Records of one kind of call that were refused so since one was last accepted."""

    waiting: list[str] = field(default_factory=list)
    has_accepted: bool = False  #: in this run
    _statuses: Counter[int] = field(default_factory=Counter)
    _stop: Stop | None = None

    def add(self, reference: str, status: int, stop: Stop) -> Stop | None:
        """Add a record; return the reason to stop if three were refused alike."""
        self.waiting.append(reference)
        self._statuses[status] += 1
        self._stop = self._stop or stop
        return stop if self._statuses[status] >= _ALIKE else None

    def accepted(self) -> list[str]:
        """A record was accepted, so the waiting ones are refused for their content; return them, to be set aside."""
        self.has_accepted = True
        return self._cleared() if self.waiting else []

    def nobody_else(self) -> tuple[list[str], Stop | None]:
        """No other record is left to compare with: the records to set aside, and the reason to stop if none was ever accepted."""
        stop = None if self.has_accepted else self._stop
        return self._cleared(), stop

    def _cleared(self) -> list[str]:
        waiting, self.waiting = self.waiting, []
        self._statuses, self._stop = Counter(), None
        return waiting
