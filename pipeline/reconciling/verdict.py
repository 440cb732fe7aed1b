"""What a reconciliation comes to: the verdict in one sentence, whether it can be signed, the exit code; and what its method cannot show."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline.outcomes import UNEXPLAINED, Discrepancy

#: What nobody may wave through: money or a customer is where it was not meant.
_OUT_OF_BALANCE = (Discrepancy.MISSING, Discrepancy.UNKNOWN, Discrepancy.TWICE, Discrepancy.BALANCE)
_NOT_BY_LOOK_UP = {
    Discrepancy.UNKNOWN: "a look-up knows nothing of customers that we never named",
    Discrepancy.TWICE: "a look-up answers with one customer",
    Discrepancy.ANOTHER_RUN: "only our own customers are looked up",
    Discrepancy.CHANGED: "a look-up tells no time of change, so a balance that moved only differs",
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """Exit code 0: all agrees; 1: in balance, and a person has something to look at; 7: out of balance, or not signable."""

    sentence: str
    is_signable: bool
    exit_code: int


def judge(found: Mapping[str, int], faults: Sequence[str], *, by_look_up: bool, has_tolerances: bool) -> Verdict:
    """The verdict on so many differences of each kind. `faults`: why the evidence itself cannot be trusted, in words."""
    money = [kind for kind in _OUT_OF_BALANCE if found.get(kind)]
    others = [kind for kind in Discrepancy if found.get(kind) and kind in UNEXPLAINED and kind not in money]
    explained = _counted(found, [kind for kind in Discrepancy if found.get(kind) and kind not in UNEXPLAINED])
    told = _counted(found, [*money, *others])
    also = f"; {explained} explain themselves" if explained else ""
    if faults:
        return Verdict(f"Not signable: {'; '.join([*faults, *([told] if told else [])])}{also}.", False, 7)
    if money:
        return Verdict(f"Out of balance: {told}{also}; the bridge explains every record and every cent.", True, 7)
    if others:
        return Verdict(f"In balance, with something to look at: {told}{also}.", True, 1)
    whole = "every customer that was looked up" if by_look_up else "billing"
    exactly = "within the job's tolerances" if has_tolerances else "record by record and to the cent"
    if explained:
        return Verdict(
            f"In balance: {explained} explain themselves; for the rest {whole} is what we meant, {exactly}.", True, 0
        )
    return Verdict(f"In balance: {whole} is what we meant, {exactly}.", True, 0)


def not_determinable(*, by_look_up: bool, has_times: bool) -> dict[str, str]:
    """The kinds of difference that billing's side cannot show, and why; the report says so instead of "none"."""
    if by_look_up:
        return {kind.value: why for kind, why in _NOT_BY_LOOK_UP.items()}
    if not has_times:
        return {Discrepancy.CHANGED.value: "the export has no time of change, so what moved since only differs"}
    return {}


def _counted(found: Mapping[str, int], kinds: Sequence[Discrepancy]) -> str:
    return ", ".join(f"{found[kind]} {kind.value.replace('_', ' ')}" for kind in kinds)
