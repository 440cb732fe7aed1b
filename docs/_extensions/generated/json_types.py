"""Types of JSON Schema in words."""

import json
from typing import Any

from generated.markdown import code

_WORDS = {"string": "text", "integer": "whole number", "boolean": "true or false", "array": "list"}


def type_in_words(schema: dict[str, Any], links: dict[str, str]) -> str:
    """What a value may be, in Markdown; `links`: name of a definition -> link to its section."""
    if "$ref" in schema:
        return links[schema["$ref"].rpartition("/")[2]]
    if choices := schema.get("anyOf"):
        known = [type_in_words(one, links) for one in choices if one.get("type") != "null"]
        return " or ".join(dict.fromkeys(known))
    if "enum" in schema:
        return "one of " + ", ".join(code(str(one).replace("\t", "\\t")) for one in schema["enum"])
    if "const" in schema:
        return code(str(schema["const"]))
    match schema.get("type"):
        case "array" if "items" in schema:
            return f"list of {type_in_words(schema['items'], links)}"
        case "object" if isinstance(schema.get("additionalProperties"), dict):
            return f"map of names to {type_in_words(schema['additionalProperties'], links)}"
        case None:
            return "any JSON"
        case str(kind):
            return " ".join(filter(None, [_WORDS.get(kind, kind), _range(schema)]))
        case kinds:
            return " or ".join(_WORDS.get(kind, kind) for kind in kinds)


def is_optional(schema: dict[str, Any]) -> bool:
    """Whether the value may be null."""
    return any(one.get("type") == "null" for one in schema.get("anyOf", []))


def default_in_words(schema: dict[str, Any]) -> str:
    """The default of a key as code, or nothing if it has none that says more than "absent"."""
    default = schema.get("default")
    if default is None or default in ({}, []) or isinstance(default, dict):
        return ""
    return code(default if isinstance(default, str) else json.dumps(default, ensure_ascii=False))


def _range(schema: dict[str, Any]) -> str:
    bounds = [
        f"{words} {schema[key]:,}"
        for key, words in {
            "minimum": "from",
            "exclusiveMinimum": "above",
            "maximum": "to",
            "exclusiveMaximum": "below",
        }.items()
        if key in schema
    ]
    return " ".join(bounds)
