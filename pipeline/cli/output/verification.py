"""Print the checks of `verify`."""

from typing import TYPE_CHECKING

from pipeline.cli.output.screen import ATTENTION, BAD, GOOD, Cell, show_cells
from pipeline.cli.suggestions import suggested

if TYPE_CHECKING:
    from pipeline.verifier import Check


def show_verdict(check: "Check") -> None:
    """Print one check: its result, its name, and the first fault or why it cannot be checked."""
    word, style = {
        True: ("holds", GOOD),
        False: ("BROKEN", BAD),
        None: ("open", ATTENTION),
    }[check.holds]
    command = suggested(*check.suggests) if check.suggests else ""
    rest = ": ".join(filter(None, (check.what, check.found, command)))
    show_cells(Cell(f"{word:<7}", style), Cell(f" {rest}"))
