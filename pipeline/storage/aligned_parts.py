"""The parts of a run side by side: the same records in several tables, checked."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import polars as pl

from pipeline.storage.run_damage import RunDamaged, reading
from pipeline.storage.run_folder import RunFolder

#: `records` and `fates` have every record of a part, `plan` those that were not rejected.
#: `rows` is the whole table rows.parquet, of which each part is a span.
TableName = Literal["records", "plan", "fates", "rows"]
ROWS = "rows.parquet"


@dataclass(frozen=True, slots=True)
class AlignedPart:
    """The same records in several tables, in the same order."""

    paths: Mapping[TableName, Path]
    first: int  #: the number of its first row in rows.parquet
    height: int  #: its records

    def table(self, name: TableName) -> pl.LazyFrame:
        """The rows of this part in a table."""
        whole = pl.scan_parquet(self.paths[name], glob=False)
        return whole.slice(self.first, self.height) if name == "rows" else whole


def aligned_parts(run: RunFolder, *names: TableName) -> Iterator[AlignedPart]:
    """Each part of these tables of a run, the first of which is `records` or `fates`.

    Raise RunDamaged if the tables do not have the same rows in the same order: by `position`,
    and in rows.parquet by `row_id`.
    """
    staged = {name: run.parts(name) for name in names if name != "rows"}
    if len({len(paths) for paths in staged.values()}) > 1:
        raise RunDamaged(run.path, "staged/ lacks some of its files")
    first, last = 0, -1
    for paths in zip(*staged.values(), strict=True):
        part = dict(zip(staged, paths, strict=True))
        if "rows" in names:
            part["rows"] = run.path / ROWS
        positions = _positions(run, part[names[0]])
        if not _ascends(positions, after=last):
            raise RunDamaged(run.path, f"{_name(run, part[names[0]])} has rows in another order")
        aligned = AlignedPart(part, first, positions.len())
        for name in names[1:]:
            _refuse_other_rows(run, aligned, names[0], name, positions)
        yield aligned
        first += positions.len()
        last = int(positions[-1]) if positions.len() else last
    if "rows" in names:
        with reading(run.path, ROWS):
            total = pl.scan_parquet(run.path / ROWS, glob=False).select(pl.len()).collect().item()
        if total != first:
            raise RunDamaged(run.path, f"{ROWS} has {total} rows instead of {first}")


def _refuse_other_rows(
    run: RunFolder, part: AlignedPart, first: TableName, name: TableName, positions: pl.Series
) -> None:
    match name:
        case "plan":
            expected, found = _accepted(run, part.paths[first]), _positions(run, part.paths[name])
        case "rows":
            expected, found = (_row_ids(run, part, table) for table in (first, name))
        case _:
            expected, found = positions, _positions(run, part.paths[name])
    if found.equals(expected):
        return
    ours, other = (_name(run, part.paths[table]) for table in (first, name))
    if found.len() != expected.len():
        raise RunDamaged(
            run.path, f"{other} has {found.len()} rows instead of the {expected.len()} of {ours}"
        )
    raise RunDamaged(run.path, f"{other} has other rows than {ours}, or in another order")


def _positions(run: RunFolder, path: Path) -> pl.Series:
    with reading(run.path, _name(run, path)):
        return pl.read_parquet(path, columns=["position"], glob=False)["position"]


def _accepted(run: RunFolder, records: Path) -> pl.Series:
    """The positions of the records that were not rejected."""
    with reading(run.path, _name(run, records)):
        kept = pl.scan_parquet(records, glob=False).filter(pl.col("fate").is_null())
        return kept.select("position").collect()["position"]


def _row_ids(run: RunFolder, part: AlignedPart, name: TableName) -> pl.Series:
    with reading(run.path, _name(run, part.paths[name])):
        return part.table(name).select("row_id").collect()["row_id"]


def _ascends(positions: pl.Series, *, after: int) -> bool:
    if not positions.len():
        return True
    return positions[0] > after and bool((positions.diff().drop_nulls() > 0).all())


def _name(run: RunFolder, path: Path) -> str:
    return path.relative_to(run.path).as_posix()
