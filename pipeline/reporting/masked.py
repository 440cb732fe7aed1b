"""Lists as they may be handed on: the shapes of what a supplier wrote, our own columns, and a token for each person."""

from collections.abc import Callable

import polars as pl

from pipeline.customer import ROW_ID, is_import_column
from pipeline.masking import Pii

OF_PEOPLE = ("_import_person", "_import_currency", "_import_balance")  #: the token, the code, minor units
#: Columns of ours that quote what somebody wrote.
_QUOTING = ("_import_text", "_import_billing_said")


def handed_on(
    rows: pl.DataFrame, identified: pl.DataFrame, pii: Pii, person: Callable[[str], str | None]
) -> pl.DataFrame:
    """A list for a report; all of it with `full`, of people's data only shapes with `masked`, and nothing with `none`.

    `rows`: a list as it was written, every column text. `identified`: row_id, external_reference, currency, balance of
    them. Columns: those of `OF_PEOPLE`, the supplier's, ours.
    """
    tokens = identified.select(
        pl.col("row_id").alias(ROW_ID),
        pl.col("external_reference").map_elements(person, return_dtype=pl.String).alias(OF_PEOPLE[0]),
        pl.col("currency").alias(OF_PEOPLE[1]),
        pl.col("balance").cast(pl.String).alias(OF_PEOPLE[2]),
    )
    theirs = [name for name in rows.columns if not is_import_column(name)]
    if pii is Pii.NONE:
        rows = rows.drop(*theirs, *_QUOTING)
    elif pii is Pii.MASKED:
        rows = rows.with_columns(shapes(pl.col(name)) for name in (*theirs, *_QUOTING))
    if pii is not Pii.FULL:
        # A row id holds a colon, a # or a !, which no reference may.
        is_row = pl.col("_import_same_as").str.contains("[:#!]")
        token = pl.col("_import_same_as").map_elements(person, return_dtype=pl.String)
        rows = rows.with_columns(_import_same_as=pl.when(is_row).then("_import_same_as").otherwise(token))
    return rows.join(tokens, on=ROW_ID, how="left", maintain_order="left").select(*OF_PEOPLE, *rows.columns)


def shapes(column: pl.Expr) -> pl.Expr:
    r"""`masking.shape` of a whole column: x for a letter, X for a capital, 9 for a digit, ? for signs; the rest stands."""
    return (
        column.str.replace_all(r"[\p{L}\p{M}&&[^\p{Lu}]]", "x")
        .str.replace_all(r"\p{Lu}", "X")
        .str.replace_all(r"\p{N}", "9")
        .str.replace_all(r"[\p{S}\p{C}]", "?")
    )
