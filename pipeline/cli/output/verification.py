"""Print the checks of `verify`."""

from typing import TYPE_CHECKING

from pipeline.cli.output.terminal import show_line
from pipeline.cli.suggestions import suggested

if TYPE_CHECKING:
    from pipeline.verifier import Check


def show_verdict(check: "Check") -> None:
    """Print one check: its result, its name, and the first fault or why it cannot be checked."""
    word = {True: "holds", False: "BROKEN", None: "open"}[check.holds]
    command = suggested(*check.suggests) if check.suggests else ""
    show_line(": ".join(filter(None, (f"{word:<7} {check.what}", check.found, command))))
