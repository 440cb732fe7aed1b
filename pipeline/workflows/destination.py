"""The destination of a command: what a plan was made for, and the connection to it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline import open_sandbox
from pipeline.config import (
    SANDBOX,
    ConfigFile,
    Job,
    Naming,
    Target,
    read_api_key,
    sandbox_target,
    target_from,
)
from pipeline.storage.run_folder import RunFolder


@contextmanager
def opened_target(destination: str, naming: Naming, home: Path) -> Iterator[Target]:
    """A destination with its key: the sandbox inside this process, or billing."""
    if destination == SANDBOX:
        with open_sandbox(home) as sandbox:
            yield sandbox_target(sandbox.base_url, sandbox.api_key, sandbox.account_key)
        return
    yield target_from(destination, read_api_key(os.environ), naming)


def planned_config(folder: RunFolder) -> ConfigFile | None:
    """The config that a plan was made with. The plan holds a copy, so its file may have changed."""
    known = folder.read_plan()["config"]
    return (
        ConfigFile(known["path"], known["sha256"], Job.model_validate(known["job"]))
        if known
        else None
    )


def planned_naming(
    folder: RunFolder, environment: str | None, merchant: str | None, *, live: bool
) -> Naming:
    """The names of environment and merchant from the options, else from the plan."""
    known = folder.read_plan_of_any_version()["environment"]
    return Naming(
        environment=environment or known["name"], merchant=merchant or known["merchant"], live=live
    )
