"""Print a reconciliation: its bridge, its differences and its verdict."""

from typing import TYPE_CHECKING

from pipeline.cli.output.terminal import new_console, printable, show_line, text_of

if TYPE_CHECKING:  # help answers at once, without pydantic
    from pipeline.domain.reconciliation import Reconciliation


def show_reconciliation(content: "Reconciliation") -> None:
    """Print the bridge per currency, the differences by kind, and the verdict with the report."""
    _show_bridge(content)
    _show_differences(content)
    for kind, why in content.not_determinable.items():
        show_line(f"{kind.replace('_', ' ')}: not determinable: {why}")
    if sample := content.sample:
        show_line(
            f"{sample.differing:,} of {sample.customers:,} sampled customers differ. At most"
            f" {sample.at_most * 100:.3g} % of all differ, with"
            f" {sample.confidence * 100:.0f} % confidence."
        )
    show_line(f"{content.verdict} ({content.files['report.html']})")


def _show_bridge(content: "Reconciliation") -> None:
    from rich.table import Table

    from pipeline.domain.currency import major_units
    from pipeline.reporting.headline import currency_label

    console = new_console()
    for code in sorted({code for step in content.bridge for code in step.figures}):
        table = Table(currency_label(code), box=None, pad_edge=False)
        for name in ("records", "sum"):
            table.add_column(name, justify="right")
        for step in content.bridge:
            if figure := step.figures.get(code):
                name = f"= {step.sentence}" if step.is_total else f"  {_words(step.step)}"
                counted = "not stated" if figure.records is None else f"{figure.records:,}"
                table.add_row(name, counted, major_units(figure.sum, code))
        left = content.residual.get(code)
        records, amount = (left.records or 0, left.sum) if left is not None else (0, 0)
        table.add_row("residual", f"{records:,}", major_units(amount, code))
        console.print(table)
        console.print()
    show_line(text_of(console).rstrip("\n"))


def _show_differences(content: "Reconciliation") -> None:
    from pipeline.domain.discrepancies import Pattern

    for kind, count in content.differences.items():
        if count:
            examples = ", ".join(map(printable, content.examples.get(kind, ())))
            show_line(f"{count:,} {_words(kind)}: {examples}")
    for pattern in Pattern:
        if balances := content.patterns.get(pattern):
            show_line(
                f"  {balances:,} of the balances that differ look like"
                f" {_words(pattern)}: {pattern.sentence}"
            )


def _words(name: str) -> str:
    return name.replace("_", " ")
