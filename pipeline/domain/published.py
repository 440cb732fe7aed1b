"""The base of the JSON documents that a run publishes: frozen, versioned, with a JSON Schema."""

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

Count = Annotated[int, Field(strict=True, ge=0)]  #: records, lines, bytes
MinorUnits = Annotated[int, Field(strict=True)]  #: an amount or a sum; any size
Text = Annotated[str, Field(strict=True)]
Sha256 = Annotated[str, Field(strict=True, pattern="^[0-9a-f]{64}$")]
Sums = dict[str, MinorUnits]  #: currency -> sum in minor units
JsonObject = dict[str, JsonValue]  #: a JSON object that no model describes


class Published(BaseModel):
    """A part of a published document; unknown keys of other versions are ignored."""

    model_config = ConfigDict(
        frozen=True,
        extra="ignore",
        populate_by_name=True,
        hide_input_in_errors=True,
        json_schema_serialization_defaults_required=True,
    )

    def to_json(self) -> JsonObject:
        """The document as JSON values, with its published keys."""
        return self.model_dump(mode="json", by_alias=True)

    def changed(self, **fields: object) -> Self:
        """A copy with other values in these fields, which are checked."""
        return self.model_validate({**dict(self), **fields})


def first_fault(error: ValidationError) -> str:
    """The first fault of a document, such as "no 'runs'"."""
    fault = error.errors(include_url=False, include_input=False)[0]
    name = ".".join(part for part in fault["loc"] if isinstance(part, str))
    if (name, fault["type"]) == ("schema", "less_than_equal"):
        return "a schema that only a newer version of this program reads"
    if not name:
        return "no JSON object"
    return f"no {name!r}" if fault["type"] == "missing" else f"a value of another type in {name!r}"
