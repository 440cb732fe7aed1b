"""Read the records that a run exported in its lists, with their reasons and differences."""

from collections.abc import Sequence

import polars as pl

from pipeline.domain.fates import LISTS
from pipeline.storage.run_folder import DIFFERING, RunFolder

_LIST_OF = {fate.value: name for name, fates in LISTS.items() for fate in fates}
_TEXTS, _MANY = ("origin_run", "origin_row", "list", "text"), ("reasons", "differs", "columns")


def no_exports(columns: Sequence[str]) -> pl.DataFrame:
    """An empty table with the columns of `exported`."""
    texts = dict.fromkeys((*_TEXTS, *(f"given.{column}" for column in columns)), pl.String)
    return pl.DataFrame(schema={**texts, **dict.fromkeys(_MANY, pl.List(pl.String))})


def exported(
    folder: RunFolder, columns: Sequence[str], mapped: frozenset[str], wanted: pl.Expr
) -> pl.DataFrame:
    """The wanted records of a run, for `compare`; none if the run lacks a mapped column.

    `wanted`: a condition on row_id and list. Columns that the run lacks are null and not in
    `columns`.
    """
    rows = (
        pl.scan_parquet(folder.path / "rows.parquet", glob=False)
        .select(
            "row_id",
            "reasons",
            list=pl.col("fate").replace_strict(_LIST_OF, default=None, return_dtype=pl.String),
        )
        .filter(wanted)
        .collect()
    )
    found = [no_exports(columns)]
    for path in folder.parts("records"):
        table = pl.scan_parquet(path, glob=False)
        names = table.collect_schema().names()
        shared = [column for column in columns if f"given.{column}" in names]
        if not mapped.intersection(columns) <= set(shared):
            continue
        cells = [
            pl.col(f"given.{column}")
            if column in shared
            else pl.lit(None, pl.String).alias(f"given.{column}")
            for column in columns
        ]
        here = table.filter(pl.col("row_id").is_in(rows["row_id"].implode())).select(
            "position", "row_id", "text", *cells
        )
        joined = here.collect().join(rows, on="row_id", how="inner", maintain_order="left")
        complete = _with_fields(joined, folder).with_columns(
            pl.lit(folder.run_id).alias("origin_run"),
            pl.lit(shared, pl.List(pl.String)).alias("columns"),
        )
        found.append(
            complete.rename({"row_id": "origin_row"}).select(found[0].columns).cast(found[0].schema)
        )
    return pl.concat(found)


def _with_fields(records: pl.DataFrame, folder: RunFolder) -> pl.DataFrame:
    """Records with the differing fields of held ones, from the plan or billing's answer."""
    planned = pl.DataFrame(schema={"position": pl.Int64, "differs": pl.List(pl.String)})
    if (path := folder.staged / DIFFERING).is_file():
        planned = pl.read_parquet(path, glob=False)
    by_answer = (
        pl.read_csv(folder.path / "differences.csv", infer_schema=False, glob=False)
        .group_by(row_id="_import_row_id")
        .agg(answered=pl.col("field"))
    )
    return (
        records.join(planned, on="position", how="left", maintain_order="left")
        .join(by_answer, on="row_id", how="left", maintain_order="left")
        .with_columns(differs=pl.coalesce("differs", "answered"))
    )
