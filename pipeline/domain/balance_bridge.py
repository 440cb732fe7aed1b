"""The steps of a bridge, as a published document states them."""

from collections.abc import Sequence

from pydantic import Field

from pipeline.domain.published import MinorUnits, Published, Text

SignedCount = MinorUnits  #: a change of a number of records; any sign


class BridgeFigure(Published):
    """Records and minor units of one currency."""

    records: SignedCount | None = Field(description="null if only the sum is stated")
    sum: MinorUnits


class BridgeStep(Published):
    """One line of a bridge: a total with every currency, or a change of the total before it."""

    step: Text
    sentence: Text
    is_total: bool
    records: SignedCount | None = Field(description="of all currencies; null if not stated")
    figures: dict[str, BridgeFigure] = Field(description="currency -> records and sum")


def step_named(steps: Sequence[BridgeStep], name: str) -> BridgeStep | None:
    """The step of this name, or None."""
    return next((one for one in steps if one.step == name), None)
