"""Every row of the lists beside the lines of its file and its row in rows.parquet, in the order of the input."""

import csv
import os
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from pyarrow import parquet

from pipeline.domain.characters import INVISIBLE
from pipeline.domain.customer import Environment, create_key
from pipeline.domain.outcomes import LISTS, Fate, Reason
from pipeline.storage.files import open_regular
from pipeline.verifier.amounts import Amounts
from pipeline.verifier.checks import Notes, read_any_cell
from pipeline.verifier.listed_rows import Row, rows_of
from pipeline.verifier.origins import Origins
from pipeline.verifier.source_lines import Lines
from pipeline.verifier.source_tables import Table

GENERATIONS = range(
    1, 4
)  #: a key belongs to its row's first send, or to one that followed a replayed failure
_AT_ONCE = 100_000
_LIST_OF = {fate.value: name for name, fates in LISTS.items() for fate in fates}
_CODES = {reason.value for reason in Reason}
_SENT = {Fate.CREATED.value, Fate.CREATED_DIFFERENT.value}
_DAMAGED = Reason.READ_CELL_DAMAGED.value
_WAITS = Reason.PLAN_EARLIER_REQUEST_UNSETTLED.value


@dataclass
class Recomputed:
    """What walking over all rows came to."""

    records: int = 0
    has_amounts: bool = False  #: whether amounts were read again
    fates: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    debits: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    credits: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    kinds: defaultdict[str, Counter[str]] = field(
        default_factory=lambda: defaultdict(Counter)
    )  #: fate -> kind of balance
    #: Currency -> debits and credits of records that were never sent, for an earlier request is unsettled.
    waiting: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    not_read: set[str] = field(
        default_factory=set
    )  #: inputs, or columns of them, whose cells were not read again
    notes: Notes = field(default_factory=Notes)


def walk(
    folder: Path,
    inputs: list[dict[str, Any]],
    columns: list[str],
    amounts: Amounts | None,
    plan: dict[str, Any],
    origins: Origins,
) -> Recomputed:
    """Read all rows once, and note the first thing of each kind that does not hold."""
    read_any_cell()
    found, billing_ids = Recomputed(has_amounts=amounts is not None), set[int]()
    repeats: dict[
        str, tuple[str, str | None]
    ] = {}  # row id -> the row that it repeats, its fingerprint
    came_back = _cells_that_came_back(folder)
    environment, reference = Environment(**plan["environment"]), _plain_reference(plan)
    identities = _identities(folder)
    reading: Lines | Table | None = None
    at, last = -1, (-1, 0)
    for row in rows_of(folder, inputs, columns):
        if row.place <= last:
            found.notes.note(
                "partition",
                f"{row.row_id} stands in the lists twice, or in {row.list_name}.csv out of order",
            )
            continue
        while at < row.place[0]:
            _finish(reading, inputs, at, found)
            at += 1
            reading = _opened(inputs[at], plan, found)
        last = row.place
        found.records += 1
        found.fates[row.fate] += 1
        found.reasons.update(row.causes)
        origins.look_at(row)
        if _LIST_OF.get(row.fate) != row.list_name:
            found.notes.note(
                "partition", f"{row.row_id} stands in {row.list_name}.csv as {row.fate}"
            )
        _hold_against_source(reading, row, came_back.get(row.row_id, {}), columns, found)
        identity = next(identities, None)
        found.notes.note("rows", _other_identity(row, identity))
        found.notes.note("fates", _incoherent(row, identity, billing_ids, plan["run_id"]))
        if identity is not None:
            found.notes.note("keys", _other_key(row, identity, environment, columns, reference))
            if row.fate == Fate.DUPLICATE_IN_FILE.value:
                repeats[row.row_id] = (row.ours["same_as"], identity["fingerprint"])
        if amounts is not None:
            _add(amounts, row, columns, found, in_workbook=_is_of_workbooks(inputs[row.place[0]]))
    while at < len(inputs):
        _finish(reading, inputs, at, found)
        at += 1
        reading = _opened(inputs[at], plan, found) if at < len(inputs) else None
    if (more := next(identities, None)) is not None:
        found.notes.note("rows", f"rows.parquet: {more['row_id']} is in no list")
    found.notes.note("fates", _repeats_nothing(folder, repeats))
    return found


