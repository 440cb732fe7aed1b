"""Compare each listed row with its source and with rows.parquet, in the order of the input."""

import csv
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Protocol

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.domain.characters import INVISIBLE
from pipeline.domain.customer import Environment, create_key
from pipeline.domain.fates import LISTS, Fate
from pipeline.domain.plan_file import InputFile, PlanFile
from pipeline.domain.reasons import Reason
from pipeline.storage.files import open_regular
from pipeline.verifier.amounts import Amounts
from pipeline.verifier.checks import read_any_cell
from pipeline.verifier.declared_job import DeclaredJob, TableBounds
from pipeline.verifier.listed_rows import Row, rows_of
from pipeline.verifier.origins import Origins
from pipeline.verifier.parquet_rows import ColumnsOf, column_of, rows_as
from pipeline.verifier.recomputed import Recomputed
from pipeline.verifier.source_lines import Lines
from pipeline.verifier.source_tables import Table

#: A key is from the first send of its row, or from a later one that followed a replayed failure.
GENERATIONS = range(1, 4)
_LIST_OF = {fate.value: name for name, fates in LISTS.items() for fate in fates}
KNOWN_CODES = {reason.value for reason in Reason}
SENT = {Fate.CREATED.value, Fate.CREATED_DIFFERENT.value}
DAMAGED = Reason.READ_CELL_DAMAGED.value
WAITS = Reason.PLAN_EARLIER_REQUEST_UNSETTLED.value


def in_rows(
    folder: Path,
    inputs: Sequence[InputFile],
    columns: Sequence[str],
    amounts: Amounts | None,
    plan: PlanFile,
    origins: Origins,
) -> Recomputed:
    """Read all rows once, and note the first problem of each check."""
    read_any_cell()
    found, came_back = Recomputed(has_amounts=amounts is not None), cells_that_came_back(folder)
    job = DeclaredJob.of(plan)
    sources = _Sources(inputs, job, found)
    in_parquet = _ParquetRows(plan, columns, plain_reference(job), found, _identities(folder))
    last = (-1, 0)
    for row in rows_of(folder, inputs, columns):
        if row.place <= last:
            found.notes.note(
                "partition",
                f"{row.row_id} is in the lists twice, or out of order in {row.list_name}.csv",
            )
            continue
        last = row.place
        sources.move_to(row.place[0])
        found.records += 1
        found.fates[row.fate] += 1
        found.reasons.update(row.causes)
        origins.look_at(row)
        if _LIST_OF.get(row.fate) != row.list_name:
            found.notes.note("partition", f"{row.row_id} is in {row.list_name}.csv as {row.fate}")
        compare_with_source(sources.reading, row, came_back.get(row.row_id, {}), columns, found)
        in_parquet.compare(row)
        if amounts is not None:
            add_amount(
                amounts, row, columns, found, in_workbook=is_of_workbooks(inputs[row.place[0]])
            )
    sources.move_to(len(inputs))
    in_parquet.finish(folder)
    return found


@dataclass(slots=True)
class _Sources:
    """The inputs, opened one after the other; each is read to its end."""

    inputs: Sequence[InputFile]
    job: DeclaredJob
    found: Recomputed
    at: int = -1
    reading: Lines | Table | None = None

    def move_to(self, at: int) -> None:
        """Finish every input before this one and open it; after the last one there is none."""
        while self.at < at:
            if self.reading is not None:
                self.found.notes.note("lines", self.reading.finish(self.inputs[self.at]))
            self.at += 1
            is_input = self.at < len(self.inputs)
            self.reading = opened(self.inputs[self.at], self.job, self.found) if is_input else None


def is_of_workbooks(file: InputFile) -> bool:
    """Whether a file is a workbook, or a list of ours with rows from one."""
    return file.format == "excel" or file.of_workbooks


def opened(file: InputFile, job: DeclaredJob, found: Recomputed) -> Lines | Table | None:
    """The lines or rows of an input; None if it is missing or this check cannot read its format."""
    path = Path(file.path)
    if not path.is_file():
        return None
    if file.format == "csv":
        around = job.source or TableBounds()
        return Lines.of(path, file, around.skip_lines or 0, around.footer_lines or 0)
    if file.format == "parquet":
        table = Table(path, file)
        found.not_read.update(f"column {name} of {file.name}" for name in table.not_read)
        return table
    found.not_read.add(f"{file.name} (the number of its rows is from the manifest)")
    return None


