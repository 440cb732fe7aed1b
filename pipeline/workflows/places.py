"""The options with which a command finds the folders of a run and its destination, for what people read outside of a terminal.

The config is not repeated: a plan carries what it said, and its file may have changed or moved since.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pipeline.config import SANDBOX, Settings

_USUAL = Settings()


def place_options(home: Path, reports: Path) -> list[str]:
    """The words that name home and reports; none for those that a command finds by itself."""
    return ["--home", str(home)] * (home != _USUAL.home) + ["--reports", str(reports)] * (
        reports != _USUAL.reports
    )


def destination_given(plan: Mapping[str, Any]) -> dict[str, str | bool]:
    """The parameters that name where the customers of a plan are sent, and that they are real where they are."""
    if plan["destination"] == SANDBOX:
        return {"sandbox": True}
    environment, given = plan["environment"], {"base_url": plan["destination"]}
    if environment["name"] != SANDBOX:
        given |= {"environment": environment["name"], "merchant": environment["merchant"]}
    return given | ({"live": True} if environment["mode"] == "live" else {})


def destination_options(plan: Mapping[str, Any]) -> Iterator[str]:
    """The same as the words of a command."""
    for name, value in destination_given(plan).items():
        option = f"--{name.replace('_', '-')}"
        yield from [option] if value is True else [option, str(value)]
