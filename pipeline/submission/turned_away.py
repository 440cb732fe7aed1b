"""Whose fault a refusal at the door is: a record's alone, or everybody's. Pure.

A key that is refused, a wrong address and a gateway that dislikes one name all answer with 401 to 406, 415 or 3xx before
billing has looked at the record. One answer does not tell them apart; what other records get does.
"""

from collections import Counter
from dataclasses import dataclass, field

from pipeline.submission.deciding import Stop

_ALIKE = 3  #: different records refused with the same status, and none accepted between


@dataclass(slots=True)
class Suspicion:
    """Records of one kind of call that were refused at the door since one was last accepted."""

    waiting: list[str] = field(default_factory=list)
    has_accepted: bool = False  #: in this run
    _statuses: Counter[int] = field(default_factory=Counter)
    _stop: Stop | None = None

    def add(self, reference: str, status: int, stop: Stop) -> Stop | None:
        """One more; the reason to stop where three were refused alike."""
        self.waiting.append(reference)
        self._statuses[status] += 1
        self._stop = self._stop or stop
        return stop if self._statuses[status] >= _ALIKE else None

    def accepted(self) -> list[str]:
        """A record was accepted: those that wait are refused for what they are. They are to be set aside."""
        self.has_accepted = True
        return self._cleared() if self.waiting else []

    def nobody_else(self) -> tuple[list[str], Stop | None]:
        """No other record is left to ask with: those to set aside, and the reason to stop where none was ever accepted."""
        stop = None if self.has_accepted else self._stop
        return self._cleared(), stop

    def _cleared(self) -> list[str]:
        waiting, self.waiting = self.waiting, []
        self._statuses, self._stop = Counter(), None
        return waiting
