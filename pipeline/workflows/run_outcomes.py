"""What the ledger holds for the references of a plan, as tables for the results of a run."""

import itertools
from collections.abc import Iterator, Sequence
from datetime import timedelta

import polars as pl

from pipeline.storage.ledger import OUTCOME_COLUMNS, Ledger
from pipeline.storage.run_folder import RunFolder
from pipeline.workflows.planned_creates import given_up_requests

_SCHEMA = {name: pl.Int64 if name == "payable" else pl.String for name in OUTCOME_COLUMNS}


def run_outcomes(ledger: Ledger, folder: RunFolder) -> Iterator[pl.DataFrame]:
    """The ledger's rows for the references of this plan; customers of other runs do not belong in this folder."""
    yield _outcome_table([])
    # What this run finished does not change, even if a later run began the same references again.
    own = {row[0]: row for row in ledger.reader.runs.moved_from(folder.run_id)}
    given_up = set(given_up_requests(folder, ledger).iter_rows())
    for part in folder.parts("plan"):
        planned = pl.read_parquet(part, columns=["external_reference"], glob=False)
        references = planned["external_reference"].unique()
        rows = [
            own.get(row[0], row)
            for row in itertools.chain.from_iterable(ledger.reader.outcomes(references))
        ]
        # A request that was given up after the plan is given up for this run, too, whichever run it belonged to.
        rows = [
            (*row[:2], folder.run_id, *row[3:]) if (row[0], row[3]) in given_up else row
            for row in rows
        ]
        yield _outcome_table(rows)


def create_times(ledger: Ledger, run_id: str, billing_ahead: timedelta) -> pl.DataFrame:
    """When each create of a run was begun and when it was final, both by our clock.

    The ledger has the beginning by billing's clock, which is `billing_ahead` of ours.
    """
    names = {"began_at": pl.String, "settled_at": pl.String}
    blocks = [
        pl.DataFrame(block, schema=names, orient="row")
        for block in ledger.reader.runs.waits(run_id)
    ]
    moments = pl.all().str.to_datetime("%Y-%m-%dT%H:%M:%S%.f%#z", time_unit="us")
    times = pl.concat([pl.DataFrame(schema=names), *blocks]).with_columns(moments)
    return times.with_columns(pl.col("began_at") - billing_ahead)


def _outcome_table(rows: Sequence[tuple[object, ...]]) -> pl.DataFrame:
    table = pl.DataFrame(rows, schema=_SCHEMA, orient="row")
    return table.with_columns(pl.col("payable").cast(pl.Boolean))
