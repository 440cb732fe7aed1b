"""Every row that runs read, with its record, so that a period or a bridge counts a record once."""

from collections.abc import Sequence

import polars as pl

from pipeline.domain.fates import LISTS, Fate
from pipeline.domain.period_report import FileOfPeriod
from pipeline.reporting import Current
from pipeline.storage.run_folder import RunFolder
from pipeline.workflows.report.current import reported_fates
from pipeline.workflows.report.run_rows import parts_of, table_of

_INPUT_ROWS = pl.Schema(
    {
        "run": pl.Int32, "run_id": pl.String, "file": pl.Int32, "place": pl.String,
        "row_id": pl.String, "fate": pl.String, "currency": pl.String, "balance": pl.Int64,
    }
)  # fmt: skip
_CREATED = [fate.value for fate in LISTS["created"]]


def stage_input_rows(
    folder: RunFolder, runs: Sequence[RunFolder], current: Current
) -> list[FileOfPeriod]:
    """Stage the tables `input_rows` and `current_rows` in a folder; return the different files.

    `input_rows` has a row for each row of the runs: run, run_id, file and place of its record, row_id,
    fate, currency, balance. `current_rows` has the present fate of records that were open or
    resubmitted. Files of these runs have numbers from 0 on. Earlier files, whose records were
    resubmitted, count from -1 down.
    """
    received = _received(runs, current)
    numbers = _Numbers({table: file.file for table, file in received.items()})
    for at, run in enumerate(runs):
        for number, part in enumerate(parts_of(run)):
            rows = current.at_their_records(part).with_columns(
                run=pl.lit(at), run_id=pl.lit(run.run_id)
            )
            staged = rows.with_columns(file=numbers.of(rows["root_file"]), place="root_place")
            folder.stage(
                f"input_rows-{at:05}-{number:05}.parquet",
                staged.select(_INPUT_ROWS.names()).cast(_INPUT_ROWS),
            )
    folder.stage("current_rows-00000.parquet", _current_rows(current, runs[0].run_id, numbers))
    return list(received.values())


def stage_records(folder: RunFolder, runs: Sequence[RunFolder]) -> bool:
    """Stage the same tables for a bridge, with fates from these runs only; False if none is needed.

    Each row of a single file is its own record, so nothing is staged for one.
    """
    if len(runs) == 1 and len(runs[0].read_plan_of_any_version().inputs) == 1:
        return False
    current, ids = reported_fates(runs[-1]), [run.run_id for run in runs]
    by_these = current.records.filter(pl.col("run_id").is_in(ids))
    stage_input_rows(folder, runs, Current(by_these, current.returns, current.files))
    return True


def _current_rows(current: Current, first_run: str, numbers: "_Numbers") -> pl.DataFrame:
    """The present fates. A customer that an earlier run created counts as existing before."""
    was_there = pl.col("fate").is_in(_CREATED) & (pl.col("run_id") < first_run)
    fate = pl.when(was_there).then(pl.lit(Fate.ALREADY_EXISTS_SAME.value)).otherwise("fate")
    return current.records.select(
        file=numbers.of(current.records["file"]), place="place", now=fate,
        now_run="run_id", now_row="row_id", now_currency="currency", now_balance="balance",
    )  # fmt: skip


def _received(runs: Sequence[RunFolder], current: Current) -> dict[str, FileOfPeriod]:
    """Every different file of these runs; a sheet counts as a file (see `table_of`)."""
    received: dict[str, FileOfPeriod] = {}
    of_others = current.returns.filter(pl.col("file") != pl.col("root_file"))["file"].value_counts()
    corrections = dict(of_others.iter_rows())
    for run in runs:
        plan = run.read_plan_of_any_version()
        for file in plan.inputs:
            new = FileOfPeriod(
                file=len(received),
                name=file.name,
                sha256=file.sha256,
                records=file.records,
                taken_at=plan.planned_at,
                times=0,
                corrections=corrections.get(table_of(file), 0),
            )
            known = received.get(table_of(file), new)
            # Later settings may skip other lines, so the reading with the most records counts.
            received[table_of(file)] = known.changed(
                times=known.times + 1, records=max(known.records, file.records)
            )
    return received


class _Numbers:
    """The number of every file; one from outside the period gets the next negative number."""

    def __init__(self, of_the_period: dict[str, int]) -> None:
        self._known, self._below = dict(of_the_period), -1

    def of(self, files: pl.Series) -> pl.Series:
        for table in files.unique(maintain_order=True).drop_nulls():
            if table not in self._known:
                self._known[table], self._below = self._below, self._below - 1
        return files.replace_strict(self._known, default=None, return_dtype=pl.Int32)
