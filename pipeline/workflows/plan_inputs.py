"""The input files of a plan, and what is counted while they are read."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import polars as pl

from pipeline.domain.column_mapping import Layout
from pipeline.sources import Batch, SourceFile, came_back
from pipeline.transforming.mapping import count_absent
from pipeline.transforming.source_totals import ControlTotals, added_up
from pipeline.workflows.profile import Profile
from pipeline.workflows.resubmission import Returns
from pipeline.workflows.row_stages import layout_of


@dataclass(frozen=True, slots=True)
class PlanInputs:
    """The input files of a plan. Columns and counts are complete once all batches were read."""

    files: Sequence[SourceFile]
    mapping: Layout | None  #: the declared one
    returns: Returns
    by_file: dict[str, ControlTotals]  #: name of a file -> its totals
    absent: Counter[str] = field(default_factory=Counter)  #: text for "no value" -> cells

    @property
    def columns(self) -> list[str]:
        """The columns of the files; all files have the same."""
        return self.files[0].columns

    @property
    def layout(self) -> Layout:
        """The layout of amounts that are text, as in CSV and in stated control totals."""
        return layout_of(self.mapping, self.columns)

    @property
    def totals(self) -> ControlTotals:
        """The totals of all files together."""
        return added_up(self.by_file.values())

    @property
    def new_files(self) -> list[SourceFile]:
        """The files without those that resubmit rows of an earlier run."""
        return [file for file in self.files if not came_back(file)]

    def records_read(self) -> int:
        """The number of records so far."""
        return sum(totals.records for totals in self.by_file.values())

    def counted(
        self, batches: Iterator[tuple[SourceFile, Batch]], profile: Profile
    ) -> Iterator[tuple[Layout, pl.DataFrame]]:
        """Count each batch; yield its records and their layout."""
        for file, batch in profile.timed("read", batches):
            layout, records = self._taken(file, batch.records)
            with profile.stage("total", records.height):
                self.by_file[file.name].add(records, layout)
                self.absent.update(count_absent(records, layout))
            yield layout, records

    def _taken(self, file: SourceFile, records: pl.DataFrame) -> tuple[Layout, pl.DataFrame]:
        """The layout and the records; resubmitted ones are compared with their originals."""
        file_format = self.returns.format_of(file, records)
        layout = layout_of(self.mapping, self.columns, file_format)
        if came_back(file):
            records = self.returns.take(records, self.columns, layout)
        return layout, records
