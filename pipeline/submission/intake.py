"""Take up planned creates, a window at a time, with their intents in the ledger first."""

import itertools
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from pipeline.domain.fates import State
from pipeline.storage.ledger import Intent, Known
from pipeline.submission.context import Context, Row
from pipeline.submission.dispatch import Dispatch
from pipeline.submission.inputs import Planned
from pipeline.submission.recorder import Recorder
from pipeline.submission.steps import Progress

WINDOW = 256  #: rows whose intents are made durable together


@dataclass(slots=True)
class Intake:
    """The planned creates that this process has not taken up."""

    context: Context
    dispatch: Dispatch
    recorder: Recorder
    planned: Iterator[Planned]
    canaries: int  #: rows that billing must show as they were sent, before the others are sent
    earlier: deque[str]  #: references of earlier runs, still to be tried; waited-for ones first
    has_more: bool = True  #: the plan may have more rows
    #: Planned, and begun before with the same content; they are sent last.
    begun_before: deque[str] = field(default_factory=deque)
    #: Every reference that was ever in `begun_before`, or taken over from an earlier run.
    own: set[str] = field(default_factory=set)
    #: Planned, and not sent while an earlier request for the reference, with other content, is in doubt.
    waiting: dict[str, Planned] = field(default_factory=dict)
    released: deque[Planned] = field(default_factory=deque)  #: were in `waiting`, and may be sent

    @property
    def is_empty(self) -> bool:
        """Whether no planned row is left, here or under way."""
        return not self.has_more and not self.own_rows

    @property
    def own_rows(self) -> int:
        """The number of this run's rows that were taken up or can be."""
        return self.dispatch.own_rows + len(self.begun_before) + len(self.released)

    def take(self, *, is_held: bool) -> None:
        """Take up the next windows, if there is room; `is_held`: creates wait for an outage to end."""
        if self.has_more and self._has_room(is_held=is_held):
            self.has_more = self._take_window(self.planned)
        if self.released and self._has_room(is_held=is_held):
            self._take_window(self._drain_released())

    def take_begun_before(self, *, is_held: bool) -> None:
        """Take up what this run began and left in doubt: after new rows, so that it cannot stop them."""
        while self.begun_before and self._has_room(is_held=is_held):
            count = min(WINDOW, len(self.begun_before))
            references = [self.begun_before.popleft() for _ in range(count)]
            for begun in self.context.ledger.reader.open_requests(references):
                self.dispatch.resume(begun, self.context.run.run_id)

    def release(self, reference: str) -> None:
        """The earlier request for a reference is final, so the planned row that waits may be sent."""
        if (waiting := self.waiting.pop(reference, None)) is not None:
            self.released.append(waiting)

    def _has_room(self, *, is_held: bool) -> bool:
        if is_held or (self.canaries and self.dispatch.own_rows):
            return False
        return self.dispatch.busy < WINDOW

    def _take_window(self, planned: Iterator[Planned]) -> bool:
        """Record the intents of the next rows, then hand them out; False if the plan has no more rows."""
        drawn = list(itertools.islice(planned, self.canaries or WINDOW))
        if not drawn:
            return False
        window = [row for row in drawn if not self._is_taken_over(row)]
        known = self._known(window)
        if any(_waits(row, known.get(row.external_reference)) for row in window):
            self.recorder.commit()  # the ledger may show the earlier request as final then
            known = self._known(window)
            window = self._without_waiting(window, known)
        # The ledger decides: what another run has finished since the plan is not sent.
        run_id = self.context.run.run_id
        fresh = [
            row for row in window if _may_begin(row, known.get(row.external_reference), run_id)
        ]
        in_doubt = [
            row.external_reference
            for row in window
            if _is_begun(row, known.get(row.external_reference))
        ]
        self.context.tally.passed_over += len(window) - len(fresh) - len(in_doubt)
        self._begin(fresh)
        self.begun_before += in_doubt
        self.own.update(in_doubt)
        return True

    def _begin(self, fresh: list[Planned]) -> None:
        """Record the intents of rows, then hand them out."""
        run, now = self.context.run, self.context.clock.at_billing()
        intents = [
            Intent(
                row.external_reference,
                row.fingerprint,
                row.key,
                row.payload,
                normalization=row.normalization,
            )
            for row in fresh
        ]
        self.recorder.record_intents(run.run_id, now, intents)
        for intent in intents:
            self.dispatch.take_up(
                Row(
                    intent,
                    run.run_id,
                    Progress(is_canary=self.canaries > 0),
                    now,
                    run.credential,
                    is_new=True,
                    last_call=self.context.started,
                )
            )

    def _known(self, window: list[Planned]) -> dict[str, Known]:
        return self.context.ledger.reader.states([row.external_reference for row in window])

    def _without_waiting(self, window: list[Planned], known: dict[str, Known]) -> list[Planned]:
        """The rows that need not wait; the others are kept in `waiting`."""
        waiting = {
            row.external_reference: row
            for row in window
            if _waits(row, known.get(row.external_reference))
        }
        if waiting:
            self.waiting |= waiting
            ordered = sorted(self.earlier, key=lambda reference: reference not in self.waiting)
            self.earlier.clear()
            self.earlier.extend(ordered)
        return [row for row in window if row.external_reference not in waiting]

    def _drain_released(self) -> Iterator[Planned]:
        while self.released:
            yield self.released.popleft()

    def _is_taken_over(self, planned: Planned) -> bool:
        """Whether a planned row is under way already for an earlier run, with the same content.

        If so, it belongs to this run from now on.
        """
        row = self.dispatch.rows.get(planned.external_reference)
        if row is None:
            return False
        if row.is_earlier and row.intent.fingerprint == planned.fingerprint:
            self.dispatch.earlier_rows -= 1
            row.is_earlier, row.run_id = False, self.context.run.run_id
            self.own.add(row.reference)
            return True
        return False


def _may_begin(row: Planned, known: Known | None, run_id: str) -> bool:
    """Whether a planned create may be begun: the ledger has nothing for its reference that forbids it."""
    match known:
        case None | Known(state=State.WITHDRAWN):
            return True
        case Known(state=State.REFUSED | State.NEVER_CREATED):
            # A refusal or giving up in this run is final; the plan has taken older ones into account.
            return known.fingerprint != row.fingerprint or known.run_id != run_id
        case _:
            return False


def _waits(row: Planned, known: Known | None) -> bool:
    """Whether a request for its reference with other content is in doubt; then nothing else is sent for it."""
    return (
        known is not None and known.state is State.UNKNOWN and known.fingerprint != row.fingerprint
    )


def _is_begun(row: Planned, known: Known | None) -> bool:
    """Whether a planned create was begun before with the same content and is still in doubt."""
    return (
        known is not None
        and known.state in {State.UNKNOWN, State.GIVEN_UP}
        and known.fingerprint == row.fingerprint
    )
