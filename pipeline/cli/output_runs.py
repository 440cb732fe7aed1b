"""Print runs, customers and codes, for `runs`, `status`, `trace` and `explain`."""

import textwrap
from typing import TYPE_CHECKING, Any

from pipeline.cli.output import on_one_line, printable, show_line
from pipeline.cli.suggestions import suggested

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.workflows.explain import Explanation
    from pipeline.workflows.status import DamagedRun, RunStatus
    from pipeline.workflows.trace import Appearance, Life


def show_statuses(statuses: "list[RunStatus | DamagedRun]") -> None:
    """Print each run: its id on a separate line, for copying, then its progress and its verdict."""
    from pipeline.workflows.status import DamagedRun

    for run in statuses:
        show_line(run.run_id)
        if isinstance(run, DamagedRun):
            show_line(f"  damaged, cannot be read: {run.reason}")
            continue
        creates = f"{run.settled:,} of {run.planned:,} creates settled"
        later = f", {run.later:,} for a later run" if run.later else ""
        show_line(f"  {run.label}, {run.environment}: {creates}{later}")
        show_line(
            textwrap.fill(
                run.verdict, 78, initial_indent="  ", subsequent_indent="  ", break_long_words=False
            )
        )


def show_status(run: "RunStatus") -> None:
    """Print one run in a few lines."""
    from pipeline.domain.outcomes import State

    # A withdrawn create was never sent, so it counts as left.
    sent = {state: count for state, count in sorted(run.states.items()) if state != State.WITHDRAWN}
    states = ", ".join(f"{count:,} {state}" for state, count in sent.items()) or "nothing sent"
    show_line(
        f"{run.run_id}\n{run.label} in {run.environment}: {run.verdict}\n"
        f"{run.settled:,} of {run.planned:,} creates settled ({states})"
        f"{_left(run)}{_records(run)}\n{run.reports}"
    )


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
    for code, sentence in one.reasons:
        show_line(f"  {printable(code)}: {sentence}")
    if one.decided is not None:
        same = f", the same as {printable(one.same_as)}" if one.same_as else ""
        show_line(f"  planned      {one.decided}{same}")
    if one.key is not None:
        show_line(f"  key          {one.key}")
    billing_id = f" as {one.billing_id}" if one.billing_id else ""
    show_line(f"  ended        {one.fate.replace('_', ' ')}{billing_id}")


def _show_event(environment: str, event: dict[str, Any]) -> None:
    answer = [str(event[name]) for name in ("call", "status", "outcome") if event[name] is not None]
    if event["replayed"]:
        answer.append("(replayed)")
    details = [f"generation {event['generation']}"] if event["generation"] > 1 else []
    if answer:
        details.append(" ".join(answer))
    billing_id = f" as {event['billing_id']}" if event["billing_id"] else ""
    show_line(
        f"{environment}  {event['at']}  {event['kind']:<9} -> {event['state']}{billing_id}  "
        f"{', '.join([*details, event['key']])}  ({event['run_id']})"
    )


def _show_lookup(now: dict[str, Any]) -> None:
    """Print what billing holds now, and how it differs from what was sent."""
    differs, comparison = now.get("differs_in"), ""
    if "holds" in now:
        held = {name: value for name, value in now["holds"].items() if value is not None}
        show_line(f"billing holds {on_one_line(held)}")
        if differs is None:
            comparison = ", and nothing was sent to compare it with"
        else:
            comparison = f", differs in {', '.join(differs)}" if differs else ", as it was sent"
    show_line(f"billing now: {now['answer']} {now.get('billing_id', '')}".rstrip() + comparison)


def show_explained(found: "Sequence[Explanation]", *, whole: bool) -> None:
    """Print codes with their explanations; else one line each."""
    if not whole:
        widest = max(len(one.code) for one in found)
        show_line("\n".join(f"{one.code:{widest}}  {one.meaning}" for one in found))
        return
    texts = []
    for one in found:
        options = f"\noptions:  {', '.join(one.bears_on_it)}" if one.bears_on_it else ""
        texts.append(
            f"{one.code}\n{one.meaning}\nexample:  {one.example}\nfix it:   {one.mend}{options}"
        )
    show_line("\n\n".join(texts))


def _left(run: "RunStatus") -> str:
    is_open = bool(run.left) or run.status == "interrupted"
    accepting = [word for code in run.stops for word in ("--accept", code)]
    words = ("resume", run.run_id) if run.started_at else ("apply", run.run_id, *accepting)
    command = suggested(*words) if is_open else ""
    parts = [
        *([f"{_to_do(run)}: {command}"] if command else []),
        *(
            [f"{run.came_back:,} records were resubmitted; totals now: {_counted(run.overall)}"]
            if run.came_back
            else []
        ),
        *(
            [f"{later:,} left for later waves: run the same files again"]
            if (later := _later(run))
            else []
        ),
    ]
    return "".join(f"\n{part}" for part in parts)


def _later(run: "RunStatus") -> int:
    """Creates that were left for a later run and are in none yet."""
    from pipeline.domain.outcomes import Fate

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
    lines = [f"{records:,} record{'s' * (records != 1)}: {_counted(fates) or 'none'}"]
    lines += [
        f"{name.replace('_', ' ')}: {reasons_in_words(of)}"
        for name, of in run.reasons.items()
        if of
    ]
    lines += (
        [f"held records: {differs}"] if (differs := differing_in_words(run.held_differs)) else []
    )
    lines += (
        [since_then(run.became, run.overall, run.run_id)] if run.became else [f"{run.open:,} open"]
    )
    return "".join(f"\n{printable(line)}" for line in lines)


def _counted(fates: dict[str, int]) -> str:
    return ", ".join(f"{count:,} {fate}" for fate, count in fates.items())
