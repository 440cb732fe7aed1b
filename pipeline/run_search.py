"""Runs of a reports folder: all of them, and those that an id, the beginning of one, or `latest` names."""

import re
from collections.abc import Sequence
from pathlib import Path

from pipeline.errors import RunNotFound
from pipeline.run_folder import MANIFEST, RunFolder

LATEST = "latest"  #: names the newest run wherever an id is taken
_RUN_ID = re.compile(r"\d{8}T\d{6}Z-[A-Za-z0-9_-]+-[0-9a-f]{6}")


def find_run_folder(reports: Path, run_id: str, *, of_any_kind: bool = False) -> RunFolder:
    """The folder of a planned run, by its id, the beginning of its id, or `latest`.

    Raises RunNotFound, naming the newest runs, where there is none, and naming the candidates where there are several.
    `of_any_kind`: also the folder of a reconciliation or of a span, but `latest` is always a run.
    """
    runs = all_runs(reports)
    searched = _sealed_folders(reports) if of_any_kind and run_id != LATEST else runs
    if not searched:
        raise no_runs_yet(reports)
    candidates = matching_runs(run_id, searched)
    if len(candidates) > 1:
        several = f"{len(candidates)} runs begin with {run_id!r}: {_newest_of(candidates, 10)}; type more of the id"
        raise RunNotFound(f"{reports}: {several}")
    if not candidates:
        raise RunNotFound(f"{reports}: no run {run_id!r}; the newest runs are: {_newest_of(searched, 3)}")
    return candidates[0]


def no_runs_yet(reports: Path) -> RunNotFound:
    """The error of a reports folder without runs; it suggests how to make one."""
    found = f"{reports}: there are no runs yet. Use --reports FOLDER for another folder. To make one"
    return RunNotFound(found, suggests=("plan", "FILE"))


def all_runs(reports: Path) -> list[RunFolder]:
    """Every planned run of a reports folder, oldest first."""
    if not reports.is_dir():
        return []
    found = [path for path in reports.iterdir() if _RUN_ID.fullmatch(path.name) and (path / "plan.json").is_file()]
    return [RunFolder(path) for path in sorted(found, key=lambda path: path.name)]


def matching_runs(text: str, runs: Sequence[RunFolder]) -> list[RunFolder]:
    """The runs that a text names: the one with this id, the newest for `latest`, or those whose id begins with it."""
    if text == LATEST:
        return list(runs[-1:])
    exact = [run for run in runs if run.run_id == text]
    return exact or [run for run in runs if text and run.run_id.startswith(text)]


def _sealed_folders(reports: Path) -> list[RunFolder]:
    """Every run, reconciliation and span of a reports folder, oldest first."""
    others = (path.parent for path in reports.glob(f"*/{MANIFEST}") if _RUN_ID.fullmatch(path.parent.name))
    found = {folder.run_id: folder for folder in (*all_runs(reports), *map(RunFolder, others))}
    return [found[name] for name in sorted(found)]


def _newest_of(runs: Sequence[RunFolder], most: int) -> str:
    """The ids of the newest runs, and how many there are besides."""
    ids = ", ".join(run.run_id for run in runs[-most:])
    return f"{ids}, and {len(runs) - most} before" if len(runs) > most else ids
