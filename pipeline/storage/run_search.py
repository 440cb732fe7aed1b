"""Find runs of a reports folder: all, the readable ones, or by id, prefix or `latest`."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from pipeline.errors import RunNotFound
from pipeline.storage.manifest import ACCEPTED, MANIFEST, SIGNATURES
from pipeline.storage.run_damage import (
    DamagedRun,
    RunDamaged,
    refuse_other_kinds,
    refuse_unreadable_table,
)
from pipeline.storage.run_folder import PLAN_FILE, SUMMARY_FILE, RunFolder

LATEST = "latest"  #: means the newest run in place of an id
_RUN_ID = re.compile(r"\d{8}T\d{6}Z-[A-Za-z0-9_-]+-[0-9a-f]{6}")
_ROWS = "rows.parquet"
#: Every run folder has one of these; reconciliations and spans have none.
_MARKS = {PLAN_FILE, _ROWS, SIGNATURES, ACCEPTED}
#: The columns of each table that other runs' readers need.
_COLUMNS = {
    "records": ("position", "row_id", "external_reference", "payload", "origin_run", "origin_row"),
    "plan": ("position", "action"),
    "fates": ("row_id", "external_reference", "fate", "reasons", "currency", "balance"),
}
_ROW_COLUMNS = ("row_id", "fate", "reasons", "billing_id", "mends_run_id", "mends_row_id")


@dataclass(frozen=True, slots=True)
class FoundRuns:
    """The runs of a reports folder, oldest first: readable and unreadable ones."""

    readable: list[RunFolder] = field(default_factory=list)
    damaged: list[DamagedRun] = field(default_factory=list)


def find_run_folder(reports: Path, run_id: str, *, of_any_kind: bool = False) -> RunFolder:
    """The folder of a planned run by its id, a prefix of its id, or `latest` (the newest).

    Raises RunNotFound with the newest runs if there is no match, or with the candidates if there
    are several. Raises RunDamaged if `latest` cannot be read, because an older run would be the
    wrong one.
    `of_any_kind`: also reconciliations and spans, even damaged ones; `latest` is always a run.
    """
    runs = all_runs(reports)
    searched = _sealed_folders(reports) if of_any_kind and run_id != LATEST else runs
    if not searched:
        raise no_runs_yet(reports)
    if run_id == LATEST and not of_any_kind:
        refuse_damaged_newest(runs)
    candidates = matching_runs(run_id, searched)
    if len(candidates) > 1:
        several = f"{len(candidates)} runs begin with {run_id!r}: {_newest_of(candidates, 10)}; type more of the id"
        raise RunNotFound(f"{reports}: {several}")
    if not candidates:
        raise RunNotFound(
            f"{reports}: no run {run_id!r}; the newest runs are: {_newest_of(searched, 3)}"
        )
    return candidates[0]


def find_readable_run(reports: Path, run_id: str) -> RunFolder:
    """Return the run folder; raise RunDamaged with the file if it cannot be read."""
    run = find_run_folder(reports, run_id)
    if (damage := damage_of(run, wholly=True)) is not None:
        raise RunDamaged(run.path, damage.reason)
    return run


def refuse_damaged_newest(runs: Sequence[RunFolder]) -> None:
    """Raise RunDamaged with the file if the newest of some runs cannot be read."""
    if runs and (damage := damage_of(runs[-1])) is not None:
        raise RunDamaged(runs[-1].path, damage.reason)


def no_runs_yet(reports: Path) -> RunNotFound:
    """The error for a reports folder without runs; it suggests how to make one."""
    found = (
        f"{reports}: there are no runs yet. Use --reports FOLDER for another folder. To make one"
    )
    return RunNotFound(found, suggests=("plan", "FILE"))


def all_runs(reports: Path) -> list[RunFolder]:
    """Every planned run of a reports folder, oldest first, readable or not."""
    return [
        RunFolder(path)
        for path in _named_as_runs(reports)
        if _has_time(path.name) and _is_run(path)
    ]


def find_runs(reports: Path, *, wholly: bool = False) -> FoundRuns:
    """Readable runs and unreadable folders; `wholly`: decode every table."""
    found = FoundRuns()
    for path in _named_as_runs(reports):
        if not _is_run(path):
            continue
        run = RunFolder(path)
        damage = damage_of(run, wholly=wholly)
        if damage is None:
            found.readable.append(run)
        else:
            found.damaged.append(damage)
    return found


def damage_of(run: RunFolder, *, wholly: bool = False) -> DamagedRun | None:
    """Why a run folder cannot be read; None if it can. `wholly`: decode every table."""
    if not _has_time(run.run_id):
        return DamagedRun(run.run_id, "its name begins with no day and time")
    try:
        _refuse_damage(run, wholly=wholly)
    except RunDamaged as damaged:
        return damaged.damage
    except OSError as error:
        return DamagedRun(run.run_id, f"it cannot be opened ({error.strerror})")
    return None


def newest_of(runs: Sequence[RunFolder]) -> RunFolder:
    """The newest readable run; the newest run if none is readable."""
    return next((run for run in reversed(runs) if damage_of(run) is None), runs[-1])


def matching_runs(text: str, runs: Sequence[RunFolder]) -> list[RunFolder]:
    """The runs of a text: with this id, the newest for `latest`, or with this prefix."""
    if text == LATEST:
        return list(runs[-1:])
    exact = [run for run in runs if run.run_id == text]
    return exact or [run for run in runs if text and run.run_id.startswith(text)]


def _refuse_damage(run: RunFolder, *, wholly: bool) -> None:
    run.read_plan_of_any_version()
    run.signatures()
    run.accepted()
    refuse_other_kinds(run.path)
    if run.is_unfinished:
        return  # partial results; a resume makes them again
    summary, rows = run.path / SUMMARY_FILE, run.path / _ROWS
    if summary.exists() or (run.path / MANIFEST).exists() or rows.exists():
        run.read_summary()
        refuse_unreadable_table(run.path, rows, _ROW_COLUMNS, wholly=wholly)
    parts = {name: run.parts(name) for name in _COLUMNS}
    for name, paths in parts.items():
        for path in paths:
            refuse_unreadable_table(run.path, path, _COLUMNS[name], wholly=wholly)
    counts = {
        len(parts["records"]),
        len(parts["plan"]),
        *([len(parts["fates"])] if summary.exists() else []),
    }
    if len(counts) > 1:  # retention deletes all of them
        raise RunDamaged(run.path, "staged/ lacks some of its files")


def _named_as_runs(reports: Path) -> list[Path]:
    if not reports.is_dir():
        return []
    found = [path for path in reports.iterdir() if _RUN_ID.fullmatch(path.name) and path.is_dir()]
    return sorted(found, key=lambda path: path.name)


def _has_time(name: str) -> bool:
    """Whether a folder's name begins with a valid day and time."""
    try:
        datetime.strptime(name[:16], "%Y%m%dT%H%M%SZ")  # noqa: DTZ007 - only whether it can be read
    except ValueError:
        return False
    return True


def _is_run(path: Path) -> bool:
    """Whether a folder is a run; an unreadable one may be."""
    try:
        return not _MARKS.isdisjoint(inside.name for inside in path.iterdir())
    except OSError:
        return True


def _sealed_folders(reports: Path) -> list[RunFolder]:
    """Every run, reconciliation and span, oldest first."""
    others = (
        path.parent for path in reports.glob(f"*/{MANIFEST}") if _RUN_ID.fullmatch(path.parent.name)
    )
    found = {folder.run_id: folder for folder in (*all_runs(reports), *map(RunFolder, others))}
    return [found[name] for name in sorted(found)]


def _newest_of(runs: Sequence[RunFolder], most: int) -> str:
    """The ids of the newest runs, and the number of others."""
    ids = ", ".join(run.run_id for run in runs[-most:])
    return f"{ids}, and {len(runs) - most} before" if len(runs) > most else ids
