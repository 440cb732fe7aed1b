"""Names and texts of other people inside SQL, for the few places where no value can be bound."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import duckdb

#: The tables of a workbench that say what `cells` is: the staged records with every cell of the files. It is no view, for
#: DuckDB binds all columns of a view, whatever is asked of it: three seconds for 16,384 of them.
CELLS = "cells"
COLUMNS, SOURCES = "columns_of_cells", "source_of_cells"


def identifier(name: str) -> str:
    """A name as an SQL identifier: the one place where a supplier's column name meets SQL."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def columns_of(workbench: "duckdb.DuckDBPyConnection", view: str) -> dict[str, str]:
    """The columns of `cells` or of a view, in their order: name as it is written -> name in SQL.

    SQL knows no case in names, so DuckDB calls the second of `plan` and `Plan` `Plan_1`.
    """
    known = _rows(workbench, COLUMNS, "name, written")
    if view == CELLS and known:
        return {written: name for name, written in known}
    asked = "SELECT column_name FROM duckdb_columns() WHERE database_name = current_database() AND table_name = ? ORDER BY column_index"
    written = dict(known)
    return {
        written.get(name, name): name for (name,) in workbench.execute(asked, [view]).fetchall()
    }


def cells_in(workbench: "duckdb.DuckDBPyConnection") -> str:
    """What to select cells from, in SQL."""
    found = _rows(workbench, SOURCES, "source")
    return str(found[0][0]) if found else CELLS


def _rows(
    workbench: "duckdb.DuckDBPyConnection", table: str, columns: str
) -> "list[tuple[Any, ...]]":
    """The rows of a table of the workbench, none where there is no such table."""
    held = workbench.execute(
        "SELECT count(*) FROM duckdb_tables() WHERE table_name = ?", [table]
    ).fetchall()[0][0]
    return workbench.execute(f"SELECT {columns} FROM {table}").fetchall() if held else []
