"""Print the report of a run: verdict, fates, sums, reasons and findings."""

from typing import TYPE_CHECKING

from pipeline.cli.output.report_lines import (
    columns_not_sent,
    findings,
    intentions,
    stakes,
    unusual_forms,
    why,
)
from pipeline.cli.output.screen import (
    ATTENTION,
    BAD,
    GOOD,
    STRONG,
    Cell,
    Screen,
    style_of_fate,
)
from pipeline.domain.plurals import number_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.domain.run_summary import RunSummary

_STYLE_OF_STATE = {"good": GOOD, "attention": ATTENTION, "broken": BAD}
_MONEY = ("debits", "credits", "net")


def show_report(summary: "RunSummary") -> None:
    """Print the verdict, counts per fate and sums per currency.

    The last line has the counts and the report.
    """
    screen = Screen()
    _verdict(screen, summary)
    screen.table(("fate", "records", "what it means"), _fates(summary), right=(1,))
    _sums(screen, summary)
    for line in (
        *stakes(summary),
        *why(summary),
        *intentions(summary),
        *unusual_forms(summary),
        *columns_not_sent(summary.columns_not_sent),
    ):
        screen.line(line)
    if summary.stopped_because:
        screen.line(f"stopped: {summary.stopped_because}", ATTENTION)
    _accounting(screen, summary)
    screen.line(last_line(summary))
    screen.show()


def last_line(summary: "RunSummary") -> str:
    """One line for a log: the counts and the path of the report."""
    fates = (
        ", ".join(f"{count:,} {fate}" for fate, count in summary.fates.items() if count)
        or "no records"
    )
    return f"{number_of(summary.records.read, 'record')}: {fates} ({summary.files['report.html']})"


def _verdict(screen: Screen, summary: "RunSummary") -> None:
    """The verdict, and after it each issue of whole files that warns or stops."""
    from pipeline.reporting.report_status import status_of_run

    style = _STYLE_OF_STATE[status_of_run(summary).state]
    mode = summary.environment.mode
    mark = Cell(mode.upper(), STRONG if mode == "test" else f"{STRONG} {BAD}")
    screen.cells(mark, Cell(f"  {summary.verdict}", style))
    for kind, line in findings(summary):
        screen.line(f"{kind}: {line}", BAD if kind == "STOPS" else ATTENTION)


def _fates(summary: "RunSummary") -> "Iterator[tuple[str | Cell, ...]]":
    from pipeline.domain.fates import Fate

    for fate in Fate:
        if count := summary.fates[fate]:
            style = style_of_fate(fate)
            yield Cell(fate.value, style), Cell(f"{count:,}", style), fate.sentence


def _sums(screen: Screen, summary: "RunSummary") -> None:
    if summary.is_planned:
        heads, rows = ("records", "currency", *_MONEY), _sums_by_account(summary)
    else:
        heads, rows = ("currency", "fate", *_MONEY), _sums_by_fate(summary)
    screen.table(heads, rows, right=(2, 3, 4))


def _sums_by_fate(summary: "RunSummary") -> "Iterator[tuple[str, ...]]":
    from pipeline.domain.currency import major_units
    from pipeline.reporting.headline import currency_label

    for currency, by_fate in summary.sums.items():
        for fate, net in by_fate.items():
            debit, credit = summary.debits[currency][fate], summary.credits[currency][fate]
            if debit or credit:
                amounts = (major_units(amount, currency) for amount in (debit, credit, net))
                yield currency_label(currency), fate, *amounts


def _sums_by_account(summary: "RunSummary") -> "Iterator[tuple[str, ...]]":
    """The sums of a plan: its creates apart from what is left for a later run."""
    from pipeline.domain.currency import major_units
    from pipeline.reporting.headline import accounts, currency_label

    for account in accounts(summary):
        for currency, sides in account.sums.items():
            amounts = (sides.debits, sides.credits, sides.net)
            yield (
                account.title,
                currency_label(currency),
                *(major_units(amount, currency) for amount in amounts),
            )


def _accounting(screen: Screen, summary: "RunSummary") -> None:
    checks = summary.accounting.checks
    failed = sum(not check.holds for check in checks)
    result = f"{failed:,} of {len(checks):,} FAIL" if failed else f"all {len(checks):,} hold"
    screen.cells(Cell("accounting checks: "), Cell(result, BAD if failed else GOOD))
