"""A migration begins before the files: what the legacy system says it holds, beside what its files come to."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from pipeline.currency import grouped_digits, major_units
from pipeline.reconciling.bridge import Figures, Step

RECORDS = "records"
_FACTORS = {100: "a hundred times", -1: "with the sign flipped, exactly"}


@dataclass(frozen=True, slots=True)
class Legacy:
    """Control totals of the legacy system, and why one does not come out, where somebody knows."""

    totals: Mapping[str, int] = field(default_factory=dict)  #: currency -> minor units, `records` -> customers
    because: Mapping[str, str] = field(default_factory=dict)  #: currency, or `records` -> why


def from_legacy(steps: Sequence[Step], legacy: Legacy) -> list[Step]:
    """The bridge with its new beginning: the legacy total, and what of it the files do not hold."""
    read = steps[0].figures
    stated = {code: (read.get(code, (0, 0))[0], total) for code, total in legacy.totals.items() if code != RECORDS}
    if not stated:
        return list(steps)
    apart = _apart(read, legacy)
    beginning = [Step("legacy", "the legacy system's total", stated, is_total=True)]
    if apart:
        beginning.append(Step("not_in_the_files", "in the legacy system's total, and not in the files", apart))
    return [*beginning, *steps]


def unexplained(steps: Sequence[Step], legacy: Legacy, residual: Figures) -> Iterator[str]:
    """What nobody has given a reason for: legacy totals that the files do not come to, and residuals of the bridge."""
    read = next(step for step in steps if step.name == "read").figures
    for code, (_, by) in _apart(read, legacy).items():
        if code not in legacy.because:
            yield f"the files come to {_by(by, code)} than the legacy total of {code}{_looks_like(legacy.totals[code], by)}"
    counted, said = sum(records for records, _ in read.values()), legacy.totals.get(RECORDS)
    if said is not None and said != counted and RECORDS not in legacy.because:
        yield f"the legacy system counts {grouped_digits(said)} customers, the files {grouped_digits(counted)}"
    if left := sorted(code for code in residual if code not in legacy.because):
        yield f"a residual that nothing explains ({', '.join(left)})"


def _apart(read: Figures, legacy: Legacy) -> Figures:
    apart = {code: read.get(code, (0, 0))[1] - total for code, total in legacy.totals.items() if code != RECORDS}
    return {code: (0, by) for code, by in apart.items() if by}


def _by(minor: int, code: str) -> str:
    return f"{major_units(abs(minor), code)} {'more' if minor > 0 else 'less'}"


def _looks_like(total: int, by: int) -> str:
    told = next((words for factor, words in _FACTORS.items() if total and total + by == factor * total), None)
    less = "a hundredth of it" if total and (total + by) * 100 == total else None
    return f" ({told or less}: is the unit, or the sign, declared as it is?)" if told or less else ""
