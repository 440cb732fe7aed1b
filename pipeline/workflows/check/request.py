"""What to check, and the names of its environment."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pipeline.config import Job, Naming


@dataclass(frozen=True, slots=True)
class CheckRequest:
    """What to check: a config, a destination, the folders, and the variables with the key."""

    config: Path | None
    destination: str | None
    home: Path | None  #: None: that of the config, else the default
    reports: Path | None
    variables: Mapping[str, str]
    environment: str | None = None
    merchant: str | None = None
    live: bool = False


def naming_of(request: CheckRequest, place: str, job: Job | None) -> Naming:
    """The names of environment and merchant, from options, else from the config."""
    return Naming.from_options(
        place,
        job=job,
        environment=request.environment,
        merchant=request.merchant,
        live=request.live,
    )
