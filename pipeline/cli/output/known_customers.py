"""Print the known customers of each environment."""

from typing import TYPE_CHECKING

from pipeline.cli.output.terminal import new_console, show_line, text_of

if TYPE_CHECKING:
    from pipeline.storage.known_customers import References


def show_references(found: "list[tuple[str, References]]") -> None:
    """Print the known customers of each environment."""
    from rich.table import Table

    table = Table(
        "environment", "known customers", "version", "loaded at", "states", box=None, pad_edge=False
    )
    table.columns[1].justify = "right"
    for environment, known in found:
        table.add_row(
            environment,
            f"{known.rows:,}",
            known.version[:12],
            known.loaded_at,
            ", ".join(known.fields),
        )
    console = new_console()
    console.print(table)
    show_line(text_of(console).rstrip("\n"))
