"""Print a reconciliation: its bridge, its differences and its verdict."""

from typing import Any

from pipeline.cli.output.terminal import new_console, printable, show_line, text_of


def show_reconciliation(content: dict[str, Any]) -> None:
    """Print the bridge per currency, the differences by kind, and the verdict with the report."""
    from rich.table import Table

    from pipeline.domain.currency import major_units
    from pipeline.domain.discrepancies import Pattern
    from pipeline.reporting.headline import currency_label

    console = new_console()
    for code in sorted({code for step in content["bridge"] for code in step["figures"]}):
        table = Table(currency_label(code), box=None, pad_edge=False)
        for name in ("records", "sum"):
            table.add_column(name, justify="right")
        for step in content["bridge"]:
            figure = step["figures"].get(code)
            if figure:
                name = (
                    f"= {step['sentence']}"
                    if step["is_total"]
                    else f"  {step['step'].replace('_', ' ')}"
                )
                records = "not stated" if figure["records"] is None else f"{figure['records']:,}"
                table.add_row(name, records, major_units(figure["sum"], code))
        left = content["residual"].get(code, {"records": 0, "sum": 0})
        table.add_row("residual", f"{left['records']:,}", major_units(left["sum"], code))
        console.print(table)
        console.print()
    show_line(text_of(console).rstrip("\n"))
    for kind, count in content["differences"].items():
        if count:
            examples = ", ".join(map(printable, content["examples"].get(kind, [])))
            show_line(f"{count:,} {kind.replace('_', ' ')}: {examples}")
    for pattern in Pattern:
        if count := content["patterns"].get(pattern):
            show_line(
                f"  {count:,} of the balances that differ look like"
                f" {pattern.replace('_', ' ')}: {pattern.sentence}"
            )
    for kind, why in content["not_determinable"].items():
        show_line(f"{kind.replace('_', ' ')}: not determinable: {why}")
    if "sample" in content:
        sample = content["sample"]
        show_line(
            f"{sample['differing']:,} of {sample['customers']:,} sampled customers differ. At most"
            f" {sample['at_most'] * 100:.3g} % of all differ, with"
            f" {sample['confidence'] * 100:.0f} % confidence."
        )
    show_line(f"{content['verdict']} ({content['files']['report.html']})")
