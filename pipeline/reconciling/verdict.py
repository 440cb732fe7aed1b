"""The verdict of a reconciliation: a sentence, whether it can be signed off, and the exit code.

Also the differences that its method cannot show.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from pipeline.domain.currency import grouped_digits, major_units
from pipeline.domain.discrepancies import UNEXPLAINED, Discrepancy

#: Differences that put a reconciliation out of balance: money or customers are wrong.
_OUT_OF_BALANCE = (
    Discrepancy.MISSING,
    Discrepancy.UNKNOWN,
    Discrepancy.REFUSED_FOUND,
    Discrepancy.TWICE,
    Discrepancy.BALANCE,
)
_NOT_BY_LOOK_UP = {
    Discrepancy.UNKNOWN: "lookups ask only for customers that we sent",
    Discrepancy.TWICE: "a lookup returns one customer",
    Discrepancy.ANOTHER_RUN: "only our own customers are looked up",
    Discrepancy.CHANGED: "lookups carry no timestamps, so later changes count as differences",
}
_MOST_NAMED = 5  #: fields, in the verdict
#: Singular and plural.
_WORDS = {
    Discrepancy.FIELD: ("field differs", "fields differ"),
    Discrepancy.BALANCE: ("balance differs", "balances differ"),
}


@dataclass(frozen=True, slots=True)
class Sampled:
    """A random sample of customers, and its confidence bound."""

    customers: int
    of: int
    differing: int
    confidence: float
    at_most: float  #: upper limit on the share of all customers that differ


@dataclass(frozen=True, slots=True)
class Found:
    """The findings of a reconciliation."""

    kinds: Mapping[str, int]  #: kind of difference -> differences
    other_currency: int = 0  #: differences of the currency
    held: int = 0  #: customers that existed before us with other content and wait for a decision
    known: int = 0  #: customers that existed before us; their content is not compared
    not_compared: Sequence[str] = ()  #: fields that billing's side does not state
    left_out: int = 0  #: runs of the period that could not be reconciled
    #: Currency -> minor units that billing changed afterwards.
    moved: Mapping[str, int] = field(default_factory=dict)
    reasoned: Sequence[str] = ()  #: legacy totals that differ and residuals, if they have a reason
    faults: Sequence[str] = ()  #: why the evidence is not reliable


@dataclass(frozen=True, slots=True)
class Verdict:
    """The verdict and its exit code.

    0: all agrees. 1: in balance, but a person has to look at something. 7: out of balance, or not
    signable.
    """

    sentence: str
    is_signable: bool
    exit_code: int


def judge(
    found: Found, *, by_look_up: bool, has_tolerances: bool, sampled: Sampled | None = None
) -> Verdict:
    """The verdict on the findings."""
    kinds = {kind: found.kinds[kind] for kind in Discrepancy if found.kinds.get(kind)}
    fields = kinds.get(Discrepancy.FIELD, 0) - found.other_currency
    money = [
        *_counts(kinds, _OUT_OF_BALANCE),
        *_of(found.other_currency, "held in another currency"),
    ]
    others = [
        *_counts({Discrepancy.FIELD: fields}, (Discrepancy.FIELD,)),
        *_counts(kinds, (Discrepancy.DOUBT, Discrepancy.DOUBT_FOUND, Discrepancy.UNDETERMINED)),
        *_of(found.held, "held that were there before us with other content"),
        *_of(found.left_out, "run left out" if found.left_out == 1 else "runs left out"),
    ]
    explained = ", ".join(_explained(kinds, found.moved))
    also = f"; {explained}, which is explained" if explained else ""
    if found.reasoned:
        also += f"; what does not come out has a reason ({', '.join(found.reasoned)})"
    part = "" if sampled is None else f" ({_sample(sampled)})"
    listed = ", ".join([*money, *others])
    if found.faults:
        problems = [*found.faults, *([listed] if listed else [])]
        return Verdict(f"Not signable: {'; '.join(problems)}{also}{part}.", False, 7)
    if money:
        return Verdict(f"Out of balance: {listed}{also}{part}.", True, 7)
    if others:
        return Verdict(f"In balance, with something to look at: {listed}{also}{part}.", True, 1)
    exactly = (
        "within the job's tolerances" if has_tolerances else "record by record and to the cent"
    )
    if found.not_compared:
        exactly += f" (its side states no {_shortly(found.not_compared)})"
    if found.known:
        exactly += f"; {grouped_digits(found.known)} that were there before us are not compared"
    if sampled is not None:
        return Verdict(
            f"In balance as far as a sample shows: {_sample(sampled)}, {exactly}{also}.", True, 0
        )
    whole = "every customer that was looked up" if by_look_up else "billing"
    rest = f"{also.removeprefix('; ')}; for the rest " if also else ""
    return Verdict(f"In balance: {rest}{whole} is what we meant, {exactly}.", True, 0)


def not_determinable(
    *, by_look_up: bool, has_times: bool, unreadable_times: int = 0
) -> dict[str, str]:
    """Kind -> why billing's side cannot show it; the report states that instead of "none"."""
    if by_look_up:
        return {kind.value: why for kind, why in _NOT_BY_LOOK_UP.items()}
    unread = (
        f"{grouped_digits(unreadable_times)} times of change cannot be read, say no offset from"
        " UTC, or lie in days to come"
    )
    if not has_times:
        why = unread if unreadable_times else "the export has no time of change"
        return {Discrepancy.CHANGED.value: f"{why}, so what moved since only differs"}
    if unreadable_times:
        return {Discrepancy.CHANGED.value: f"{unread}, so what moved since only differs there"}
    return {}


def _counts(kinds: Mapping[Discrepancy, int], wanted: Sequence[Discrepancy]) -> list[str]:
    """The number and the words of each of these kinds that occurs."""
    return [
        f"{grouped_digits(kinds[kind])} {_words(kind, kinds[kind])}"
        for kind in wanted
        if kinds.get(kind)
    ]


def _words(kind: Discrepancy, count: int) -> str:
    if kind not in _WORDS:
        return kind.value.replace("_", " ")
    singular, plural = _WORDS[kind]
    return singular if count == 1 else plural


def _explained(kinds: Mapping[Discrepancy, int], moved: Mapping[str, int]) -> Iterator[str]:
    for kind in (kind for kind in Discrepancy if kind not in UNEXPLAINED):
        sums = ", ".join(
            f"{major_units(amount, code)} {code}"
            for code, amount in sorted(moved.items())
            if amount
        )
        for text in _counts(kinds, [kind]):
            yield f"{text} ({sums})" if kind is Discrepancy.CHANGED and sums else text


def _shortly(names: Sequence[str]) -> str:
    shown, more = names[:_MOST_NAMED], len(names) - _MOST_NAMED
    return " and no ".join(shown) + (f" and {more} more fields" if more > 0 else "")


def _of(count: int, words: str) -> list[str]:
    return [f"{grouped_digits(count)} {words}"] if count else []


def _sample(sampled: Sampled) -> str:
    differing = "none" if not sampled.differing else grouped_digits(sampled.differing)
    return (
        f"{grouped_digits(sampled.customers)} of {grouped_digits(sampled.of)} customers were"
        f" looked up, {differing} of them {'differs' if sampled.differing < 2 else 'differ'};"
        f" of all at most {sampled.at_most * 100:.3g} % do, with {sampled.confidence * 100:.0f} %"
        " confidence"
    )
