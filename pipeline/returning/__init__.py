"""A list of ours that came back: each row beside the one it was, what a spreadsheet did to its cells undone or named.

`spreadsheets.py` says what a spreadsheet makes of a text; `compare` asks that of every cell that is not as it was.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

from pipeline.causes import Cause
from pipeline.outcomes import Reason
from pipeline.returning.spreadsheets import TOO_LONG_FOR_A_CELL, damage, form_that_changes, looks_lost

__all__ = ["CELLS", "TOO_LONG_FOR_A_CELL", "Returned", "compare"]

_GIVEN = "given."
CELLS = {
    "row_id": pl.String, "original_run_id": pl.String, "original_row_id": pl.String, "column": pl.String,
    "original": pl.String, "came_back": pl.String, "damage": pl.String, "verdict": pl.String,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Returned:
    """Records as they are to be taken, and every cell about which there is something to say.

    `cells`: row_id, original_run_id, original_row_id, column, original, came_back, damage, verdict:
    restored   the text is taken as it had been
    kept       the text is what a spreadsheet makes of the original, in a cell that had to be mended: taken as it came. Where
               the column has a text of the same form that is as it was, no spreadsheet did it, and nothing is said
    lost       a spreadsheet's display of a text that nobody knows; the row is set aside
    """

    records: pl.DataFrame
    cells: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=CELLS))
    unknown: int = 0  #: records whose original is not to be found


def compare(
    records: pl.DataFrame, originals: pl.DataFrame, columns: Sequence[str], sources: Mapping[str, frozenset[str]]
) -> Returned:
    """Hold records (with origin_run, origin_row) against their originals.

    `originals`: origin_run, origin_row, reasons and given.<column>, once each. `sources`: field -> the columns that it is
    made of, so that a reason names the cells that somebody was asked to mend.
    """
    names = [_GIVEN + column for column in columns]
    before = originals.select("origin_run", "origin_row", "reasons", pl.col(names).name.prefix("before."))
    joined = records.join(before, on=["origin_run", "origin_row"], how="left", maintain_order="left")
    is_known = joined["reasons"].is_not_null()
    cells: list[dict[str, str | None]] = []
    restored: dict[str, pl.Series] = {}
    lost: dict[int, str] = {}
    for column, name in zip(columns, names, strict=True):
        now, was = joined[name], joined["before." + name]
        changed = (is_known & joined["reason"].is_null() & (now != was.fill_null(""))).arg_true().to_list()
        texts: dict[int, str] = {}
        untouched = _forms_as_they_were(now.filter(is_known & (now == was))) if changed else set()
        for at in changed:
            original, came_back = was[at], str(now[at])
            found = damage(original, came_back) if original is not None else None
            if found is None and not looks_lost(came_back):
                continue  # mended by a person
            mended = _asked_for(joined["reasons"][at], column, sources)
            if found is not None and mended and form_that_changes(str(original)) in untouched:
                continue  # mended by a person: a spreadsheet would have changed the others, too
            verdict = "lost" if found is None else "kept" if mended else "restored"
            if verdict == "restored":
                texts[at] = str(original)
            elif verdict == "lost":
                lost.setdefault(at, column)
            cells.append(
                {
                    "row_id": joined["row_id"][at], "original_run_id": joined["origin_run"][at],
                    "original_row_id": joined["origin_row"][at], "column": column, "original": original,
                    "came_back": came_back, "damage": found or "display", "verdict": verdict,
                }
            )  # fmt: skip
        if texts:
            restored[name] = now.scatter(list(texts), list(texts.values()))
    taken = records.with_columns(**restored)
    if lost:
        reasons = taken["reason"].scatter(
            list(lost), [str(Cause(Reason.READ_CELL_DAMAGED, column)) for column in lost.values()]
        )
        shown = pl.concat_str([pl.col(name).fill_null("") for name in names], separator=",")
        taken = taken.with_columns(reason=reasons).with_columns(
            text=pl.when(pl.col("text").is_null() & pl.col("reason").is_not_null()).then(shown).otherwise("text"),
            **{name: pl.when(pl.col("reason").is_null()).then(pl.col(name)) for name in names},
        )
    return Returned(taken, pl.DataFrame(cells, schema=CELLS), int((~is_known).sum()))


def _forms_as_they_were(texts: pl.Series) -> set[str]:
    """The forms that a spreadsheet would have changed, among texts that came back as they were."""
    return {form for text in texts.unique().to_list() if (form := form_that_changes(text)) is not None}


def _asked_for(reasons: pl.Series, column: str, sources: Mapping[str, frozenset[str]]) -> bool:
    """Whether a reason beside the original names this column, or a field that is made of it."""
    named = {Cause.parse(text).column for text in reasons}
    return any(column in sources.get(one, {one}) for one in named if one is not None)
