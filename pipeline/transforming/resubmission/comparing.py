"""Compare each returned row with its original: accept, restore, set aside or reject."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from pipeline.domain.causes import Cause
from pipeline.domain.reasons import Reason
from pipeline.transforming.resubmission.mending import Mendable
from pipeline.transforming.resubmission.siblings import Siblings
from pipeline.transforming.resubmission.spreadsheet_damage import (
    damage,
    form_that_changes,
    hides_all,
    looks_lost,
)

_GIVEN = "given."
_SHORTEST_WORD = 3  #: characters of a cell that identify the text of an unreadable record
CELLS = {
    "row_id": pl.String, "original_run_id": pl.String, "original_row_id": pl.String, "column": pl.String,
    "original": pl.String, "came_back": pl.String, "damage": pl.String, "verdict": pl.String,
}  # fmt: skip
#: Of a run and the name of a list: the records of that list.
FindSiblings = Callable[[str, str], Siblings]


@dataclass(frozen=True, slots=True)
class Returned:
    """The records to import, and every cell with a remark.

    `records` have `mismatch`: the cause if the row is not the record that it names. Such a row is
    rejected and has no origin. `cells`: row_id, original_run_id, original_row_id, column, original,
    came_back, damage, verdict:
    restored   the original text is used
    kept       the text is what a spreadsheet makes of the original, but a reason asked for a
               change in this cell: used as it is. No remark if another text of the same form in the column is
               unchanged, because then no spreadsheet changed it
    lost       a spreadsheet's display of an unknown text; the row is set aside
    mismatch   no reason asked for a change, or the original may be another record's; the
               row is rejected
    """

    records: pl.DataFrame
    cells: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=CELLS))
    unknown: int = 0  #: records without a known original


def compare(
    records: pl.DataFrame,
    originals: pl.DataFrame,
    columns: Sequence[str],
    sources: Mapping[str, frozenset[str]],
    find_siblings: FindSiblings,
) -> Returned:
    """Compare records with their originals.

    `records` have origin_run and origin_row, both proven, and mismatch. `originals`, once each:
    origin_run, origin_row, list, reasons, differs (fields of a held record), text (of an unreadable
    record), columns (of its run) and given.<column>. `sources`: field -> its columns.

    A row is rejected if a cell that no reason names has another text, unless a spreadsheet makes
    that text of the original. Cells are restored only if no other record of the list fits the row
    as well with other texts there.
    """
    names = [_GIVEN + column for column in columns]
    kept = ("list", "reasons", "differs", "text", "columns")
    before = originals.select(
        "origin_run", "origin_row", pl.col(*kept, *names).name.prefix("before.")
    )
    joined = records.join(
        before, on=["origin_run", "origin_row"], how="left", maintain_order="left"
    )
    is_known = joined["before.reasons"].is_not_null()
    comparison = _Comparison(joined.filter(is_known), columns, sources, find_siblings)
    is_changed = pl.any_horizontal(
        pl.lit(value=False),
        *(pl.col(name).fill_null("") != pl.col("before." + name).fill_null("") for name in names),
    )
    was_mismatch = (
        pl.col("before.reasons")
        .list.eval(pl.element().str.starts_with(Reason.RETURN_ROW_MISMATCH))
        .list.any()
    )
    is_in_question = (
        joined.select(pl.col("reason").is_null() & (is_changed | was_mismatch)).to_series()
        & is_known
    )
    for at in is_in_question.arg_true():
        comparison.take(at, joined.row(at, named=True))
    is_missing = ~is_known & joined["origin_run"].is_not_null()
    return Returned(
        comparison.applied(records),
        pl.DataFrame(comparison.cells, schema=CELLS),
        int(is_missing.sum()),
    )


def siblings_of(
    records: pl.DataFrame, columns: Sequence[str], sources: Mapping[str, frozenset[str]]
) -> Siblings:
    """The records of one list, for `compare`; each with the columns of `originals`."""
    pairs = zip(records["reasons"].to_list(), records["differs"].to_list(), strict=True)
    mendable = [Mendable.by(reasons, differs or (), sources) for reasons, differs in pairs]
    return Siblings(records, columns, mendable, sources.get("external_reference", frozenset()))


@dataclass
class _Comparison:
    """The results of a comparison, row by row."""

    known: pl.DataFrame  #: the rows whose originals are known
    columns: Sequence[str]
    sources: Mapping[str, frozenset[str]]
    find_siblings: FindSiblings
    cells: list[dict[str, str | None]] = field(default_factory=list)
    restored: dict[str, dict[int, str]] = field(default_factory=dict)  #: column -> row -> text
    lost: dict[int, str] = field(
        default_factory=dict
    )  #: row -> the first column with an unknown text
    mismatched: dict[int, str | None] = field(
        default_factory=dict
    )  #: row -> the first column of another record
    _untouched: dict[str, set[str]] = field(default_factory=dict)

    def take(self, at: int, row: dict[str, Any]) -> None:
        """Decide about a row with a changed cell, or rejected before for the same text."""
        row_cells = {
            column: row[_GIVEN + column] or ""
            for column in self.columns
            if column in row["before.columns"]
        }
        original = {column: row["before." + _GIVEN + column] or "" for column in row_cells}
        if any(
            Cause.parse(text).reason is Reason.RETURN_ROW_MISMATCH for text in row["before.reasons"]
        ):
            self.mismatched[at] = None
        elif row["before.text"] is not None:
            if not self._is_in(row["before.text"], row_cells):
                self.mismatched[at] = None
        else:
            self._take_readable(at, row, original, row_cells)

    def _take_readable(
        self, at: int, row: dict[str, Any], was: dict[str, str], now: dict[str, str]
    ) -> None:
        mends = Mendable.by(row["before.reasons"], row["before.differs"] or (), self.sources)
        found = {
            column: damage(was[column], now[column]) for column in now if was[column] != now[column]
        }
        others = [
            column for column, kind in found.items() if kind is None and not hides_all(now[column])
        ]
        wrong = set(
            self._of_another(was, [column for column in others if column not in mends], mends)
        )
        restored, verdicts = [], list[tuple[str, str | None, str]]()
        for column, kind in found.items():
            if column in wrong or (kind is None and not looks_lost(now[column])):
                continue  # of another record, or corrected by a person
            if (
                kind is not None
                and column in mends
                and form_that_changes(was[column]) in self._as_they_were(column)
            ):
                continue  # corrected by a person: a spreadsheet would have changed the others, too
            verdict = "lost" if kind is None else "kept" if column in mends else "restored"
            restored += [column] * (verdict == "restored")
            verdicts.append((column, kind, verdict))
        if restored and not wrong:
            siblings = self.find_siblings(row["origin_run"], row["before.list"])
            for rival in siblings.rivals(row["origin_row"], now, mends):
                wrong.update(column for column in restored if rival.get(column) != was[column])
        if wrong:
            verdicts = [(column, found[column], "mismatch") for column in found if column in wrong]
            self.mismatched[at] = verdicts[0][0]
        for column, kind, verdict in verdicts:
            if verdict == "restored":
                self.restored.setdefault(column, {})[at] = was[column]
            elif verdict == "lost":
                self.lost.setdefault(at, column)
            self.cells.append(
                {
                    "row_id": row["row_id"], "original_run_id": row["origin_run"], "original_row_id": row["origin_row"],
                    "column": column, "original": was[column], "came_back": now[column],
                    "damage": kind or ("display" if verdict == "lost" else ""), "verdict": verdict,
                }
            )  # fmt: skip

    def _of_another(
        self, was: dict[str, str], others: Sequence[str], mends: Mendable
    ) -> Iterator[str]:
        """Columns that show another record; no reason asked for changes in `others`."""
        references = self.sources.get("external_reference", frozenset())
        if not mends.any_cell:
            is_anything_left = any(text for column, text in was.items() if column not in mends)
            yield from (others if is_anything_left else ())
            return
        compared = [column for column, text in was.items() if text and column not in references]
        is_half_new = 2 * sum(column in others for column in compared) > len(compared)
        yield from (column for column in others if is_half_new or column in references)

    def _is_in(self, text: str, cells: dict[str, str]) -> bool:
        """Whether filled-in cells may come from the text of an unreadable record."""
        currencies = self.sources.get("currency", frozenset())
        words = [cell.strip() for column, cell in cells.items() if column not in currencies]
        words = [word for word in words if len(word) >= _SHORTEST_WORD]
        return not words or any(word in text for word in words)

    def _as_they_were(self, column: str) -> set[str]:
        """The forms of unchanged texts in a column that a spreadsheet would have changed."""
        if column not in self._untouched:
            is_same = pl.col(_GIVEN + column) == pl.col(f"before.{_GIVEN}{column}")
            texts = self.known.filter(is_same)[_GIVEN + column].unique().to_list()
            self._untouched[column] = {
                form for text in texts if (form := form_that_changes(text)) is not None
            }
        return self._untouched[column]

    def applied(self, records: pl.DataFrame) -> pl.DataFrame:
        """The records to import."""
        texts = {_GIVEN + column: texts for column, texts in self.restored.items()}
        taken = records.with_columns(
            records[name].scatter(list(some), list(some.values())) for name, some in texts.items()
        )
        taken = _rejected(taken, self.mismatched) if self.mismatched else taken
        return _set_aside(taken, self.lost, self.columns) if self.lost else taken


def _rejected(records: pl.DataFrame, columns: Mapping[int, str | None]) -> pl.DataFrame:
    causes = [str(Cause(Reason.RETURN_ROW_MISMATCH, column)) for column in columns.values()]
    mismatch = records["mismatch"].scatter(list(columns), causes)
    named = (
        pl.when(pl.col("mismatch").is_null()).then(name).alias(name)
        for name in ("origin_run", "origin_row")
    )
    return records.with_columns(mismatch=mismatch).with_columns(named)


def _set_aside(
    records: pl.DataFrame, lost: Mapping[int, str], columns: Sequence[str]
) -> pl.DataFrame:
    names = [_GIVEN + column for column in columns]
    reasons = records["reason"].scatter(
        list(lost), [str(Cause(Reason.READ_CELL_DAMAGED, column)) for column in lost.values()]
    )
    shown = pl.concat_str([pl.col(name).fill_null("") for name in names], separator=",")
    return records.with_columns(reason=reasons).with_columns(
        text=pl.when(pl.col("text").is_null() & pl.col("reason").is_not_null())
        .then(shown)
        .otherwise("text"),
        **{name: pl.when(pl.col("reason").is_null()).then(pl.col(name)) for name in names},
    )
