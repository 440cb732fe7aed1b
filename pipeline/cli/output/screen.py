"""Results with tables: coloured on a terminal, plain in a pipe or with NO_COLOR."""

import io
import os
import shutil
import sys
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from pipeline.cli.output.terminal import WIDTH_OFF_A_TERMINAL, printable, show_rendered

GOOD, ATTENTION, BAD, SOFT, STRONG = "green", "yellow", "red", "dim", "bold"
#: Style -> its number in an escape sequence of a terminal (ECMA-48, SGR).
_NUMBERS = {GOOD: 32, ATTENTION: 33, BAD: 31, SOFT: 2, STRONG: 1}
STYLE_OF_LIST = {
    "created": GOOD,
    "skipped": SOFT,
    "held": ATTENTION,
    "in_doubt": ATTENTION,
    "rejected": BAD,
    "unprocessed": SOFT,
}


def wants_colour() -> bool:
    """Whether stdout is a terminal, and neither NO_COLOR nor TERM forbids colour."""
    is_forbidden = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return sys.stdout.isatty() and not is_forbidden


@dataclass(frozen=True, slots=True)
class Cell:
    """A text of a table with its style."""

    text: str
    style: str = ""


def style_of_fate(fate: str) -> str:
    """The style of a fate: that of its list; `superseded` is in no list."""
    from pipeline.domain.fates import SUPERSEDED, Fate, list_of

    return SOFT if fate == SUPERSEDED else STYLE_OF_LIST[list_of(Fate.of(fate))]


def show_cells(*cells: Cell) -> None:
    """Print texts on one line, each in its style."""
    show_rendered("".join(map(_rendered, cells)) + "\n")


def _rendered(cell: Cell) -> str:
    text = printable(cell.text)
    if not cell.style or not wants_colour():
        return text
    numbers = ";".join(str(_NUMBERS[name]) for name in cell.style.split())
    return f"\x1b[{numbers}m{text}\x1b[0m"


class Screen:
    """A result that is put together in memory: a broken pipe must not end the process early.

    Every text passes `printable`, so only our own colours reach the terminal.
    """

    def __init__(self) -> None:
        from rich.console import Console

        width = shutil.get_terminal_size().columns
        self._console = Console(
            file=io.StringIO(),
            width=width if sys.stdout.isatty() else WIDTH_OFF_A_TERMINAL,
            color_system="standard" if wants_colour() else None,
            highlight=False,
            soft_wrap=True,
            markup=False,
            emoji=False,
        )

    def line(self, text: str, style: str = "") -> None:
        """Add a line."""
        self.cells(Cell(text, style))

    def cells(self, *cells: Cell) -> None:
        """Add a line of texts with different styles."""
        from rich.text import Text

        self._console.print(Text.assemble(*((printable(one.text), one.style) for one in cells)))

    def table(
        self,
        heads: Sequence[str],
        rows: Iterable[Sequence[str | Cell]],
        right: Collection[int] = (),
    ) -> None:
        """Add a table, with the columns of these numbers to the right; nothing without rows."""
        from rich.table import Table
        from rich.text import Text

        table = Table(*map(printable, heads), box=None, pad_edge=False)
        for number in right:
            table.columns[number].justify = "right"
        for row in rows:
            cells = [one if isinstance(one, Cell) else Cell(one) for one in row]
            table.add_row(*(Text(printable(one.text), one.style) for one in cells))
        if table.row_count:
            self._console.print(table)

    def show(self) -> None:
        """Print everything."""
        rendered: str = self._console.file.getvalue()  # type: ignore[attr-defined]  # a StringIO
        show_rendered(rendered)
