"""Read `summary.json` of every form that a version wrote.

Schema 1 grew without a new number, so each step adds what the forms before it lacked, if it is not
there. A step leaves a part that is not as expected, so that the model names the fault. Texts stay
as they were written.
"""

from collections.abc import Callable

from pipeline.domain.fates import LISTS, Action, Fate
from pipeline.domain.plan_versions import upgraded_input
from pipeline.domain.published import JsonObject
from pipeline.domain.run_summary import RunSummary
from pipeline.domain.upgrades import Document, object_under, renamed, upgraded, with_each

_RENAMED = {
    "waves": "batch",
    "references": "known_customers",
    "pace": "throughput",
    "conservation": "accounting",
    "cannot_be_paid_against": "not_payable",
}
_RENAMED_IN = {"requests": {"look_ups": "lookups"}, "throughput": {"from": "since"}}
_SIDES = ("debits", "credits")
#: Lists whose records are not in billing, or may not be.
_NOT_CREATED = ("rejected", "held", "in_doubt", "unprocessed")


def summary_of(content: Document) -> RunSummary:
    """The summary in a summary.json of any form; raise ValidationError if it is none."""
    return RunSummary.model_validate(upgraded(content, {1: _from_1}))


def _from_1(summary: Document) -> Document:
    """Add what the forms of schema 1 lacked, and give each key its present name."""
    complete = dict(summary)
    for step in _STEPS:
        complete = step(complete)
    return complete


def _renamed(summary: JsonObject) -> JsonObject:
    """Give each key its present name."""
    new = renamed(summary, _RENAMED)
    for key, names in _RENAMED_IN.items():
        if isinstance(part := new.get(key), dict):
            new[key] = renamed(part, names)
    return new


def _with_all_fates(summary: JsonObject) -> JsonObject:
    """Add the fates that a version did not know; no record of its runs has one of them."""
    if not isinstance(fates := summary.get("fates"), dict):
        return summary
    return {**summary, "fates": {**dict.fromkeys((fate.value for fate in Fate), 0), **fates}}


def _with_sums_read(summary: JsonObject) -> JsonObject:
    """Add the sums of the inputs, which at first only the accounting checks named."""
    accounting = object_under(summary, "accounting")
    checks = _objects(accounting, "checks")
    if checks is None:
        return summary
    read: dict[str, JsonObject] = {side: {} for side in _SIDES}
    for check in checks:
        side, _, rest = str(check.get("what")).partition(" ")
        code = rest.partition(" ")[0] if side in read else None
        check.setdefault("currency", code)
        if code is not None:
            read[side][code] = check.get("read")
    new: JsonObject = {"read": {**read}, **summary}
    return {**new, "accounting": {**accounting, "checks": [*checks]}}


def _with_verdict(summary: JsonObject) -> JsonObject:
    """Add the sentence that the first form lacked; it does not claim that the figures add up."""
    fates, records = object_under(summary, "fates"), object_under(summary, "records")
    created = sum(_number(fates, fate.value) for fate in LISTS["created"])
    verdict = f"{created:,} of {_number(records, 'read'):,} records were created."
    return {"verdict": verdict, **summary}


def _with_groups(summary: JsonObject) -> JsonObject:
    """Add groups of records: what is at stake by list, what was planned by action."""
    fates, actions = object_under(summary, "fates"), object_under(summary, "actions")
    unreadable = object_under(summary, "amounts_unreadable")
    at_stake: JsonObject = {
        name: {
            "records": sum(_number(fates, fate.value) for fate in LISTS[name]),
            "unusable": sum(_number(unreadable, fate.value) for fate in LISTS[name]),
            "sums": _sums_of(LISTS[name], summary),
        }
        for name in _NOT_CREATED
    }
    by_action, samples = object_under(summary, "by_action"), object_under(summary, "samples")
    planned: JsonObject = {
        action.value: by_action.get(action.value) or {"records": _number(actions, action.value)}
        for action in Action
    }
    return {
        "balances": {},
        "at_stake": at_stake,
        "estimate": {"creates": actions.get("create"), "per_second": None, "seconds": None},
        **summary,
        "by_action": planned,
        "samples": {action.value: samples.get(action.value, []) for action in Action},
    }


def _with_whole_inputs(summary: JsonObject) -> JsonObject:
    """Complete the inputs: at first, all files were counted together."""
    files = summary.get("inputs")
    read = object_under(summary, "read") if isinstance(files, list) and len(files) == 1 else {}

    def whole(file: Document) -> Document:
        return {
            "format": "csv",
            "dialect": {},
            "columns": [],
            "records": object_under(file, "lines").get("records"),
            "debits": read.get("debits", {}),
            "credits": read.get("credits", {}),
            "is_resubmission": False,
            **upgraded_input(file),
        }

    return {**summary, "inputs": with_each(summary, "inputs", whole)}


def _with_acceptors(summary: JsonObject) -> JsonObject:
    """State who accepted an issue: at first, only codes were kept, all of the planner."""
    if not isinstance(accepted := summary.get("accepted"), list):
        return summary
    return {**summary, "accepted": {str(code): summary.get("planner") for code in accepted}}


def _with_profile(summary: JsonObject) -> JsonObject:
    """Add the profile of the stages; every stage had all records."""
    rows = object_under(summary, "records").get("read")
    stages = object_under(summary, "seconds").items()
    return {"profile": {name: {"seconds": s, "rows": rows} for name, s in stages}, **summary}


def _with_records_of_steps(summary: JsonObject) -> JsonObject:
    """Add the records of each step of the bridge."""
    steps = _objects(summary, "bridge")
    if steps is None:
        return summary
    for step in steps:
        figures = object_under(step, "figures")
        step.setdefault(
            "records", sum(_number(object_under(figures, code), "records") for code in figures)
        )
    return {**summary, "bridge": [*steps]}


_STEPS: tuple[Callable[[JsonObject], JsonObject], ...] = (
    _renamed,
    _with_all_fates,
    _with_sums_read,
    _with_verdict,
    _with_groups,
    _with_whole_inputs,
    _with_acceptors,
    _with_profile,
    _with_records_of_steps,
)


def _sums_of(fates: tuple[Fate, ...], summary: JsonObject) -> JsonObject:
    """Currency -> debits and credits of some fates; without currencies that have none."""
    found: JsonObject = {}
    for code in object_under(summary, "debits"):
        sides: JsonObject = {
            side: sum(
                _number(object_under(object_under(summary, side), code), fate.value)
                for fate in fates
            )
            for side in _SIDES
        }
        if any(sides.values()):
            found[code] = sides
    return found


def _objects(content: Document, key: str) -> list[JsonObject] | None:
    """Copies of the objects in the list under a key; None if it is no list of objects."""
    value = content.get(key)
    if not isinstance(value, list):
        return None
    objects = [dict(one) for one in value if isinstance(one, dict)]
    return objects if len(objects) == len(value) else None


def _number(content: Document, key: str) -> int:
    """The whole number under a key; 0 if there is none."""
    value = content.get(key)
    return value if isinstance(value, int) else 0
