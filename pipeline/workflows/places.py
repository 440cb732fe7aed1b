"""The options that name the folders and the destination of a run, for commands in reports.

The config is not repeated: a plan holds a copy, and its file may have changed or moved since.
"""

from collections.abc import Iterator
from pathlib import Path

from pipeline.config import SANDBOX, Settings
from pipeline.domain.plan_file import PlanFile

_DEFAULTS = Settings()


def place_options(home: Path, reports: Path) -> list[str]:
    """The options for home and reports; none for a default."""
    return ["--home", str(home)] * (home != _DEFAULTS.home) + ["--reports", str(reports)] * (
        reports != _DEFAULTS.reports
    )


def destination_given(plan: PlanFile) -> dict[str, str | bool]:
    """The parameters for the destination of a plan, with `live` for real customers."""
    if plan.destination == SANDBOX:
        return {"sandbox": True}
    environment, given = plan.environment, {"base_url": plan.destination}
    if environment.name != SANDBOX:
        given |= {"environment": environment.name, "merchant": environment.merchant}
    return given | ({"live": True} if environment.mode == "live" else {})


def destination_options(plan: PlanFile) -> Iterator[str]:
    """The same as `destination_given`, as the words of a command."""
    for name, value in destination_given(plan).items():
        option = f"--{name.replace('_', '-')}"
        yield from [option] if value is True else [option, str(value)]
