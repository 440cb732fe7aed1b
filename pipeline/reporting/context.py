"""What stands on a report beside the run's own summary: what was found about it since, and who signed."""

from dataclasses import dataclass, field
from typing import Any

from pipeline.domain.redaction import Pii
from pipeline.domain.sign_offs import ROLES, Signed


@dataclass(frozen=True, slots=True)
class Beside:
    """All of it may be missing: a plan that was just made has nothing beside it."""

    pii: Pii = Pii.MASKED
    reasons: list[dict[str, Any]] = field(
        default_factory=list
    )  #: those of the summary, their examples as far as shown
    reconciliation: dict[str, Any] | None = (
        None  #: the summary of the newest one that took this run in
    )
    reconciliations: list[dict[str, Any]] = field(
        default_factory=list
    )  #: every one: its id, when, method, exit code, verdict
    differences: list[dict[str, Any]] = field(
        default_factory=list
    )  #: the first ones, see `masked.DIFFERENCES`
    differences_in_all: int = 0
    duplicates: list[dict[str, str | None]] = field(
        default_factory=list
    )  #: the first ones: row_id, fate, same_as, reasons
    overall: dict[str, int] = field(default_factory=dict)  #: fate now -> records of the run
    became: list[dict[str, Any]] = field(
        default_factory=list
    )  #: then, now, run_id, records: what later runs changed
    damaged_runs: list[str] = field(
        default_factory=list
    )  #: folders of other runs that cannot be read, each in a line
    open_items: list[dict[str, Any]] = field(default_factory=list)  #: see `open_items.ages`
    oldest: list[dict[str, Any]] = field(
        default_factory=list
    )  #: row_id, run_id, person, fate, reasons, since, days, runs
    signed: list[Signed] = field(default_factory=list)
    as_of: str = (
        ""  #: the moment (ISO 8601) as of which records are open, and what became of them is shown
    )
    evidence: str = ""  #: the digest of everything that a reviewer signs for
    places: str = ""  #: options that a command needs to find this run
    destination: str = ""  #: options that say where a command sends customers, or looks them up
    workbook: bool = False  #: whether report.xlsx lies beside the page


def planned_by(content: dict[str, Any]) -> list[Signed]:
    """Who has signed where nothing but the summary says so: its planner."""
    return [
        Signed(role, content["planner"], content["planned_at"])
        if role == "planner"
        else Signed(role)
        for role in ROLES
    ]
