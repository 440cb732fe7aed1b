"""The command that makes a plan again, from the same files and with the same options."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

from pipeline.config import Settings
from pipeline.domain.plan_file import GivenAgain, PlanFile, PlanSettings
from pipeline.workflows.places import destination_options

_DEFAULTS = Settings()
_WITHOUT_JOB = {"region": _DEFAULTS.region, "retry_refused": False, "address": None}
NOTHING: GivenAgain = MappingProxyType({})


def planning_again(
    plan: PlanFile,
    changed: GivenAgain = NOTHING,
    *,
    with_destination: bool = True,
) -> list[str]:
    """The words `plan`, its files and its options; `changed`: options with another value now.

    The caller adds home and reports.
    """
    files = (_short(file.path) for file in plan.inputs)
    settings = plan.settings.changed(**changed)
    return ["plan", *files, *_options(settings, plan, with_destination=with_destination)]


def _options(settings: PlanSettings, plan: PlanFile, *, with_destination: bool) -> Iterator[str]:
    config = plan.config
    job: Mapping[str, object] = config.job if config else _WITHOUT_JOB
    if config:
        yield from ("--config", _short(config.path))
    if with_destination and plan.destination != job["address"]:
        yield from destination_options(plan)
    if settings.region != job["region"]:
        yield from ("--default-region", settings.region)
    if settings.retry_refused and not job["retry_refused"]:
        yield "--retry-refused"
    if settings.limit is not None:
        yield from ("--limit", str(settings.limit))
    if settings.where is not None:
        yield from ("--where", settings.where)
    for total in settings.expect or ():
        yield from ("--expect", total)


def _short(path: str) -> str:
    """A path, relative to the working folder if it is below it."""
    whole = Path(path)
    return str(whole.relative_to(Path.cwd())) if whole.is_relative_to(Path.cwd()) else path
