"""The tables of current fates, and the rule by which a later record closes an open one."""

from dataclasses import dataclass, field

import polars as pl

from pipeline.domain.fates import LISTS, SUPERSEDED, Fate
from pipeline.reporting.open_items import OPEN_FATES

ROWS: dict[str, pl.DataType | type[pl.DataType]] = {
    "row_id": pl.String, "external_reference": pl.String, "fate": pl.String, "reasons": pl.List(pl.String), "fingerprint": pl.String,
    "currency": pl.String, "balance": pl.Int64, "origin_run": pl.String, "origin_row": pl.String,
    "file": pl.String, "place": pl.String,
}  # fmt: skip
#: `run_id` and `row_id` name the row that decided the fate. `since` is the first time the record
#: appeared; `runs` is how often it did.
RECORDS = pl.Schema(
    {
        **{name: kind for name, kind in ROWS.items() if not name.startswith("origin")},
        **dict.fromkeys(("run_id", "since_run", "since"), pl.String),
        "runs": pl.Int64,
        "by_return": pl.Boolean,
    }
)
RETURNS = pl.Schema(
    dict.fromkeys(("file", "place", "root_file", "root_place", "run_id"), pl.String)
)
#: Rows of earlier runs that rows of a run name as their origin; without a fate if they belong to
#: another environment.
ORIGINS = pl.Schema({name: kind for name, kind in ROWS.items() if name != "row_id"})
CREATED = [fate.value for fate in LISTS["created"]]
SETTLING = [*CREATED, Fate.ALREADY_EXISTS_SAME.value]
WAITING = [Fate.IN_DOUBT.value, Fate.NOT_ATTEMPTED.value]
#: A record that was given up is closed; it is the same record if the same content appears again.
FOLLOWED = [*OPEN_FATES, Fate.GIVEN_UP.value]
KEY, ROOT = ["file", "place"], ["root_file", "root_place"]


def empty(schema: pl.Schema) -> pl.DataFrame:
    """A table without rows."""
    return pl.DataFrame(schema=schema)


@dataclass(frozen=True, slots=True)
class Current:
    """Current fates after some runs. Records in neither table keep the fate of their run."""

    #: Records that were open or came back.
    records: pl.DataFrame = field(default_factory=lambda: empty(RECORDS))
    #: The place of a row -> the record that the row is.
    returns: pl.DataFrame = field(default_factory=lambda: empty(RETURNS))
    files: frozenset[str] = frozenset()  #: SHA-256 of every file that these runs took

    @property
    def open(self) -> pl.DataFrame:
        """The records that wait for a person."""
        return self.records.filter(pl.col("fate").is_in(OPEN_FATES))

    def at_their_records(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Rows with `root_file` and `root_place`, which identify the record of each row."""
        found = rows.join(
            self.returns.select(*KEY, *ROOT), on=KEY, how="left", maintain_order="left"
        )
        return found.with_columns(
            pl.coalesce(root, key).alias(root) for root, key in zip(ROOT, KEY, strict=True)
        )


def superseded(records: pl.DataFrame, settling: pl.DataFrame) -> pl.DataFrame:
    """The records; another row of its reference settles an open record without a row in this run.

    `settling`: external_reference, and the row (by_row) and the run (by_run) that settle it.
    Records that are newer than `until_run` stay open: an older record does not settle a newer one
    with other content.
    """
    is_settled = (
        pl.col("fate").is_in(OPEN_FATES)
        & ~pl.col("is_met")
        & pl.col("by_row").is_not_null()
        & (pl.col("since_run") <= pl.col("until_run"))
    )
    return (
        records.join(settling, on="external_reference", how="left", maintain_order="left")
        .with_columns(
            fate=pl.when(is_settled).then(pl.lit(SUPERSEDED)).otherwise("fate"),
            run_id=pl.when(is_settled).then("by_run").otherwise("run_id"),
            row_id=pl.when(is_settled).then("by_row").otherwise("row_id"),
            by_return=pl.col("by_return") | is_settled.fill_null(value=False),
        )
        .select(RECORDS.names())
        .cast(RECORDS)
    )
