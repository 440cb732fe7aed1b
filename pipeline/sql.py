"""Names and texts of other people inside SQL, for the few places where no value can be bound."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb

#: The table of a workbench that names the columns which DuckDB calls something else than the file does.
RENAMED = "renamed_columns"


def identifier(name: str) -> str:
    """A name as an SQL identifier: the one place where a supplier's column name meets SQL."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def columns_of(workbench: "duckdb.DuckDBPyConnection", view: str) -> dict[str, str]:
    """The columns of a view, in their order: name as it is written -> name in SQL.

    SQL knows no case in names, so DuckDB calls the second of `plan` and `Plan` `Plan_1`.
    """
    has_renamed = workbench.execute("SELECT count(*) FROM duckdb_tables() WHERE table_name = ?", [RENAMED]).fetchall()[
        0
    ][0]
    written = dict(workbench.execute(f"SELECT name, written FROM {RENAMED}").fetchall()) if has_renamed else {}
    described = workbench.execute(f"SELECT column_name FROM (DESCRIBE {view})").fetchall()
    return {written.get(name, name): name for (name,) in described}