class Reading(Protocol):
    """An input, or a part of one, taken one record at a time."""

    @property
    def name(self) -> str:
        """The name of the file."""

    def skip_to(self, at: int, /) -> int | None:
        """Skip to the line or row before this one; return the first unexpected one."""

    def take_record(self, cells: Sequence[str | None], text: str, /) -> str | None:
        """Take the next record; return the problem if it differs from the list."""


def compare_with_source(
    reading: Reading | None,
    row: Row,
    came_back: Mapping[str, tuple[str, str]],
    columns: Sequence[str],
    found: Recomputed,
) -> None:
    """Compare a row with its file; the file has cells as a spreadsheet changed them."""
    if reading is None:
        return
    note = found.notes.note
    unlisted = reading.skip_to(row.place[1])
    if unlisted is not None:
        note("lines", f"{reading.name}: line {unlisted} is in no list")
    text, is_damaged = row.ours["text"], any(code_of(cause) == DAMAGED for cause in row.causes)
    if is_damaged:  # the record is readable, but the list has it as one text
        cells: dict[str, str | None] = dict.fromkeys(columns)
        cells.update({column: came for column, (came, _) in came_back.items()})
        note("lines", reading.take_record([cells[column] for column in columns], ""))
        return
    if text and row.fate != Fate.UNREADABLE.value:
        note("lines", f"{row.row_id} is {row.fate}, but it has the text of an unreadable record")
    if text and any(row.cells):
        note("lines", f"{row.row_id} is unreadable, but it has cells")
    listed = dict(zip(columns, row.cells, strict=True))
    for column, (came, taken) in came_back.items():
        if listed.get(column) not in {came, taken}:
            note(
                "lines",
                f"{row.row_id}: column {column} is neither the text that came back"
                " nor the restored one",
            )
        listed[column] = came
    note("lines", reading.take_record([listed[column] for column in columns], text))


def cells_that_came_back(folder: Path) -> dict[str, dict[str, tuple[str, str]]]:
    """Row id -> column -> the text of the file, and the original that the run knows."""
    found: dict[str, dict[str, tuple[str, str]]] = {}
    with os.fdopen(open_regular(folder / "returned.csv"), encoding="utf-8", newline="") as file:
        for cell in csv.DictReader(file):
            found.setdefault(cell["_import_row_id"], {})[cell["column"]] = (
                cell["came_back"],
                cell["original"],
            )
    return found


class _Identity(NamedTuple):
    """A row of rows.parquet."""

    row_id: str
    fate: str
    reasons: list[str] | None
    billing_id: str | None
    idempotency_key: str | None
    fingerprint: str | None


def _identities(folder: Path) -> Iterator[_Identity]:
    return rows_as(_Identity, folder / "rows.parquet")


@dataclass(frozen=True, slots=True)
class _ParquetRows:
    """The rows of rows.parquet, read in step with those of the lists."""

    plan: PlanFile
    columns: Sequence[str]
    reference: str | None  #: the column of references, if keys can be recomputed from it
    found: Recomputed
    identities: Iterator[_Identity]
    billing_ids: set[int] = field(default_factory=set)
    #: Row id -> the row that it repeats, and its fingerprint.
    repeats: dict[str, tuple[str, str | None]] = field(default_factory=dict)

    def compare(self, row: Row) -> None:
        """Compare a listed row with the next one here."""
        note, identity = self.found.notes.note, next(self.identities, None)
        note("rows", _other_identity(row, identity))
        note("fates", _wrong_fate(row, identity, self.billing_ids, self.plan.run_id))
        if identity is not None:
            note(
                "keys",
                _other_key(row, identity, self.plan.environment, self.columns, self.reference),
            )
            if row.fate == Fate.DUPLICATE_IN_FILE.value:
                self.repeats[row.row_id] = (row.ours["same_as"], identity.fingerprint)

    def finish(self, folder: Path) -> None:
        """Note a row that no list has, and a repeat that is none."""
        if (extra := next(self.identities, None)) is not None:
            self.found.notes.note("rows", f"rows.parquet: {extra.row_id} is in no list")
        self.found.notes.note("fates", wrong_repeat(folder, self.repeats))


