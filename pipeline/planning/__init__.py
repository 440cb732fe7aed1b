"""What is done with every accepted row: `make_plan` writes the plan, one line a row, and returns what it comes to."""

import glob
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import duckdb

from pipeline.customer import KEY_NAMESPACE, Environment, key_prefix
from pipeline.outcomes import Action, Fate, Reason

_PLAN = files(__package__).joinpath("plan.sql").read_text(encoding="utf-8")

#: What each reason leads to. No reason: the row is created.
VERDICTS: dict[Reason, tuple[Action, Fate]] = {
    Reason.MATCH_REPEATS_EARLIER_ROW: (Action.SKIP, Fate.DUPLICATE_IN_FILE),
    Reason.MATCH_SAME_REFERENCE_OTHER_CONTENT: (Action.HOLD, Fate.NEEDS_REVIEW),
    Reason.PLAN_CREATED_BEFORE: (Action.SKIP, Fate.ALREADY_EXISTS_SAME),
    Reason.PLAN_CREATED_BEFORE_DIFFERENT: (Action.HOLD, Fate.ALREADY_EXISTS_DIFFERENT),
    Reason.PLAN_EARLIER_REQUEST_UNSETTLED: (Action.HOLD, Fate.NEEDS_REVIEW),
    Reason.PLAN_REFUSED_BEFORE: (Action.REFUSE, Fate.REFUSED),
}


@dataclass(frozen=True, slots=True)
class Plan:
    """What a plan comes to: rows by action."""

    rows: dict[Action, int]

    @property
    def creates(self) -> int:
        """How many customers would be created."""
        return self.rows[Action.CREATE]


def make_plan(
    workbench: duckdb.DuckDBPyConnection, target: Path, environment: Environment, *, retry_refused: bool
) -> Plan:
    """Write the plan to `target` (Parquet) from the views `records` and `history` and the table `matches`.

    Columns: position, row_id, external_reference, action, fate, reason, same_as, fingerprint, and for creates key and
    payload. Rows stand in the order of the input.
    """
    workbench.execute("CREATE OR REPLACE TABLE verdicts (reason VARCHAR, action VARCHAR, fate VARCHAR)")
    for reason, (action, fate) in VERDICTS.items():
        workbench.execute("INSERT INTO verdicts VALUES (?, ?, ?)", [reason.value, action.value, fate.value])
    workbench.execute(
        f"COPY ({_PLAN}) TO $target (FORMAT parquet, COMPRESSION zstd)",
        {
            "target": str(target),
            "namespace": KEY_NAMESPACE.hex,
            "key_prefix": key_prefix(environment),
            "retry_refused": retry_refused,
        },
    )
    counted = dict(
        workbench.execute(
            "SELECT action, count(*) FROM read_parquet($written) GROUP BY action",
            {"written": glob.escape(str(target))},
        ).fetchall()
    )
    return Plan({action: counted.get(action.value, 0) for action in Action})
