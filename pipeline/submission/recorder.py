"""Write intents and outcomes to the ledger: intents before their send, outcomes in groups."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from pipeline.domain.fates import State
from pipeline.domain.responses import Accepted, Found, NoAnswer, NotFound, Outcome
from pipeline.storage.ledger import Answer, Intent, Withdrawal
from pipeline.submission.context import Context, Row
from pipeline.submission.steps import Final, Step, Stop

GROUP_ROWS, GROUP_SECONDS = 256, 0.25  #: outcomes that are committed together

Entry = Answer | Withdrawal


@dataclass(slots=True)
class Recorder:
    """Outcomes that wait for their commit. To lose one is harmless: the same key replays it."""

    context: Context
    on_recorded: Callable[[Iterable[Entry]], None]
    _pending: dict[str, list[Entry]] = field(default_factory=dict)  #: by run
    _since: float = 0.0  #: when the oldest pending entry came; monotonic

    def record_intents(self, run_id: str, at: datetime, intents: Sequence[Intent]) -> None:
        """Make intents durable; only then may their requests leave."""
        self.context.ledger.record_intents(run_id, at, intents, self.context.run.credential)

    def note(self, row: Row, outcome: Outcome, step: Step) -> None:
        """Add the outcome of a call."""
        self._add(row.run_id, _answer(row, outcome, step))

    def withdraw(self, row: Row) -> None:
        """Add that the request of an intent never left."""
        self._add(row.run_id, Withdrawal(row.intent))

    def commit(self) -> None:
        """Record the pending entries in the ledger."""
        while self._pending:
            run_id, entries = next(iter(self._pending.items()))
            self.context.ledger.record(run_id, self.context.clock.now(), entries)
            # What is recorded is not recorded again, whatever fails next.
            del self._pending[run_id]
            self.on_recorded(entries)

    def commit_if_due(self) -> None:
        """Record the pending entries if they are many or old."""
        if not self._pending:
            return
        is_old = self.context.clock.monotonic() - self._since >= GROUP_SECONDS
        if is_old or sum(map(len, self._pending.values())) >= GROUP_ROWS:
            self.commit()

    def _add(self, run_id: str, entry: Entry) -> None:
        if not self._pending:
            self._since = self.context.clock.monotonic()
        self._pending.setdefault(run_id, []).append(entry)


def _answer(row: Row, outcome: Outcome, step: Step) -> Answer:
    final = step.final if isinstance(step, Stop) else step if isinstance(step, Final) else None
    return Answer(
        intent=row.intent,
        state=final.state if final else State.UNKNOWN,
        call=row.kind.value,
        outcome=type(outcome).__name__,
        status=getattr(outcome, "status", None),
        replayed=getattr(outcome, "replayed", None),
        billing_id=final.billing_id if final else None,
        payable=final.payable if final else None,
        detail=final.detail if final else getattr(step, "why", None) or _in_words(outcome),
        differences=final.differences if final else (),
    )


def _in_words(outcome: Outcome) -> str | None:
    """Why an answer leaves a record in doubt; None if the answer explains nothing."""
    match outcome:
        case NoAnswer(why=why):
            return f"no answer ({why})"
        case Accepted() | Found() | NotFound():
            return None
        case _:
            status = getattr(outcome, "status", None)
            return getattr(outcome, "why", None) or (f"status {status}" if status else None)
