"""Which record each row of a run is: the same row again, a return, or a new record."""

import polars as pl

from pipeline.domain.fates import Fate
from pipeline.domain.reasons import Reason
from pipeline.reporting.current_fates.tables import CREATED, FOLLOWED, KEY, RECORDS, ROOT, Current

_WAITS_FOR_EARLIER = Reason.PLAN_EARLIER_REQUEST_UNSETTLED.value


def met_rows(before: Current, rows: pl.LazyFrame) -> pl.DataFrame:
    """The rows of a run that concern a followed record, or start one.

    If a run has several copies of one file, each row counts once.
    """
    keys = pl.concat([before.records.select(KEY), before.returns.select(KEY)])
    followed = before.records.filter(pl.col("fate").is_in(FOLLOWED))
    references = followed["external_reference"].drop_nulls().unique()
    return (
        rows.with_row_index("at")
        .join(
            keys.unique().with_columns(is_known=True).lazy(),
            on=KEY,
            how="left",
            maintain_order="left",
        )
        .with_columns(is_known=pl.col("is_known").fill_null(value=False))
        .filter(
            pl.col("is_known")
            | pl.col("fate").is_in(FOLLOWED)
            | pl.col("origin_run").is_not_null()
            | pl.col("external_reference").is_in(references.implode())
        )
        .collect()
        .sort(~pl.col("fate").is_in(CREATED), "at")
        .unique(KEY, keep="first", maintain_order=True)
        .sort("at")
    )


def named_records(before: Current, origins: pl.DataFrame) -> pl.DataFrame:
    """Origins with `named_file` and `named_place`, which identify their records."""
    return before.at_their_records(origins).rename(
        {"root_file": "named_file", "root_place": "named_place"}
    )


def with_origins(records: pl.DataFrame, named: pl.DataFrame, day: str) -> pl.DataFrame:
    """The followed records, and those whose rows came back for the first time."""
    found = (
        named.filter(pl.col("fate").is_not_null())
        .with_columns(
            file="named_file", place="named_place", row_id="origin_row", run_id="origin_run", since_run="origin_run",
            since=pl.lit(day), runs=pl.lit(1), by_return=pl.lit(value=False),
        )
        .select(RECORDS.names())
        .cast(RECORDS)
        .unique(KEY, keep="first", maintain_order=True)
        .join(records, on=KEY, how="anti", maintain_order="left")
    )  # fmt: skip
    return pl.concat([records, found])


def linked_rows(
    before: Current, known: pl.DataFrame, met: pl.DataFrame, named: pl.DataFrame
) -> pl.DataFrame:
    """Each row with its record (`root_file`, `root_place`) and `how`: again, returned, or new."""
    names = ["origin_run", "origin_row"]
    origins = named.select(*names, "named_file", "named_place").unique(names, keep="first")
    now = known.select(
        named_file="file", named_place="place", now="fate", now_reference="external_reference"
    )
    is_another = pl.col("now").is_in(CREATED) & (
        pl.col("now_reference") != pl.col("external_reference")
    )
    is_new = ~pl.col("is_known") & ~pl.col("file").is_in(list(before.files))
    rows = (
        before.at_their_records(met)
        .join(origins, on=names, how="left", maintain_order="left")
        .join(now, on=["named_file", "named_place"], how="left", maintain_order="left")
        .with_columns(
            is_return=is_new
            & pl.col("named_file").is_not_null()
            & ~is_another.fill_null(value=False)
        )
    )
    rows = _first_of(rows, "is_return", ["named_file", "named_place"])
    rows = rows.join(
        _by_reference(known, rows), on="external_reference", how="left", maintain_order="left"
    )
    # A record in doubt and a row with other content are two records: each has a fate of its own.
    is_other = pl.col("open_sent").is_not_null() & ~pl.col("open_sent").eq_missing(
        pl.col("fingerprint")
    )
    has_reference = is_new & ~pl.col("is_return") & pl.col("open_file").is_not_null() & ~is_other
    rows = _first_of(rows.with_columns(is_met=has_reference), "is_met", ["external_reference"])
    return rows.with_columns(
        how=pl.when(pl.col("is_return") | pl.col("is_met")).then(pl.lit("returned"))
        .when(~is_new).then(pl.lit("again")).otherwise(pl.lit("new")),
        **{
            root: pl.when("is_return").then(f"named_{key}").when("is_met").then(f"open_{key}").otherwise(root)
            for root, key in zip(ROOT, KEY, strict=True)
        },
    )  # fmt: skip


def _first_of(rows: pl.DataFrame, flag: str, names: list[str]) -> pl.DataFrame:
    """Keep `flag` only on the first row of each group."""
    return rows.with_columns((pl.col(flag) & (pl.col(flag).cum_sum().over(names) == 1)).alias(flag))


def _by_reference(known: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
    """The oldest open record of each external reference that no row of this run is yet."""
    taken = pl.concat(
        [
            rows.filter("is_return").select(file="named_file", place="named_place"),
            rows.filter("is_known").select(file="root_file", place="root_place"),
        ]
    )
    was_sent = pl.col("fate").is_in([Fate.IN_DOUBT.value, Fate.GIVEN_UP.value]) & ~pl.col(
        "reasons"
    ).list.contains(_WAITS_FOR_EARLIER)
    return (
        known.filter(pl.col("fate").is_in(FOLLOWED) & pl.col("external_reference").is_not_null())
        .join(taken, on=KEY, how="anti", maintain_order="left")
        .sort("since", maintain_order=True)
        .unique("external_reference", keep="first", maintain_order=True)
        .select(
            "external_reference",
            open_file="file",
            open_place="place",
            open_sent=pl.when(was_sent).then("fingerprint"),
        )
    )
