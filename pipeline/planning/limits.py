"""Apply `--where`, an SQL expression over the columns of the file that selects the rows to send.

The expression is parsed before it runs: it may only use columns of the file, constants and
deterministic functions. Messages of DuckDB while it runs are never shown, because they quote cells.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import duckdb

from pipeline.domain.customer import ROW_ID
from pipeline.domain.sql import CELLS, cells_in, columns_of, identifier
from pipeline.errors import ConfigError

#: A context manager that limits additional memory to this many bytes; a larger request fails.
Ceiling = Callable[[int], AbstractContextManager[None]]
_GIVEN = "given."
#: Memory limits of the query in bytes; DuckDB's own limit does not count text functions.
_MOST_OF_ONE_ROW, _MOST_MEMORY = 64 << 20, 1 << 30
_POSITION = ROW_ID  #: no column of a file has this name
_CLASSES = {
    "BETWEEN", "CASE", "CAST", "COLLATE", "COLUMN_REF", "COMPARISON", "CONJUNCTION", "CONSTANT", "FUNCTION", "OPERATOR",
    "TYPE",
}  # fmt: skip
#: Allowed functions that DuckDB defines as SQL macros.
_MACROS = {"if", "nullif", "split_part"}

_READ_THE_CLOCK = {"age"}  #: with one argument; DuckDB lists it as consistent


def find_outside(workbench: duckdb.DuckDBPyConnection, where: str | None, ceiling: Ceiling) -> None:
    """Make the table `outside_wave` (position): accepted rows for which `where` is not true; raise ConfigError."""
    workbench.execute("CREATE OR REPLACE TABLE outside_wave (position BIGINT)")
    if where is None:
        return
    columns = _columns(workbench)
    _check_parts(workbench, where, columns)
    given = "".join(f", {identifier(_GIVEN + name)} AS {identifier(name)}" for name in columns)
    accepted = (
        f"(SELECT position AS {_POSITION}{given} FROM {cells_in(workbench)} WHERE fate IS NULL)"
    )
    query = f"SELECT {_POSITION} AS position, ({where}) AS is_inside FROM {accepted}"
    _check_result_type(workbench, query, columns)
    workbench.execute(f"CREATE OR REPLACE TABLE one_row AS SELECT * FROM {accepted} LIMIT 1")
    _run(workbench, query, f"SELECT ({where}) FROM one_row", ceiling)
    workbench.execute("DROP TABLE one_row")


def _run(
    workbench: duckdb.DuckDBPyConnection, query: str, of_one_row: str, ceiling: Ceiling
) -> None:
    try:
        # A function that makes huge texts fails on one row within a second.
        with ceiling(_MOST_OF_ONE_ROW):
            workbench.execute(of_one_row).fetchall()
        # Filter in a second step; otherwise DuckDB also evaluates it for rows that were set aside.
        with ceiling(_MOST_MEMORY):
            workbench.execute(f"CREATE OR REPLACE TABLE answers AS {query}")
    except (duckdb.OutOfMemoryException, MemoryError):
        raise ConfigError(
            f"--where: it needs too much memory (limits: {_MOST_OF_ONE_ROW >> 20:,} MiB for one row,"
            f" {_MOST_MEMORY >> 20:,} MiB for all). Avoid functions that make long texts, such as lpad"
        ) from None
    except (duckdb.DataError, duckdb.ProgrammingError, duckdb.NotSupportedError):
        raise ConfigError(
            "--where: it fails on texts of the file, such as a CAST of a text that is not a number"
            " (TRY_CAST gives NULL there)"
        ) from None
    workbench.execute(
        "INSERT INTO outside_wave SELECT position FROM answers WHERE is_inside IS NOT true"
    )
    workbench.execute("DROP TABLE answers")


def _columns(workbench: duckdb.DuckDBPyConnection) -> list[str]:
    return [
        name.removeprefix(_GIVEN)
        for name in columns_of(workbench, CELLS).values()
        if name.startswith(_GIVEN)
    ]


def _check_parts(workbench: duckdb.DuckDBPyConnection, where: str, columns: list[str]) -> None:
    expression = _parse_one(workbench, where, columns)
    functions = _functions(workbench)
    for part in _parts(expression):
        if fault := _fault(part, {name.casefold() for name in columns}, functions):
            raise _wrong(fault, columns)


def _parse_one(
    workbench: duckdb.DuckDBPyConnection, where: str, columns: list[str]
) -> dict[str, Any]:
    """Parse `where` as one expression, alone and in brackets, so that nothing can follow it."""
    if not where.strip():
        raise _wrong("it is empty", columns)
    alone, bracketed = _parsed(workbench, where), _parsed(workbench, f"({where})")
    if alone["error"] and alone["error_type"] == "parser":
        raise _wrong(_one_line(alone["error_message"]), columns)
    if alone["error"] or bracketed["error"] or len(alone["statements"]) != 1:
        raise _wrong("it is more than one expression, or ends in a comment or a semicolon", columns)
    node = alone["statements"][0]["node"]
    bare = _parsed(workbench, "1")["statements"][0]["node"]
    expressions = node.pop("select_list", [])
    bare.pop("select_list")
    if len(expressions) != 1 or expressions[0]["alias"] or _unplaced(node) != _unplaced(bare):
        raise _wrong("it is more than one expression", columns)
    found: dict[str, Any] = expressions[0]
    return found


def _parsed(workbench: duckdb.DuckDBPyConnection, expression: str) -> dict[str, Any]:
    found = workbench.execute("SELECT json_serialize_sql('SELECT ' || ?)", [expression]).fetchone()
    try:
        parsed: dict[str, Any] = json.loads(found[0]) if found else {}
    except RecursionError:
        return {"error": True, "error_type": "parser", "error_message": "it is nested too deeply"}
    return parsed


def _unplaced(node: Any) -> Any:
    """A part of a parsed statement without its positions in the text."""
    if isinstance(node, dict):
        return {
            key: _unplaced(value)
            for key, value in node.items()
            if not key.startswith("query_location")
        }
    return [_unplaced(value) for value in node] if isinstance(node, list) else node


def _parts(expression: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every expression within an expression, itself first."""
    waiting: list[Any] = [expression]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict) and "class" in node:
            yield node
        waiting.extend(
            node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
        )


