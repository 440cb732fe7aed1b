"""Rows of a sheet as records: every cell its visible text, or a reason."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import polars as pl

from pipeline.domain.column_mapping import Layout, is_canonical
from pipeline.domain.reasons import Reason
from pipeline.sources.cell import Cell, Number, Text, Trouble, shown_text
from pipeline.sources.cells import reason_of, text_of_unreadable
from pipeline.sources.names import Names, is_repeated_header
from pipeline.sources.sheet_rows import Row
from pipeline.sources.source_file import GIVEN, origins

_REASONS = {
    Trouble.ERROR: Reason.READ_CELL_ERROR,
    Trouble.NO_VALUE: Reason.READ_FORMULA_WITHOUT_VALUE,
    Trouble.FORMAT: Reason.READ_CELL_FORMAT,
    Trouble.AMOUNT: Reason.READ_CELL_FORMAT,
    Trouble.DIGITS: Reason.READ_CELL_FORMAT,
    Trouble.MALFORMED: Reason.READ_CELL_MALFORMED,
}
_AMOUNT = "balance"  #: the canonical column of amounts


@dataclass(frozen=True, slots=True)
class SheetTable:
    """A table: its columns, the amount columns, and columns whose cells all need a text."""

    file: str
    sheet: str
    names: Names
    columns: tuple[str, ...]  #: the supplier's columns of the header
    amounts: frozenset[int]  #: positions in the header
    sent: frozenset[int]

    @property
    def header(self) -> tuple[str, ...]:
        """The names of its columns."""
        return self.names.used

    def records(self, rows: Sequence[Row], position: int) -> pl.DataFrame:
        """The records of these rows; the first has `position`."""
        table = self._cells(rows)
        given = [pl.col(GIVEN + name) for name in self.header]
        table = table.with_columns(reason=pl.coalesce("trouble", reason_of([pl.col("joined")])))
        of_name = dict(zip(self.header, given, strict=True))
        if table["reason"].null_count() < table.height:
            of_name = {
                name: pl.when(pl.col("reason").is_null()).then(cell)
                for name, cell in of_name.items()
            }
        return table.select(
            position=pl.int_range(pl.len(), dtype=pl.Int64) + position,
            row_id=pl.format("{}!{}:{}", pl.lit(self.file), pl.lit(self.sheet), pl.col("line")),
            line=pl.col("line"),
            line_count=pl.lit(1, pl.Int64),
            reason=pl.col("reason"),
            text=text_of_unreadable(table, given),
            **origins(self.header),
            **{GIVEN + name: of_name[name] for name in self.columns},
        )

    def text(self, cells: Sequence[Cell]) -> str:
        """A row as a line of text."""
        return ",".join(_written(self._text(cell, at)) for at, cell in enumerate(cells))

    def _cells(self, rows: Sequence[Row]) -> pl.DataFrame:
        """Every cell as text, the trouble of each row, and the row as text with commas."""
        width = len(self.header)
        blank = [""] * width
        texts = [self._texts(row)[:width] + blank[len(row.cells) :] for row in rows]
        columns = zip(*texts, strict=True)
        cells = {
            GIVEN + name: pl.Series(column, dtype=pl.String)
            for name, column in zip(self.header, columns, strict=True)
        }
        return pl.DataFrame(
            {
                **cells,
                "joined": pl.Series(list(map(",".join, texts)), dtype=pl.String),
                "line": pl.Series([row.number for row in rows], dtype=pl.Int64),
                "trouble": pl.Series(list(map(self._trouble, rows)), dtype=pl.String),
            }
        ).with_columns(undecoded=pl.lit(value=False))

    def _texts(self, row: Row) -> list[str]:
        if row.has_texts_only:
            return row.cells  # type: ignore[return-value]
        return [_written(self._text(cell, at)) for at, cell in enumerate(row.cells)]

    def _text(self, cell: Cell, at: int) -> Text:
        if isinstance(cell, Number):
            return cell.amount if at in self.amounts else cell.shown
        return cell

    def _trouble(self, row: Row) -> str | None:
        if len(row.cells) > len(self.header):
            return Reason.READ_TOO_MANY_FIELDS.value
        if not row.has_texts_only:
            for at, cell in enumerate(row.cells):
                text = self._text(cell, at)
                if isinstance(text, Trouble) and at in self.sent:
                    return f"{_REASONS[text].value}:{self.header[at]}"
        return Reason.READ_REPEATED_HEADER.value if self._is_header(row) else None

    def _is_header(self, row: Row) -> bool:
        """Whether a row repeats the header in any spelling."""
        texts = map(shown_text, row.cells)
        return is_repeated_header((_written(text) for text in texts), self.names)


def sheet_table(
    file: str,
    sheet: str,
    names: Names,
    columns: Sequence[str],
    layout: Layout | None,
    *,
    any_columns: bool,
) -> SheetTable:
    """The table of a header, by the layout of the config."""
    header = names.used
    amounts = {_AMOUNT} if layout is None else set(layout.balance.sources if layout.balance else ())
    sent = [name for name in header if (name in layout.columns if layout else is_canonical(name))]
    wanted = _positions(header, () if any_columns else sent)
    return SheetTable(file, sheet, names, tuple(columns), _positions(header, amounts), wanted)


def _positions(header: Sequence[str], names: Iterable[str]) -> frozenset[int]:
    wanted = set(names)
    return frozenset(at for at, name in enumerate(header) if name in wanted)


def _written(text: Text) -> str:
    return f"[{text.value}]" if isinstance(text, Trouble) else text
