"""Requests that earlier runs left in doubt: how many this run settled, and which are left."""

from collections.abc import Iterator
from dataclasses import dataclass

from pipeline.domain.run_summary import RunSummary
from pipeline.domain.summary_parts import InDoubtEarlier, LeftInDoubt

_MOST_NAMED = 20  #: others are only counted


@dataclass(frozen=True, slots=True)
class EarlierRuns:
    """Requests of earlier runs: how many this run settled, and which are still in doubt."""

    settled: int = 0
    left: tuple[LeftInDoubt, ...] = ()
    #: Ids of other ledgers of this environment that write to the same reports folder.
    other_ledgers: tuple[str, ...] = ()

    def left_in_doubt(self) -> InDoubtEarlier:
        """How many are left, and the first of them."""
        return InDoubtEarlier(in_doubt=len(self.left), named=self.left[:_MOST_NAMED])


def left_in_words(summary: RunSummary) -> Iterator[str]:
    """The terminal line about requests still in doubt; none if there are none."""
    left = summary.left_by_earlier_runs
    if not left.in_doubt:
        return
    one = left.named[0]
    why = f" ({one.why})" if one.why else ""
    yield (
        f"left by earlier runs: {left.in_doubt:,} still in doubt, and in no figure of this run; the oldest is"
        f" {one.external_reference}{why} of run {one.run_id}"
    )
