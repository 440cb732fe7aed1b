"""The first rows of each reason, with the cell that caused it, as far as a report may show it."""

from collections.abc import Callable, Collection, Mapping, Sequence

import duckdb

from pipeline.domain.causes import Cause
from pipeline.domain.sql import CELLS, cells_in, columns_of, identifier
from pipeline.domain.summary_parts import Example, ReasonCount

_LONGEST = 60  #: characters of a text that are shown


def with_examples(
    workbench: duckdb.DuckDBPyConnection,
    reasons: Sequence[ReasonCount],
    show: Callable[[str | None], str | None],
    person: Callable[[str], str | None],
) -> tuple[ReasonCount, ...]:
    """Each reason with `shown`: its examples in more detail.

    `show` and `person` decide how much of a text is visible. Reads `cells` and the view `fates`.
    """
    if not reasons:
        return ()  # DuckDB needs seconds to plan a query over thousands of columns
    known = columns_of(workbench, CELLS)
    rows = sorted({row_id for reason in reasons for row_id in reason.examples})
    columns = sorted({column for reason in reasons if (column := _column(reason.reason, known))})
    cells_of_rows = {
        row[0]: dict(zip(("reference", *columns), row[1:], strict=True))
        for row in workbench.execute(
            f"SELECT cells.row_id, cells.external_reference{''.join(f', cells.{identifier(known[name])}' for name in columns)}"
            f" FROM {cells_in(workbench)} AS cells JOIN (SELECT unnest($rows::VARCHAR[]) AS row_id) AS wanted USING (row_id)",
            {"rows": rows},
        ).fetchall()
    }
    return tuple(
        reason.changed(
            shown=tuple(
                _shown(
                    row_id,
                    cells_of_rows.get(row_id, {}),
                    _column(reason.reason, known),
                    show,
                    person,
                )
                for row_id in reason.examples
            )
        )
        for reason in reasons
    )


def without_examples(reasons: Sequence[ReasonCount]) -> tuple[ReasonCount, ...]:
    """Each reason with only the row ids of its examples, if nothing more is known."""
    return tuple(
        reason.changed(shown=tuple(Example(row_id=row_id) for row_id in reason.examples))
        for reason in reasons
    )


def _shown(
    row_id: str,
    cells: Mapping[str, str | None],
    column: str | None,
    show: Callable[[str | None], str | None],
    person: Callable[[str], str | None],
) -> Example:
    reference = cells.get("reference")
    text = show(cells.get(column)) if column else None
    if text is not None and len(text) > _LONGEST:
        text = text[:_LONGEST] + "…"
    return Example(row_id=row_id, person=person(reference) if reference else None, given=text)


def _column(code: str, known: Collection[str]) -> str | None:
    """The column of the records with the text that caused a reason."""
    cause = Cause.parse(code)
    field, is_of_reading = cause.column, cause.reason.value.startswith("READ.")
    wanted = [f"mapped.{field}", f"given.{field}"] if field else ["text"] if is_of_reading else []
    return next((name for name in wanted if name in known), None)
