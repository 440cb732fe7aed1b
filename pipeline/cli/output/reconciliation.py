"""Print a reconciliation: its bridge, its differences and its verdict."""

from typing import TYPE_CHECKING

from pipeline.cli.output.screen import ATTENTION, BAD, GOOD, STRONG, Cell, Screen

if TYPE_CHECKING:  # help answers at once, without pydantic
    from pipeline.domain.reconciliation import Reconciliation


def show_reconciliation(content: "Reconciliation") -> None:
    """Print the bridge per currency, the differences by kind, and the verdict with the report."""
    screen = Screen()
    _add_bridge(screen, content)
    _add_differences(screen, content)
    for kind, why in content.not_determinable.items():
        screen.line(f"{_words(kind)}: not determinable: {why}")
    if sample := content.sample:
        screen.line(
            f"{sample.differing:,} of {sample.customers:,} sampled customers differ. At most"
            f" {sample.at_most * 100:.3g} % of all differ, with"
            f" {sample.confidence * 100:.0f} % confidence."
        )
    screen.cells(
        Cell(content.verdict, _style_of_verdict(content)),
        Cell(f" ({content.files['report.html']})"),
    )
    screen.show()


def _style_of_verdict(content: "Reconciliation") -> str:
    from pipeline.domain.reconciliation import OUT_OF_BALANCE

    if content.exit_code == OUT_OF_BALANCE:
        return f"{STRONG} {BAD}"
    return f"{STRONG} {ATTENTION if content.exit_code else GOOD}"


def _add_bridge(screen: Screen, content: "Reconciliation") -> None:
    from pipeline.domain.currency import major_units
    from pipeline.reporting.headline import currency_label

    for code in sorted({code for step in content.bridge for code in step.figures}):
        rows: list[list[str | Cell]] = []
        for step in content.bridge:
            if figure := step.figures.get(code):
                name = f"= {step.sentence}" if step.is_total else f"  {_words(step.step)}"
                counted = "not stated" if figure.records is None else f"{figure.records:,}"
                style = STRONG if step.is_total else ""
                texts = (name, counted, major_units(figure.sum, code))
                rows.append([Cell(text, style) for text in texts])
        left = content.residual.get(code)
        records, amount = (left.records or 0, left.sum) if left is not None else (0, 0)
        style = BAD if records or amount else ""
        texts = ("residual", f"{records:,}", major_units(amount, code))
        rows.append([Cell(text, style) for text in texts])
        screen.table((currency_label(code), "records", "sum"), rows, right=(1, 2))
        screen.line("")


def _add_differences(screen: Screen, content: "Reconciliation") -> None:
    from pipeline.domain.discrepancies import UNEXPLAINED, Pattern

    for kind, count in content.differences.items():
        if count:
            style = BAD if kind in UNEXPLAINED else ATTENTION
            examples = ", ".join(content.examples.get(kind, ()))
            screen.cells(Cell(f"{count:,} {_words(kind)}", style), Cell(f": {examples}"))
    for pattern in Pattern:
        if balances := content.patterns.get(pattern):
            screen.line(
                f"  {balances:,} of the balances that differ look like"
                f" {_words(pattern)}: {pattern.sentence}"
            )


def _words(name: str) -> str:
    return name.replace("_", " ")
