"""Lists and differences for sharing: masked texts, our own columns, a token per person."""

from collections.abc import Callable

import polars as pl
import polars.selectors as cs

from pipeline.domain.currency import NO_CODE, known
from pipeline.domain.customer import CHECK, ROW_ID, is_import_column
from pipeline.domain.redaction import Pii, shape
from pipeline.domain.run_summary import RunSummary

#: The columns of a difference, each as text.
DIFFERENCES = (
    "kind",
    "row_id",
    "person",
    "field",
    "ours",
    "theirs",
    "currency",
    "amount",
    "pattern",
)
#: The token of the person, the currency code, minor units.
OF_PEOPLE = ("_import_person", "_import_currency", "_import_balance")
#: Our columns that quote foreign text.
_QUOTING = ("_import_text", "_import_billing_said")


def redact_list(
    rows: pl.DataFrame, identified: pl.DataFrame, pii: Pii, person: Callable[[str], str | None]
) -> pl.DataFrame:
    """A list for a report: `full` shows personal data, `masked` its shapes, `none` nothing of it.

    `rows`: a list as written, every column text. `identified`: row_id, external_reference, currency
    and balance of its rows. Columns: `OF_PEOPLE`, the supplier's, ours. The check column is left
    out: only a list that comes back needs it.
    """
    rows = rows.drop(CHECK, strict=False)
    tokens = identified.join(rows.select(row_id=ROW_ID), on="row_id", how="semi").select(
        pl.col("row_id").alias(ROW_ID),
        pl.col("external_reference")
        .map_elements(person, return_dtype=pl.String)
        .alias(OF_PEOPLE[0]),
        pl.col("currency").alias(OF_PEOPLE[1]),
        pl.col("balance").cast(pl.String).alias(OF_PEOPLE[2]),
    )
    theirs = [name for name in rows.columns if not is_import_column(name)]
    if pii is Pii.NONE:
        rows = rows.drop(cs.by_name(*theirs, *_QUOTING))
    elif pii is Pii.MASKED:
        rows = rows.with_columns(shapes(cs.by_name(*theirs, *_QUOTING)))
    if pii is not Pii.FULL:
        # A hint quotes words of a cell.
        rows = rows.with_columns(pl.col("_import_hint").str.replace_all("“[^”]*”", "“…”"))
        # A row id contains a colon, a # or a !, which no reference may contain.
        is_row = pl.col("_import_same_as").str.contains("[:#!]")
        token = pl.col("_import_same_as").map_elements(person, return_dtype=pl.String)
        rows = rows.with_columns(
            _import_same_as=pl.when(is_row).then("_import_same_as").otherwise(token)
        )
    return rows.join(tokens, on=ROW_ID, how="left", maintain_order="left")[
        [*OF_PEOPLE, *rows.columns]
    ]


def differences_shown(
    found: pl.DataFrame, pii: Pii, person: Callable[[str], str | None]
) -> pl.DataFrame:
    """Redact differences: `person` replaces external_reference, both sides are masked.

    Figures stay, and so do our own words where a difference has no field. Every column is text:
    external_reference, field, ours, theirs, and perhaps currency.
    """
    token = pl.col("external_reference").map_elements(
        person, return_dtype=pl.String, skip_nulls=True
    )
    columns = {name: _side(pl.col(name), pii) for name in ("ours", "theirs")}
    if "currency" in found.columns:
        is_code = pl.col("currency").is_in(list(known()))
        columns["currency"] = (
            pl.when(is_code | pl.col("currency").is_null())
            .then("currency")
            .otherwise(pl.lit(NO_CODE))
        )
    return found.with_columns(external_reference=token, **columns).rename(
        {"external_reference": "person"}
    )


def masked_filter(where: str) -> str:
    """The filter of a batch with masked literals, because they may be personal data."""
    parts = where.split("'")
    return "'".join(shape(part) if at % 2 else part for at, part in enumerate(parts))


def without_literals(summary: RunSummary) -> RunSummary:
    """A summary whose filter has masked literals."""
    if summary.settings.where is None:
        return summary
    shown = masked_filter(summary.settings.where)
    batch = summary.batch.changed(where=shown) if summary.batch else None
    return summary.changed(settings=summary.settings.changed(where=shown), batch=batch)


def shown_as(found: pl.DataFrame) -> pl.DataFrame:
    """Differences in the columns and the order of `DIFFERENCES`."""
    missing = [
        pl.lit(None, pl.String).alias(name) for name in DIFFERENCES if name not in found.columns
    ]
    return found.with_columns(*missing, pl.col("kind").str.replace_all("_", " ")).select(
        DIFFERENCES
    )


def _side(text: pl.Expr, pii: Pii) -> pl.Expr:
    if pii is Pii.FULL:
        return text
    field, hidden = pl.col("field"), shapes(text) if pii is Pii.MASKED else pl.lit(None, pl.String)
    # If columns have shifted, a cell that should be a figure may be a name.
    is_figure = (field == "balance") & text.str.contains(r"^-?[0-9]+$") | (
        field == "currency"
    ) & text.is_in(list(known()))
    return (
        pl.when(field.is_null() | (is_figure & pl.lit(pii is Pii.MASKED)))
        .then(text)
        .otherwise(hidden)
    )


def shapes(column: pl.Expr) -> pl.Expr:
    """`redaction.shape` of a column: x, X and 9 for letters, capitals and digits, ? for signs."""
    return (
        column.str.replace_all(r"[\p{L}\p{M}&&[^\p{Lu}]]", "x")
        .str.replace_all(r"\p{Lu}", "X")
        .str.replace_all(r"\p{N}", "9")
        .str.replace_all(r"[\p{S}\p{C}]", "?")
    )
