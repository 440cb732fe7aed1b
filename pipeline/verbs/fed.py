"""Every row that runs were fed, under the file and the place where it first came: what a span of time and a migration count once."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import polars as pl

from pipeline.run_folder import RunFolder, all_runs
from pipeline.verbs.report.open_rows import parts_of, placed

_FED = pl.Schema(
    {
        "run": pl.Int32, "file": pl.Int32, "place": pl.String, "row_id": pl.String, "fate": pl.String,
        "currency": pl.String, "balance": pl.Int64,
    }
)  # fmt: skip
_ROOTS = pl.Schema({"origin_run": pl.String, "origin_row": pl.String, "root_file": pl.Int32, "root_place": pl.String})


def stage_fed(folder: RunFolder, runs: Sequence[RunFolder]) -> list[dict[str, Any]]:
    """Stage the table `fed` in a folder: run, file, place, row_id, fate, currency, balance; what different files there were.

    Files of these runs are numbered from 0 on, those before them, whose rows came back, from -1 down. Of a file: file (its number),
    name, sha256, records, taken_at, times (how often it was fed), mends (how many of its rows are rows of another file).
    """
    received: dict[str, dict[str, Any]] = {}
    here = {run.run_id: at for at, run in enumerate(runs)}
    every = {run.run_id: run for run in all_runs(runs[0].path.parent)}
    before: dict[str, int] = {}
    for at, run in enumerate(runs):
        plan = run.read_json("plan.json")
        for file in plan["inputs"]:
            known = received.setdefault(file["sha256"], _received(len(received), file, plan["planned_at"]))
            known["times"] += 1
        numbers = {sha256: known["file"] for sha256, known in received.items()}
        mended: Counter[int] = Counter()
        for number, part in enumerate(parts_of(run)):
            fed = part.with_columns(run=pl.lit(at), file=_numbered(numbers))
            linked = fed.select("origin_run", "origin_row").drop_nulls().unique()
            roots = [
                _roots_here(folder, here[run_id], some)
                if run_id in here
                else _roots_before(every.get(run_id), some, before)
                for run_id, some in (
                    (str(key[0]), some) for key, some in linked.group_by("origin_run", maintain_order=True)
                )
            ]
            if roots:
                fed = fed.join(pl.concat(roots), on=["origin_run", "origin_row"], how="left", maintain_order="left")
                of_files = fed.filter(pl.col("root_file").is_not_null())["file"].value_counts()
                mended.update(dict(of_files.iter_rows()))
                fed = fed.with_columns(file=pl.coalesce("root_file", "file"), place=pl.coalesce("root_place", "place"))
            folder.stage(f"fed-{at:05}-{number:05}.parquet", fed.select(_FED.names()).cast(_FED))
        for file in plan["inputs"]:
            received[file["sha256"]]["mends"] = mended.get(received[file["sha256"]]["file"], 0)
    return list(received.values())


def _received(number: int, file: dict[str, Any], taken_at: str) -> dict[str, Any]:
    named = {name: file[name] for name in ("name", "sha256", "records")}
    return {"file": number, **named, "taken_at": taken_at, "times": 0, "mends": 0}


def _numbered(numbers: dict[str, int]) -> pl.Expr:
    return pl.col("file").replace_strict(numbers, default=None, return_dtype=pl.Int32)


def _roots_here(folder: RunFolder, at: int, linked: pl.DataFrame) -> pl.DataFrame:
    """Where rows of a run that was staged before stood first: origin_run, origin_row, root_file, root_place."""
    staged = [
        pl.scan_parquet(part, glob=False).select("row_id", "file", "place") for part in folder.parts(f"fed-{at:05}")
    ]
    if not staged:
        return pl.DataFrame(schema=_ROOTS)
    roots = pl.concat(staged).rename({"row_id": "origin_row", "file": "root_file", "place": "root_place"})
    return linked.lazy().join(roots, on="origin_row", how="inner").select(_ROOTS.names()).collect()


def _roots_before(origin: RunFolder | None, linked: pl.DataFrame, before: dict[str, int]) -> pl.DataFrame:
    """The same of a run before these; where its folder is gone its rows are as if they came now."""
    if origin is None:
        return pl.DataFrame(schema=_ROOTS)
    inputs = origin.read_json("plan.json")["inputs"]
    for one in inputs:
        before.setdefault(one["sha256"], -1 - len(before))
    found = placed(linked.lazy().with_columns(row_id="origin_row"), inputs).collect()
    return found.select("origin_run", "origin_row", root_file=_numbered(before), root_place="place").cast(_ROOTS)
