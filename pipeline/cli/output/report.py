"""Print the report of a run: fates, sums, reasons and findings."""

from typing import Any

from pipeline.cli.output.report_lines import (
    columns_not_sent,
    findings,
    intentions,
    stakes,
    unusual_forms,
    why,
)
from pipeline.cli.output.terminal import new_console, printable, show_line, text_of


def show_report(content: dict[str, Any]) -> None:
    """Print counts per fate and sums per currency; the last line has the counts and the report."""
    from rich.table import Table

    from pipeline.domain.currency import major_units

    console = new_console()
    environment = content["environment"]
    console.print(
        f"{printable(environment['mode']).upper()}  {printable(content['verdict'])}", markup=False
    )
    fates = Table("fate", "records", "what it means", box=None, pad_edge=False)
    fates.columns[1].justify = "right"
    for fate, count in content["fates"].items():
        if count:
            fates.add_row(fate, f"{count:,}", _sentence(fate))
    console.print(fates)
    sums = (_accounts_table if content["status"] == "planned" else _sums_table)(
        content, major_units
    )
    if sums.row_count:
        console.print(sums)
    for line in (*stakes(content), *why(content), *intentions(content)):
        console.print(printable(line), markup=False)
    for line in findings(content):
        console.print(printable(line), markup=False)
    for line in unusual_forms(content):
        console.print(printable(line), markup=False)
    for line in columns_not_sent(content["columns_not_sent"]):
        console.print(line, markup=False)
    if content["stopped_because"]:
        console.print(f"stopped: {printable(content['stopped_because'])}", markup=False)
    checks = content["conservation"]["checks"]
    failed = sum(not check["holds"] for check in checks)
    console.print(
        "accounting checks: "
        + (f"{failed:,} of {len(checks):,} FAIL" if failed else f"all {len(checks):,} hold"),
        markup=False,
    )
    show_line(text_of(console) + last_line(content))


def last_line(content: dict[str, Any]) -> str:
    """One line for a log: the counts and the path of the report."""
    fates = (
        ", ".join(f"{count:,} {fate}" for fate, count in content["fates"].items() if count)
        or "no records"
    )
    return f"{content['records']['read']:,} records: {fates} ({content['files']['report.html']})"


def _sums_table(content: dict[str, Any], money: Any) -> Any:
    from rich.table import Table

    from pipeline.reporting.headline import currency_label

    table = Table("currency", "fate", "debits", "credits", "net", box=None, pad_edge=False)
    for column in table.columns[2:]:
        column.justify = "right"
    for currency, by_fate in content["sums"].items():
        for fate, net in by_fate.items():
            debit, credit = content["debits"][currency][fate], content["credits"][currency][fate]
            if debit or credit:
                table.add_row(
                    printable(currency_label(currency)),
                    fate,
                    *(money(amount, currency) for amount in (debit, credit, net)),
                )
    return table


def _accounts_table(content: dict[str, Any], money: Any) -> Any:
    """The sums of a plan: its creates apart from what is left for a later run."""
    from rich.table import Table

    from pipeline.reporting.headline import accounts, currency_label

    table = Table("records", "currency", "debits", "credits", "net", box=None, pad_edge=False)
    for column in table.columns[2:]:
        column.justify = "right"
    for account in accounts(content):
        for currency, debits, credits in account.sums:
            amounts = (money(amount, currency) for amount in (debits, credits, debits + credits))
            table.add_row(account.title, printable(currency_label(currency)), *amounts)
    return table


def _sentence(fate: str) -> str:
    from pipeline.domain.fates import Fate

    return next(known.sentence for known in Fate if known == fate)
