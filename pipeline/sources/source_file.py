"""What every file is to its readers, whatever its format: batches of records, and an account of its lines."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import polars as pl

from pipeline.domain.characters import trimmed
from pipeline.domain.customer import CHECK, ROW_ID, RUN_ID, is_import_column, names_origin
from pipeline.domain.outcomes import Finding

#: About 170,000 records of the usual hundred bytes. No result depends on it (a property test says so).
BATCH_BYTES = 16 << 20
MOST_RECORDS = (
    200_000  #: of a batch; where records are short, it is their number that takes the memory
)
LONGEST_RECORD = 1 << 20  #: bytes; longer records are unreadable
GIVEN = "given."  #: prefix of the columns that hold the text as it came, so that no name of theirs meets one of ours

#: Controls but tab and line feed; DEL and the C1 range are what mis-decoded text shows as. CR is judged by itself.
CONTROL = r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u0080-\u009f]"
LONE_CR = r"\r(?:[^\n]|$)"


@dataclass(frozen=True, slots=True)
class Lines:
    """Physical lines of a file: all of them, counted on the bytes, and by what reading made of them.

    `records` counts the lines of all records, readable or not, `skipped` those that the job says are no part of the table;
    physical = header + skipped + blank + records, or a line is lost. Of a Parquet file `physical` are the rows that its footer states, `records` those that were read.
    """

    physical: int = 0
    header: int = 0
    skipped: int = 0
    blank: int = 0
    records: int = 0


@dataclass(frozen=True, slots=True)
class Batch:
    """Some records of one file, in the order of the file.

    `records`: position (Int64, counts all records of the run from 0), row_id, line and line_count (Int64), reason
    (READ.… or null), text (of an unreadable record, else null), origin_run, origin_row and origin_check (of a list that came
    back: which row of which run this was, and the check of that, else null) and the cells as text under `given.<column>`.
    """

    records: pl.DataFrame


class SourceFile(Protocol):
    """A file being read; `lines`, `sha256` and `size` are true of the whole file once `batches` has ended."""

    path: Path
    name: str  #: how row ids call it
    lines: Lines
    sha256: str
    size: int
    header: tuple[str, ...] | None  #: None until it was read, and of a file without one
    footer: tuple[
        str, ...
    ]  #: the lines that the job says are its footer, blank ones left out; known at the end

    @property
    def format(self) -> str:
        """`csv`, `excel` or `parquet`."""

    @property
    def written(self) -> dict[str, str]:
        """How it turned out to be written, in words: delimiter, encoding, line ends; what was not declared says so."""

    @property
    def why(self) -> dict[str, str]:
        """What of that nobody declared, and why it was taken to be so."""

    @property
    def findings(self) -> Sequence[Finding]:
        """What a person should know of the whole file, once it was read."""

    @property
    def columns(self) -> list[str]:
        """The columns that are the supplier's: without those that an earlier run of ours added."""

    @property
    def unsendable(self) -> Mapping[str, str]:
        """Columns that cannot be mapped to any field, and why; known once the header was read. Text always can."""

    def batches(
        self, *, first_position: int = 0, batch_bytes: int = BATCH_BYTES
    ) -> Iterator[Batch]:
        """Yield the records; raise SourceError where the file is none that can be read, or changes meanwhile."""


def came_back(file: SourceFile) -> bool:
    """Whether a file says of its records which row of an earlier run each was; known once its header was read."""
    return names_origin(file.header or ())


def suppliers_columns(header: Iterable[str], ignored: Iterable[str]) -> list[str]:
    """The columns of a header without those that a run of ours added, and without the ignored ones."""
    without = set(ignored)
    return [name for name in header if not is_import_column(name) and name not in without]


def empty_columns(batches: Iterable[Batch], names: Sequence[str]) -> tuple[str, ...]:
    """Those of the columns that hold nothing but spaces and invisible characters in all records."""
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
    """Which row of which run each record was and the check of that, where a list of ours says so, from cells under `given.<column>`."""
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
