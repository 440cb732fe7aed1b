"""How a row ends in this process: final, or in doubt until the sweep at the end of the run."""

from dataclasses import dataclass, field, replace

from pipeline.domain.fates import State
from pipeline.submission.circuit_breaker import Kind
from pipeline.submission.context import Context, Row
from pipeline.submission.dispatch import Dispatch
from pipeline.submission.intake import Intake
from pipeline.submission.steps import LeaveInDoubt, Progress, Tries, Why


@dataclass(slots=True)
class Endings:
    """Counts the rows that end, and keeps those in doubt for the sweep."""

    context: Context
    dispatch: Dispatch
    intake: Intake
    in_doubt: list[Row] = field(default_factory=list)  #: for the sweep

    def finish(self, row: Row, state: State) -> None:
        """The row is final."""
        self.dispatch.remove(row)
        tally = self.context.tally
        if row.is_earlier:
            tally.earlier += 1
            self.intake.release(row.reference)
            return
        tally.states[state] += 1
        if not row.is_counted:
            is_refusal = state in {State.REFUSED, State.CREATED_DIFFERENT}
            self.context.evidence.count_row(refusal=is_refusal)
        if row.progress.is_canary and state is State.CREATED:
            self.intake.canaries -= 1

    def leave(self, row: Row, step: LeaveInDoubt) -> None:
        """Keep a row in doubt for the sweep; after the sweep, and for earlier runs, leave it."""
        self.dispatch.remove(row)
        if row.is_earlier:
            return
        if not row.is_counted and (step.is_refusal or row.is_swept):
            self.context.evidence.count_row(refusal=step.is_refusal)
            row.is_counted = True
        if row.is_swept:
            self.context.tally.in_doubt += 1
            return
        row.progress = replace(
            row.progress,
            # A create that ends in doubt may have taken effect; a lookup changes nothing.
            is_in_doubt=row.progress.is_in_doubt or row.kind is Kind.CREATE,
            may_be_sent=step.may_be_sent,
            last_answer=row.progress.last_answer or step.why,
        )
        self.in_doubt.append(row)

    def set_aside(self, row: Row) -> None:
        """Leave a row that was refused before billing read it; it is not sent again."""
        step = LeaveInDoubt(row.progress.last_answer, is_refusal=True, may_be_sent=False)
        self.leave(row, step)

    def sweep(self) -> None:
        """When nothing else is left: look up each row in doubt, and if nothing is found, send it once more."""
        rows, self.in_doubt = self.in_doubt, []
        for row in rows:
            before = row.progress
            row.progress = Progress(
                is_in_doubt=before.is_in_doubt,
                why=Why.SWEEP,
                tries=Tries(sends=before.tries.sends),
                is_last=True,
                generation=before.generation,
                may_be_sent=before.may_be_sent,
                is_key_old=before.is_key_old,
                last_answer=before.last_answer,
            )
            row.spent, row.is_swept = 0.0, True
            self.dispatch.rows[row.reference] = row
            self.dispatch.rest(row)
