"""The base of all config models: frozen models and their short forms."""

from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema


class Declaration(BaseModel):
    """A part of a config; frozen, and unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def shorthand(name: str) -> BeforeValidator:
    """Accept a plain text in place of a model, as its field `name`."""
    return BeforeValidator(lambda given: {name: given} if isinstance(given, str) else given)


@dataclass(frozen=True, slots=True)
class OrElse:
    """An alternative form in the JSON Schema."""

    what: tuple[tuple[str, Any], ...]

    def __get_pydantic_json_schema__(
        self, core: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {"anyOf": [dict(self.what), handler(core)]}
