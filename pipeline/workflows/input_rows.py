"""Every row that runs read, with its record, so that a period or a bridge counts a record once."""

from collections.abc import Sequence
from typing import Any

import polars as pl

from pipeline.domain.fates import LISTS, Fate
from pipeline.reporting import Current
from pipeline.storage.run_folder import RunFolder
from pipeline.workflows.report.current import reported_fates
from pipeline.workflows.report.run_rows import parts_of, table_of

_FED = pl.Schema(
    {
        "run": pl.Int32, "run_id": pl.String, "file": pl.Int32, "place": pl.String,
        "row_id": pl.String, "fate": pl.String, "currency": pl.String, "balance": pl.Int64,
    }
)  # fmt: skip
_CREATED = [fate.value for fate in LISTS["created"]]


def stage_fed(
    folder: RunFolder, runs: Sequence[RunFolder], current: Current
) -> list[dict[str, Any]]:
    """Stage the tables `fed` and `followed` in a folder; return the different files.

    `fed` has a row for each row of the runs: run, run_id, file and place of its record, row_id,
    fate, currency, balance. `followed` has the present fate of records that were open or
    resubmitted. Files of these runs have numbers from 0 on. Earlier files, whose records were
    resubmitted, count from -1 down.

    Of a file: file (its number), name, sha256, records, taken_at, times (how often it was read),
    mends (how many of its rows are records of another file).
    """
    received = _received(runs, current)
    numbers = _Numbers({table: file["file"] for table, file in received.items()})
    for at, run in enumerate(runs):
        for number, part in enumerate(parts_of(run)):
            rows = current.at_their_records(part).with_columns(
                run=pl.lit(at), run_id=pl.lit(run.run_id)
            )
            fed = rows.with_columns(file=numbers.of(rows["root_file"]), place="root_place")
            folder.stage(f"fed-{at:05}-{number:05}.parquet", fed.select(_FED.names()).cast(_FED))
    folder.stage("followed-00000.parquet", _followed(current, runs[0].run_id, numbers))
    return list(received.values())


def stage_records(folder: RunFolder, runs: Sequence[RunFolder]) -> bool:
    """Stage the same tables for a bridge, with fates from these runs only; False if none is needed.

    Each row of a single file is its own record, so nothing is staged for one.
    """
    if len(runs) == 1 and len(runs[0].read_plan_of_any_version()["inputs"]) == 1:
        return False
    current, ids = reported_fates(runs[-1]), [run.run_id for run in runs]
    by_these = current.records.filter(pl.col("run_id").is_in(ids))
    stage_fed(folder, runs, Current(by_these, current.returns, current.files))
    return True


def _followed(current: Current, first_run: str, numbers: "_Numbers") -> pl.DataFrame:
    """The present fates. A customer that an earlier run created counts as existing before."""
    was_there = pl.col("fate").is_in(_CREATED) & (pl.col("run_id") < first_run)
    fate = pl.when(was_there).then(pl.lit(Fate.ALREADY_EXISTS_SAME.value)).otherwise("fate")
    return current.records.select(
        file=numbers.of(current.records["file"]), place="place", now=fate,
        now_run="run_id", now_row="row_id", now_currency="currency", now_balance="balance",
    )  # fmt: skip


def _received(runs: Sequence[RunFolder], current: Current) -> dict[str, dict[str, Any]]:
    """Every different file of these runs; a sheet counts as a file (see `table_of`)."""
    received: dict[str, dict[str, Any]] = {}
    of_others = current.returns.filter(pl.col("file") != pl.col("root_file"))["file"].value_counts()
    mends = dict(of_others.iter_rows())
    for run in runs:
        plan = run.read_plan_of_any_version()
        for file in plan["inputs"]:
            described = {name: file[name] for name in ("name", "sha256", "records")}
            new = {
                "file": len(received),
                **described,
                "taken_at": plan["planned_at"],
                "times": 0,
                "mends": mends.get(table_of(file), 0),
            }
            known = received.setdefault(table_of(file), new)
            # Later settings may skip other lines, so the reading with the most records counts.
            known |= {
                "times": known["times"] + 1,
                "records": max(known["records"], file["records"]),
            }
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
