"""Lists and differences as they may be handed on: shapes of what people wrote, our own columns, and a token for each person."""

from collections.abc import Callable
from typing import Any

import polars as pl
import polars.selectors as cs

from pipeline.domain.currency import NO_CODE, known
from pipeline.domain.customer import CHECK, ROW_ID, is_import_column
from pipeline.domain.redaction import Pii, shape

#: What is told of a difference, each as text: under which name, which row, who, which field, both sides, by how much.
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
OF_PEOPLE = (
    "_import_person",
    "_import_currency",
    "_import_balance",
)  #: the token, the code, minor units
#: Columns of ours that quote what somebody wrote.
_QUOTING = ("_import_text", "_import_billing_said")


def handed_on(
    rows: pl.DataFrame, identified: pl.DataFrame, pii: Pii, person: Callable[[str], str | None]
) -> pl.DataFrame:
    """A list for a report; all of it with `full`, of people's data only shapes with `masked`, and nothing with `none`.

    `rows`: a list as it was written, every column text. `identified`: row_id, external_reference, currency, balance of
    them. Columns: those of `OF_PEOPLE`, the supplier's, ours. The check is left out: it is for a list that comes back.
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
        rows = rows.with_columns(
            pl.col("_import_hint").str.replace_all("“[^”]*”", "“…”")
        )  # a word of a cell
        # A row id holds a colon, a # or a !, which no reference may.
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
    """Differences as far as they may be shown: `person` in the place of external_reference, both sides in shapes.

    Figures stay as they are, and so do our own words, which stand where a difference is of no field. Every column text:
    external_reference, field, ours, theirs; currency where there is one.
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


def without_literals(content: dict[str, Any]) -> dict[str, Any]:
    """A summary or a plan whose wave has a condition, with shapes in the place of that one's texts, which may be of a person."""
    where = content["settings"].get("where")
    if where is None:
        return content
    parts = where.split("'")
    shown = {"where": "'".join(shape(part) if at % 2 else part for at, part in enumerate(parts))}
    waves = {"waves": {**content["waves"], **shown}} if content.get("waves") else {}
    return {**content, "settings": {**content["settings"], **shown}, **waves}


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
    # A cell that should be a figure may be anybody's name all the same, where columns have moved.
    is_figure = (field == "balance") & text.str.contains(r"^-?[0-9]+$") | (
        field == "currency"
    ) & text.is_in(list(known()))
    return (
        pl.when(field.is_null() | (is_figure & pl.lit(pii is Pii.MASKED)))
        .then(text)
        .otherwise(hidden)
    )


def shapes(column: pl.Expr) -> pl.Expr:
    r"""`masking.shape` of a whole column: x for a letter, X for a capital, 9 for a digit, ? for signs; the rest stands."""
    return (
        column.str.replace_all(r"[\p{L}\p{M}&&[^\p{Lu}]]", "x")
        .str.replace_all(r"\p{Lu}", "X")
        .str.replace_all(r"\p{N}", "9")
        .str.replace_all(r"[\p{S}\p{C}]", "?")
    )
