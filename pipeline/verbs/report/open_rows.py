"""What is open in an environment, gathered from the folders of its runs; and what a person is called in a report."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from pipeline.ledger import Ledger
from pipeline.masking import Pii, token
from pipeline.outcomes import State
from pipeline.reporting import ROWS, Open, carried, days_between
from pipeline.run_folder import RunFolder, all_runs

_OF_FATES = ("row_id", "external_reference", "fate", "reasons", "currency", "balance")
_LOOK_BACK_DAYS = 92  #: of what came before that, nobody is told every day


def open_items(folder: RunFolder, home: Path, until: datetime) -> pl.DataFrame:
    """What is open after this run, of it and of those before it in the same environment (see `carried`)."""
    environment, found = folder.read_json("plan.json")["environment"]["name"], Open()
    for run in all_runs(folder.path.parent):
        if run.run_id > folder.run_id:
            break
        if run.run_id == folder.run_id or _counts(run, environment, until):
            found = carried(found, run.run_id, run.read_json("plan.json")["planned_at"], rows_of(run))
    return _unsettled(found.items, home / environment)


def rows_of(run: RunFolder) -> pl.LazyFrame:
    """Every record of a run with its fate, and the file and place where it stands: see `open_items.ROWS`.

    References and balances are missing once the staged files are gone.
    """
    if run.parts("fates"):
        parts = [
            pl.concat(
                [
                    pl.scan_parquet(records, glob=False).select("origin_run", "origin_row"),
                    pl.scan_parquet(fates, glob=False).select(_OF_FATES),
                ],
                how="horizontal",
            )
            for records, fates in zip(run.parts("records"), run.parts("fates"), strict=True)
        ]
        rows = pl.concat(parts)
    else:
        kept = pl.scan_parquet(run.path / "rows.parquet", glob=False)
        missing = [pl.lit(None, ROWS[name]).alias(name) for name in ("external_reference", "currency", "balance")]
        rows = kept.with_columns(*missing, origin_run="mends_run_id", origin_row="mends_row_id")
    return placed(rows, run.read_json("plan.json")["inputs"]).select(ROWS.keys())


def placed(rows: pl.LazyFrame, inputs: Sequence[dict[str, Any]]) -> pl.LazyFrame:
    """Rows with the SHA-256 of their file, and their place in it: what follows the file's name in the row id."""
    file, place = pl.lit(None, pl.String), pl.lit(None, pl.String)
    for one in inputs:
        rest = pl.col("row_id").str.slice(len(one["name"]))
        is_here = pl.col("row_id").str.starts_with(one["name"]) & rest.str.slice(0, 1).is_in([":", "#", "!"])
        file, place = (
            pl.when(is_here).then(pl.lit(one["sha256"])).otherwise(file),
            pl.when(is_here).then(rest).otherwise(place),
        )
    return rows.with_columns(file=file, place=place)


def _counts(run: RunFolder, environment: str, until: datetime) -> bool:
    """Whether an earlier run was applied here, not too long ago, and its records have not fallen under retention."""
    if not (run.path / "summary.json").is_file() or len(run.parts("fates")) != len(run.parts("records")):
        return False
    told = run.read_json("summary.json")
    is_recent = days_between(told["planned_at"], until.isoformat()) <= _LOOK_BACK_DAYS
    return bool(
        told["status"] != "planned" and told["environment"]["name"] == environment and is_recent and run.parts("fates")
    )


def _unsettled(items: pl.DataFrame, home: Path) -> pl.DataFrame:
    """Without those that a later run has settled in the ledger, though their row never came back."""
    waiting = items.filter(pl.col("fate").is_in(["in_doubt", "not_attempted"]))["external_reference"].drop_nulls()
    with Ledger.read(home) as ledger:
        if ledger is None or waiting.is_empty():
            return items
        settled = [
            name
            for name, known in ledger.states(waiting.to_list()).items()
            if known.state in {State.CREATED, State.CREATED_DIFFERENT, State.ADOPTED, State.PRE_EXISTING}
        ]
    is_waiting = pl.col("fate").is_in(["in_doubt", "not_attempted"])
    return items.filter(~(is_waiting & pl.col("external_reference").is_in(settled)))


def oldest(items: pl.DataFrame, until: datetime, person: Any, most: int) -> Iterator[dict[str, Any]]:
    """The rows that have waited longest, as far as a report may show them."""
    for one in items.sort("since", "row_id", maintain_order=True).head(most).iter_rows(named=True):
        yield {
            **{name: one[name] for name in ("row_id", "run_id", "fate", "reasons", "since", "runs")},
            "person": person(one["external_reference"]) if one["external_reference"] else None,
            "days": days_between(one["since"], until.isoformat()),
        }


def naming(key: bytes, pii: Pii) -> Any:
    """What a person is called in a report."""
    if pii is Pii.FULL:
        return lambda reference: reference
    return partial(token, key) if pii is Pii.MASKED else lambda _reference: None