def _fault(part: dict[str, Any], columns: set[str], functions: set[str]) -> str | None:
    """What is wrong with one part of an expression; None if it is allowed."""
    if part["class"] not in _CLASSES:
        kind = part["class"].lower().replace("_", " ")
        return f"it contains a {kind}; only columns, constants and plain functions are allowed"
    if part["class"] == "COLUMN_REF":
        name = ".".join(part["column_names"])
        known = len(part["column_names"]) == 1 and name.casefold() in columns
        return None if known else f"there is no column {name}"
    if part["class"] == "FUNCTION":
        path = part["qualified_name"]["path"]
        plain = len(path) == 1 and path[0].casefold() in functions
        return (
            None if plain else f"{'.'.join(path)} is not a deterministic function of a single row"
        )
    return None


def _functions(workbench: duckdb.DuckDBPyConnection) -> set[str]:
    found = workbench.execute(
        "SELECT function_name FROM duckdb_functions() WHERE function_type = 'scalar'"
        r" AND NOT starts_with(function_name, '__internal')"
        r" AND NOT starts_with(function_name, 'current_')"
        " GROUP BY function_name HAVING bool_and(stability = 'CONSISTENT')"
        " EXCEPT SELECT function_name FROM duckdb_functions()"
        " WHERE function_type IN ('aggregate', 'table')"
    ).fetchall()
    return {*_MACROS, *(name.casefold() for (name,) in found)} - _READ_THE_CLOCK


def _check_result_type(
    workbench: duckdb.DuckDBPyConnection, query: str, columns: list[str]
) -> None:
    """Raise ConfigError unless the result is a boolean; this reads no cell, so it quotes none."""
    try:
        described = workbench.execute(
            f"SELECT column_type FROM (DESCRIBE {query}) WHERE column_name = 'is_inside'"
        )
        answer = described.fetchone()
    except duckdb.Error as error:
        raise _wrong(_one_line(str(error)), columns) from None
    if answer is None or answer[0] != "BOOLEAN":
        raise _wrong(
            "its result is not true or false; use a comparison such as: column = 'text'", columns
        )


def _wrong(what: str, columns: list[str]) -> ConfigError:
    return ConfigError(f"--where: {what}; the columns are: {', '.join(columns)}")


def _one_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[0].strip() if lines else ""
