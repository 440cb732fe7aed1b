"""The lists: the rows of each fate as the supplier wrote them, and beside them what became of them and why."""

from collections.abc import Sequence

import polars as pl

from pipeline.currency import WITHDRAWN
from pipeline.explanations import EXPLANATIONS
from pipeline.outcomes import LISTS, Fate, Reason

_SENTENCES = {reason.value: reason.sentence for reason in Reason}
_HINTS = {reason.value: EXPLANATIONS[reason].mend for reason in Reason}
_SUCCESSORS = {code: f" {code} was replaced by {successor} on {day}." for code, (successor, day) in WITHDRAWN.items()}


def listed(name: str, records: pl.DataFrame, fates: pl.DataFrame, columns: Sequence[str], run_id: str) -> pl.DataFrame:
    """One part of a list: the supplier's own columns and text in their order, then ours; the order of the rows stays.

    The list of held rows names the fields in which they differ. The last column is full in every row, for a spreadsheet leaves out the delimiters before empty cells at a line's end.
    """
    is_here = fates["fate"].is_in([fate.value for fate in LISTS[name]])
    fates = fates.filter(is_here)
    told = _told(fates["reasons"])
    successor = pl.col("currency").replace_strict(_SUCCESSORS, default="", return_dtype=pl.String)
    asked = pl.col("fate").is_in([Fate.REFUSED.value, Fate.IN_DOUBT.value])
    ours = {
        "_import_row_id": fates["row_id"],
        "_import_fate": fates["fate"],
        "_import_reasons": told["codes"],
        "_import_explanation": told["sentences"],
        "_import_hint": told["hints"],
        "_import_billing_said": fates.select(pl.when(asked).then("detail")).to_series(),
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
                pl.concat_str(column, successor).str.strip_chars(" ") if column == "_import_explanation" else column
                for column in ours
            ),
            pl.col("text").alias("_import_text"),
            pl.lit(run_id).alias("_import_run_id"),
        )
    )


def _told(reasons: pl.Series) -> pl.DataFrame:
    """Lists of reasons -> their codes, sentences and hints; rows have few different ones, and each is put into words once."""
    codes = reasons.list.join(" ")
    each = codes.unique(maintain_order=True)
    in_words = pl.DataFrame(
        {
            "codes": each,
            "sentences": [" ".join(_SENTENCES[code] for code in _bare(text)) for text in each],
            "hints": [" ".join(dict.fromkeys(_HINTS[code] for code in _bare(text))) for text in each],
        },
        schema=dict.fromkeys(("codes", "sentences", "hints"), pl.String),
    )
    return codes.alias("codes").to_frame().join(in_words, on="codes", how="left", maintain_order="left")


def _bare(codes: str) -> list[str]:
    """The codes without the columns that they speak of."""
    return [code.partition(":")[0] for code in codes.split()]
