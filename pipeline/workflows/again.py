"""The words of the command that makes a plan again, from the same files and with the same options."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pipeline.config import Settings
from pipeline.workflows.places import destination_options

_USUAL = Settings()
NOTHING: Mapping[str, Any] = {}


def planning_again(
    plan: Mapping[str, Any], said: Mapping[str, Any] = NOTHING, *, there: bool = True
) -> list[str]:
    """`plan`, its files and the options that it had; `said`: those that have another value now.

    `there`: also the destination of the plan. Whoever shows the command adds home and reports.
    """
    files = (_short(file["path"]) for file in plan["inputs"])
    return ["plan", *files, *_options({**plan["settings"], **said}, plan, there=there)]


def _options(settings: Mapping[str, Any], plan: Mapping[str, Any], *, there: bool) -> Iterator[str]:
    config = plan["config"]
    job = (
        config["job"]
        if config
        else {"region": _USUAL.region, "retry_refused": False, "address": None}
    )
    if config:
        yield from ("--config", _short(config["path"]))
    if there and plan["destination"] != job["address"]:
        yield from destination_options(plan)
    if settings["region"] != job["region"]:
        yield from ("--default-region", settings["region"])
    if settings["retry_refused"] and not job["retry_refused"]:
        yield "--retry-refused"
    for name in ("limit", "where"):
        if settings[name] is not None:
            yield from (f"--{name}", str(settings[name]))
    for total in settings["expect"] or ():
        yield from ("--expect", total)


def _short(path: str) -> str:
    """A path as it is typed in the working folder."""
    whole = Path(path)
    return str(whole.relative_to(Path.cwd())) if whole.is_relative_to(Path.cwd()) else path
