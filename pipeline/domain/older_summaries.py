"""Bring a `summary.json` that an earlier version wrote into the form of this version."""

from pydantic import JsonValue

Content = dict[str, JsonValue]

#: Key of schema 1 -> its key since schema 2.
RENAMED = {
    "waves": "batch",
    "references": "known_customers",
    "pace": "throughput",
    "conservation": "accounting",
    "cannot_be_paid_against": "not_payable",
}
_OF_AN_INPUT = {"written": "dialect", "came_back": "is_resubmission"}
_OF_THE_REQUESTS = {"look_ups": "lookups"}


def upgraded(content: Content) -> Content:
    """The content in the form of this version; a damaged value stays for the model to refuse."""
    if content.get("schema") != 1:
        return content
    new = _renamed(content, RENAMED)
    new["schema"] = 2
    new["inputs"] = _each(new.get("inputs"), _OF_AN_INPUT)
    new["requests"] = _in(new.get("requests"), _OF_THE_REQUESTS)
    return new


def _renamed(content: Content, names: dict[str, str]) -> Content:
    return {names.get(key, key): value for key, value in content.items()}


def _in(value: JsonValue, names: dict[str, str]) -> JsonValue:
    return _renamed(value, names) if isinstance(value, dict) else value


def _each(value: JsonValue, names: dict[str, str]) -> JsonValue:
    return [_in(one, names) for one in value] if isinstance(value, list) else value
