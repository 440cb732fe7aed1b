"""Rows that were refused before billing read them: each waits until other answers show what was refused."""

from dataclasses import dataclass, field

from pipeline.submission.circuit_breaker import Kind
from pipeline.submission.context import Context, Row
from pipeline.submission.dispatch import Dispatch
from pipeline.submission.endings import Endings
from pipeline.submission.gate import Gate
from pipeline.submission.steps import TurnedAway
from pipeline.submission.turned_away import Suspicion


@dataclass(slots=True)
class Refusals:
    """Judges refused rows by the answers to others of the same kind, and narrows the gate meanwhile."""

    context: Context
    dispatch: Dispatch
    endings: Endings
    gate: Gate
    has_created: bool  #: an earlier attempt at this run has created customers
    suspicion: dict[Kind, Suspicion] = field(
        default_factory=lambda: {kind: Suspicion() for kind in Kind}
    )

    @property
    def has_accepted_create(self) -> bool:
        """Whether billing has accepted a create in this process."""
        return self.suspicion[Kind.CREATE].has_accepted

    def waiting(self) -> set[str]:
        """The rows that wait for a judgement."""
        return {one for suspicion in self.suspicion.values() for one in suspicion.waiting}

    def add(self, row: Row, step: TurnedAway) -> None:
        """A row was refused: set it aside, or wait, or stop the run."""
        kind = row.kind
        suspicion = self.suspicion[kind]
        row.progress = step.progress
        if step.status in row.statuses_before and (
            row.is_earlier or self.has_created or suspicion.has_accepted
        ):
            # The same refusal as before says nothing about the present run.
            self.endings.set_aside(row)
            if suspicion.waiting:
                self.gate.narrow(kind)
            else:
                self.gate.widen(kind)
            return
        self.gate.narrow(kind)
        if stop := suspicion.add(row.reference, step.status, step.stop):
            self.context.stopping.ask(stop)

    def accept(self, kind: Kind) -> None:
        """Billing accepted a call of this kind, so the waiting rows are refused for their content."""
        if refused := self.suspicion[kind].accepted():
            for reference in refused:
                self.endings.set_aside(self.dispatch.rows[reference])
            self.gate.widen(kind)

    def judge_last(self) -> None:
        """Judge the waiting rows when no other row is left to compare them with."""
        rows, waiting = self.dispatch.rows, self.waiting()
        if not waiting or any(
            reference not in waiting and not row.is_earlier for reference, row in rows.items()
        ):
            return
        for kind, suspicion in self.suspicion.items():
            has_own = any(not rows[reference].is_earlier for reference in suspicion.waiting)
            left, stop = suspicion.nobody_else()
            if stop is not None and has_own:
                self.context.stopping.ask(stop)
                return
            for reference in left:
                self.endings.set_aside(rows[reference])
            self.gate.widen(kind)
