"""What the ledger is asked in a reconciliation: doubts that it has settled since, who made strangers, when what moved was settled."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import duckdb
import polars as pl

from pipeline.domain.outcomes import Fate, State
from pipeline.reconciling import changed_references, doubts, strangers
from pipeline.storage.ledger import Ledger
from pipeline.storage.run_folder import RunFolder

OURS = {
    State.CREATED,
    State.CREATED_DIFFERENT,
    State.ADOPTED,
}  #: what the ledger calls what a run has created
#: What a row that a run left in doubt is, by what the ledger knows now.
_SETTLED = {
    **dict.fromkeys((*OURS, State.PRE_EXISTING), "expected"),
    State.CONFLICT: "held",
    State.REFUSED: "refused",
    State.WITHDRAWN: "not_sent",
}


def resolve_doubts(workbench: duckdb.DuckDBPyConnection, ledger: Ledger | None) -> None:
    """Make the table `resolved` (external_reference, run_id, role): rows in doubt by their run's report, and settled since."""
    workbench.execute(
        "CREATE TABLE resolved (external_reference VARCHAR, run_id VARCHAR, role VARCHAR)"
    )
    for block in list(doubts(workbench)) if ledger is not None else ():
        known = ledger.states([reference for reference, _ in block]) if ledger is not None else {}
        settled = [
            (reference, run_id, _SETTLED[known[reference].state])
            for reference, run_id in block
            if reference in known and known[reference].state in _SETTLED
        ]
        _insert(workbench, "resolved", settled, ("external_reference", "run_id", "role"))


def ask_for_strangers(
    workbench: duckdb.DuckDBPyConnection, ledger: Ledger | None, run_ids: set[str]
) -> None:
    """Make the table `elsewhere`: what the ledger knows of customers that billing holds and these runs do not expect."""
    workbench.execute(
        "CREATE TABLE elsewhere (external_reference VARCHAR, run_id VARCHAR, state VARCHAR)"
    )
    for block in list(strangers(workbench)) if ledger is not None else ():
        known = ledger.states(block) if ledger is not None else {}
        made = [
            (name, one.run_id, "ours" if one.state in OURS else one.state.value)
            for name, one in known.items()
            if one.state not in OURS or one.run_id not in run_ids
        ]
        _insert(workbench, "elsewhere", made, ("external_reference", "run_id", "state"))


def ask_when_settled(workbench: duckdb.DuckDBPyConnection, ledger: Ledger) -> None:
    """Make the table `settled`: when those were settled that differ and of which billing says when they were changed last."""
    workbench.execute("CREATE TABLE settled (external_reference VARCHAR, settled_at BIGINT)")
    for block in list(changed_references(workbench)):
        settled = [
            (name, round(datetime.fromisoformat(at).astimezone(UTC).timestamp() * 1e6))
            for name, at in ledger.settled_at(block)
        ]
        _insert(workbench, "settled", settled, ("external_reference", "settled_at"))


def agreements(
    workbench: duckdb.DuckDBPyConnection, ledger: Ledger | None, runs: Sequence[RunFolder]
) -> Iterator[dict[str, Any]]:
    """For each run: what it says that it created, what was in doubt and is ours now, and what the ledger says it created."""
    since = dict(
        workbench.execute(
            "SELECT run_id, count(*) FROM resolved WHERE role = 'expected' GROUP BY run_id"
        ).fetchall()
    )
    for run in runs:
        fates = run.read_summary()["fates"]
        said = sum(fates[fate.value] for fate in (Fate.CREATED, Fate.CREATED_DIFFERENT))
        states = ledger.counts(run.run_id) if ledger is not None else {}
        recorded, later = (
            sum(states.get(state.value, 0) for state in OURS),
            since.get(run.run_id, 0),
        )
        # One that was in doubt may have turned out to have been there before us: between the two any number is true.
        agrees = said <= recorded <= said + later if later else said == recorded
        yield {
            "run_id": run.run_id,
            "reported": said,
            "settled_since": later,
            "recorded": recorded,
            "agrees": agrees,
        }


def _insert(
    workbench: duckdb.DuckDBPyConnection,
    table: str,
    rows: list[tuple[Any, ...]],
    names: Sequence[str],
) -> None:
    if rows:
        schema = {name: pl.Int64 if name.endswith("_at") else pl.String for name in names}
        workbench.register("rows_to_insert", pl.DataFrame(rows, schema=schema, orient="row"))
        workbench.execute(f"INSERT INTO {table} SELECT * FROM rows_to_insert")
        workbench.unregister("rows_to_insert")
