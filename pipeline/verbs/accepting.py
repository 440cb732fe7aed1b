"""Who accepted which alarm of a plan."""

from collections.abc import Mapping
from typing import Any

from pipeline.run_folder import RunFolder


def accepted_by(folder: RunFolder, plan: Mapping[str, Any]) -> dict[str, str]:
    """Code of an alarm -> who accepted it first; an earlier version kept that in the plan."""
    return {**folder.accepted(), **plan.get("accepted", {})}
