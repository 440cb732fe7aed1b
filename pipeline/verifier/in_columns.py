"""Compare the lists, the inputs and rows.parquet as columns, some ten thousand rows at a time.

rows.parquet gives the order: the fate of each row, and so the list that has this row next. If all
lists are used up at the end, every row is in one list, once. Columns only show that all is as it
should be; otherwise NotInColumns leaves the run to `row_by_row`, which names the first problem.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet

from pipeline.domain.fates import LISTS
from pipeline.domain.plan_file import InputFile, PlanFile
from pipeline.verifier.amount_columns import AmountColumns
from pipeline.verifier.amounts import Amounts
from pipeline.verifier.checks import read_any_cell
from pipeline.verifier.column_faults import require
from pipeline.verifier.declared_job import DeclaredJob, TableBounds
from pipeline.verifier.in_threads import in_threads
from pipeline.verifier.input_columns import Beside, CsvInput, Input, Records, TableInput
from pipeline.verifier.list_columns import ListColumns, ListRows
from pipeline.verifier.origins import Origins
from pipeline.verifier.recomputed import Recomputed
from pipeline.verifier.row_by_row import (
    cells_that_came_back,
    is_of_workbooks,
    opened,
    plain_reference,
    wrong_repeat,
)
from pipeline.verifier.row_columns import SCHEMA, Kept, RowColumns
from pipeline.verifier.row_places import Places, Span
from pipeline.verifier.source_tables import Table

_AT_ONCE = 16_384  #: rows that are compared at once


@dataclass(frozen=True, slots=True)
class _Stretch:
    """Neighbouring rows of one input."""

    file: int  #: index in the manifest
    is_last: bool  #: whether no further row is of this input
    #: Rows of a list, the same rows of rows.parquet, and their records in the input.
    lists: list[tuple[ListRows, Any, Records | None]]


@dataclass(slots=True)
class _Part:
    """What was computed from a stretch of rows."""

    file: int
    is_last: bool
    found: Recomputed
    origins: Origins
    kept: Kept = field(default_factory=Kept)
    blank: int = 0  #: blank lines after records


def in_columns(
    folder: Path,
    inputs: Sequence[InputFile],
    columns: Sequence[str],
    amounts: Amounts | None,
    plan: PlanFile,
    origins: Origins,
) -> Recomputed:
    """The counts and sums of all rows; NotInColumns or another error if there is any doubt."""
    read_any_cell()
    job = DeclaredJob.of(plan)
    found, kept = Recomputed(has_amounts=amounts is not None), Kept()
    rows = RowColumns(plan, columns, plain_reference(job))
    came_back = cells_that_came_back(folder)

    def compared(stretch: _Stretch) -> _Part:
        part = _Part(stretch.file, stretch.is_last, Recomputed(), origins.fresh())
        beside = Beside(columns, came_back, part.found)
        in_workbook = is_of_workbooks(inputs[stretch.file])
        sums = AmountColumns(amounts, columns, in_workbook=in_workbook) if amounts else None
        for listed, identities, records in stretch.lists:
            reasons = rows.compare(listed, identities, part.found, part.kept)
            part.origins.look_at_all(listed)
            if records is not None:
                part.blank += records.compare(listed, reasons, beside)
            if sums is not None:
                sums.add(listed, reasons.waits, part.found)
        require(not part.found.notes.first)
        return part

    with ExitStack() as stack:
        lists = {
            name: stack.enter_context(closing(ListColumns(folder, name, columns))) for name in LISTS
        }
        sources = _Sources(inputs, job, found)
        for part in in_threads(compared, _stretches(folder, lists, sources)):
            found.add(part.found)
            origins.add(part.origins)
            kept.add(part.kept)
            sources.count(part.file, part.blank, is_last=part.is_last)
        sources.finish()
        require(all(one.is_used_up() for one in lists.values()))
    require(not kept.has_equal_ids())
    require(wrong_repeat(folder, kept.repeats) is None)
    return found


class _Sources:
    """The inputs; each is opened at its first row, and read to its end."""

    def __init__(self, inputs: Sequence[InputFile], job: DeclaredJob, found: Recomputed) -> None:
        self.inputs = inputs
        self._around = job.source or TableBounds()
        self._job, self._found = job, found
        self._open: dict[int, Input | None] = {}
        self._blank: dict[int, int] = {}

    def records(self, span: Span, end: int | None) -> Records | None:
        """The records of some rows; None if the input is missing or in another format."""
        if span.file not in self._open:
            self._open[span.file] = self._opened(self.inputs[span.file])
        source = self._open[span.file]
        return None if source is None else source.records(span.numbers, end)

    def count(self, file: int, blank: int, *, is_last: bool) -> None:
        """Count blank lines after records; after the last row, check the rest of the file."""
        self._blank[file] = self._blank.get(file, 0) + blank
        if is_last:
            source = self._open[file]
            wrong = source and source.finish(self.inputs[file], self._blank[file])
            require(not wrong)
            self._open[file] = None

    def finish(self) -> None:
        """Check the inputs without any row."""
        for at, file in enumerate(self.inputs):
            if at not in self._open:
                reading = opened(file, self._job, self._found)
                require(reading is None or reading.finish(file) is None)

    def _opened(self, file: InputFile) -> Input | None:
        path = Path(file.path)
        if file.format == "csv":
            return CsvInput(path, file, self._around) if path.is_file() else None
        reading = opened(file, self._job, self._found)
        return TableInput(reading) if isinstance(reading, Table) else None


def _stretches(
    folder: Path, lists: Mapping[str, ListColumns], sources: _Sources
) -> Iterator[_Stretch]:
    """All rows, in the order of the input."""
    ahead: tuple[Any, Span] | None
    spans = _spans(folder, sources.inputs)
    ahead = next(spans, None)
    while ahead is not None:
        (rows, span), ahead = ahead, next(spans, None)
        is_last = ahead is None or ahead[1].file != span.file
        end = None if ahead is None or is_last else ahead[1].numbers[0].as_py()
        records = sources.records(span, end)
        parts: list[tuple[ListRows, Any, Records | None]] = []
        for name, fates in LISTS.items():
            mask = pc.is_in(rows["fate"], pa.array([str(fate) for fate in fates], pa.string()))
            if not pc.any(mask, min_count=0).as_py():
                continue
            of_list = rows.filter(mask)
            listed = lists[name].take(of_list.num_rows)
            parts.append((listed, of_list, records and records.filter(mask)))
        require(sum(len(listed) for listed, *_ in parts) == rows.num_rows)
        yield _Stretch(span.file, is_last, parts)


def _spans(folder: Path, inputs: Sequence[InputFile]) -> Iterator[tuple[Any, Span]]:
    """Rows of rows.parquet by input."""
    places = Places(inputs)
    file = parquet.ParquetFile(folder / "rows.parquet")
    for batch in file.iter_batches(_AT_ONCE, columns=SCHEMA.names):
        rows = batch.select(SCHEMA.names).cast(SCHEMA)
        for span in places.spans(rows["row_id"]):
            yield rows.slice(span.start, len(span.numbers)), span
