"""Plans: of one part in one call, as the workflow makes it; and plan.json with few values."""

from pathlib import Path
from typing import Any

import duckdb

from pipeline.domain.customer import Environment
from pipeline.domain.fates import Action
from pipeline.domain.plan_file import (
    InputFile,
    InputTotals,
    LineCounts,
    PlanFile,
    PlanSettings,
)
from pipeline.planning import Plan, plan_query
from pipeline.storage.memory import memory_ceiling
from pipeline.workflows.write_plan import write_plan


def make_plan(
    workbench: duckdb.DuckDBPyConnection, target: Path, environment: Environment, **options: Any
) -> Plan:
    """Decide the plan of the view `records`, and write it to `target`; `options` are those of `plan_query`."""
    query = plan_query(workbench, environment, ceiling=memory_ceiling, **options)
    return write_plan(workbench, query, [("records", target)])


def a_plan(**fields: Any) -> PlanFile:
    """A plan.json of one file without records, with other values in these fields."""
    plan = PlanFile(
        run_id="20261122T060000Z-customers-3f9a1c",
        planned_at="2026-11-22T06:00:00+00:00",
        planner="ann",
        version="0.1.0",
        normalization=2,
        environment=Environment("sandbox", "sandbox", "test", "loopback"),
        destination="sandbox",
        settings=PlanSettings(region="ZA"),
        mapping={},
        absent_texts={},
        inputs=(an_input(),),
        columns=("external_reference", "name", "email"),
        columns_not_sent={},
        ledger_event=0,
        read=InputTotals(records=0, debits={}, credits={}),
        actions={action.value: 0 for action in Action},
        staged={},
        profile={},
    )
    return plan.changed(**fields)


def an_input(**fields: Any) -> InputFile:
    """An input without records, with other values in these fields."""
    file = InputFile(
        path="customers.csv",
        name="customers.csv",
        sha256="0" * 64,
        format="csv",
        bytes=0,
        dialect={"delimiter": ",", "encoding": "utf-8", "line_end": "LF or CRLF"},
        lines=LineCounts(),
        records=0,
        columns=("external_reference", "name", "email"),
        debits={},
        credits={},
        is_resubmission=False,
    )
    return file.changed(**fields)
