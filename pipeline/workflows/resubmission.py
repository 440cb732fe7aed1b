"""Resubmitted rows: test their origin, find the exported record and compare the row with it."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import polars as pl

from pipeline.domain.column_mapping import Layout
from pipeline.domain.file_issues import FileIssue, Finding
from pipeline.domain.origin_check import Claim, OriginChecks
from pipeline.domain.plurals import number_of
from pipeline.domain.reasons import Reason
from pipeline.errors import RunNotFound
from pipeline.sources import SourceFile, came_back
from pipeline.storage.files import token_key
from pipeline.storage.run_damage import UNREADABLE, RunDamaged
from pipeline.storage.run_search import find_run_folder
from pipeline.transforming.resubmission import CELLS, Siblings, compare, readings, siblings_of
from pipeline.workflows.exported import exported, no_exports

_VERDICTS = {
    "restored": FileIssue.RETURN_CELLS_RESTORED,
    "kept": FileIssue.RETURN_CELLS_KEPT,
    "lost": FileIssue.RETURN_CELLS_LOST,
}
_NAMED = 3
_ORIGIN = ("origin_run", "origin_row")


class Returns:
    """The resubmitted rows of one run; `cells` has the compared cells of all of them."""

    def __init__(self, reports: Path, home: Path) -> None:
        self._reports, self._home = reports, home
        self.cells = pl.DataFrame(schema=CELLS)
        #: name of a list -> whether its rows come from workbooks
        self.of_workbooks: dict[str, bool] = {}
        self._unknown = self._untestable = 0

    def format_of(self, file: SourceFile, records: pl.DataFrame) -> str:
        """The format of the amounts in a file; for a resubmitted list, that of its originals."""
        if not came_back(file):
            return file.format
        if file.name not in self.of_workbooks:
            runs = self._tested(records)[0]["origin_run"].drop_nulls().unique().to_list()
            self.of_workbooks[file.name] = bool(runs) and all(map(self._read_workbooks, runs))
        return "excel" if self.of_workbooks[file.name] else file.format

    def _read_workbooks(self, run_id: str) -> bool:
        try:
            inputs = find_run_folder(self._reports, run_id).read_plan_of_any_version().inputs
        except (RunNotFound, RunDamaged):
            return False
        return all(one.format == "excel" or one.of_workbooks for one in inputs)

    def take(self, records: pl.DataFrame, columns: Sequence[str], layout: Layout) -> pl.DataFrame:
        """Compare a resubmitted batch with its originals; `mismatch` marks rejected records."""
        proven, untestable = self._tested(records)
        sources = _sources(layout)
        mapped = frozenset[str]().union(*sources.values())
        found = [no_exports(columns)]
        for (run_id,), rows in proven.select(_ORIGIN).drop_nulls().unique().group_by("origin_run"):
            wanted = pl.col("row_id").is_in(rows["origin_row"].implode())
            found.append(self._exported(str(run_id), columns, mapped, wanted))
        originals = pl.concat(found).unique(_ORIGIN, keep="first", maintain_order=True)
        returned = compare(
            proven, originals, columns, sources, self._find_siblings(columns, sources)
        )
        self.cells = pl.concat([self.cells, returned.cells])
        self._unknown += returned.unknown
        self._untestable += untestable
        return returned.records

    def _tested(self, records: pl.DataFrame) -> tuple[pl.DataFrame, int]:
        """Test the claimed origins: keep proven, reject false, count untestable ones."""
        checks = OriginChecks(token_key(self._home))
        runs, rows = list[str | None](), list[str | None]()
        claims = list[Claim]()
        for run_id, row_id, check in records.select(*_ORIGIN, "origin_check").iter_rows():
            claim, proven_row = _claim(checks, run_id, row_id, check)
            claims.append(claim)
            runs.append(run_id if claim is Claim.PROVEN else None)
            rows.append(proven_row if claim is Claim.PROVEN else None)
        is_false = pl.Series([claim is Claim.FALSE for claim in claims], dtype=pl.Boolean)
        tested = records.drop("origin_check").with_columns(
            pl.Series("origin_run", runs, pl.String),
            pl.Series("origin_row", rows, pl.String),
            mismatch=pl.when(is_false)
            .then(pl.lit(Reason.RETURN_ROW_MISMATCH.value))
            .otherwise(pl.lit(None, pl.String)),
        )
        return tested, claims.count(Claim.UNTESTABLE)

    def _exported(
        self, run_id: str, columns: Sequence[str], mapped: frozenset[str], wanted: pl.Expr
    ) -> pl.DataFrame:
        """The records of a run; none if the run is gone, damaged, or has other columns."""
        try:
            return exported(find_run_folder(self._reports, run_id), columns, mapped, wanted)
        except (RunNotFound, RunDamaged, *UNREADABLE):
            return no_exports(columns)

    def _find_siblings(
        self, columns: Sequence[str], sources: dict[str, frozenset[str]]
    ) -> Callable[[str, str], Siblings]:
        """A function that returns the records of a list of a run; it reads each list once."""
        mapped = frozenset[str]().union(*sources.values())
        found: dict[tuple[str, str], Siblings] = {}

        def find(run_id: str, name: str) -> Siblings:
            if (run_id, name) not in found:
                records = self._exported(run_id, columns, mapped, pl.col("list") == name)
                shared = [
                    column
                    for column in columns
                    if records.height and column in records["columns"][0]
                ]
                found[run_id, name] = siblings_of(records, shared, sources)
            return found[run_id, name]

        return find

    def findings(self) -> Iterator[Finding]:
        """The findings about all resubmitted rows."""
        for verdict, issue in _VERDICTS.items():
            found = self.cells.filter(pl.col("verdict") == verdict)
            if found.height:
                rows = ", ".join(found["row_id"].unique(maintain_order=True).head(_NAMED))
                columns = ", ".join(found["column"].unique(maintain_order=True).head(_NAMED))
                yield Finding(
                    issue,
                    f"{number_of(found.height, 'cell')}"
                    f" (columns: {columns}; rows such as {rows}): see returned.csv",
                )
        if self._unknown:
            yield Finding(FileIssue.RETURN_ORIGINALS_UNKNOWN, number_of(self._unknown, "row"))
        if self._untestable:
            yield Finding(FileIssue.RETURN_CHECK_UNTESTABLE, number_of(self._untestable, "row"))


def _claim(
    checks: OriginChecks, run_id: str | None, row_id: str | None, check: str | None
) -> tuple[Claim, str | None]:
    """The result of a check, and the proven row id; a spreadsheet may have changed its encoding."""
    claim = checks.claim(run_id, row_id, check)
    if claim is Claim.FALSE and row_id is not None:
        for text in readings(row_id):
            if checks.claim(run_id, text, check) is Claim.PROVEN:
                return Claim.PROVEN, text
    return claim, row_id


def _sources(layout: Layout) -> dict[str, frozenset[str]]:
    """Field -> its source columns."""
    found: dict[str, frozenset[str]] = {}
    for field, column in layout.sources():
        found[field] = found.get(field, frozenset()) | {column}
    return found
