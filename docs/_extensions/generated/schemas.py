"""The keys of the JSON files that a run publishes, from their models."""

import importlib
import inspect
from collections.abc import Iterator
from pkgutil import iter_modules
from typing import Any

import pipeline.domain
from generated.json_types import default_in_words, is_optional, type_in_words
from generated.markdown import anchor, code, defined, escaped, section
from pipeline.domain.published import Published


def schemas() -> str:
    """Every published document: its keys, and those of its parts."""
    return "\n".join(_document(model) for model in documents())


def documents() -> list[type[Published]]:
    """The models of whole files: those that state the version of their form, as `schema`."""
    models = (model for module in _modules() for model in _models_of(module))
    return [model for model in models if "schema" in model.model_json_schema()["properties"]]


def _modules() -> Iterator[Any]:
    for module in iter_modules(pipeline.domain.__path__, "pipeline.domain."):
        yield importlib.import_module(module.name)


def _models_of(module: Any) -> Iterator[type[Published]]:
    for _, model in inspect.getmembers(module, inspect.isclass):
        if issubclass(model, Published) and model.__module__ == module.__name__:
            yield from [] if model is Published else [model]


def _document(model: type[Published]) -> str:
    schema, document = model.model_json_schema(by_alias=True), model.__name__
    parts = {name: part for name, part in schema.get("$defs", {}).items() if "properties" in part}
    links = {
        name: f"[{name}](#{anchor('schema', f'{document}-{name}')})"
        if name in parts
        else type_in_words(part, {})
        for name, part in schema.get("$defs", {}).items()
    }
    about = inspect.getdoc(model)
    return "\n".join(
        [
            section(document, level=2, label=anchor("schema", document)),
            f"{escaped(about or '')}\n",
            *_keys(schema, links),
            *(_part(document, name, part, links) for name, part in parts.items()),
        ]
    )


def _part(document: str, name: str, part: dict[str, Any], links: dict[str, str]) -> str:
    return "\n".join(
        [
            section(name, level=3, label=anchor("schema", f"{document}-{name}")),
            f"{escaped(part.get('description', ''))}\n",
            *_keys(part, links),
        ]
    )


def _keys(part: dict[str, Any], links: dict[str, str]) -> Iterator[str]:
    for key, schema in part["properties"].items():
        kind, default = type_in_words(schema, links), default_in_words(schema)
        kind += " or null" if is_optional(schema) else ""
        facts = f"{kind[0].upper()}{kind[1:]}." + (f" Default: {default}." if default else "")
        yield defined(code(key), escaped(schema.get("description", "")), facts)
