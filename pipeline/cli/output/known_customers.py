"""Print the known customers of each environment."""

from typing import TYPE_CHECKING

from pipeline.cli.output.screen import Screen

if TYPE_CHECKING:
    from pipeline.storage.known_customers import References


def show_references(found: "list[tuple[str, References]]") -> None:
    """Print the known customers of each environment."""
    screen = Screen()
    screen.table(
        ("environment", "known customers", "version", "loaded at", "states"),
        [
            (
                environment,
                f"{known.rows:,}",
                known.version[:12],
                known.loaded_at,
                ", ".join(known.fields),
            )
            for environment, known in found
        ],
        right=(1,),
    )
    screen.show()
