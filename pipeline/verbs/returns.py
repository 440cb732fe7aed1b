"""The story of rows that come back: find the run that each was set aside by, and hold it against what it was there."""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import polars as pl

from pipeline.errors import RunNotFound
from pipeline.layout import Layout
from pipeline.outcomes import Alarm, Finding
from pipeline.returning import CELLS, compare
from pipeline.run_damage import UNREADABLE, RunDamaged
from pipeline.run_search import find_run_folder
from pipeline.sources import SourceFile, came_back

_VERDICTS = {
    "restored": Alarm.RETURN_CELLS_RESTORED,
    "kept": Alarm.RETURN_CELLS_KEPT,
    "lost": Alarm.RETURN_CELLS_LOST,
}
_NAMED = 3


class Returns:
    """What came back in the files of one run; `cells` is the table of `returning.Returned`, of all of them."""

    def __init__(self, reports: Path) -> None:
        self._reports = reports
        self.cells = pl.DataFrame(schema=CELLS)
        self.of_workbooks: dict[str, bool] = {}  #: by the name of a list: whether its rows come from workbooks
        self._unknown = 0

    def format_of(self, file: SourceFile, records: pl.DataFrame) -> str:
        """The format that the amounts of a file have: that of its originals where it is a list that came back."""
        if not came_back(file):
            return file.format
        if file.name not in self.of_workbooks:
            runs = records["origin_run"].drop_nulls().unique().to_list()
            self.of_workbooks[file.name] = bool(runs) and all(map(self._read_workbooks, runs))
        return "excel" if self.of_workbooks[file.name] else file.format

    def _read_workbooks(self, run_id: str) -> bool:
        try:
            inputs = find_run_folder(self._reports, run_id).read_plan_of_any_version()["inputs"]
        except (RunNotFound, RunDamaged):
            return False
        return all(one["format"] == "excel" or one.get("of_workbooks") for one in inputs)

    def take(self, records: pl.DataFrame, columns: Sequence[str], layout: Layout) -> pl.DataFrame:
        """A batch of a list that came back -> the records as they are to be taken."""
        wanted = records.select("origin_run", "origin_row").drop_nulls().unique()
        originals = self._originals(wanted, columns)
        returned = compare(records, originals, columns, _sources(layout))
        self.cells = pl.concat([self.cells, returned.cells])
        self._unknown += returned.unknown
        return returned.records

    def known_rows(self, records: pl.DataFrame) -> pl.Series:
        """Which of the records name a row of a run of this reports folder as their origin."""
        found = [pl.DataFrame(schema={"origin_run": pl.String, "origin_row": pl.String})]
        for run_id in records["origin_run"].drop_nulls().unique().to_list():
            with contextlib.suppress(RunNotFound, *UNREADABLE):
                rows = pl.scan_parquet(find_run_folder(self._reports, run_id).path / "rows.parquet", glob=False)
                is_named = pl.col("row_id").is_in(records["origin_row"].drop_nulls().unique().implode())
                its = rows.filter(is_named).select(origin_run=pl.lit(run_id), origin_row="row_id").collect()
                found.append(its)
        known = pl.concat(found).unique().with_columns(is_known=pl.lit(value=True))
        joined = records.select("origin_run", "origin_row").join(
            known, on=["origin_run", "origin_row"], how="left", maintain_order="left"
        )
        return joined["is_known"].fill_null(value=False)

    def findings(self) -> Iterator[Finding]:
        """What there is to say about all of them."""
        for verdict, alarm in _VERDICTS.items():
            found = self.cells.filter(pl.col("verdict") == verdict)
            if found.height:
                rows = ", ".join(found["row_id"].unique(maintain_order=True).head(_NAMED))
                columns = ", ".join(found["column"].unique(maintain_order=True).head(_NAMED))
                yield Finding(
                    alarm,
                    f"{found.height:,} cell{'s' * (found.height > 1)} (columns: {columns}; rows such as {rows}): see returned.csv",
                )
        if self._unknown:
            yield Finding(Alarm.RETURN_ORIGINALS_UNKNOWN, f"{self._unknown:,} rows")

    def _originals(self, wanted: pl.DataFrame, columns: Sequence[str]) -> pl.DataFrame:
        """The rows as the runs had staged them; those of runs that are gone, or had other columns, are missing."""
        names = [f"given.{column}" for column in columns]
        texts = pl.Schema(dict.fromkeys(("origin_run", "origin_row", *names), pl.String))
        empty = pl.DataFrame(schema=texts).with_columns(reasons=pl.lit(None, pl.List(pl.String)))
        found = [empty.select("origin_run", "origin_row", "reasons", *names)]
        for (run_id,), rows in wanted.group_by("origin_run"):
            try:
                run = find_run_folder(self._reports, str(run_id))
            except RunNotFound:
                continue
            for path in run.parts("records"):
                with contextlib.suppress(*UNREADABLE):  # then its rows are missing
                    table = pl.scan_parquet(path, glob=False)
                    if not {*names, "reasons"} <= set(table.collect_schema().names()):
                        continue
                    kept = table.select(pl.col("row_id").alias("origin_row"), "reasons", *names).filter(
                        pl.col("origin_row").is_in(rows["origin_row"].implode())
                    )
                    here = kept.collect().select(pl.lit(run_id).alias("origin_run"), "origin_row", "reasons", *names)
                    found.append(here)
        return pl.concat(found).unique(["origin_run", "origin_row"], keep="first", maintain_order=True)


def _sources(layout: Layout) -> dict[str, frozenset[str]]:
    """Field -> the columns that it is made of."""
    found: dict[str, frozenset[str]] = {}
    for field, column in layout.sources():
        found[field] = found.get(field, frozenset()) | {column}
    return found
