"""Whether a run goes on: what it has seen so far -> a `Stop`, or None. Pure, the clock is an argument.

| signal | evidence | verdict |
|---|---|---|
| an answer for which no row is to blame: certificate, key, address, form of the request, ledger against server | one | stop at once (`deciding` says so in its step) |
| a customer echoed with another reference, currency or balance; a canary that is not what was sent | one | stop at once |
| refusals of rows: refused, differing, and answers that make no sense | more than the usual rate explains | stop, 3 |
| silence | no answer but failures for `outage_seconds`, pauses that billing asked for apart | stop resumably, 5 |
| a pause longer than `longest_retry_after` | one | stop resumably, 5 |
| the clock | `stop_at` has come | stop resumably, 5 |
| a person, the system | SIGINT, SIGTERM | stop resumably, 5 |
"""

import math
from dataclasses import dataclass
from datetime import datetime

from pipeline.submission.deciding import Policy, Stop

#: One false alarm in a thousand runs of a million rows each at the usual rate of refusals.
_ROWS_PER_FALSE_ALARM = 1_000_000 / 0.001


@dataclass(slots=True)
class Evidence:
    """What a run has seen. `now` is monotonic, in seconds."""

    policy: Policy
    heard_at: float  #: when an answer last came that was more than a failure
    weight: float = 0.0
    refused: int = 0
    settled: int = 0

    def heard(self, now: float) -> None:
        """Billing is there."""
        self.heard_at = max(self.heard_at, now)

    def paused(self, until: float) -> None:
        """Billing asked for silence until then, which is no outage."""
        self.heard_at = max(self.heard_at, until)

    def silence(self, now: float) -> float:
        """Seconds since billing was last heard."""
        return now - self.heard_at

    def saw(self, *, refusal: bool) -> None:
        """One more row has come to an end, well or by a refusal.

        Page's cumulative sum (1954) of the log-likelihood ratio of the two rates: it forgets good times, so that a run
        that turns bad after a million rows stops as soon as one that began badly. With a bar of ln(n) a false alarm
        comes on average once in n rows.
        """
        usual, alarming = self.policy.usual_refusals, self.policy.alarming_refusals
        self.settled += 1
        self.refused += refusal
        says = math.log(alarming / usual) if refusal else math.log((1 - alarming) / (1 - usual))
        self.weight = max(0.0, self.weight + says)

    def verdict(self, now: float, wall_clock: datetime, *, is_waiting: bool) -> Stop | None:
        """Stop, or go on; `is_waiting`: rows are under way, so that silence says something."""
        policy = self.policy
        if self.weight > math.log(_ROWS_PER_FALSE_ALARM):
            return Stop(
                f"THRESHOLD.REFUSALS: billing refused {self.refused} of {self.settled} rows; more than the usual "
                f"{policy.usual_refusals:.1%} can explain. See rejected.csv; to go on all the same, raise "
                "thresholds.usual_refusals and resume",
                exit_code=3,
            )
        if policy.stop_at is not None and wall_clock >= policy.stop_at:
            return Stop(f"the time to stop by, {policy.stop_at.isoformat(timespec='minutes')}, has come", exit_code=5)
        silent = self.silence(now)
        slowest = 2 / policy.per_second if policy.per_second else 0.0  # a slow pace is no outage
        if is_waiting and silent > max(policy.outage_seconds, slowest):
            return Stop(f"billing has not answered for {silent:.0f} s; resume when it is back", exit_code=5)
        return None
