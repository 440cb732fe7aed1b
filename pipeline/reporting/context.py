"""What a report shows in addition to the run's summary: later findings and sign-offs."""

from dataclasses import dataclass, field
from typing import Any

from pipeline.domain.period_report import OpenItem
from pipeline.domain.reconciliation import Reconciliation, ReconciliationOutcome
from pipeline.domain.redaction import Pii
from pipeline.domain.sign_offs import ROLES, SignOff


@dataclass(frozen=True, slots=True)
class ReportContext:
    """Everything is optional; a new plan has none of it."""

    pii: Pii = Pii.MASKED
    #: The reasons of the summary, with the examples that may be shown.
    reasons: list[dict[str, Any]] = field(default_factory=list)
    #: The summary of the newest reconciliation that includes this run.
    reconciliation: Reconciliation | None = None
    #: Every reconciliation of the run, the newest first.
    reconciliations: list[ReconciliationOutcome] = field(default_factory=list)
    #: The first differences, see `redacted.DIFFERENCES`.
    differences: list[dict[str, Any]] = field(default_factory=list)
    differences_in_all: int = 0
    #: The first duplicates: row_id, fate, same_as, reasons.
    duplicates: list[dict[str, str | None]] = field(default_factory=list)
    overall: dict[str, int] = field(default_factory=dict)  #: current fate -> records of the run
    #: What later runs changed: then, now, run_id, records.
    became: list[dict[str, Any]] = field(default_factory=list)
    #: Unreadable folders of other runs, one line each.
    damaged_runs: list[str] = field(default_factory=list)
    open_items: list[OpenItem] = field(default_factory=list)  #: see `open_items.ages`
    #: The oldest open rows: row_id, run_id, person, fate, reasons, since, days, runs.
    oldest: list[dict[str, Any]] = field(default_factory=list)
    signed: list[SignOff] = field(default_factory=list)
    as_of: str = ""  #: the time (ISO 8601) for which open records and current fates are shown
    evidence: str = ""  #: the digest of everything that a sign-off covers
    places: str = ""  #: options that a command needs to find this run
    destination: str = ""  #: options with the billing system for sending and lookups
    workbook: bool = False  #: whether report.xlsx exists beside the page


def planned_by(content: dict[str, Any]) -> list[SignOff]:
    """The sign-offs that the summary alone shows: the planner's."""
    return [
        SignOff(role, content["planner"], content["planned_at"])
        if role == "planner"
        else SignOff(role)
        for role in ROLES
    ]
