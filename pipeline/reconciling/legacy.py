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
    if not legacy.totals:
        return list(steps)
    stated = {code: (None, total) for code, total in legacy.totals.items() if code != RECORDS}
    records, read = legacy.totals.get(RECORDS), steps[0]
    apart = {code: (None, by) for code, by in _apart(read.figures, legacy).items()}
    fewer = None if records is None or read.records is None else read.records - records
    beginning = [Step("legacy", "the legacy system's total", stated, records, is_total=True)]
    if apart or fewer:
        beginning.append(Step("not_in_the_files", "in the legacy system's total, and not in the files", apart, fewer))
    return [*beginning, *steps]


def unexplained(steps: Sequence[Step], legacy: Legacy, residual: Figures) -> Iterator[str]:
    """What nobody has given a reason for: legacy totals that the files do not come to, and residuals of the bridge."""
    read = next(step for step in steps if step.name == "read")
    for code, by in _apart(read.figures, legacy).items():
        if code not in legacy.because:
            yield f"the files come to {_by(by, code)} than the legacy total of {code}{_looks_like(legacy.totals[code], by)}"
    said = legacy.totals.get(RECORDS)
    if said is not None and said != read.records and RECORDS not in legacy.because:
        yield f"the legacy system counts {grouped_digits(said)} customers, the files {grouped_digits(read.records or 0)}"
    if left := sorted(code for code in residual if code not in legacy.because):
        yield f"a residual that nothing explains ({', '.join(left)})"


def _apart(read: Mapping[str, tuple[int | None, int]], legacy: Legacy) -> dict[str, int]:
    """Currency -> by how many minor units the files come to more than was stated; none that comes out."""
    apart = {code: read.get(code, (0, 0))[1] - total for code, total in legacy.totals.items() if code != RECORDS}
    return {code: by for code, by in apart.items() if by}


def _by(minor: int, code: str) -> str:
    return f"{major_units(abs(minor), code)} {'more' if minor > 0 else 'less'}"


def _looks_like(total: int, by: int) -> str:
    told = next((words for factor, words in _FACTORS.items() if total and total + by == factor * total), None)
    less = "a hundredth of it" if total and (total + by) * 100 == total else None
    return f" ({told or less}: is the unit, or the sign, declared as it is?)" if told or less else ""
