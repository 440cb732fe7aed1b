"""The current fate of each record, from the runs of an environment and from its ledger.

`reporting.current_fates` computes it. Each run caches its result in its folder, so that the next
one does not read every run before it.
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from pipeline.reporting import ORIGINS, RECORDS, RETURNS, Current, End, add_run, settled_by_ledger
from pipeline.storage.files import read_regular, sha256_of, write_bytes
from pipeline.storage.ledger import Ledger
from pipeline.storage.run_damage import UNREADABLE, DamagedRun, RunDamaged, refuse_unreadable_table
from pipeline.storage.run_folder import RunFolder
from pipeline.storage.run_search import all_runs, find_runs
from pipeline.workflows.report.run_rows import rows_of, table_of

_RECORDS, _RETURNS, _MARKS = "current-records.parquet", "current-returns.parquet", "current.json"
_WAITING = ["in_doubt", "not_attempted"]
#: Exceptions of reading a damaged folder.
_UNREADABLE = (*UNREADABLE, RunDamaged, ValueError, KeyError, TypeError, RecursionError)


def current_fates(run: RunFolder, home: Path) -> Current:
    """The fates of an environment's records after this run, updated from the ledger of today."""
    return _with_ledger(reported_fates(run), home / _environment(run))


def reported_fates(run: RunFolder) -> Current:
    """The same from the reports of the runs, without the ledger."""
    return fates_after([*_earlier(run, _environment(run)), run], run)


def newest_fates(run: RunFolder, home: Path) -> tuple[Current, list[DamagedRun]]:
    """The same after the newest run of the environment, and the runs that cannot be read.

    This run counts even while its own pages are written.
    """
    environment, found = _environment(run), find_runs(run.path.parent)
    runs = {one.run_id: one for one in (*_applied(found.readable, environment), run)}
    current, left_out = _after([runs[run_id] for run_id in sorted(runs)])
    others = (one for one in (*found.damaged, *left_out) if one.run_id != run.run_id)
    return _with_ledger(current, home / environment), sorted(others, key=lambda one: one.run_id)


def keep_current_fates(run: RunFolder) -> None:
    """Cache the fates after this run in its folder, unless an earlier run could not be read."""
    runs = [*_earlier(run, _environment(run)), run]
    found, left_out = _after(runs, run)
    if left_out:
        return
    run.stage(_RECORDS, found.records)
    run.stage(_RETURNS, found.returns)
    marks = {"runs": _marks(runs), "files": sorted(found.files)}
    write_bytes(run.staged / _MARKS, json.dumps(marks).encode())


def fates_after(runs: Sequence[RunFolder], subject: RunFolder | None = None) -> Current:
    """The fates of records after these runs, from the newest valid cache on.

    A run with unreadable rows is left out: `verify` reports it, and it must not block reports of
    other runs. If it is the subject of the report itself, its error is raised.

    Args:
        runs: the oldest first
        subject: the run that the report is about
    """
    return _after(runs, subject)[0]


def _after(
    runs: Sequence[RunFolder], subject: RunFolder | None = None
) -> tuple[Current, list[DamagedRun]]:
    """The same, and the runs that were left out."""
    marks = _marks(runs)
    found, start, left_out = Current(), 0, list[DamagedRun]()
    for at in range(len(runs) - 1, -1, -1):
        kept = _kept(runs[at], dict(list(marks.items())[: at + 1]))
        if kept is not None:
            found, start = kept, at + 1
            break
    for run in runs[start:]:
        try:
            found = _carried(found, run)
        except _UNREADABLE:
            if run is subject:
                raise
            left_out.append(DamagedRun(run.run_id, "its rows are damaged"))
    return found, left_out


def _carried(before: Current, run: RunFolder) -> Current:
    plan = run.read_plan_of_any_version()
    files = frozenset(map(table_of, plan["inputs"]))
    rows = rows_of(run)
    return add_run(before, run.run_id, plan["planned_at"], rows, files, _origins(run, rows))


def _origins(run: RunFolder, rows: pl.LazyFrame) -> pl.DataFrame:
    """The rows of earlier runs that rows of this run name as their origin, if these runs exist."""
    named = rows.select("origin_run", "origin_row").drop_nulls().unique().collect()
    every, environment = {one.run_id: one for one in all_runs(run.path.parent)}, _environment(run)
    found = [pl.DataFrame(schema=ORIGINS)]
    for (run_id,), some in named.group_by("origin_run", maintain_order=True):
        if run_id not in every:
            continue
        try:
            origins = (
                rows_of(every[str(run_id)])
                .filter(pl.col("row_id").is_in(some["origin_row"].implode()))
                .collect()
            )
            is_ours = _environment(every[str(run_id)]) == environment
        except _UNREADABLE:
            continue
        fate = pl.col("fate") if is_ours else pl.lit(None, pl.String)
        origins = origins.with_columns(origin_run=pl.lit(run_id), origin_row="row_id", fate=fate)
        found.append(origins.select(ORIGINS.names()).cast(ORIGINS))
    return pl.concat(found)


def _environment(run: RunFolder) -> str:
    return str(run.read_plan_of_any_version()["environment"]["name"])


def _applied(runs: Sequence[RunFolder], environment: str) -> Iterator[RunFolder]:
    """The runs that were applied in an environment."""
    return (run for run in runs if run.was_applied and _environment(run) == environment)


def _earlier(run: RunFolder, environment: str) -> Iterator[RunFolder]:
    readable = find_runs(run.path.parent).readable
    return (one for one in _applied(readable, environment) if one.run_id < run.run_id)


def _marks(runs: Sequence[RunFolder]) -> dict[str, str]:
    return {run.run_id: sha256_of(run.path / "summary.json") for run in runs}


def _kept(run: RunFolder, marks: dict[str, str]) -> Current | None:
    """The cache of a run, or None if it is missing or belongs to other runs than these."""
    try:
        kept: dict[str, Any] = json.loads(read_regular(run.staged / _MARKS))
        if kept["runs"] != marks:
            return None
        for name in (_RECORDS, _RETURNS):
            refuse_unreadable_table(run.path, run.staged / name, [], wholly=False)
        records, returns = (
            pl.read_parquet(run.staged / name, glob=False) for name in (_RECORDS, _RETURNS)
        )
        files = frozenset(kept["files"])
    except _UNREADABLE:
        return None
    is_whole = (records.schema, returns.schema) == (RECORDS, RETURNS)
    return Current(records, returns, files) if is_whole else None


def _with_ledger(current: Current, home: Path) -> Current:
    waiting = current.records.filter(
        pl.col("fate").is_in(_WAITING) & pl.col("external_reference").is_not_null()
    )
    with Ledger.read(home) as ledger:
        if ledger is None or waiting.is_empty():
            return current
        known = ledger.states(waiting["external_reference"].to_list())
        newest = {name: End(one.state, one.run_id, one.fingerprint) for name, one in known.items()}
        pairs = waiting.select("external_reference", "fingerprint").drop_nulls().unique().rows()
        others = [
            (name, sent)
            for name, sent in pairs
            if name in newest and newest[name].fingerprint != sent
        ]
        own = {
            pair: End(one.state, one.run_id, one.fingerprint)
            for pair, one in ledger.last_states(others).items()
        }
    return settled_by_ledger(current, newest, own)
