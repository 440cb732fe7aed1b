"""Print the history of a customer, for `trace`."""

from typing import TYPE_CHECKING

from pipeline.cli.output.screen import ATTENTION, GOOD, Cell, show_cells, style_of_fate
from pipeline.cli.output.terminal import on_one_line, printable, show_line

if TYPE_CHECKING:
    from pipeline.workflows.trace import Appearance, CustomerNow, Event, Life


def show_life(life: "Life") -> None:
    """Print the history of a customer: its rows, the requests, what billing holds."""
    if life.persons:
        show_line(", ".join(map(printable, life.persons)))
    if life.pii == "masked" and life.appearances:
        show_line(
            "masked: x for a letter, 9 for a digit, ? for a sign, a token for a person;"
            " --pii full shows them"
        )
    for one in life.appearances:
        _show_appearance(one)
    for damaged in life.damaged_runs:
        show_line(str(damaged))
    for run_id in life.purged:
        show_line(f"{run_id}  its rows were deleted by retention")
    for environment, event in life.events:
        _show_event(environment, event)
    if life.now is not None:
        _show_lookup(life.now)


def _show_appearance(one: "Appearance") -> None:
    repairs = f", which corrects {printable(one.mends)}" if one.mends else ""
    show_line(f"{one.run_id}  {printable(one.row_id)}{repairs}")
    if one.source is not None:
        show_line(f"  source       {printable(one.source)}")
    cells = {name: value for name, value in one.given.items() if value}
    show_line(f"  given        {on_one_line(cells)}")
    values = {name: value for name, value in one.became.items() if value is not None}
    show_line(f"  became       {on_one_line(values)}")
    for code, sentence in one.end.reasons:
        show_line(f"  {printable(code)}: {sentence}")
    if one.decided is not None:
        same = f", the same as {printable(one.same_as)}" if one.same_as else ""
        show_line(f"  planned      {one.decided}{same}")
    end = one.end
    if end.key is not None:
        show_line(f"  key          {end.key}")
    billing_id = f" as {end.billing_id}" if end.billing_id else ""
    fate = Cell(end.fate.replace("_", " "), style_of_fate(end.fate))
    show_cells(Cell("  ended        "), fate, Cell(billing_id))


def _show_event(environment: str, event: "Event") -> None:
    answer = [str(event[name]) for name in ("call", "status", "outcome") if event[name] is not None]
    if event["replayed"]:
        answer.append("(replayed)")
    generation = event["generation"]
    is_later = isinstance(generation, int) and generation > 1
    details = [f"generation {generation}"] if is_later else []
    if answer:
        details.append(" ".join(answer))
    billing_id = f" as {event['billing_id']}" if event["billing_id"] else ""
    show_line(
        f"{environment}  {event['at']}  {event['kind']:<9} -> {event['state']}{billing_id}  "
        f"{', '.join([*details, str(event['key'])])}  ({event['run_id']})"
    )


def _show_lookup(now: "CustomerNow") -> None:
    """Print what billing holds now, and how it differs from what was sent."""
    comparison, style = "", ""
    if now.holds is not None:
        held = {name: value for name, value in now.holds.items() if value is not None}
        show_line(f"billing holds {on_one_line(held)}")
        if now.differs_in is None:
            comparison = ", and nothing was sent to compare it with"
        else:
            names = ", ".join(now.differs_in)
            comparison = f", differs in {names}" if names else ", as it was sent"
            style = ATTENTION if names else GOOD
    answer = f"billing now: {now.answer} {now.billing_id or ''}".rstrip()
    show_cells(Cell(answer), Cell(comparison, style))
