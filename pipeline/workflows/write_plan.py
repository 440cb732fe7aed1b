"""Write the plan of an import: one Parquet file for each part of its records."""

from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import duckdb

from pipeline.domain.fates import Action
from pipeline.planning import Plan, PlanQuery
from pipeline.storage.files import renamed_when_whole

#: Compressing hashes and keys takes longer than writing them; a dictionary saves nothing.
_FORM = "FORMAT parquet, COMPRESSION snappy, DICTIONARY_SIZE_LIMIT 1"
#: Parts that are written at once: with one, DuckDB uses one and a half cores.
_AT_ONCE = 2


def write_plan(
    workbench: duckdb.DuckDBPyConnection, query: PlanQuery, parts: Iterable[tuple[str, Path]]
) -> Plan:
    """Write the planned action of every row, part by part.

    `parts`: the source of a part (after FROM) and the Parquet file for its plan; columns: see
    `PlanQuery`.
    """
    rows = Counter[str]()

    def write(part_and_target: tuple[str, Path]) -> dict[str, int]:
        with workbench.cursor() as cursor:
            return _write_part(cursor, *part_and_target, query)

    with ThreadPoolExecutor(_AT_ONCE, "plan") as threads:
        for counted in threads.map(write, parts):
            rows.update(counted)
    return Plan({action: rows[action.value] for action in Action})


def _write_part(
    workbench: duckdb.DuckDBPyConnection, part: str, target: Path, query: PlanQuery
) -> dict[str, int]:
    """Write the plan of one part; return action -> rows."""
    first, last = workbench.execute(f"SELECT min(position), max(position) FROM {part}").fetchall()[
        0
    ]
    with renamed_when_whole(target) as path:
        workbench.execute(
            f"COPY ({query.of(part)}) TO $target ({_FORM})",
            {"target": str(path), "first": first, "last": last, **query.values},
        )
    counted = "SELECT action, count(*) FROM read_parquet($written) GROUP BY action"
    return dict(workbench.execute(counted, {"written": str(target)}).fetchall())
