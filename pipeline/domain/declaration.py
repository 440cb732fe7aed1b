"""What every part of a job's declarations is made of: frozen models, and the short forms that may stand for them."""

from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, GetJsonSchemaHandler
from pydantic_core import CoreSchema


class Declaration(BaseModel):
    """A part of what a job declares; it is frozen, and unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def shorthand(name: str) -> BeforeValidator:
    """A plain text stands for the one member that it most often is."""
    return BeforeValidator(lambda given: {name: given} if isinstance(given, str) else given)


@dataclass(frozen=True, slots=True)
class OrElse:
    """In the JSON Schema, what may be written instead of the whole."""

    what: tuple[tuple[str, Any], ...]

    def __get_pydantic_json_schema__(
        self, core: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {"anyOf": [dict(self.what), handler(core)]}
