"""The interface of all source files: batches of records, and a count of lines."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import polars as pl

from pipeline.domain.characters import trimmed
from pipeline.domain.customer import CHECK, ROW_ID, RUN_ID, is_import_column, names_origin
from pipeline.domain.file_issues import Finding

#: About 170,000 records of the usual hundred bytes. No result depends on it (a property test says
#: so).
BATCH_BYTES = 16 << 20
MOST_RECORDS = 200_000  #: of a batch; the number matters for short records
LONGEST_RECORD = 1 << 20  #: bytes; longer records are unreadable
GIVEN = "given."  #: prefix of original columns, which separates them from ours

#: Controls except tab and line feed; mis-decoded text shows DEL and C1. CR has its own check.
CONTROL = r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u0080-\u009f]"
LONE_CR = r"\r(?:[^\n]|$)"


@dataclass(frozen=True, slots=True)
class Lines:
    """The physical lines of a file, counted on the bytes, and by use.

    `records`: lines of all records, readable or not; `skipped`: lines declared outside the table.
    If no line is lost: physical = header + skipped + blank + records. For Parquet `physical` is the
    row count of the footer, and `records` the rows read.
    """

    physical: int = 0
    header: int = 0
    skipped: int = 0
    blank: int = 0
    records: int = 0


@dataclass(frozen=True, slots=True)
class Batch:
    """Some records of one file, in order.

    `records` has these columns. Position, line and line_count are Int64; position counts all
    records of the run from 0. Row_id and reason are texts; reason is READ.… or null. Text is that
    of an unreadable record, else null. Origin_run, origin_row and origin_check are the run, row and
    check of a returned list, else null. Cells are in `given.<column>`.
    """

    records: pl.DataFrame


class SourceFile(Protocol):
    """A file being read; `lines`, `sha256` and `size` are complete after `batches`."""

    path: Path
    name: str  #: its name in row ids
    lines: Lines
    sha256: str
    size: int
    header: tuple[str, ...] | None  #: None before reading, and for a file without a header
    footer: tuple[str, ...]  #: the declared footer lines without blank ones; known at the end

    @property
    def format(self) -> str:
        """`csv`, `excel` or `parquet`."""

    @property
    def written(self) -> dict[str, str]:
        """The format in words: delimiter, encoding, line ends, and what was detected."""

    @property
    def why(self) -> dict[str, str]:
        """What was detected, and why."""

    @property
    def findings(self) -> Sequence[Finding]:
        """Warnings about the whole file, after reading."""

    @property
    def columns(self) -> list[str]:
        """The supplier's columns, without ours."""

    @property
    def unsendable(self) -> Mapping[str, str]:
        """Columns that cannot be mapped, and why; known after the header. Text always can."""

    def batches(
        self, *, first_position: int = 0, batch_bytes: int = BATCH_BYTES
    ) -> Iterator[Batch]:
        """Yield the records; raise SourceError if the file is invalid or changes."""


def came_back(file: SourceFile) -> bool:
    """Whether the records name rows of an earlier run; known after the header."""
    return names_origin(file.header or ())


def suppliers_columns(header: Iterable[str], ignored: Iterable[str]) -> list[str]:
    """The columns of a header, without ours and without ignored ones."""
    without = set(ignored)
    return [name for name in header if not is_import_column(name) and name not in without]


def empty_columns(batches: Iterable[Batch], names: Sequence[str]) -> tuple[str, ...]:
    """The columns with only spaces and invisible characters."""
    empty = list(names)
    for batch in batches:
        holds = batch.records.select(
            (trimmed(pl.col(GIVEN + name)) != "").any().alias(name) for name in empty
        )
        empty = [name for name in empty if not holds[name].item()]
        if not empty:
            break
    return tuple(empty)


def origins(header: Iterable[str]) -> dict[str, pl.Expr]:
    """The run, row and check of each record of a returned list, from `given.<column>`."""
    names = {"origin_run": RUN_ID, "origin_row": ROW_ID, "origin_check": CHECK}
    written = {name.casefold(): GIVEN + name for name in header}
    if not names_origin(written):
        return dict.fromkeys(names, pl.lit(None, pl.String))
    return {
        ours: pl.when(pl.col(written[name]) != "").then(pl.col(written[name]))
        if name in written
        else pl.lit(None, pl.String)
        for ours, name in names.items()
    }
