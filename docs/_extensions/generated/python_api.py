"""The public names of the package; autodoc writes their signatures and docstrings."""

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from types import FunctionType

from pydantic import BaseModel

import pipeline
from generated.markdown import section

_WITHOUT_CONSTRUCTOR = ":exclude-members: __init__, __new__"  #: its parameters are the fields


def python_api() -> str:
    """A directive of autodoc for each public name: functions, then classes, then other values."""
    named = {name: getattr(pipeline, name) for name in sorted(pipeline.__all__)}
    kinds = {
        "Functions": [_directive("function", name) for name in named if _is_function(named[name])],
        "Classes": [_class(name) for name in named if _is_class(named[name])],
        "Errors": [
            _directive("exception", name, ":show-inheritance:")
            for name in named
            if _is_error(named[name])
        ],
    }
    rest = [name for name in named if not callable(named[name])]
    kinds["Values"] = [_directive("data", name) for name in rest]
    return "\n".join(
        "\n".join([section(heading, level=2), "```{eval-rst}", *directives, "```\n"])
        for heading, directives in kinds.items()
        if directives
    )


def _is_function(value: object) -> bool:
    return callable(value) and not inspect.isclass(value)


def _is_error(value: object) -> bool:
    return inspect.isclass(value) and issubclass(value, Exception)


def _is_class(value: object) -> bool:
    return inspect.isclass(value) and not _is_error(value)


def _class(name: str) -> str:
    found = getattr(pipeline, name)
    if not issubclass(found, BaseModel):
        return _directive("class", name, ":members:", ":undoc-members:", _WITHOUT_CONSTRUCTOR)
    methods = [
        member
        for member, value in vars(found).items()
        if not member.startswith("_")
        and isinstance(value, FunctionType | classmethod | staticmethod | property)
        and inspect.getdoc(value)
    ]
    members = [f":members: {', '.join(methods)}"] if methods else []
    options = (*members, _WITHOUT_CONSTRUCTOR)
    return "\n".join([_directive("class", name, *options), *_fields(found)])


def _fields(model: type[BaseModel]) -> Iterator[str]:
    """The fields of a model without the validators that autodoc would print with their types."""
    comments = _comments(model)
    for name, field in model.model_fields.items():
        kind = re.sub(r"\b(?:\w+\.)+(\w+)", r"\1", inspect.formatannotation(field.annotation))
        yield f"   .. py:attribute:: {name}\n      :type: {kind}"
        if not (field.is_required() or field.default_factory):
            yield f"      :value: {_default(field.default)}"
        yield f"\n      {field.description or comments.get(name, '')}\n"


def _default(value: object) -> str:
    if isinstance(value, BaseModel):
        return f"{type(value).__name__}()"  # each of ours stands for its own defaults
    return repr(str(value) if isinstance(value, Path) else value)


def _comments(model: type[BaseModel]) -> dict[str, str]:
    """Name of a field -> its comment `#: …`, above it or at the end of its line."""
    found: dict[str, str] = {}
    above: list[str] = []
    for line in inspect.getsource(model).splitlines():
        if line.strip().startswith("#:"):
            above.append(line.strip()[2:].strip())
        else:
            if field := re.match(r" {4}(\w+): [^#]*(?:#: (.*))?$", line):
                found[field[1]] = " ".join([*above, field[2] or ""]).strip()
            above = []
    return found


def _directive(kind: str, name: str, *options: str) -> str:
    return "\n".join([f".. auto{kind}:: pipeline.{name}", *(f"   {one}" for one in options), ""])
