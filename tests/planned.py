"""The plan of one part in one call, as the workflow makes it."""

from pathlib import Path
from typing import Any

import duckdb

from pipeline.domain.customer import Environment
from pipeline.planning import Plan, plan_query
from pipeline.storage.memory import memory_ceiling
from pipeline.workflows.write_plan import write_plan


def make_plan(
    workbench: duckdb.DuckDBPyConnection, target: Path, environment: Environment, **options: Any
) -> Plan:
    """Decide the plan of the view `records`, and write it to `target`; `options` are those of `plan_query`."""
    query = plan_query(workbench, environment, ceiling=memory_ceiling, **options)
    return write_plan(workbench, query, [("records", target)])
