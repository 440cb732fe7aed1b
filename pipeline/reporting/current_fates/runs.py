"""The current fates after one more run, and what became of the records of one run."""

import polars as pl

from pipeline.reporting.current_fates.links import (
    linked_rows,
    met_rows,
    named_records,
    with_origins,
)
from pipeline.reporting.current_fates.tables import (
    CREATED,
    FOLLOWED,
    KEY,
    ORIGINS,
    RETURNS,
    ROOT,
    SETTLING,
    Current,
    empty,
    superseded,
)
from pipeline.reporting.open_items import OPEN_FATES


def add_run(
    before: Current,
    run_id: str,
    day: str,
    rows: pl.LazyFrame,
    files: frozenset[str],
    origins: pl.DataFrame | None = None,
) -> Current:
    """The current fates after one more run.

    `rows` has the columns of `ROWS`, `origins` those of `ORIGINS`. `files` is every file of the
    run,
    `day` the time of its plan (ISO 8601).
    """
    met = met_rows(before, rows)
    named = named_records(before, empty(ORIGINS) if origins is None else origins)
    known = with_origins(before.records, named, day)
    linked = linked_rows(before, known, met, named)
    returns = (
        linked.filter(pl.col("how") == "returned")
        .with_columns(run_id=pl.lit(run_id))
        .select(RETURNS.names())
    )
    decided = _decided(known, linked, run_id, day)
    settling = _settling(linked, before).with_columns(
        by_run=pl.lit(run_id), until_run=pl.lit(run_id)
    )
    records = superseded(decided, settling)
    return Current(records, pl.concat([before.returns, returns]), before.files | files)


def changes(current: Current, rows: pl.LazyFrame) -> pl.DataFrame:
    """Changes of one run's followed records: before, after, run_id (the deciding run), records.

    A record that the run created stays created.
    """
    keys = pl.concat([current.records.select(KEY), current.returns.select(KEY)])
    followed = rows.select(*KEY, "fate").join(keys.lazy(), on=KEY, how="semi").collect()
    now = current.records.select(*KEY, now="fate", run_id="run_id")
    is_created = pl.col("fate").is_in(CREATED)
    return (
        current.at_their_records(followed)
        .join(now, left_on=ROOT, right_on=KEY, how="inner")
        .with_columns(now=pl.when(is_created).then("fate").otherwise("now"))
        .group_by(before="fate", after="now", run_id="run_id")
        .agg(records=pl.len().cast(pl.Int64))
        .sort("before", "after", "run_id")
    )


def resubmitted(current: Current, rows: pl.LazyFrame, run_id: str) -> int:
    """How many of a run's records came back in later runs, in a list or in a new file."""
    later = current.returns.filter(pl.col("run_id") > run_id)
    # A row of this run may have been a return itself, so that its record first came in an earlier
    # file.
    same = current.returns.join(later, on=ROOT, how="semi")
    followed = pl.concat([same.select(KEY), later.select(file="root_file", place="root_place")])
    here = rows.select(KEY).join(followed.lazy(), on=KEY, how="semi").collect()
    return current.at_their_records(here).join(later, on=ROOT, how="semi").select(ROOT).n_unique()


def _decided(known: pl.DataFrame, linked: pl.DataFrame, run_id: str, day: str) -> pl.DataFrame:
    """The records with the fates of this run; `is_met` if the run has a row of the record."""
    is_followed = (
        pl.col("is_known") | pl.col("fate").is_in(FOLLOWED) | (pl.col("how") == "returned")
    )
    first = (
        linked.filter(is_followed)
        .sort(~pl.col("fate").is_in(CREATED), pl.col("how") != "returned", "at")
        .unique(ROOT, keep="first", maintain_order=True)
        .with_columns(run_id=pl.lit(run_id), by_return=pl.col("how") == "returned")
    )
    columns = [
        "fate",
        "external_reference",
        "reasons",
        "fingerprint",
        "currency",
        "balance",
        "run_id",
        "row_id",
        "by_return",
    ]
    new = first.select(*columns, "how", file="root_file", place="root_place")
    both = known.join(
        new, on=KEY, how="full", suffix=":new", coalesce=True, maintain_order="left_right"
    )
    stays = pl.col("fate:new").is_null() | (
        pl.col("fate").is_in(CREATED)
        | ((pl.col("how") == "again") & pl.col("by_return") & ~pl.col("fate").is_in(OPEN_FATES))
    ).fill_null(value=False)
    return both.with_columns(
        *(pl.when(stays).then(name).otherwise(f"{name}:new").alias(name) for name in columns),
        since_run=pl.coalesce("since_run", pl.lit(run_id)),
        since=pl.coalesce("since", pl.lit(day)),
        runs=pl.col("runs").fill_null(0) + pl.col("fate:new").is_not_null().cast(pl.Int64),
        is_met=pl.col("fate:new").is_not_null(),
    )


def _settling(linked: pl.DataFrame, before: Current) -> pl.DataFrame:
    """The references that this run created or found in billing: external_reference, by_row.

    A row of a file that is submitted again counts only if its own record was open until now.
    """
    was_open = before.open.select(root_file="file", root_place="place", was_open=pl.lit(value=True))
    counts = (
        pl.col("fate").is_in(CREATED)
        | ~pl.col("file").is_in(list(before.files))
        | pl.col("was_open").is_not_null()
    )
    return (
        linked.join(was_open, on=ROOT, how="left", maintain_order="left")
        .filter(pl.col("fate").is_in(SETTLING) & counts)
        .select("external_reference", by_row="row_id")
        .drop_nulls("external_reference")
        .unique("external_reference", keep="first", maintain_order=True)
    )
