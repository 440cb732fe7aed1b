"""Queries of the ledger: outcomes of doubts, origins of unexpected customers, and outcome times."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import duckdb
import polars as pl

from pipeline.domain.fates import Fate, State
from pipeline.reconciling import changed_references, doubts, unexpected_customers
from pipeline.storage.ledger import LedgerReader
from pipeline.storage.run_folder import RunFolder

#: States of the ledger in which a run has created the customer.
OURS = {State.CREATED, State.CREATED_DIFFERENT, State.ADOPTED}
#: State in the ledger now -> role of a row that its run left in doubt.
_RESOLVED_ROLE = {
    **dict.fromkeys((*OURS, State.PRE_EXISTING), "expected"),
    State.CONFLICT: "held",
    State.REFUSED: "refused",
    State.WITHDRAWN: "not_sent",
}


def resolve_doubts(workbench: duckdb.DuckDBPyConnection, ledger: LedgerReader | None) -> None:
    """Create the table `resolved`: rows in doubt in the run's report that have an outcome now."""
    workbench.execute(
        "CREATE TABLE resolved (external_reference VARCHAR, run_id VARCHAR, role VARCHAR)"
    )
    for block in list(doubts(workbench)) if ledger is not None else ():
        known = ledger.states([reference for reference, _ in block]) if ledger is not None else {}
        resolved = [
            (reference, run_id, _RESOLVED_ROLE[known[reference].state])
            for reference, run_id in block
            if reference in known and known[reference].state in _RESOLVED_ROLE
        ]
        _insert(workbench, "resolved", resolved, ("external_reference", "run_id", "role"))


def load_origins(
    workbench: duckdb.DuckDBPyConnection, ledger: LedgerReader | None, run_ids: set[str]
) -> None:
    """Create the table `elsewhere`: the ledger's state of customers not expected by these runs."""
    workbench.execute(
        "CREATE TABLE elsewhere (external_reference VARCHAR, run_id VARCHAR, state VARCHAR)"
    )
    for block in list(unexpected_customers(workbench)) if ledger is not None else ():
        known = ledger.states(block) if ledger is not None else {}
        origins = [
            (name, one.run_id, "ours" if one.state in OURS else one.state.value)
            for name, one in known.items()
            if one.state not in OURS or one.run_id not in run_ids
        ]
        _insert(workbench, "elsewhere", origins, ("external_reference", "run_id", "state"))


def load_outcome_times(workbench: duckdb.DuckDBPyConnection, ledger: LedgerReader) -> None:
    """Create the table `outcome_times` for customers that differ and have a time of change."""
    workbench.execute("CREATE TABLE outcome_times (external_reference VARCHAR, outcome_at BIGINT)")
    for block in list(changed_references(workbench)):
        times = [
            (name, round(datetime.fromisoformat(at).astimezone(UTC).timestamp() * 1e6))
            for name, at in ledger.final_at(block)
        ]
        _insert(workbench, "outcome_times", times, ("external_reference", "outcome_at"))


def agreements(
    workbench: duckdb.DuckDBPyConnection, ledger: LedgerReader | None, runs: Sequence[RunFolder]
) -> Iterator[dict[str, Any]]:
    """For each run: the creates that its report and the ledger count, and resolved doubts."""
    since = dict(
        workbench.execute(
            "SELECT run_id, count(*) FROM resolved WHERE role = 'expected' GROUP BY run_id"
        ).fetchall()
    )
    for run in runs:
        fates = run.read_summary()["fates"]
        reported = sum(fates[fate.value] for fate in (Fate.CREATED, Fate.CREATED_DIFFERENT))
        states = ledger.runs.counts(run.run_id) if ledger is not None else {}
        recorded, later = (
            sum(states.get(state.value, 0) for state in OURS),
            since.get(run.run_id, 0),
        )
        # A resolved doubt may be a customer that existed before us, so it may count or not.
        agrees = reported <= recorded <= reported + later if later else reported == recorded
        yield {
            "run_id": run.run_id,
            "reported": reported,
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
