"""Read a config, and report every fault at once as file:line:column."""

import difflib
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from pipeline.config.job import Job
from pipeline.config.yaml_file import LARGEST, Document, Fault, read_yaml, shown
from pipeline.errors import ConfigError
from pipeline.storage.files import read_regular

_KEY = re.compile(r"\b[sp]k_[A-Za-z0-9]")


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """A config that was read: its path, the hash of its bytes, and its content."""

    path: str
    sha256: str
    job: Job


def load_config(path: Path) -> ConfigFile:
    """Read a config; raise ConfigError with all of its faults, each as file:line:column."""
    content = _bytes_of(path)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"{path}: byte {error.start} is not UTF-8; save the file as UTF-8"
        ) from None
    if secret := _KEY.search(text):
        line = text.count("\n", 0, secret.start()) + 1
        raise ConfigError(
            f"{path}:{line}: this looks like an API key; set BILLING_API_KEY instead,"
            " keys are not allowed in a config"
        )
    document = read_yaml(text)
    faults = list(document.faults)
    job = None
    if not faults or document.data is not None:
        try:
            job = Job.model_validate(document.data if document.data is not None else {})
        except ValidationError as invalid:
            faults += [_fault(error, document) for error in invalid.errors()]
    if faults or job is None:
        ordered = sorted(faults, key=lambda fault: (fault.line, fault.column))
        lines = [f"{path}:{fault.line}:{fault.column}: {fault.what}" for fault in ordered]
        count = f"{len(lines)} fault{'s' * (len(lines) > 1)}"
        raise ConfigError("\n".join([f"{count} in the config; nothing was sent", *lines]))
    return ConfigFile(str(path.absolute()), hashlib.sha256(content).hexdigest(), job)


def _bytes_of(path: Path) -> bytes:
    try:
        content = read_regular(path, LARGEST + 1)
    except OSError as error:
        raise ConfigError(
            f"{path}: cannot be read ({error.strerror or type(error).__name__})"
        ) from None
    if len(content) > LARGEST:
        raise ConfigError(f"{path}: larger than 1 MiB, so this is not a config")
    return content


def _fault(error: ErrorDetails, document: Document) -> Fault:
    """A fault that pydantic found, with its position and in plain words."""
    path = tuple(part for part in error["loc"] if part != "[key]")
    where = shown(path)
    match error["type"]:
        case "extra_forbidden":
            near = difflib.get_close_matches(str(path[-1]), _known_names(path), n=1, cutoff=0.5)
            hint = (
                f"; did you mean {near[0]!r}?"
                if near
                else f"; allowed here: {', '.join(_known_names(path))}"
            )
            return Fault(*document.place_of(path, key=True), f"unknown key {where!r}{hint}")
        case "missing":
            return Fault(*document.place_of(path), f"{where} is missing")
        case "string_type" if error["input"] is None:
            return Fault(
                *document.place_of(path),
                f"{where} is empty; put the text in quotes if it is meant literally",
            )
        case _:
            where = shown(document.nearest(path))  # a shorthand lacks the inner keys
            text = error["msg"].removeprefix("Value error, ")
            text = text.replace("Input should be", "should be")
            message = f"{where}: {text[:1].lower()}{text[1:]}" if where else text
            return Fault(*document.place_of(path), message)


def _known_names(path: tuple[str | int, ...]) -> list[str]:
    """The names that the model of a key allows."""
    models: list[type[BaseModel]] = [Job]
    for part in path[:-1]:
        inner = [model for known in models for model in _models_under(known, part)]
        models = inner or models  # inside a dict of texts the part is a key of the supplier
    return [name for model in models for name in model.model_fields]


def _models_under(model: type[BaseModel], part: str | int) -> Iterator[type[BaseModel]]:
    if part in model.model_fields:
        yield from _models_in(model.model_fields[str(part)].annotation)


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models_in(inner)
