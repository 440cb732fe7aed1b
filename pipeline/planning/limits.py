"""Apply `--where`, an SQL expression over the columns of the file that selects the rows to send.

The expression is parsed before it runs: it may only use columns of the file, constants and
deterministic functions. Messages of DuckDB while it runs are never shown, because they quote cells.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

import duckdb
from pydantic import JsonValue

from pipeline.domain.customer import ROW_ID
from pipeline.domain.published import JsonObject
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


@dataclass(frozen=True, slots=True)
class _Parsed:
    """What DuckDB's parser makes of an expression: its statements, or an error."""

    statements: list[JsonObject] = field(default_factory=list)
    has_error: bool = False
    is_syntax: bool = False  #: whether the error is one of syntax
    message: str = ""


@dataclass(frozen=True, slots=True)
class _Part:
    """An expression within a condition."""

    kind: str  #: DuckDB's class of the expression
    column: tuple[str, ...] = ()  #: the parts of the name of a column
    function: tuple[str, ...] = ()  #: the parts of the name of a function

    @classmethod
    def of(cls, node: JsonObject) -> "_Part":
        """The part at a node of the parser's tree."""
        column, name = node.get("column_names"), node.get("qualified_name")
        path = name.get("path") if isinstance(name, dict) else None
        return cls(
            str(node["class"]),
            tuple(map(str, column)) if isinstance(column, list) else (),
            tuple(map(str, path)) if isinstance(path, list) else (),
        )


def _check_parts(workbench: duckdb.DuckDBPyConnection, where: str, columns: list[str]) -> None:
    expression = _parse_one(workbench, where, columns)
    functions = _functions(workbench)
    for part in _parts(expression):
        if fault := _fault(part, {name.casefold() for name in columns}, functions):
            raise _wrong(fault, columns)


def _parse_one(workbench: duckdb.DuckDBPyConnection, where: str, columns: list[str]) -> JsonObject:
    """Parse `where` as one expression, alone and in brackets, so that nothing can follow it."""
    if not where.strip():
        raise _wrong("it is empty", columns)
    alone, bracketed = _parsed(workbench, where), _parsed(workbench, f"({where})")
    if alone.has_error and alone.is_syntax:
        raise _wrong(_one_line(alone.message), columns)
    if alone.has_error or bracketed.has_error or len(alone.statements) != 1:
        raise _wrong("it is more than one expression, or ends in a comment or a semicolon", columns)
    node, bare = alone.statements[0], _parsed(workbench, "1").statements[0]
    expressions = node.pop("select_list", None)
    bare.pop("select_list")
    only = expressions[0] if isinstance(expressions, list) and len(expressions) == 1 else None
    if not isinstance(only, dict) or only["alias"] or _unplaced(node) != _unplaced(bare):
        raise _wrong("it is more than one expression", columns)
    return only


def _parsed(workbench: duckdb.DuckDBPyConnection, expression: str) -> _Parsed:
    found = workbench.execute("SELECT json_serialize_sql('SELECT ' || ?)", [expression]).fetchone()
    try:
        content = json.loads(found[0]) if found else {}
    except RecursionError:
        return _Parsed(has_error=True, is_syntax=True, message="it is nested too deeply")
    if content["error"]:
        is_syntax = content["error_type"] == "parser"
        return _Parsed([], True, is_syntax, content["error_message"])
    return _Parsed([statement["node"] for statement in content["statements"]])


def _unplaced(node: JsonValue) -> JsonValue:
    """A part of a parsed statement without its positions in the text."""
    if isinstance(node, dict):
        return {
            key: _unplaced(value)
            for key, value in node.items()
            if not key.startswith("query_location")
        }
    return [_unplaced(value) for value in node] if isinstance(node, list) else node


def _parts(expression: JsonObject) -> Iterator[_Part]:
    """Every expression within an expression, itself first."""
    waiting: list[JsonValue] = [expression]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            if "class" in node:
                yield _Part.of(node)
            waiting.extend(node.values())
        elif isinstance(node, list):
            waiting.extend(node)


def _fault(part: _Part, columns: set[str], functions: set[str]) -> str | None:
    """What is wrong with one part of an expression; None if it is allowed."""
    if part.kind not in _CLASSES:
        kind = part.kind.lower().replace("_", " ")
        return f"it contains a {kind}; only columns, constants and plain functions are allowed"
    if part.kind == "COLUMN_REF":
        name = ".".join(part.column)
        known = len(part.column) == 1 and name.casefold() in columns
        return None if known else f"there is no column {name}"
    if part.kind == "FUNCTION":
        name = ".".join(part.function)
        plain = len(part.function) == 1 and name.casefold() in functions
        return None if plain else f"{name} is not a deterministic function of a single row"
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
