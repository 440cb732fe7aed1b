"""Read `plan.json` of every schema: each step turns one schema into the next.

A step adds what its schema lacked and renames keys. It leaves a part that is not as expected, so
that the model names the fault.
"""

from collections.abc import Mapping

from pydantic import JsonValue

from pipeline.domain.plan_file import PlanFile
from pipeline.domain.upgrades import (
    Document,
    Upgrade,
    object_under,
    renamed,
    upgraded,
    with_each,
)

STAGED_TABLES_SINCE = 6  #: the first schema with the staged tables of this version
_FIRST_RULES = 1  #: the normalization rules before their version was recorded
_RENAMED_INPUT_KEYS = {"written": "dialect", "came_back": "is_resubmission"}


def schema_of(content: Document) -> int:
    """The schema that a plan states; 0 without a usable one."""
    stated = content.get("schema")
    return stated if isinstance(stated, int) and not isinstance(stated, bool) else 0


def plan_of(content: Document) -> PlanFile:
    """The plan in a plan.json of any schema; raise ValidationError if it is not a plan.

    A later schema is read like this one, so that the message about it can name its version.
    """
    return PlanFile.model_validate(upgraded(content, _STEPS))


def upgraded_input(file: Document) -> Document:
    """An input of a plan, a summary or a manifest of any schema, with the keys of this one."""
    return renamed(file, _RENAMED_INPUT_KEYS)


def _from_1(plan: Document) -> Document:
    """Read the keys that came with configs, Parquet, known customers and partial plans."""
    inputs = with_each(plan, "inputs", lambda file: {"format": "csv", **file})
    added: Document = {"config": None, "absent_texts": {}, "mapping": {}, "references": None}
    return {**added, **plan, "inputs": inputs}


def _from_2(plan: Document) -> Document:
    """Add the dialect of each file: the declared one, as nothing was detected."""
    dialect = _declared_dialect(plan)

    def with_dialect(file: Document) -> Document:
        return {"written": dialect if file.get("format") == "csv" else {}, **file}

    return {**plan, "inputs": with_each(plan, "inputs", with_dialect)}


def _declared_dialect(plan: Document) -> dict[str, JsonValue]:
    job = object_under(object_under(plan, "config"), "job")
    source = object_under(job, "source")
    return {
        "delimiter": source.get("delimiter") or ",",
        "encoding": source.get("encoding") or "utf-8",
        "line_end": "LF or CRLF",
    }


def _from_3(plan: Document) -> Document:
    """Add findings, and the columns and control totals of each file.

    Schema 3 counted all files together. Of several files, each gets the number of its lines, which
    differs only where a record spans lines, and no sums.
    """
    files = plan.get("inputs")
    is_one = isinstance(files, list) and len(files) == 1
    read = object_under(plan, "read") if is_one else {}

    def counted(file: Document) -> Document:
        return {
            "columns": plan.get("columns"),
            "came_back": False,
            "records": object_under(file, "lines").get("records"),
            "debits": {},
            "credits": {},
            **read,
            **file,
        }

    return {"findings": [], **plan, "inputs": with_each(plan, "inputs", counted)}


def _from_4(plan: Document) -> Document:
    """State who accepted an issue: at first, only codes were kept, all of the planner."""
    accepted, planner = plan.get("accepted"), plan.get("planner")
    if not isinstance(accepted, list):
        return plan
    return {**plan, "accepted": {str(code): planner for code in accepted}}


def _from_5(plan: Document) -> Document:
    """Replace the seconds of stages by their profile; every stage had all records."""
    if "profile" in plan:
        return plan
    rows = object_under(plan, "read").get("records")
    seconds = object_under(plan, "seconds")
    return {**plan, "profile": {name: {"seconds": s, "rows": rows} for name, s in seconds.items()}}


def _from_6(plan: Document) -> Document:
    """Rename `written`, `came_back` and `references`; early plans lack the normalization rules."""
    inputs = with_each(plan, "inputs", upgraded_input)
    named = {**plan, "known_customers": plan.get("references"), "inputs": inputs}
    return {"normalization": _FIRST_RULES, **named}


_STEPS: Mapping[int, Upgrade] = {
    1: _from_1,
    2: _from_2,
    3: _from_3,
    4: _from_4,
    5: _from_5,
    6: _from_6,
}
