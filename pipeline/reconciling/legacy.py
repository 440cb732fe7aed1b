"""A migration begins before the files: what the legacy system says it holds, beside what its files come to."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from pipeline.domain.currency import grouped_digits, major_units
from pipeline.reconciling.bridge import Figures, Step

RECORDS, RESIDUAL = "records", "residual."
_FACTORS = {10: "ten times", 100: "a hundred times", 1000: "a thousand times"}
_PARTS = {10: "a tenth of it", 100: "a hundredth of it", 1000: "a thousandth of it"}


@dataclass(frozen=True, slots=True)
class Legacy:
    """Control totals of the legacy system, and why one does not come out, where somebody knows."""

    totals: Mapping[str, int] = field(
        default_factory=dict
    )  #: currency -> minor units, `records` -> customers
    because: Mapping[str, str] = field(
        default_factory=dict
    )  #: currency or `records`, or `residual.` and a currency -> why


def from_legacy(steps: Sequence[Step], legacy: Legacy) -> list[Step]:
    """The bridge with the steps that come first in a migration: the legacy total, and by how much the files differ from it."""
    if not legacy.totals:
        return list(steps)
    read, records = steps[0], legacy.totals.get(RECORDS)
    stated = {code: (None, total) for code, total in legacy.totals.items() if code != RECORDS}
    apart = {code: (None, by) for code, by in _apart(read, legacy).items()}
    fewer = None if records is None else _counted(read) - records
    beginning = [Step("legacy", "the legacy system's total", stated, records, is_total=True)]
    if apart or fewer:
        beginning.append(
            Step(
                "files_differ",
                "how much more the files hold than that, or less (minus)",
                apart,
                fewer,
            )
        )
    return [*beginning, *steps]


def unexplained(steps: Sequence[Step], legacy: Legacy, residual: Figures) -> Iterator[str]:
    """What nobody has given a reason for: legacy totals that the files do not come to, and residuals of the bridge."""
    read = next(step for step in steps if step.name == "read")
    for code, by in _apart(read, legacy).items():
        if code not in legacy.because:
            yield f"the files come to {_by(by, code)} than the legacy total of {code}{_looks_like(legacy.totals[code], by)}"
    said, counted = legacy.totals.get(RECORDS), _counted(read)
    if said is not None and said != counted and RECORDS not in legacy.because:
        yield f"the legacy system counts {grouped_digits(said)} customers, the files {grouped_digits(counted)}"
    if left := sorted(code for code in residual if RESIDUAL + code not in legacy.because):
        yield f"a residual that nothing explains ({', '.join(left)})"


def reasons_used(steps: Sequence[Step], legacy: Legacy, residual: Figures) -> dict[str, str]:
    """The reasons that something was given for which does not come out; the others explain nothing."""
    read = next(step for step in steps if step.name == "read")
    wanted = {*_apart(read, legacy), *(RESIDUAL + code for code in residual)}
    if legacy.totals.get(RECORDS, _counted(read)) != _counted(read):
        wanted.add(RECORDS)
    return {code: why for code, why in legacy.because.items() if code in wanted}


def _counted(read: Step) -> int:
    return read.records or 0


def _apart(read: Step, legacy: Legacy) -> dict[str, int]:
    """Currency -> by how many minor units the files, each record once, come to more than was stated; none that comes out."""
    apart = {
        code: read.figures.get(code, (0, 0))[1] - total
        for code, total in legacy.totals.items()
        if code != RECORDS
    }
    return {code: by for code, by in apart.items() if by}


def _by(minor: int, code: str) -> str:
    return f"{major_units(abs(minor), code)} {'more' if minor > 0 else 'less'}"


def _looks_like(total: int, by: int) -> str:
    files = total + by
    told = [
        words for factor, words in _FACTORS.items() if total and abs(files) == abs(factor * total)
    ]
    told += [
        words for factor, words in _PARTS.items() if total and abs(files) * factor == abs(total)
    ]
    if total and files * total < 0 and (told or files == -total):
        told.append("with the sign flipped")
    return f" ({' and '.join(told)}: is the unit, or the sign, declared as it is?)" if told else ""
