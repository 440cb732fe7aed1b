"""Read `plan.json` of every schema: each step turns one schema into the next.

A step adds what its schema lacked and renames keys. It leaves a part that is not as expected, so
that the model names the fault.
"""

from collections.abc import Callable, Mapping

from pydantic import JsonValue

from pipeline.domain.plan_file import PLAN_SCHEMA, PlanFile
from pipeline.domain.published import JsonObject

STAGED_TABLES_SINCE = 6  #: the first schema with the staged tables of this version
_FIRST_RULES = 1  #: the normalization rules before their version was recorded
_RENAMED_INPUT_KEYS = {"written": "dialect", "came_back": "is_resubmission"}


def schema_of(content: Mapping[str, JsonValue]) -> int:
    """The schema that a plan states; 0 without a usable one."""
    stated = content.get("schema")
    return stated if isinstance(stated, int) and not isinstance(stated, bool) else 0


def plan_of(content: Mapping[str, JsonValue]) -> PlanFile:
    """The plan in a plan.json of any schema; raise ValidationError if it is not a plan.

    A later schema is read like this one: it may have more keys.
    """
    upgraded = dict(content)
    for schema in range(schema_of(content), PLAN_SCHEMA):
        if schema in _STEPS:
            upgraded = {**_STEPS[schema](upgraded), "schema": schema + 1}
    return PlanFile.model_validate(upgraded)


def upgraded_input(file: Mapping[str, JsonValue]) -> JsonObject:
    """An input of a plan, a summary or a manifest of any schema, with the keys of this one."""
    return {_RENAMED_INPUT_KEYS.get(name, name): value for name, value in file.items()}


def _from_1(plan: JsonObject) -> JsonObject:
    """Read the keys that came with configs, Parquet, known customers and partial plans."""
    added: JsonObject = {"config": None, "absent_texts": {}, "mapping": {}, "references": None}
    return {**added, **plan, "inputs": [{"format": "csv", **file} for file in _inputs(plan)]}


def _from_2(plan: JsonObject) -> JsonObject:
    """Add the dialect of each file: the declared one, as nothing was detected."""
    source = _object(_object(_object(plan, "config"), "job"), "source")
    dialect: JsonObject = {
        "delimiter": source.get("delimiter") or ",",
        "encoding": source.get("encoding") or "utf-8",
        "line_end": "LF or CRLF",
    }
    return {**plan, "inputs": [_with_dialect(file, dialect) for file in _inputs(plan)]}


def _with_dialect(file: JsonObject, dialect: JsonObject) -> JsonObject:
    return {"written": dialect if file.get("format") == "csv" else {}, **file}


def _from_3(plan: JsonObject) -> JsonObject:
    """Add findings, and the columns and control totals of each file.

    Schema 3 counted all files together. Of several files, each gets the number of its lines, which
    differs only where a record spans lines, and no sums.
    """
    read, inputs = _object(plan, "read"), _inputs(plan)
    counted = [
        {
            "columns": plan.get("columns"),
            "came_back": False,
            "records": _object(file, "lines").get("records"),
            "debits": {},
            "credits": {},
            **(read if len(inputs) == 1 else {}),
            **file,
        }
        for file in inputs
    ]
    return {"findings": [], **plan, "inputs": [*counted]}


def _from_4(plan: JsonObject) -> JsonObject:
    """State who accepted an issue: at first, only codes were kept, all of the planner."""
    accepted, planner = plan.get("accepted"), plan.get("planner")
    if not isinstance(accepted, list):
        return plan
    return {**plan, "accepted": {str(code): planner for code in accepted}}


def _from_5(plan: JsonObject) -> JsonObject:
    """Replace the seconds of stages by their profile; every stage had all records."""
    if "profile" in plan:
        return plan
    rows = _object(plan, "read").get("records")
    seconds = _object(plan, "seconds")
    return {**plan, "profile": {name: {"seconds": s, "rows": rows} for name, s in seconds.items()}}


def _from_6(plan: JsonObject) -> JsonObject:
    """Rename `written`, `came_back` and `references`; early plans lack the normalization rules."""
    renamed = {**plan, "known_customers": plan.get("references")}
    inputs: list[JsonValue] = [upgraded_input(file) for file in _inputs(plan)]
    return {"normalization": _FIRST_RULES, **renamed, "inputs": inputs}


_STEPS: Mapping[int, Callable[[JsonObject], JsonObject]] = {
    1: _from_1,
    2: _from_2,
    3: _from_3,
    4: _from_4,
    5: _from_5,
    6: _from_6,
}


def _object(content: JsonObject, key: str) -> JsonObject:
    """The object under a key; an empty one if there is none."""
    value = content.get(key)
    return value if isinstance(value, dict) else {}


def _inputs(plan: JsonObject) -> list[JsonObject]:
    """The inputs that are objects."""
    inputs = plan.get("inputs")
    return [file for file in inputs if isinstance(file, dict)] if isinstance(inputs, list) else []
