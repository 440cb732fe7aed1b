"""Requests that earlier runs left in doubt: tried in parallel with the new rows, in a bounded share of the time."""

from dataclasses import dataclass

from pipeline.submission.context import Context
from pipeline.submission.dispatch import Dispatch
from pipeline.submission.intake import Intake
from pipeline.submission.recorder import Recorder

_SHARE = 4  #: they take at most every fourth worker,
#: and, once this run's rows are done, at most this share of the time that these took,
_LONGER = 0.1
_LEAST = 0.5  #: or this many seconds; if this run has no rows of its own,
_ALONE = 10.0  #: two lookup lags and this many seconds


@dataclass(slots=True)
class EarlierRequests:
    """When the references in `Intake.earlier` are tried."""

    context: Context
    dispatch: Dispatch
    recorder: Recorder
    intake: Intake
    _until: float | None = None  #: when their time ends; None while own rows are left

    def take(self, *, has_accepted: bool) -> None:
        """Take up a few at a time, after a create was accepted or when no own row is left."""
        if not (has_accepted or self.intake.is_empty):
            return
        places = max(1, self.context.policy.workers // _SHARE)
        while self.intake.earlier and self.dispatch.busy_earlier < places:
            reference = self.intake.earlier.popleft()
            if reference in self.intake.own:
                continue
            self.recorder.commit()  # the ledger may show it as final then
            for begun in self.context.ledger.reader.open_requests([reference]):
                self.dispatch.resume(begun, begun.run_id, is_earlier=True)

    def has_time(self) -> bool:
        """Whether time is left to continue only for these."""
        if not self.intake.earlier and not self.dispatch.earlier_rows:
            return False
        context = self.context
        now = context.clock.monotonic()
        if self._until is None:
            alone = 2 * context.policy.lookup_lag + _ALONE
            longer = max((now - context.started) * _LONGER, _LEAST)
            has_own = context.tally.done and not self.intake.waiting
            self._until = now + (longer if has_own else alone)
        return now < self._until