def _is_of_workbooks(file: dict[str, Any]) -> bool:
    """Whether a file is a workbook, or a list of rows that came from one."""
    return file.get("format") == "excel" or bool(file.get("of_workbooks"))


def _opened(file: dict[str, Any], plan: dict[str, Any], found: Recomputed) -> Lines | Table | None:
    """The lines or the rows of an input; None where it is not there, or of a format that is not read here."""
    path = Path(file["path"])
    if not path.is_file():
        return None
    if file["format"] == "csv":
        source = (plan["config"]["job"].get("source") or {}) if plan["config"] else {}
        return Lines.of(path, file, source.get("skip_lines") or 0, source.get("footer_lines") or 0)
    if file["format"] == "parquet":
        table = Table(path, file)
        found.not_read.update(f"column {name} of {file['name']}" for name in table.not_read)
        return table
    found.not_read.add(f"{file['name']}, whose rows are counted by its manifest alone")
    return None


def _finish(
    reading: Lines | Table | None, inputs: list[dict[str, Any]], at: int, found: Recomputed
) -> None:
    if reading is not None:
        found.notes.note("lines", reading.finish(inputs[at]))


def _hold_against_source(
    reading: Lines | Table | None,
    row: Row,
    came_back: dict[str, tuple[str, str]],
    columns: list[str],
    found: Recomputed,
) -> None:
    """The row beside what its file says. Of a cell that a spreadsheet has changed the file says what came back."""
    if reading is None:
        return
    note = found.notes.note
    strange = reading.skip_to(row.place[1])
    if strange is not None:
        note("lines", f"{reading.name}: line {strange} is in no list")
    text, is_damaged = row.ours["text"], any(_code(cause) == _DAMAGED for cause in row.causes)
    if is_damaged:  # it was read, and what it said is listed as one text
        given = dict.fromkeys(columns)
        given.update({column: came for column, (came, _) in came_back.items()})
        note("lines", reading.take_record([given[column] for column in columns], ""))
        return
    if text and row.fate != Fate.UNREADABLE.value:
        note(
            "lines",
            f"{row.row_id} is {row.fate}, and yet a text stands there that could not be read",
        )
    if text and any(row.cells):
        note("lines", f"{row.row_id} could not be read, and yet has cells")
    listed = dict(zip(columns, row.cells, strict=True))
    for column, (came, taken) in came_back.items():
        if listed.get(column) not in {came, taken}:
            note(
                "lines",
                f"{row.row_id} says neither what came back in column {column} nor what was taken for it",
            )
        listed[column] = came
    note("lines", reading.take_record([listed[column] for column in columns], text))


def _cells_that_came_back(folder: Path) -> dict[str, dict[str, tuple[str, str]]]:
    """Row id -> column -> the file's text, and the one that the run took or set aside in its place."""
    found: dict[str, dict[str, tuple[str, str]]] = {}
    with os.fdopen(open_regular(folder / "returned.csv"), encoding="utf-8", newline="") as file:
        for cell in csv.DictReader(file):
            found.setdefault(cell["_import_row_id"], {})[cell["column"]] = (
                cell["came_back"],
                cell["original"],
            )
    return found


def _identities(folder: Path) -> Iterator[dict[str, Any]]:
    for batch in parquet.ParquetFile(folder / "rows.parquet").iter_batches(_AT_ONCE):
        yield from batch.to_pylist()


def _other_identity(row: Row, identity: dict[str, Any] | None) -> str | None:
    if identity is None:
        return f"{row.row_id} is not in rows.parquet"
    ours = row.ours
    here = (row.row_id, row.fate, row.causes, ours["billing_id"], ours["idempotency_key"])
    there = (
        identity["row_id"],
        identity["fate"],
        identity["reasons"] or [],
        identity["billing_id"] or "",
        identity["idempotency_key"] or "",
    )
    return None if here == there else f"{row.row_id}: {row.list_name}.csv and rows.parquet differ"


