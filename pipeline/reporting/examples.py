"""The first rows that have a reason, and what stands in the cell that it speaks of, as much as a report may show of it."""

from collections.abc import Callable, Collection
from typing import Any

import duckdb

from pipeline.domain.causes import Cause
from pipeline.domain.sql import CELLS, cells_in, columns_of, identifier

_LONGEST = 60  #: characters of a text that are shown


def with_examples(
    workbench: duckdb.DuckDBPyConnection,
    reasons: list[dict[str, Any]],
    show: Callable[[str | None], str | None],
    person: Callable[[str], str | None],
) -> list[dict[str, Any]]:
    """Each reason with `shown`: row_id, person and given for each of its examples; `show` and `person` decide how much.

    Reads `cells` and the view `fates`.
    """
    if not reasons:
        return []  # DuckDB plans each question to a view of thousands of columns for seconds
    known = columns_of(workbench, CELLS)
    rows = sorted({row_id for reason in reasons for row_id in reason["examples"]})
    columns = sorted({column for reason in reasons if (column := _column(reason["reason"], known))})
    said = {
        row[0]: dict(zip(("reference", *columns), row[1:], strict=True))
        for row in workbench.execute(
            f"SELECT cells.row_id, cells.external_reference{''.join(f', cells.{identifier(known[name])}' for name in columns)}"
            f" FROM {cells_in(workbench)} AS cells JOIN (SELECT unnest($rows::VARCHAR[]) AS row_id) AS wanted USING (row_id)",
            {"rows": rows},
        ).fetchall()
    }
    return [
        {
            **reason,
            "shown": [_shown(row, reason, said, known, show, person) for row in reason["examples"]],
        }
        for reason in reasons
    ]


def without_examples(reasons: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each reason with the rows of its examples alone, where nothing more of them is known."""
    rows = [
        [{"row_id": row, "person": None, "given": None} for row in reason["examples"]]
        for reason in reasons
    ]
    return [{**reason, "shown": shown} for reason, shown in zip(reasons, rows, strict=True)]


def _shown(
    row_id: str,
    reason: dict[str, Any],
    said: dict[str, dict[str, Any]],
    known: Collection[str],
    show: Callable[[str | None], str | None],
    person: Callable[[str], str | None],
) -> dict[str, str | None]:
    cells = said.get(row_id, {})
    column, reference = _column(reason["reason"], known), cells.get("reference")
    text = show(cells.get(column)) if column else None
    if text is not None and len(text) > _LONGEST:
        text = text[:_LONGEST] + "…"
    return {"row_id": row_id, "person": person(reference) if reference else None, "given": text}


def _column(code: str, known: Collection[str]) -> str | None:
    """The column of the records in which the text stands that a reason is about."""
    cause = Cause.parse(code)
    field, is_of_reading = cause.column, cause.reason.value.startswith("READ.")
    wanted = [f"mapped.{field}", f"given.{field}"] if field else ["text"] if is_of_reading else []
    return next((name for name in wanted if name in known), None)