def _other_identity(row: Row, identity: _Identity | None) -> str | None:
    if identity is None:
        return f"{row.row_id} is not in rows.parquet"
    ours = row.ours
    here = (row.row_id, row.fate, row.causes, ours["billing_id"], ours["idempotency_key"])
    there = (
        identity.row_id,
        identity.fate,
        identity.reasons or [],
        identity.billing_id or "",
        identity.idempotency_key or "",
    )
    return None if here == there else f"{row.row_id}: {row.list_name}.csv and rows.parquet differ"


def code_of(cause: str) -> str:
    """The code alone, which holds no colon."""
    return cause.partition(":")[0]


def _wrong_fate(
    row: Row, identity: _Identity | None, billing_ids: set[int], run_id: str
) -> str | None:
    """The problem of a row that lacks something its fate requires, or None."""
    ours = row.ours
    if ours["run_id"] != run_id:
        return f"{row.row_id} of {row.list_name}.csv belongs to another run"
    if unknown := [cause for cause in row.causes if code_of(cause) not in KNOWN_CODES]:
        return f"{row.row_id} has an unknown reason: {unknown[0]}"
    if row.fate in SENT:
        if identity is not None and not (
            identity.idempotency_key and identity.fingerprint and ours["billing_id"]
        ):
            return f"{row.row_id} was created, but it lacks a key, a fingerprint or a billing id"
        mark = hash(ours["billing_id"])  # 64 bits, to save memory; a collision is very unlikely
        if mark in billing_ids:
            return f"{row.row_id} has the billing id of another row"
        billing_ids.add(mark)
    if row.fate == Fate.DUPLICATE_IN_FILE.value and not ours["same_as"]:
        return f"{row.row_id} repeats a row but does not name it"
    return None


def wrong_repeat(folder: Path, wanted: dict[str, tuple[str, str | None]]) -> str | None:
    """The first repeat whose original is missing, comes after it, or has other content."""
    if not wanted:
        return None
    places = _places_of({*wanted, *(same_as for same_as, _ in wanted.values())}, folder)
    for row_id, (same_as, fingerprint) in wanted.items():
        if same_as not in places:
            return f"{row_id} repeats {same_as}, which is not a row of this run"
        place, other = places[same_as]
        if place >= places[row_id][0] or (fingerprint and other and other != fingerprint):
            return f"{row_id} does not repeat {same_as}: it comes later or has other content"
    return None


def _places_of(row_ids: set[str], folder: Path) -> dict[str, tuple[int, str | None]]:
    """Row id -> its place in rows.parquet, and its fingerprint."""
    found, before = dict[str, tuple[int, str | None]](), 0
    ids = pa.array(sorted(row_ids), pa.string())
    schema = pa.schema([("row_id", pa.string()), ("fingerprint", pa.string())])
    for block in ColumnsOf(folder / "rows.parquet", schema).blocks():
        at = pc.indices_nonzero(pc.is_in(column_of(block, "row_id"), ids))
        for place, row in zip(at.to_pylist(), block.take(at).to_pylist(), strict=True):
            found[row["row_id"]] = before + place, row["fingerprint"]
        before += block.num_rows
    return found


def _other_key(
    row: Row,
    identity: _Identity,
    environment: Environment,
    columns: Sequence[str],
    column: str | None,
) -> str | None:
    """The problem if a key cannot be recomputed from environment, reference and content."""
    key, fingerprint = identity.idempotency_key, identity.fingerprint
    if key is None or column not in columns:
        return None
    reference = row.cells[columns.index(column)].strip(INVISIBLE)
    keys = {
        create_key(environment, reference, fingerprint or "", generation)
        for generation in GENERATIONS
    }
    return None if key in keys else f"{row.row_id}: its key does not match its content"


def plain_reference(job: DeclaredJob) -> str | None:
    """The column of references; None if the job transforms them."""
    if job.mapping is None:
        return "external_reference"
    rule = job.mapping.external_reference
    return rule.column if rule.is_plain else None


def add_amount(
    amounts: Amounts, row: Row, columns: Sequence[str], found: Recomputed, *, in_workbook: bool
) -> None:
    """Add a row's balance to its fate; an unreadable record may have an amount or not."""
    if row.fate == Fate.UNREADABLE.value:
        found.kinds[row.fate]["unusable"] += 1
        return
    cells = dict(zip(columns, row.cells, strict=True))
    amount = amounts.of(cells, in_workbook=in_workbook)
    found.add_amount(row.fate, amount, waits=WAITS in row.causes)
