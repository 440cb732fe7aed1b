"""What is open in an environment, gathered from the folders of its runs; and what a person is called in a report."""

import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from pipeline.errors import ConfigError
from pipeline.files import sha256_of, token_key, write_bytes
from pipeline.ledger import Ledger
from pipeline.masking import Pii, token
from pipeline.outcomes import State
from pipeline.reporting import ROWS, Open, carried, days_between
from pipeline.run_folder import RunFolder, all_runs

_OF_FATES = ("row_id", "external_reference", "fate", "reasons", "currency", "balance")
_ITEMS, _SETTLED, _MARKS = "open-items.parquet", "open-settled.parquet", "open.json"


def open_items(folder: RunFolder, home: Path) -> pl.DataFrame:
    """What is open after this run, of it and of those before it in the same environment (see `carried`)."""
    environment = folder.read_json("plan.json")["environment"]["name"]
    return _unsettled(_folded(folder, environment)[0].items, home / environment)


def keep_open_items(folder: RunFolder) -> None:
    """Keep what is open after this run in its folder, so that the next run need not read every run before it."""
    found, marks = _folded(folder, folder.read_json("plan.json")["environment"]["name"])
    folder.stage(_ITEMS, found.items)
    folder.stage(_SETTLED, found.settled)
    write_bytes(folder.staged / _MARKS, json.dumps(marks).encode())


def _folded(folder: RunFolder, environment: str) -> tuple[Open, dict[str, str]]:
    """What is open after this run, and of which runs (by the SHA-256 of their summaries) that is made.

    It goes on from the newest run before it that kept its own, made of what still lies there. A run whose rows cannot be read is
    left out: it is verified by itself, and must not keep another from being reported.
    """
    runs = [*_earlier(folder, environment), folder]
    marks = {run.run_id: sha256_of(run.path / "summary.json") for run in runs}
    found, start = Open(), 0
    for at in range(len(runs) - 2, -1, -1):
        kept = _kept(runs[at], {run.run_id: marks[run.run_id] for run in runs[: at + 1]})
        if kept is not None:
            found, start = kept, at + 1
            break
    for run in runs[start:]:
        try:
            found = carried(found, run.run_id, run.read_json("plan.json")["planned_at"], rows_of(run))
        except (pl.exceptions.PolarsError, OSError):
            if run is folder:
                raise
    return found, marks


def _earlier(folder: RunFolder, environment: str) -> Iterator[RunFolder]:
    """The applied runs of the same environment before this one, whose records have not fallen under retention."""
    for run in all_runs(folder.path.parent):
        if run.run_id >= folder.run_id:
            return
        has_rows = bool(run.parts("fates")) and len(run.parts("fates")) == len(run.parts("records"))
        if has_rows and run.was_applied and run.read_json("summary.json")["environment"]["name"] == environment:
            yield run


def _kept(run: RunFolder, marks: dict[str, str]) -> Open | None:
    """What a run kept of open items, where it was made of these runs as they are now."""
    try:
        if json.loads((run.staged / _MARKS).read_text(encoding="utf-8")) != marks:
            return None
        items, settled = (pl.read_parquet(run.staged / name, glob=False) for name in (_ITEMS, _SETTLED))
    except (OSError, ValueError, pl.exceptions.PolarsError):
        return None
    return Open(items, settled)


def rows_of(run: RunFolder) -> pl.LazyFrame:
    """Every record of a run with its fate, and the file and place where it stands: see `open_items.ROWS`.

    References and balances are missing once the staged files are gone.
    """
    return pl.concat(_lazy_parts(run))


def parts_of(run: RunFolder) -> Iterator[pl.DataFrame]:
    """The same, part by part, so that nothing has to hold all of them."""
    for part in _lazy_parts(run):
        yield part.collect()


def _lazy_parts(run: RunFolder) -> list[pl.LazyFrame]:
    inputs = run.read_json("plan.json")["inputs"]
    if run.parts("fates"):
        both = zip(run.parts("records"), run.parts("fates"), strict=True)
        parts = [
            pl.concat(
                [
                    pl.scan_parquet(records, glob=False).select("origin_run", "origin_row"),
                    pl.scan_parquet(fates, glob=False).select(_OF_FATES),
                ],
                how="horizontal",
            )
            for records, fates in both
        ]
    else:
        kept = pl.scan_parquet(run.path / "rows.parquet", glob=False)
        missing = [pl.lit(None, ROWS[name]).alias(name) for name in ("external_reference", "currency", "balance")]
        parts = [kept.with_columns(*missing, origin_run="mends_run_id", origin_row="mends_row_id")]
    return [placed(part, inputs).select(ROWS.keys()) for part in parts]


def placed(rows: pl.LazyFrame, inputs: Sequence[dict[str, Any]]) -> pl.LazyFrame:
    """Rows with the SHA-256 of their file, and their place in it: what follows the file's name in the row id."""
    file, place = pl.lit(None, pl.String), pl.lit(None, pl.String)
    for one in inputs:
        rest = pl.col("row_id").str.slice(len(one["name"]))
        is_here = pl.col("row_id").str.starts_with(one["name"]) & rest.str.slice(0, 1).is_in([":", "#", "!"])
        file, place = (
            pl.when(is_here).then(pl.lit(one["sha256"])).otherwise(file),
            pl.when(is_here).then(rest).otherwise(place),
        )
    return rows.with_columns(file=file, place=place)


def _unsettled(items: pl.DataFrame, home: Path) -> pl.DataFrame:
    """Without those that a later run has settled in the ledger, though their row never came back."""
    waiting = items.filter(pl.col("fate").is_in(["in_doubt", "not_attempted"]))["external_reference"].drop_nulls()
    with Ledger.read(home) as ledger:
        if ledger is None or waiting.is_empty():
            return items
        settled = [
            name
            for name, known in ledger.states(waiting.to_list()).items()
            if known.state in {State.CREATED, State.CREATED_DIFFERENT, State.ADOPTED, State.PRE_EXISTING}
        ]
    is_waiting = pl.col("fate").is_in(["in_doubt", "not_attempted"])
    return items.filter(~(is_waiting & pl.col("external_reference").is_in(settled)))


def oldest(items: pl.DataFrame, until: datetime, person: Any, most: int) -> Iterator[dict[str, Any]]:
    """The rows that have waited longest, as far as a report may show them."""
    number = pl.col("row_id").str.extract(r"(\d+)$").cast(pl.Int64, strict=False)
    for one in items.sort("since", "run_id", "file", number, maintain_order=True).head(most).iter_rows(named=True):
        yield {
            **{name: one[name] for name in ("row_id", "run_id", "fate", "reasons", "since", "runs")},
            "person": person(one["external_reference"]) if one["external_reference"] else None,
            "days": days_between(one["since"], until.isoformat()),
        }


def home_key(home: Path) -> bytes:
    """The key of tokens of a home that is there; in another one the same person would have another token."""
    if not home.is_dir():
        raise ConfigError(f"{home}: there is no home of ledgers here; is this the right --home?")
    return token_key(home)


def naming(key: bytes, pii: Pii) -> Any:
    """What a person is called in a report."""
    if pii is Pii.FULL:
        return lambda reference: reference
    return partial(token, key) if pii is Pii.MASKED else lambda _reference: None
