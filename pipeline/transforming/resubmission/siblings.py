"""The other records of the same list that a returned row may also be."""

from collections import defaultdict
from collections.abc import Hashable, Iterator, Mapping, Sequence
from functools import lru_cache

import polars as pl

from pipeline.transforming.resubmission.mending import Mendable
from pipeline.transforming.resubmission.spreadsheet_damage import damage, marks, marks_when_shown

_FEW = 8  #: candidates that are compared cell by cell
_TOO_MANY_FREE = (
    1_000  #: records that a column says nothing about; beyond it the column narrows nothing down
)


class Siblings:
    """All records of one list of one run, searchable by cells that a spreadsheet may have changed.

    `records`: origin_row and given.<column>. `mendable`: for each record, in order. `references`:
    the columns of the external reference; they identify a record whose other cells may all change.
    """

    def __init__(
        self,
        records: pl.DataFrame,
        columns: Sequence[str],
        mendable: Sequence[Mendable],
        references: frozenset[str],
    ) -> None:
        self._rows: list[str] = records["origin_row"].to_list()
        self._at = {row_id: at for at, row_id in enumerate(self._rows)}
        self._mendable, self._references = mendable, references
        self._cells = {
            column: records[f"given.{column}"].fill_null("").to_list() for column in columns
        }
        self._indexes: dict[str, dict[Hashable, set[int]]] = {}
        self._free = {
            column: {at for at, mends in enumerate(mendable) if self._may_change(mends, column)}
            for column in columns
        }
        distinct = {column: records[f"given.{column}"].n_unique() for column in columns}
        self._order = sorted(
            columns,
            key=lambda column: (len(self._free[column]) > _TOO_MANY_FREE, -distinct[column]),
        )

    def rivals(
        self, row_id: str, cells: Mapping[str, str], claimed: Mendable
    ) -> Iterator[Mapping[str, str]]:
        """The cells of every other record that fits a row as well as the record it names."""
        own = self._agreeing(self._cells_of(self._at[row_id]), cells) if row_id in self._at else 0
        for at in sorted(self._candidates(cells)):
            if self._rows[at] != row_id and self._is_rival(at, cells, own, claimed):
                yield self._cells_of(at)

    def _candidates(self, cells: Mapping[str, str]) -> set[int]:
        found: set[int] | None = None
        for column in self._order:
            wanted = marks_when_shown(cells[column])
            if not wanted or (found is not None and len(self._free[column]) > _TOO_MANY_FREE):
                continue
            index = self._index(column)
            possible = self._free[column].union(*(index[mark] for mark in wanted if mark in index))
            found = possible if found is None else found & possible
            if len(found) <= _FEW:
                break
        return set(range(len(self._rows))) if found is None else found

    def _is_rival(self, at: int, cells: Mapping[str, str], own: int, claimed: Mendable) -> bool:
        mends, there = self._mendable[at], self._cells_of(at)
        if not all(
            self._may_change(mends, column) or _agrees(there[column], text)
            for column, text in cells.items()
        ):
            return False
        return not (mends.any_cell or claimed.any_cell) or self._agreeing(there, cells) >= own

    def _agreeing(self, there: Mapping[str, str], cells: Mapping[str, str]) -> int:
        return sum(_agrees(there[column], text) for column, text in cells.items())

    def _may_change(self, mends: Mendable, column: str) -> bool:
        return column in mends or (mends.any_cell and column not in self._references)

    def _cells_of(self, at: int) -> dict[str, str]:
        return {column: cells[at] for column, cells in self._cells.items()}

    def _index(self, column: str) -> dict[Hashable, set[int]]:
        if column not in self._indexes:
            index: defaultdict[Hashable, set[int]] = defaultdict(set)
            places: defaultdict[str, set[int]] = defaultdict(set)
            for at, text in enumerate(self._cells[column]):
                places[text].add(at)
            for text, at_these in places.items():
                for mark in marks(text):
                    index[mark] |= at_these
            self._indexes[column] = dict(index)
        return self._indexes[column]


@lru_cache(maxsize=1 << 16)
def _agrees(original: str, came_back: str) -> bool:
    return original == came_back or damage(original, came_back) is not None
