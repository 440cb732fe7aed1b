"""Print runs, for `runs` and `status`."""

import textwrap
from typing import TYPE_CHECKING

from pipeline.cli.output.screen import ATTENTION, BAD, GOOD, Cell, show_cells
from pipeline.cli.output.terminal import printable, show_line
from pipeline.cli.suggestions import suggested
from pipeline.domain.plurals import number_of

if TYPE_CHECKING:
    from pipeline.workflows.status import DamagedRun, RunStatus


def show_statuses(statuses: "list[RunStatus | DamagedRun]") -> None:
    """Print each run: its id on a separate line, for copying, then its progress and its verdict."""
    from pipeline.workflows.status import DamagedRun

    for run in statuses:
        show_line(run.run_id)
        if isinstance(run, DamagedRun):
            show_line(f"  damaged, cannot be read: {run.reason}")
            continue
        creates = f"{run.settled:,} of {number_of(run.planned, 'create')} settled"
        later = f", {run.later:,} for a later run" if run.later else ""
        show_line(f"  {run.label}, {run.environment}: {creates}{later}")
        show_line(
            textwrap.fill(
                run.verdict, 78, initial_indent="  ", subsequent_indent="  ", break_long_words=False
            )
        )


def show_status(run: "RunStatus") -> None:
    """Print one run in a few lines."""
    from pipeline.domain.fates import State

    # A withdrawn create was never sent, so it counts as left.
    sent = {state: count for state, count in sorted(run.states.items()) if state != State.WITHDRAWN}
    states = ", ".join(f"{count:,} {state}" for state, count in sent.items()) or "nothing sent"
    show_line(run.run_id)
    show_cells(Cell(f"{run.label} in {run.environment}: "), Cell(run.verdict, _style(run)))
    creates = f"{run.settled:,} of {number_of(run.planned, 'create')} settled ({states})"
    show_line(f"{creates}{_left(run)}{_records(run)}\n{run.reports}")


def _style(run: "RunStatus") -> str:
    """The style of the verdict: green only for a run that ended without anything left to do."""
    if run.exit_code == 0 and run.status == "finished":
        return GOOD
    return BAD if run.exit_code in {3, 4, 7} else ATTENTION


def _left(run: "RunStatus") -> str:
    is_open = bool(run.left) or run.status == "interrupted"
    accepting = [word for code in run.stops for word in ("--accept", code)]
    words = ("resume", run.run_id) if run.started_at else ("apply", run.run_id, *accepting)
    command = suggested(*words) if is_open else ""
    resubmitted = number_of(run.resubmitted, "record was", "records were")
    parts = [
        *([f"{_to_do(run)}: {command}"] if command else []),
        *(
            [f"{resubmitted} resubmitted; totals now: {_counted(run.overall)}"]
            if run.resubmitted
            else []
        ),
        *(
            [f"{later:,} left for a later batch: run the same files again"]
            if (later := _later(run))
            else []
        ),
    ]
    return "".join(f"\n{part}" for part in parts)


def _later(run: "RunStatus") -> int:
    """Creates that were left for a later run and are in none yet."""
    from pipeline.domain.fates import Fate

    return min(run.later, run.overall.get(Fate.NOT_ATTEMPTED, 0)) if run.overall else run.later


def _to_do(run: "RunStatus") -> str:
    return f"{run.left:,} left" if run.left else "its results are not written yet"


def _records(run: "RunStatus") -> str:
    """The fates and reasons of the records, their changes by later runs, and how many are open."""
    from pipeline.reporting import since_then
    from pipeline.reporting.headline import reasons_in_words
    from pipeline.reporting.held import differing_in_words

    if run.open is None:
        return ""
    fates = {fate: records for fate, records in run.fates.items() if records}
    records = sum(fates.values())
    lines = [f"{number_of(records, 'record')}: {_counted(fates) or 'none'}"]
    lines += [
        f"{name.replace('_', ' ')}: {reasons_in_words(of)}"
        for name, of in run.reasons.items()
        if of
    ]
    lines += (
        [f"held records: {differs}"] if (differs := differing_in_words(run.held_differs)) else []
    )
    lines += (
        [since_then(run.changes, run.overall, run.run_id)]
        if run.changes
        else [f"{run.open:,} record{'s are' if run.open != 1 else ' is'} open"]
    )
    return "".join(f"\n{printable(line)}" for line in lines)


def _counted(fates: dict[str, int]) -> str:
    return ", ".join(f"{count:,} {fate}" for fate, count in fates.items())
