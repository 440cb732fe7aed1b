"""Bring the JSON of an earlier version into the form of this one, one version at a time."""

from collections.abc import Callable, Mapping

from pydantic import JsonValue

Document = Mapping[str, JsonValue]
Upgrade = Callable[[Document], Document]


def upgraded(document: Document, steps: Mapping[int, Upgrade]) -> Document:
    """The document after every step that follows its version.

    `steps`: version -> the step from it to the next one. A document without a version has version
    1. A version without a step is left alone: it is this one, or one of a later program, which the
    model refuses.
    """
    version = document.get("schema", 1)
    while isinstance(version, int) and (step := steps.get(version)) is not None:
        version += 1
        document = {**step(document), "schema": version}
    return document


def renamed(document: Document, names: Mapping[str, str]) -> dict[str, JsonValue]:
    """The document with these keys renamed: old name -> new name."""
    return {names.get(name, name): value for name, value in document.items()}


def object_under(document: Document, name: str) -> Document:
    """The JSON object under a key; an empty one if there is none."""
    found = document.get(name)
    return found if isinstance(found, dict) else {}


def with_each(document: Document, name: str, change: Callable[[Document], Document]) -> JsonValue:
    """The value of a key; where it is a list, each JSON object in it is changed."""
    found = document.get(name)
    if not isinstance(found, list):
        return found
    return [dict(change(one)) if isinstance(one, dict) else one for one in found]
