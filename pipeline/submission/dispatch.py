"""The rows under way: hand a call out now or later, and look up first where the protocol asks."""

import heapq
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from pipeline.billing import Call, Create, Lookup
from pipeline.storage.ledger import Begun
from pipeline.submission.context import Context, Row
from pipeline.submission.pool import Pool
from pipeline.submission.protocol import why_look_up_first
from pipeline.submission.steps import Progress, Why

_LONG_AGO = datetime.min.replace(tzinfo=UTC)


@dataclass(slots=True)
class Dispatch:
    """The rows that this process works on, and when their next call leaves."""

    context: Context
    pool: Pool
    is_ledger_whole: bool
    sent_before: float  #: no send of an earlier process left after this; monotonic
    #: Rows whose call is queued or running in the pool, each with the time when it was queued.
    queued: dict[str, datetime]
    rows: dict[str, Row] = field(default_factory=dict)
    earlier_rows: int = 0  #: rows of earlier runs among `rows`
    resting: set[str] = field(default_factory=set)  #: rows that wait out the lookup lag
    _timers: list[tuple[float, str]] = field(default_factory=list)

    @property
    def own_rows(self) -> int:
        """The number of this run's rows under way."""
        return len(self.rows) - self.earlier_rows

    @property
    def busy(self) -> int:
        """The number of rows that occupy a place in the window."""
        return len(self.rows) - len(self.resting)

    @property
    def busy_earlier(self) -> int:
        """The number of rows of earlier runs that occupy a place."""
        if not self.earlier_rows:
            return 0
        return self.earlier_rows - sum(
            self.rows[reference].is_earlier for reference in self.resting
        )

    def resume(self, begun: Begun, run_id: str, *, is_earlier: bool = False) -> None:
        """Take up a row that an earlier process began."""
        self.earlier_rows += is_earlier
        clock = self.context.clock
        self.take_up(
            Row(
                begun.intent,
                run_id,
                Progress(is_in_doubt=True, generation=begun.intent.generation),
                # Our clock may have been set back since: then an expired key would seem young.
                _LONG_AGO if clock.billing_ahead() is None else begun.first_sent,
                begun.credential,
                is_new=False,
                last_call=self.sent_before,
                is_earlier=is_earlier,
                statuses_before=begun.statuses,
            )
        )

    def take_up(self, row: Row) -> None:
        """Add a row to this process: hand it out, or look it up first if `why_look_up_first` requires it."""
        self.rows[row.reference] = row
        if why := self._look_first(row, is_ledger_whole=self.is_ledger_whole):
            row.progress = replace(row.progress, why=why)
            self.rest(row)
        else:
            self.hand_out(row)

    def hand_out(self, row: Row) -> None:
        """Hand out the next send or lookup; with an old key or another credential, look up first (rule 2)."""
        if row.progress.why is None and row.progress.is_in_doubt:
            row.progress = replace(row.progress, why=self._look_first(row, is_ledger_whole=True))
            if row.progress.why is not None:
                self.rest(row)
                return
        intent = row.intent
        call: Call = Create(intent.external_reference, intent.key, intent.payload)
        if row.progress.why is not None:
            call = Lookup(intent.external_reference, intent.payload)
        self.queued[row.reference] = self.context.clock.latest()
        self.pool.hand_out(row.reference, call)

    def rest(self, row: Row) -> None:
        """Look up when the lookup lag after the last call has passed."""
        context = self.context
        wait = row.last_call + context.policy.lookup_lag - context.clock.monotonic()
        self.later(row, max(0.0, wait), rests=True)

    def later(self, row: Row, after: float, *, rests: bool = False) -> None:
        """Hand a row out after some seconds; `rests`: it occupies no place until then."""
        if after <= 0:
            self.hand_out(row)
            return
        if rests:
            self.resting.add(row.reference)
        heapq.heappush(self._timers, (self.context.clock.monotonic() + after, row.reference))

    def release_due(self) -> None:
        """Hand out the rows whose wait is over."""
        now = self.context.clock.monotonic()
        while self._timers and self._timers[0][0] <= now:
            _, reference = heapq.heappop(self._timers)
            self.resting.discard(reference)
            self.hand_out(self.rows[reference])

    def remove(self, row: Row) -> None:
        """Forget a row: it is final, or left in doubt."""
        del self.rows[row.reference]
        self.earlier_rows -= row.is_earlier

    def _look_first(self, row: Row, *, is_ledger_whole: bool) -> Why | None:
        context = self.context
        return why_look_up_first(
            begun_before=row.progress.is_in_doubt,
            age_hours=(context.clock.latest() - row.first_sent).total_seconds() / 3600,
            same_credential=row.credential == context.run.credential,
            is_ledger_whole=is_ledger_whole,
            policy=context.policy,
        )
