"""Start the bridge of a migration from the control totals of the legacy system."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from pipeline.domain.currency import grouped_digits, major_units
from pipeline.reconciling.bridge import Figures, Step

RECORDS, RESIDUAL = "records", "residual."
_FACTORS = {10: "ten times", 100: "a hundred times", 1000: "a thousand times"}
_PARTS = {10: "a tenth of it", 100: "a hundredth of it", 1000: "a thousandth of it"}


@dataclass(frozen=True, slots=True)
class Legacy:
    """Control totals of the legacy system, and the reasons for those that differ."""

    #: Currency -> minor units; `records` -> customers.
    totals: Mapping[str, int] = field(default_factory=dict)
    #: Currency, `records`, or `residual.` and a currency -> reason.
    because: Mapping[str, str] = field(default_factory=dict)


def from_legacy(steps: Sequence[Step], legacy: Legacy) -> list[Step]:
    """The bridge, preceded by the legacy total and the difference between it and the files."""
    if not legacy.totals:
        return list(steps)
    read, records = steps[0], legacy.totals.get(RECORDS)
    stated = {code: (None, total) for code, total in legacy.totals.items() if code != RECORDS}
    sums = {code: (None, by) for code, by in _differences(read, legacy).items()}
    more = None if records is None else _counted(read) - records
    first_steps = [Step("legacy", "the legacy system's total", stated, records, is_total=True)]
    if sums or more:
        first_steps.append(
            Step(
                "files_differ",
                "how much more the files hold than that, or less (minus)",
                sums,
                more,
            )
        )
    return [*first_steps, *steps]


def unexplained(steps: Sequence[Step], legacy: Legacy, residual: Figures) -> Iterator[str]:
    """Legacy totals that the files do not match, and residuals, if no reason was given for them."""
    read = next(step for step in steps if step.name == "read")
    for code, by in _differences(read, legacy).items():
        if code not in legacy.because:
            hint = _looks_like(legacy.totals[code], by)
            yield f"the files come to {_by(by, code)} than the legacy total of {code}{hint}"
    stated, counted = legacy.totals.get(RECORDS), _counted(read)
    if stated is not None and stated != counted and RECORDS not in legacy.because:
        yield (
            f"the legacy system counts {grouped_digits(stated)} customers,"
            f" the files {grouped_digits(counted)}"
        )
    if left := sorted(code for code in residual if RESIDUAL + code not in legacy.because):
        yield f"a residual that nothing explains ({', '.join(left)})"


def reasons_used(steps: Sequence[Step], legacy: Legacy, residual: Figures) -> dict[str, str]:
    """The reasons for totals that differ and for residuals, without those for anything else."""
    read = next(step for step in steps if step.name == "read")
    wanted = {*_differences(read, legacy), *(RESIDUAL + code for code in residual)}
    if legacy.totals.get(RECORDS, _counted(read)) != _counted(read):
        wanted.add(RECORDS)
    return {code: why for code, why in legacy.because.items() if code in wanted}


def _counted(read: Step) -> int:
    return read.records or 0


def _differences(read: Step, legacy: Legacy) -> dict[str, int]:
    """Currency -> sum of the files minus the legacy total, in minor units, if they differ."""
    differences = {
        code: read.figures.get(code, (0, 0))[1] - total
        for code, total in legacy.totals.items()
        if code != RECORDS
    }
    return {code: by for code, by in differences.items() if by}


def _by(minor: int, code: str) -> str:
    return f"{major_units(abs(minor), code)} {'more' if minor > 0 else 'less'}"


def _looks_like(total: int, by: int) -> str:
    files = total + by
    hints = [
        words for factor, words in _FACTORS.items() if total and abs(files) == abs(factor * total)
    ]
    hints += [
        words for factor, words in _PARTS.items() if total and abs(files) * factor == abs(total)
    ]
    if total and files * total < 0 and (hints or files == -total):
        hints.append("with the sign flipped")
    if not hints:
        return ""
    return f" ({' and '.join(hints)}: is the unit, or the sign, declared as it is?)"
