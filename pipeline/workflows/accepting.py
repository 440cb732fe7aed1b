"""Who accepted which issue of a plan."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from pipeline.storage.run_folder import RunFolder


def accepted_by(folder: RunFolder, plan: Mapping[str, Any]) -> dict[str, str]:
    """Code of a file issue -> who accepted it first. Earlier versions kept this in the plan."""
    return {**folder.accepted(), **plan.get("accepted", {})}


def open_issues(
    findings: Sequence[Mapping[str, Any]], accepted: Collection[str]
) -> list[Mapping[str, Any]]:
    """The findings that stop a plan until a person accepts them."""
    return [one for one in findings if one["stops"] and one["code"] not in accepted]


def to_apply(run_id: str, issues: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """The words of the command that applies a plan and accepts these issues, each code once."""
    codes = dict.fromkeys(one["code"] for one in issues)
    return ("apply", run_id, *(word for code in codes for word in ("--accept", code)))
