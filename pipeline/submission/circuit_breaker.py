"""Whether a run continues: its answers so far -> a `Stop`, or None. Pure; the clock is an argument.

| signal | evidence | verdict |
|---|---|---|
| an answer that no row is the cause of: certificate, key header, ledger against server | one | stop at once (`protocol` says so in its step) |
| a customer echoed with another currency or balance; a canary that is not what was sent | one | stop at once |
| an answer that names another customer | three records | stop, 4 |
| refused before the record was read (401 to 406, 3xx) | three records alike, none accepted between; or no other record to compare with | stop, 4 (`turned_away`) |
| refusals of rows: refused, differing, set aside, and answers that make no sense | more than the usual rate explains | stop, 3 |
| an outage: creates and lookups each have a clock | nothing but failures for `outage_seconds`, without pauses that billing asked for (429) | stop resumably, 5 |
| a pause longer than `longest_retry_after` | one | stop resumably, 5 |
| the clock | `stop_at` has come | stop resumably, 5 |
| a person, the system | SIGINT, SIGTERM | stop resumably, 5 |
"""

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Self

from pipeline.submission.steps import Policy, Stop

#: One false alarm in a thousand runs of a million rows each at the usual rate of refusals.
_ROWS_PER_FALSE_ALARM = 1_000_000 / 0.001
_MOST_MIXED_UP = 3  #: records whose answers named another customer, before the run stops


class Kind(StrEnum):
    """The kind of a call. A service may answer one kind and not the other, so each is judged by its own answers."""

    CREATE = "create"
    LOOKUP = "look_up"


@dataclass(slots=True)
class LastAnswer:
    """When the calls of one kind were last answered by more than a failure; monotonic, in seconds."""

    at: float
    ever: bool = False


@dataclass(slots=True)
class Evidence:
    """The answers of a run so far. `now` is monotonic, in seconds."""

    policy: Policy
    last_answers: dict[Kind, LastAnswer]
    weight: float = 0.0
    refused: int = 0
    rows: int = 0
    #: Records for which an answer named another customer.
    mixed_up_references: set[str] = field(default_factory=set)

    @classmethod
    def start(cls, policy: Policy, now: float) -> Self:
        """No answers yet."""
        return cls(policy, {kind: LastAnswer(now) for kind in Kind})

    def note_answer(self, kind: Kind, now: float) -> None:
        """Billing answers calls of this kind."""
        self.last_answers[kind].at, self.last_answers[kind].ever = (
            max(self.last_answers[kind].at, now),
            True,
        )

    def note_pause(self, until: float) -> None:
        """Billing asked for a pause until then, which is not an outage."""
        for last in self.last_answers.values():
            last.at = max(last.at, until)

    def note_rest(self, kind: Kind, now: float) -> None:
        """No call of this kind was made, so that silence is not an outage."""
        self.last_answers[kind].at = max(self.last_answers[kind].at, now)

    def silence(self, kind: Kind, now: float) -> float:
        """Seconds since calls of this kind were last answered."""
        return now - self.last_answers[kind].at

    def note_other_customer(self, reference: str) -> Stop | None:
        """An answer to this record named another customer; the third such record stops the run."""
        self.mixed_up_references.add(reference)
        if len(self.mixed_up_references) < _MOST_MIXED_UP:
            return None
        return Stop(
            f"answers to {len(self.mixed_up_references)} records named other customers than were asked for, so answers are mixed up"
            " between billing and us; nothing more was sent. Check proxies and gateways on the way, then resume"
        )

    def count_row(self, *, refusal: bool) -> None:
        """Count one more row that has ended, as a refusal or not.

        Page's cumulative sum (1954) of the log-likelihood ratio of the two rates: it forgets good rows, so that a run
        that turns bad after a million rows stops as soon as one that began badly. With a threshold of ln(n) a false alarm
        comes on average once in n rows.
        """
        usual, alarming = self.policy.refusals.usual, self.policy.refusals.alarming
        self.rows += 1
        self.refused += refusal
        ratio = math.log(alarming / usual) if refusal else math.log((1 - alarming) / (1 - usual))
        self.weight = max(0.0, self.weight + ratio)

    def verdict(
        self, now: float, wall_clock: datetime, waiting: Callable[[], Counter[Kind]]
    ) -> Stop | None:
        """The reason to stop, or None; `waiting`: how many records wait for an answer of each kind."""
        policy = self.policy
        if self.weight > math.log(_ROWS_PER_FALSE_ALARM):
            return Stop(
                f"THRESHOLD.REFUSALS: billing refused {self.refused} of {self.rows} rows; more than the usual "
                f"{policy.refusals.usual:.1%} can explain. See rejected.csv; to go on all the same, raise "
                "thresholds.usual_refusals and resume",
                exit_code=3,
            )
        if policy.stop_at is not None and wall_clock >= policy.stop_at:
            return Stop(
                f"the time to stop by, {policy.stop_at.isoformat(timespec='minutes')}, has come",
                exit_code=5,
            )
        slowest = (
            2 / policy.per_second if policy.per_second else 0.0
        )  # a low rate limit is not an outage
        bar = max(policy.outage_seconds, slowest)
        if all(self.silence(kind, now) <= bar for kind in Kind):
            return None
        many = waiting()
        # Lookups alone do not stop creates, and a single record without an answer ends by its own budget.
        kind = Kind.CREATE if many[Kind.CREATE] else Kind.LOOKUP
        enough = 2 if self.last_answers[kind].ever else 1
        if many[kind] >= enough and (silent := self.silence(kind, now)) > bar:
            return Stop(
                f"billing has not answered for {silent:.0f} s; resume when it is back", exit_code=5
            )
        return None
