"""The steps that repeat a request under the same key, each within the budget of its row. Pure."""

from dataclasses import dataclass, replace

from pipeline.submission.steps import (
    LeaveInDoubt,
    LookupNext,
    Policy,
    Progress,
    SendAgain,
    Step,
    Stop,
    Why,
)


@dataclass(frozen=True, slots=True)
class Retries:
    """The possible steps with the same key."""

    row: Progress
    dice: float
    seconds_spent: float
    policy: Policy

    def send(self, why: str, *, at_least: float | None = None) -> Step:
        """Send again after a backoff with full jitter, so that the workers do not all return at once."""
        if self._is_spent():
            return LeaveInDoubt(f"{why}, {_times(self.row.tries.sends)}")
        if (wait := at_least or 0.0) > self.policy.backoff.longest_retry_after:
            return LeaveInDoubt(f"{why}, and billing asks to wait {wait:.0f} s", may_be_sent=False)
        return SendAgain(max(self._jittered(), wait), self.row)

    def limited(self, retry_after: float | None) -> Step:
        """429: all workers wait as long as billing asks; without a Retry-After, only this row backs off."""
        backoff = self.policy.backoff
        if self._is_spent():
            return LeaveInDoubt("too many requests, again and again")
        if retry_after is None:
            base = backoff.limited_base
            bound = min(backoff.limited_cap, base * 2**self.row.tries.sends)
            return SendAgain(base + self.dice * (bound - base), self.row)
        if retry_after > backoff.longest_retry_after:
            return Stop(f"billing asks to wait {retry_after:.0f} s; resume later", exit_code=5)
        return SendAgain(retry_after, self.row, pause_all=retry_after)

    def running(self) -> Step:
        """409 while our first request runs: after 1, 2, 4 … 15 s again, within the budget of the record."""
        if self._is_spent():
            return LeaveInDoubt(
                "billing says that the first request still runs (409)", is_refusal=True
            )
        tries = self.row.tries
        again = replace(self.row, tries=replace(tries, running=tries.running + 1))
        return SendAgain(float(min(15, 2**tries.running)), again)

    def unreadable(self, why: str) -> Step:
        """A 2xx that cannot be read: send twice more, then look up, never a new key."""
        tries = replace(self.row.tries, unreadable=self.row.tries.unreadable + 1)
        answer = f"a success that cannot be read ({why})"
        row = replace(self.row, tries=tries, last_answer=answer)
        if tries.unreadable <= 2 and not self._is_spent():
            return SendAgain(self._jittered(), row)
        return LookupNext(0, replace(row, why=Why.UNREADABLE))

    def look_later(self, why: Why | None, answer: str = "") -> LookupNext:
        """Look up after the lookup lag."""
        row = replace(self.row, why=why, last_answer=answer or self.row.last_answer)
        return LookupNext(self.policy.lookup_lag, row, rests=True)

    def look_up(self, why: str, *, at_least: float | None = None, pause_all: bool = False) -> Step:
        """Repeat a lookup, as often as a send may be repeated."""
        policy, row = self.policy, self.row
        if row.tries.lookups >= policy.sends or self.seconds_spent > policy.row_seconds:
            answers = f"{row.last_answer}; {why}" if row.last_answer else why
            return LeaveInDoubt(answers, may_be_sent=row.may_be_sent)
        if (wait := at_least or 0.0) > policy.backoff.longest_retry_after:
            answers = f"{why}, and billing asks to wait {wait:.0f} s"
            return LeaveInDoubt(answers, may_be_sent=row.may_be_sent)
        after = max(self._jittered(), wait)
        return LookupNext(after, row, pause_all=wait if pause_all else 0.0)

    def _is_spent(self) -> bool:
        """Whether only the sweep's part of the row's budget is left."""
        if self.row.is_last:
            return True
        return (
            self.row.tries.sends >= self.policy.sends - 1
            or self.seconds_spent >= self.policy.row_seconds / 2
        )

    def _jittered(self) -> float:
        tries = max(self.row.tries.sends, self.row.tries.lookups)
        backoff = self.policy.backoff
        return self.dice * min(backoff.cap, backoff.base * float(2**tries))


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number} times"
