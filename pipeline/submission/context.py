"""What the parts of a running submission share: its context, and a row under way."""

from dataclasses import dataclass
from datetime import datetime

from pipeline.storage.ledger import Intent, Ledger
from pipeline.submission.circuit_breaker import Evidence, Kind
from pipeline.submission.inputs import Clock, RunIdentity, StopRequest, Tally
from pipeline.submission.steps import Policy, Progress


@dataclass(frozen=True, slots=True)
class Context:
    """Shared by the parts of a running submission."""

    run: RunIdentity
    ledger: Ledger
    policy: Policy
    clock: Clock
    stopping: StopRequest
    tally: Tally
    evidence: Evidence
    started: float  #: monotonic


@dataclass(slots=True)
class Row:
    """A row that this process has taken up and not finished."""

    intent: Intent
    run_id: str
    progress: Progress
    first_sent: datetime
    credential: str
    is_new: bool  #: this process wrote its intent and has not sent it, so it can be withdrawn
    last_call: float  #: when its last send or lookup ended; monotonic
    #: Seconds of its calls and its own backoff, without queues and pauses of all workers.
    spent: float = 0.0
    is_earlier: bool = False  #: another run began it
    statuses_before: frozenset[int] = frozenset()  #: of its answers in earlier processes
    is_swept: bool = False  #: the sweep at the end of the run has taken it up
    is_counted: bool = False  #: it is part of the statistics of refusals

    @property
    def reference(self) -> str:
        """Its external reference."""
        return self.intent.external_reference

    @property
    def kind(self) -> Kind:
        """The kind of its present call."""
        return Kind.CREATE if self.progress.why is None else Kind.LOOKUP
