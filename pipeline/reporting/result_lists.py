"""The result lists: the supplier's rows by fate, with the fate and the reasons beside them."""

from collections.abc import Sequence

import polars as pl

from pipeline.domain.causes import Cause, each_in_one_cell
from pipeline.domain.characters import escaped
from pipeline.domain.currency import WITHDRAWN
from pipeline.domain.customer import CHECK, ROW_ID, RUN_ID
from pipeline.domain.fates import LISTS, Fate
from pipeline.domain.origin_check import OriginChecks
from pipeline.domain.reason_help import EXPLANATIONS

_SUCCESSORS = {
    code: f" {code} was replaced by {successor} on {day}."
    for code, (successor, day) in WITHDRAWN.items()
}

_CELLS_IN_TEXT = "Fill in the columns of this row from _import_text."


def listed(
    name: str,
    records: pl.DataFrame,
    fates: pl.DataFrame,
    columns: Sequence[str],
    run_id: str,
    checks: OriginChecks,
) -> pl.DataFrame:
    """One part of a list: the supplier's columns in their order, then ours; rows keep their order.

    The list of held rows names the fields in which they differ. The last column is never empty,
    because spreadsheets drop the delimiters of empty cells at the end of a line.
    """
    is_here = fates["fate"].is_in([fate.value for fate in LISTS[name]])
    fates = fates.filter(is_here)
    words = _in_words(fates["reasons"])
    successor = pl.col("currency").replace_strict(_SUCCESSORS, default="", return_dtype=pl.String)
    is_answered = pl.col("fate").is_in([Fate.REFUSED.value, Fate.IN_DOUBT.value])
    ours = {
        ROW_ID: fates["row_id"],
        "_import_fate": fates["fate"],
        "_import_reasons": words["causes"],
        "_import_explanation": _with_note(words["sentences"], fates),
        "_import_hint": _hints(
            words["hints"], records["clue"].filter(is_here), records["text"].filter(is_here)
        ),
        "_import_billing_said": fates.select(
            pl.when(is_answered).then(escaped(pl.col("detail")))
        ).to_series(),
        "_import_same_as": fates["same_as"],
        **({"_import_differs": fates["differs"].list.join(", ")} if name == "held" else {}),
        "_import_billing_id": fates["billing_id"],
        "_import_idempotency_key": fates["key"],
    }
    return (
        records.filter(is_here)
        .with_columns(**ours)
        .select(
            *(pl.col(f"given.{column}").alias(column) for column in columns),
            *(
                pl.concat_str(column, successor).str.strip_chars(" ")
                if column == "_import_explanation"
                else column
                for column in ours
            ),
            pl.col("text").alias("_import_text"),
            pl.Series(CHECK, checks.of(run_id, fates["row_id"]), pl.String),
            pl.lit(run_id).alias(RUN_ID),
        )
    )


def _with_note(sentences: pl.Series, fates: pl.DataFrame) -> pl.Series:
    """The sentences; for records that were given up also the person and the note."""
    is_given_up = pl.col("fate") == Fate.GIVEN_UP.value
    note = pl.when(is_given_up & pl.col("detail").is_not_null()).then(
        pl.concat_str(pl.lit(" "), escaped(pl.col("detail")))
    )
    table = fates.select("fate", "detail", sentences=sentences)
    return table.select(pl.concat_str("sentences", note.otherwise(pl.lit("")))).to_series()


def _in_words(reasons: pl.Series) -> pl.DataFrame:
    """The causes of each record in one cell, their sentences and hints; each distinct set once."""
    given = pl.DataFrame({"causes": each_in_one_cell(reasons), "each": reasons})
    distinct = given.unique("causes", maintain_order=True)
    named = [[Cause.parse(text).reason for text in texts] for texts in distinct["each"]]
    in_words = pl.DataFrame(
        {
            "causes": distinct["causes"],
            "sentences": [" ".join(reason.sentence for reason in each) for each in named],
            "hints": [
                " ".join(dict.fromkeys(EXPLANATIONS[reason].mend for reason in each))
                for each in named
            ],
        },
        schema=dict.fromkeys(("causes", "sentences", "hints"), pl.String),
    )
    return given.select("causes").join(in_words, on="causes", how="left", maintain_order="left")


def _hints(hints: pl.Series, clues: pl.Series, texts: pl.Series) -> pl.Series:
    """How to fix each row, clues from its texts, and where to find an unreadable record."""
    table = pl.DataFrame({"hints": hints, "clues": clues, "texts": texts}).with_columns(
        cells=pl.when(pl.col("texts").is_not_null()).then(pl.lit(_CELLS_IN_TEXT))
    )
    return table.select(
        pl.concat_str("hints", "clues", "cells", separator=" ", ignore_nulls=True).str.strip_chars(
            " "
        )
    ).to_series()