def _code(cause: str) -> str:
    """The code alone, which holds no colon."""
    return cause.partition(":")[0]


def _incoherent(
    row: Row, identity: dict[str, Any] | None, billing_ids: set[int], run_id: str
) -> str | None:
    """What a row of its fate would have, and this one has not."""
    ours = row.ours
    if ours["run_id"] != run_id:
        return f"{row.row_id} of {row.list_name}.csv is of another run"
    if unknown := [cause for cause in row.causes if _code(cause) not in _CODES]:
        return f"{row.row_id} has a reason that there is not: {unknown[0]}"
    if row.fate in _SENT:
        if identity is not None and not (
            identity["idempotency_key"] and identity["fingerprint"] and ours["billing_id"]
        ):
            return f"{row.row_id} was created, and has no key, no fingerprint or no billing id"
        mark = hash(
            ours["billing_id"]
        )  # of 64 bits: of a billion billing ids two would not be told apart
        if mark in billing_ids:
            return f"{row.row_id} has the billing id of another row"
        billing_ids.add(mark)
    if row.fate == Fate.DUPLICATE_IN_FILE.value and not ours["same_as"]:
        return f"{row.row_id} repeats a row, and does not say which"
    return None


def _repeats_nothing(folder: Path, wanted: dict[str, tuple[str, str | None]]) -> str | None:
    """The first repeat whose original is not there, comes after it, or has other content."""
    if not wanted:
        return None
    originals = {same_as for same_as, _ in wanted.values()}
    number = count()
    places = {}
    for row in _identities(folder):
        place = next(number)
        if row["row_id"] in originals or row["row_id"] in wanted:
            places[row["row_id"]] = (place, row["fingerprint"])
    for row_id, (same_as, fingerprint) in wanted.items():
        if same_as not in places:
            return f"{row_id} repeats {same_as}, which is no row of this run"
        place, other = places[same_as]
        if place >= places[row_id][0] or (fingerprint and other and other != fingerprint):
            return f"{row_id} does not repeat {same_as}: that comes later, or has other content"
    return None


def _other_key(
    row: Row,
    identity: dict[str, Any],
    environment: Environment,
    columns: list[str],
    column: str | None,
) -> str | None:
    """A key is made of environment, reference and content alone, so whoever has these can make it again."""
    key, fingerprint = identity["idempotency_key"], identity["fingerprint"]
    if key is None or column not in columns:
        return None
    reference = row.cells[columns.index(column)].strip(INVISIBLE)
    made = {
        create_key(environment, reference, fingerprint, generation) for generation in GENERATIONS
    }
    return None if key in made else f"{row.row_id}: its key is not that of its content"


def _plain_reference(plan: dict[str, Any]) -> str | None:
    """The column of references where they are taken as they stand."""
    job = plan["config"]["job"] if plan["config"] else {}
    if not job.get("mapping"):
        return "external_reference"
    said = job["mapping"]["external_reference"]
    others = (
        "split",
        "extract",
        "values",
        "escape",
        "prefix",
        "suffix",
        "when",
        "default",
        "columns",
    )
    return None if any(said.get(name) for name in others) else said["column"]


def _add(
    amounts: Amounts, row: Row, columns: list[str], found: Recomputed, *, in_workbook: bool
) -> None:
    """Add a row's balance to its fate; of what could not be read nobody knows whether an amount stands in it."""
    if row.fate == Fate.UNREADABLE.value:
        found.kinds[row.fate]["unusable"] += 1
        return
    cells = dict(zip(columns, row.cells, strict=True))
    amount = amounts.of(cells, in_workbook=in_workbook)
    if amount is None:
        found.kinds[row.fate]["absent" if amounts.says_nothing(cells) else "unusable"] += 1
        return
    code, minor = amount
    found.kinds[row.fate]["debit" if minor > 0 else "credit" if minor < 0 else "zero"] += 1
    (found.debits if minor > 0 else found.credits)[code][row.fate] += minor
    if minor and _WAITS in row.causes:
        found.waiting[code]["debits" if minor > 0 else "credits"] += minor
