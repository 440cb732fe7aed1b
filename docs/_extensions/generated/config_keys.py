"""Every key of a config, from its JSON Schema: type, default and description."""

from collections.abc import Iterator
from typing import Any

from generated.json_types import default_in_words, type_in_words
from generated.markdown import anchor, code, defined, escaped, section
from pipeline.config.schema import config_schema


def config_keys() -> str:
    """The keys of the top level, then those of each part."""
    schema = config_schema()
    paths = _paths(schema)
    links = {
        name: f"keys of [{code(found[0])}](#{anchor('part', found[0])})"
        for name, found in paths.items()
    }
    parts = [
        "\n".join(
            [
                section(code(found[0]), level=2, label=anchor("part", found[0])),
                _introduction(schema["$defs"][name], found),
                *_keys(schema["$defs"][name], f"{found[0]}.", links, schema["$defs"]),
            ]
        )
        for name, found in paths.items()
    ]
    return "\n".join(
        [section("The top level", level=2), *_keys(schema, "", links, schema["$defs"]), *parts]
    )


def key_names() -> list[str]:
    """Every key with its path; a part that stands in several places counts once."""
    schema = config_schema()
    places = {"": schema} | {
        f"{found[0]}.": schema["$defs"][name] for name, found in _paths(schema).items()
    }
    return [f"{path}{key}" for path, part in places.items() for key in part["properties"]]


def _introduction(part: dict[str, Any], found: list[str]) -> str:
    others = ", ".join(map(code, found[1:]))
    lines = [escaped(part.get("description", "")), f"The same keys: {others}." if others else ""]
    return "\n\n".join(filter(None, lines)) + "\n"


def _of_part(schema: dict[str, Any], definitions: dict[str, Any]) -> str:
    """The description of the part that a value is, if it can be nothing else."""
    names = [name for name, _ in _parts_in(schema)]
    return str(definitions[names[0]].get("description", "")) if "$ref" in schema else ""


def _keys(
    part: dict[str, Any], path: str, links: dict[str, str], definitions: dict[str, Any]
) -> Iterator[str]:
    for key, schema in part["properties"].items():
        kind, default = type_in_words(schema, links), default_in_words(schema)
        facts = [
            f"{kind[0].upper()}{kind[1:]}.",
            "Required." if key in part.get("required", ()) else "",
            f"Default: {default}." if default else "",
        ]
        description = escaped(schema.get("description") or _of_part(schema, definitions))
        term = f"[{code(path + key)}]{{#{anchor('key', path + key)}}}"
        yield defined(term, description, " ".join(filter(None, facts)))


def _paths(schema: dict[str, Any]) -> dict[str, list[str]]:
    """Name of a part -> the paths at which it may stand; the first is that of its section."""
    found: dict[str, list[str]] = {}
    waiting = [("", schema)]
    while waiting:
        path, part = waiting.pop(0)
        for key, value in part["properties"].items():
            for name, suffix in _parts_in(value):
                place = f"{path}{key}{suffix}"
                if name in found:
                    found[name].append(place)
                else:
                    found[name] = [place]
                    waiting.append((f"{place}.", schema["$defs"][name]))
    return found


def _parts_in(schema: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """The parts that a value may be, and what follows the key in their path."""
    if "$ref" in schema:
        yield schema["$ref"].rpartition("/")[2], ""
    for choice in schema.get("anyOf", ()):
        yield from _parts_in(choice)
    if isinstance(inner := schema.get("additionalProperties"), dict):
        yield from ((name, ".<key>" + rest) for name, rest in _parts_in(inner))
