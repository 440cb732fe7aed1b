"""The findings about whole input files: totals, order in a stream, repeats and rejections."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pipeline.config import Settings
from pipeline.domain.file_expectations import Delivery
from pipeline.domain.file_issues import FileIssue, Finding
from pipeline.planning.file_checks import (
    Held,
    Rejections,
    Stated,
    hold,
    judge_rejections,
    judge_repeats,
    judge_stream,
    stated_in,
)
from pipeline.sources import SourceFile, beside
from pipeline.transforming.source_totals import ControlTotals
from pipeline.workflows.plan_inputs import PlanInputs


@dataclass(frozen=True, slots=True)
class FileFindings:
    """The findings of a plan, and the control totals that were compared."""

    findings: Sequence[Finding]
    control_totals: Sequence[Held]


def check_files(
    inputs: PlanInputs,
    settings: Settings,
    *,
    expected: Sequence[Stated],
    delivered: Sequence[Delivery],
    rejections: Rejections,
    doubts: Sequence[Finding],
) -> FileFindings:
    """Compare the files with their control totals and with the files that came before.

    `delivered`: the files that were applied earlier; `doubts`: the findings about single rows.
    """
    totals = inputs.totals
    stated = [
        *hold(expected, records=totals.records, net=totals.net),
        *_stated(inputs, settings),
    ]
    found = (one if isinstance(one, Finding) else one.finding for one in stated)
    return FileFindings(
        [
            *(finding for finding in found if finding is not None),
            *_unusual(inputs, delivered, settings),
            *(finding for file in inputs.files for finding in file.findings),
            *judge_rejections(rejections, settings.max_rejected),
            *doubts,
            *inputs.returns.findings(),
        ],
        [one for one in stated if isinstance(one, Held)],
    )


def _stated(inputs: PlanInputs, settings: Settings) -> Iterator[Held | Finding]:
    """Compare the control totals from trailers or separate files with what was read."""
    control = settings.control
    if control is None:
        return
    for file in inputs.new_files:
        name = control.file_beside(file.path.name)
        where = name or f"the trailer of {file.name}"
        text = "\n".join(file.footer) if name is None else beside(file.path, name)
        if text is None:
            yield Finding(FileIssue.TOTAL_NOT_STATED, f"{where}: no such file beside {file.name}")
            continue
        stated = stated_in(text, where, control, inputs.layout)
        if isinstance(stated, Finding):
            yield stated
            continue
        totals = inputs.by_file[file.name]
        yield from hold(stated, records=totals.records, net=totals.net, sha256=file.sha256)


def _unusual(
    inputs: PlanInputs, delivered: Sequence[Delivery], settings: Settings
) -> list[Finding]:
    arriving = [_delivery(file, inputs.by_file[file.name]) for file in inputs.new_files]
    if settings.stream is None:
        return judge_repeats(arriving, delivered)
    return judge_stream(settings.stream, arriving, delivered)


def _delivery(file: SourceFile, totals: ControlTotals) -> Delivery:
    return Delivery(
        file.path.name,
        file.sha256,
        totals.records,
        tuple(file.columns),
        dict(totals.debits),
        dict(totals.credits),
    )
