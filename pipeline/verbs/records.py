"""The row-local stages in their order, over one batch: stage(a + b) == stage(a) + stage(b), and a property test says so."""

import polars as pl

from pipeline.customer import payload_expression
from pipeline.layout import Layout, Text, canonical_layout
from pipeline.mapping import map_columns
from pipeline.normalizing import Defaults, normalize
from pipeline.outcomes import Fate
from pipeline.validating import validate


def layout_of(declared: Layout | None, columns: list[str]) -> Layout:
    """What the columns mean: as the job declares, else by their canonical names."""
    return declared or canonical_layout(columns)


def judged(records: pl.DataFrame, layout: Layout, region: str) -> pl.DataFrame:
    """The row-local stages over one batch: every record comes out once, accepted (fate null) or set aside."""
    customers = normalize(map_columns(records, layout), layout, Defaults(region))
    unreadable = pl.col("reason").is_not_null()
    reasons = validate(customers, refuse_sensitive=layout.sensitive_metadata == "refuse").reasons
    return (
        customers.with_columns(reasons=reasons)
        .with_columns(
            reasons=pl.when(unreadable).then(pl.concat_list("reason")).otherwise("reasons"),
            payload=payload_expression(customers.columns),
        )
        .with_columns(
            fate=pl.when(unreadable)
            .then(pl.lit(Fate.UNREADABLE.value))
            .when(pl.col("reasons").list.len() > 0)
            .then(pl.lit(Fate.INVALID.value))
        )
        .drop("reason", "line", *_between_stages(customers.columns))
    )


def _between_stages(columns: list[str]) -> list[str]:
    """What only the row-local stages tell each other; the amount as it was given stays, for people to compare."""
    return [name for name in columns if name.startswith(("mapped.", "fault.")) and name != "mapped.balance"]


def no_records(columns: list[str]) -> pl.DataFrame:
    """A batch of a file that has no records."""
    texts = ["row_id", "reason", "text", *(f"given.{column}" for column in columns)]
    numbers = ["position", "line", "line_count"]
    return pl.DataFrame(schema={**dict.fromkeys(numbers, pl.Int64), **dict.fromkeys(texts, pl.String)})


def described_layout(layout: Layout | None) -> dict[str, str]:
    """Field -> what it is made of, in words; empty where the file writes the canonical names."""
    if layout is None:
        return {}
    told = {field: _told(text) for field, text in layout.texts()}
    balance = layout.balance
    if balance is not None:
        unit = balance.unit.value or f"unit by {balance.unit.column}"
        told["balance"] = f"{' - '.join(balance.sources)} ({unit})"
    return told


def _told(text: Text) -> str:
    if text.value is not None:
        return f"always {text.value}"
    return " + ".join(text.sources) + (f", else {text.default}" if text.default else "")
