"""Stage our side: every row of the runs that names a customer, with its role in billing."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import polars as pl

from pipeline.domain.customer import METADATA_PREFIX
from pipeline.domain.fates import LISTS, Fate
from pipeline.domain.reasons import Reason
from pipeline.reconciling import EXPECTED, column_of
from pipeline.storage.aligned_parts import aligned_parts
from pipeline.storage.run_folder import RunFolder

_OF_FATES = ("row_id", "fate", "reasons", "currency", "balance")
#: Fates of records that are not customers themselves.
_REPEATS = (Fate.DUPLICATE_IN_FILE.value, Fate.UNREADABLE.value)


def stage_our_rows(
    folder: RunFolder, runs: Sequence[RunFolder], *, with_payloads: bool
) -> list[tuple[str, str, int, int]]:
    """Stage every row that names a customer; return all records read, added up.

    Returns:
        fate, currency, records and minor units
    """
    counts: Counter[tuple[str, str]] = Counter()
    amounts: Counter[tuple[str, str]] = Counter()
    metadata = sorted({name for run in runs for name in _metadata_of(run)})
    number = 0
    for run in runs:
        for part in aligned_parts(run, "records", "fates", "rows"):
            fates = part.table("fates").select(_OF_FATES).collect()
            for fate, currency, records, amount in _added(fates):
                counts[fate, currency] += records
                amounts[fate, currency] += amount
            our_rows = _our_rows(
                run.run_id,
                part.paths["records"],
                fates,
                part.table("rows").select("billing_id").collect()["billing_id"],
                metadata,
                with_payloads=with_payloads,
            )
            folder.stage(f"our_rows-{number:05}.parquet", our_rows)
            number += 1
    return [
        (fate, currency, records, amounts[fate, currency])
        for (fate, currency), records in counts.items()
    ]


def fields_of(runs: Sequence[RunFolder]) -> frozenset[str]:
    """The fields that these runs may have sent: name, email, phone, billing_id, metadata.<key>."""
    return frozenset(
        {
            "name",
            "email",
            "phone",
            "billing_id",
            *(name for run in runs for name in _metadata_of(run)),
        }
    )


def _metadata_of(run: RunFolder) -> list[str]:
    columns = pl.scan_parquet(run.parts("records")[0], glob=False).collect_schema()
    return [name for name in columns if name.startswith(METADATA_PREFIX)]


def _added(fates: pl.DataFrame) -> Iterator[tuple[str, str, int, int]]:
    added = fates.group_by("fate", "currency").agg(
        pl.len(), pl.col("balance").cast(pl.Int128).sum()
    )
    yield from added.iter_rows()


def _our_rows(
    run_id: str,
    records: Path,
    fates: pl.DataFrame,
    billing_ids: pl.Series,
    metadata: list[str],
    *,
    with_payloads: bool,
) -> pl.DataFrame:
    columns = pl.scan_parquet(records, glob=False).collect_schema()
    wanted = ["external_reference", "position", "name", "email", "phone", "currency", "balance"]
    wanted += [name for name in metadata if name in columns]
    wanted += ["payload"] if with_payloads else []
    # A record that waits for an earlier request was not sent: that request had other content.
    waits = pl.col("reasons").list.contains(Reason.PLAN_EARLIER_REQUEST_UNSETTLED.value)
    role = (
        pl.when(pl.col("fate").is_in(EXPECTED)).then(pl.lit("expected"))
        .when(pl.col("fate").is_in(LISTS["in_doubt"]) & ~waits.fill_null(value=False))
        .then(pl.lit("in_doubt"))
        .when(pl.col("fate") == Fate.ALREADY_EXISTS_DIFFERENT.value).then(pl.lit("held"))
        .when(pl.col("fate") == Fate.REFUSED.value).then(pl.lit("refused"))
        .otherwise(pl.lit("not_sent"))
    )  # fmt: skip
    return (
        pl.read_parquet(records, columns=wanted, glob=False)
        .rename({"position": "place"})
        .with_columns(
            fates["row_id"],
            fates["fate"],
            fates["reasons"],
            billing_id=billing_ids,
            run_id=pl.lit(run_id),
        )
        .with_columns(
            role=role, **{name: pl.lit(None, pl.String) for name in metadata if name not in columns}
        )
        .drop("reasons")
        .filter(pl.col("external_reference").is_not_null() & ~pl.col("fate").is_in(_REPEATS))
        .rename({name: column_of(name) for name in metadata})
    )
