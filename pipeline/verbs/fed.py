"""Every row that runs were fed, under the file and the place where it first came: what a span of time and a migration count once."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from pipeline.run_folder import RunFolder, all_runs
from pipeline.verbs.report.open_rows import parts_of, rows_of

_FED = pl.Schema(
    {
        "run": pl.Int32, "file": pl.Int32, "place": pl.String, "row_id": pl.String, "fate": pl.String,
        "currency": pl.String, "balance": pl.Int64,
    }
)  # fmt: skip
_ORIGIN = pl.Schema({"origin_run": pl.String, "origin_row": pl.String})
_ROOTS = pl.Schema({"origin_run": pl.String, "origin_row": pl.String, "root_file": pl.Int32, "root_place": pl.String})


def stage_fed(folder: RunFolder, runs: Sequence[RunFolder]) -> list[dict[str, Any]]:
    """Stage the table `fed` in a folder: run, file, place, row_id, fate, currency, balance; what different files there were.

    Files of these runs are numbered from 0 on, those before them, whose rows came back, from -1 down. Of a file: file (its number),
    name, sha256, records, taken_at, times (how often it was fed), mends (how many of its rows are rows of another file).
    """
    here = {run.run_id: at for at, run in enumerate(runs)}
    received = _received(runs)
    numbers = _Numbers({sha256: file["file"] for sha256, file in received.items()})
    every = {run.run_id: run for run in all_runs(runs[0].path.parent)}
    for at, run in enumerate(runs):
        mended: Counter[int] = Counter()
        stood_for = pl.DataFrame(schema=_ORIGIN)
        for number, part in enumerate(parts_of(run)):
            fed = part.with_columns(run=pl.lit(at), file=numbers.of(part["file"]))
            fed, stood_for = _linked_once(fed, stood_for)
            linked = fed.select(_ORIGIN.names()).drop_nulls()
            roots = [
                _roots_here(folder, here[run_id], some) if run_id in here else _roots_before(every, some, numbers)
                for run_id, some in (
                    (str(key[0]), some) for key, some in linked.group_by("origin_run", maintain_order=True)
                )
            ]
            if roots:
                fed = fed.join(pl.concat(roots), on=_ORIGIN.names(), how="left", maintain_order="left")
                of_files = fed.filter(pl.col("root_file").is_not_null())["file"].value_counts()
                mended.update(dict(of_files.iter_rows()))
                fed = fed.with_columns(file=pl.coalesce("root_file", "file"), place=pl.coalesce("root_place", "place"))
            folder.stage(f"fed-{at:05}-{number:05}.parquet", fed.select(_FED.names()).cast(_FED))
        for file in run.read_json("plan.json")["inputs"]:
            received[file["sha256"]]["mends"] = mended.get(received[file["sha256"]]["file"], 0)
    return list(received.values())


def _received(runs: Sequence[RunFolder]) -> dict[str, dict[str, Any]]:
    """Every different file of these runs, by its SHA-256."""
    received: dict[str, dict[str, Any]] = {}
    for run in runs:
        plan = run.read_json("plan.json")
        for file in plan["inputs"]:
            told = {name: file[name] for name in ("name", "sha256", "records")}
            new = {"file": len(received), **told, "taken_at": plan["planned_at"], "times": 0, "mends": 0}
            received.setdefault(file["sha256"], new)["times"] += 1
    return received


class _Numbers:
    """A number for every file: those of the span have theirs, any other gets the next one below zero."""

    def __init__(self, of_the_span: dict[str, int]) -> None:
        self._known, self._below = dict(of_the_span), -1

    def of(self, files: pl.Series) -> pl.Series:
        for sha256 in files.unique(maintain_order=True).drop_nulls():
            if sha256 not in self._known:
                self._known[sha256], self._below = self._below, self._below - 1
        return files.replace_strict(self._known, default=None, return_dtype=pl.Int32)


def _linked_once(rows: pl.DataFrame, stood_for: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Rows that came back, of which one alone stands for the row it was: a row that somebody mended into two is two customers.

    `stood_for`: origins that a part of the same run before this one stands for; returned with those of this one.
    """
    is_first = pl.struct(_ORIGIN.names()).is_first_distinct() & pl.col("is_stood_for").is_null()
    marked = rows.join(
        stood_for.with_columns(is_stood_for=True), on=_ORIGIN.names(), how="left", maintain_order="left"
    ).with_columns(pl.when(is_first).then(name).alias(name) for name in _ORIGIN.names())
    kept = marked.drop("is_stood_for")
    return kept, pl.concat([stood_for, kept.select(_ORIGIN.names()).drop_nulls()])


def _roots_here(folder: RunFolder, at: int, linked: pl.DataFrame) -> pl.DataFrame:
    """Where rows of a run that was staged before stood first: origin_run, origin_row, root_file, root_place."""
    staged = [
        pl.scan_parquet(part, glob=False).select("row_id", "file", "place") for part in folder.parts(f"fed-{at:05}")
    ]
    if not staged:
        return pl.DataFrame(schema=_ROOTS)
    roots = pl.concat(staged).rename({"row_id": "origin_row", "file": "root_file", "place": "root_place"})
    return linked.lazy().join(roots, on="origin_row", how="inner").select(_ROOTS.names()).collect()


def _roots_before(every: Mapping[str, RunFolder], linked: pl.DataFrame, numbers: _Numbers) -> pl.DataFrame:
    """The same of a run before these (all of `linked` are of one), followed back over the runs before it.

    Where a run's folder is gone, or its rows cannot be read, they are as if they had come first where they came back.
    """
    run_id = linked["origin_run"][0]
    if run_id not in every:
        return pl.DataFrame(schema=_ROOTS)
    # Those that came back, and those beside which one of them may not be the first to stand for its origin.
    wanted = pl.col("row_id").is_in(linked["origin_row"].implode()) | pl.col("origin_run").is_not_null()
    try:
        rows = rows_of(every[run_id]).select("row_id", "file", "place", *_ORIGIN.names()).filter(wanted).collect()
    except (pl.exceptions.PolarsError, OSError):
        return pl.DataFrame(schema=_ROOTS)
    rows, _ = _linked_once(rows, pl.DataFrame(schema=_ORIGIN))
    rows = rows.join(linked, left_on="row_id", right_on="origin_row", how="semi", maintain_order="left")
    further = rows.select(_ORIGIN.names()).drop_nulls()
    roots = [_roots_before(every, some, numbers) for _, some in further.group_by("origin_run", maintain_order=True)]
    rows = rows.join(pl.concat([pl.DataFrame(schema=_ROOTS), *roots]), on=_ORIGIN.names(), how="left")
    return rows.select(
        origin_run=pl.lit(run_id),
        origin_row="row_id",
        root_file=pl.coalesce("root_file", numbers.of(rows["file"])),
        root_place=pl.coalesce("root_place", "place"),
    ).cast(_ROOTS)
