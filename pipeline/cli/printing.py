"""What a person reads: stdout is the result, stderr the commentary, and neither can move the cursor or hide a word."""

import json
import sys
import unicodedata
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipeline.verbs.plan import PlannedRun
    from pipeline.verbs.status import RunStatus


WIDTH_OFF_A_TERMINAL = 120


def say(text: str) -> None:
    """A line of commentary."""
    print(printable(text), file=sys.stderr, flush=True)


def printable(text: str) -> str:
    """Text without escape sequences, control and bidirectional characters: names and headers are other people's."""
    return "".join(c if c == "\n" or unicodedata.category(c) not in {"Cc", "Cf", "Cs"} else "\ufffd" for c in text)


def show_json(content: dict[str, Any] | list[Any]) -> None:
    """A result for programs."""
    _out(json.dumps(content, indent=2, ensure_ascii=False))


def show_report(content: dict[str, Any]) -> None:
    """Counts per fate, sums per currency, and as the last line counts and where the report is."""
    from rich.console import Console
    from rich.table import Table

    from pipeline.currency import major_units

    console = Console(highlight=False, soft_wrap=True)
    if not console.is_terminal:
        console.width = WIDTH_OFF_A_TERMINAL
    environment = content["environment"]
    console.print(f"{printable(environment['mode']).upper()}  {printable(content['verdict'])}", markup=False)
    fates = Table("fate", "records", "what it means", box=None, pad_edge=False)
    fates.columns[1].justify = "right"
    for fate, count in content["fates"].items():
        if count:
            fates.add_row(fate, f"{count:,}", _sentence(fate))
    console.print(fates)
    sums = _sums_table(content, major_units)
    if sums.row_count:
        console.print(sums)
    for column, near in content["columns_not_sent"].items():
        hint = f" (did you mean '{near}'?)" if near else ""
        console.print(f"column '{printable(column)}' is kept in the lists and not sent{hint}", markup=False)
    if content["stopped_because"]:
        console.print(f"stopped: {printable(content['stopped_because'])}", markup=False)
    law = "holds" if content["conservation"]["holds"] else "is BROKEN"
    console.print(f"conservation law {law}: {len(content['conservation']['checks'])} checks", markup=False)
    _out(last_line(content))


def last_line(content: dict[str, Any]) -> str:
    """One line for a log: counts, and the report's path."""
    fates = ", ".join(f"{count} {fate}" for fate, count in content["fates"].items() if count) or "no records"
    return f"{content['records']['read']} records: {fates} ({content['files']['report.html']})"


def show_plan(planned: "PlannedRun") -> None:
    """What a plan would do."""
    show_report(planned.report.content)
    say(f"nothing was sent; to do it: pipeline apply {planned.run_id}")


def show_statuses(statuses: "list[RunStatus]") -> None:
    """One line for each run."""
    from rich.console import Console
    from rich.table import Table

    table = Table("run", "status", "environment", "settled", "planned", "exit", box=None, pad_edge=False)
    for run in statuses:
        table.add_row(
            run.run_id,
            run.status,
            run.environment,
            str(run.settled),
            str(run.planned),
            str(run.exit_code or ("" if run.exit_code is None else 0)),
        )
    Console(highlight=False, soft_wrap=True).print(table)


def show_status(run: "RunStatus") -> None:
    """One run, in a few lines."""
    states = ", ".join(f"{count} {state}" for state, count in sorted(run.states.items())) or "nothing sent"
    _out(
        f"{run.run_id}: {run.status} in {run.environment}\n{run.settled} of {run.planned} creates settled ({states})\n{run.reports}"
    )


def _sums_table(content: dict[str, Any], money: Any) -> Any:
    from rich.table import Table

    table = Table("currency", "fate", "debits", "credits", "net", box=None, pad_edge=False)
    for column in table.columns[2:]:
        column.justify = "right"
    for currency, by_fate in content["sums"].items():
        for fate, net in by_fate.items():
            debit, credit = content["debits"][currency][fate], content["credits"][currency][fate]
            if debit or credit:
                table.add_row(printable(currency), fate, *(money(amount, currency) for amount in (debit, credit, net)))
    return table


def _sentence(fate: str) -> str:
    from pipeline.outcomes import Fate

    return next(known.sentence for known in Fate if known == fate)


def _out(text: str) -> None:
    try:
        print(printable(text), flush=True)
    except BrokenPipeError:
        sys.stderr.flush()
