"""Requests that earlier runs left unsettled: what a run did for them beside its own, and which are left."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

_NAMED = 20  #: so many are named; the others are counted


@dataclass(frozen=True, slots=True)
class LeftInDoubt:
    """A request that an earlier run began and nobody has settled yet."""

    external_reference: str
    run_id: str
    why: str  #: the last answer


@dataclass(frozen=True, slots=True)
class EarlierRuns:
    """What became, beside this run, of requests that earlier runs had left unsettled."""

    settled: int = 0
    left: tuple[LeftInDoubt, ...] = ()
    other_ledgers: tuple[
        str, ...
    ] = ()  #: ids of other ledgers of this environment that write to the same reports folder

    def told(self) -> dict[str, Any]:
        """How many are left, and the first of them by name."""
        return {"in_doubt": len(self.left), "named": [asdict(one) for one in self.left[:_NAMED]]}


def left_in_words(content: Mapping[str, Any]) -> Iterator[str]:
    """The same for a terminal; nothing where nothing is left."""
    left = content["left_by_earlier_runs"]
    if not left["in_doubt"]:
        return
    one = left["named"][0]
    why = f" ({one['why']})" if one["why"] else ""
    yield (
        f"left by earlier runs: {left['in_doubt']:,} still in doubt, and in no figure of this run; the oldest is"
        f" {one['external_reference']}{why} of run {one['run_id']}"
    )
