"""Foreign names and texts in SQL, for the few places that cannot bind values."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import duckdb

#: The relation `cells` has the staged records with every cell of the files. It is not a view,
#: because DuckDB binds all columns of a view in every query: three seconds for 16,384 columns.
CELLS = "cells"
COLUMNS, SOURCES = "columns_of_cells", "source_of_cells"


def identifier(name: str) -> str:
    """A name as an SQL identifier; the only way to put a supplier's column name into SQL."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def columns_of(workbench: "duckdb.DuckDBPyConnection", view: str) -> dict[str, str]:
    """The columns of `cells` or of a view, in their order: original name -> name in SQL.

    SQL ignores case in names, so DuckDB renames the second of `plan` and `Plan` to `Plan_1`.
    """
    known = _rows(workbench, COLUMNS, "name, written")
    if view == CELLS and known:
        return {written: name for name, written in known}
    query = """
        SELECT column_name FROM duckdb_columns()
        WHERE database_name = current_database() AND table_name = ? ORDER BY column_index
    """
    written = dict(known)
    return {
        written.get(name, name): name for (name,) in workbench.execute(query, [view]).fetchall()
    }


def cells_in(workbench: "duckdb.DuckDBPyConnection") -> str:
    """The SQL relation of `cells`."""
    found = _rows(workbench, SOURCES, "source")
    return str(found[0][0]) if found else CELLS


def _rows(
    workbench: "duckdb.DuckDBPyConnection", table: str, columns: str
) -> "list[tuple[Any, ...]]":
    """The rows of a table of the workbench; none if the table does not exist."""
    is_there = workbench.execute(
        "SELECT count(*) FROM duckdb_tables() WHERE table_name = ?", [table]
    ).fetchall()[0][0]
    return workbench.execute(f"SELECT {columns} FROM {table}").fetchall() if is_there else []
