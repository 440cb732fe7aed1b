"""The base of the JSON documents that a run publishes: frozen, versioned, with a JSON Schema."""

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue

Count = Annotated[int, Field(strict=True, ge=0)]  #: records, lines, bytes
MinorUnits = Annotated[int, Field(strict=True)]  #: an amount or a sum; any size
Text = Annotated[str, Field(strict=True)]
Sha256 = Annotated[str, Field(strict=True, pattern="^[0-9a-f]{64}$")]
Sums = dict[str, MinorUnits]  #: currency -> sum in minor units


class Published(BaseModel):
    """A part of a published document; unknown keys of other versions are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)

    def to_json(self) -> dict[str, JsonValue]:
        """The document as JSON values, with its published keys."""
        return self.model_dump(mode="json", by_alias=True)

    def changed(self, **fields: object) -> Self:
        """A copy with other values in these fields, which are checked."""
        return self.model_validate({**dict(self), **fields})
