"""Read `summary.json` of every schema: a step turns one schema into the next.

A step adds what its schema lacked and renames keys. It leaves a part that is not as expected, so
that the model names the fault.
"""

from collections.abc import Mapping

from pydantic import JsonValue

from pipeline.domain.plan_versions import upgraded_input
from pipeline.domain.published import JsonObject
from pipeline.domain.run_summary import SUMMARY_SCHEMA, RunSummary

_RENAMED = {
    "waves": "batch",
    "references": "known_customers",
    "pace": "throughput",
    "conservation": "accounting",
    "cannot_be_paid_against": "not_payable",
}
_RENAMED_REQUESTS = {"look_ups": "lookups"}


def summary_of(content: Mapping[str, JsonValue]) -> RunSummary:
    """The summary in a summary.json of any schema; raise ValidationError if it is none."""
    upgraded = dict(content)
    if upgraded.get("schema") == 1:
        upgraded = {**_from_1(upgraded), "schema": SUMMARY_SCHEMA}
    return RunSummary.model_validate(upgraded)


def _from_1(summary: JsonObject) -> JsonObject:
    """Rename keys."""
    new = _renamed(summary, _RENAMED)
    if isinstance(inputs := new.get("inputs"), list):
        new["inputs"] = [
            upgraded_input(file) if isinstance(file, dict) else file for file in inputs
        ]
    if isinstance(throughput := new.get("throughput"), dict):
        new["throughput"] = _renamed(throughput, {"from": "since"})
    if isinstance(requests := new.get("requests"), dict):
        new["requests"] = _renamed(requests, _RENAMED_REQUESTS)
    return new


def _renamed(content: JsonObject, names: Mapping[str, str]) -> JsonObject:
    return {names.get(name, name): value for name, value in content.items()}
