"""The fields in which held records differ from the record they were compared with."""

from collections.abc import Mapping

import polars as pl

from pipeline.domain.currency import grouped_digits
from pipeline.domain.fates import Fate

#: Billing's answer about a customer that it had before: field, ours, theirs.
_ANSWER = pl.List(pl.List(pl.String))


def with_differing(fates: pl.DataFrame, differing: pl.DataFrame) -> pl.DataFrame:
    """Fates with `differs`: field names from the plan (position, differs) or billing's answer."""
    answered = (pl.col("fate") == Fate.ALREADY_EXISTS_DIFFERENT.value) & pl.col(
        "detail"
    ).str.starts_with("[[")
    named = (
        pl.when(answered)
        .then("detail")
        .str.json_decode(_ANSWER)
        .list.eval(pl.element().list.first())
    )
    found = fates.join(differing, on="position", how="left", maintain_order="left")
    return found.with_columns(differs=pl.coalesce("differs", named))


def count_differing(fates: pl.DataFrame) -> dict[str, int]:
    """Field -> records that differ in it."""
    return dict(fates["differs"].drop_nulls().explode().drop_nulls().value_counts().iter_rows())


def differing_in_words(fields: Mapping[str, int]) -> str:
    """Fields with counts: `they differ in name (2), email (1)`; empty if unknown."""
    words = ", ".join(f"{name} ({grouped_digits(count)})" for name, count in fields.items())
    return f"they differ in {words}" if words else ""
