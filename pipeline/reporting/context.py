"""What a report shows in addition to the run's summary: later findings and sign-offs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pipeline.domain.period_report import OpenItem
from pipeline.domain.reconciliation import Reconciliation, ReconciliationOutcome
from pipeline.domain.redaction import Pii
from pipeline.domain.run_summary import RunSummary
from pipeline.domain.sign_offs import ROLES, SignOff
from pipeline.domain.summary_parts import ReasonCount


@dataclass(frozen=True, slots=True)
class FateChange:
    """Records of a run whose fate another run changed."""

    before: str
    after: str
    run_id: str  #: the other run
    records: int


@dataclass(frozen=True, slots=True)
class OpenRow:
    """One open record."""

    row_id: str
    run_id: str
    person: str | None  #: a token
    fate: str
    reasons: Sequence[str]
    since: str  #: ISO 8601
    days: int
    runs: int


@dataclass(frozen=True, slots=True)
class Duplicate:
    """A row that repeats another row or matches a known customer."""

    row_id: str
    fate: str
    same_as: str | None  #: a row, or the token of a known customer
    reasons: str | None


@dataclass(frozen=True, slots=True)
class ReportContext:
    """Everything is optional; a new plan has none of it."""

    pii: Pii = Pii.MASKED
    #: The reasons of the summary, with the examples that may be shown.
    reasons: Sequence[ReasonCount] = ()
    #: The summary of the newest reconciliation that includes this run.
    reconciliation: Reconciliation | None = None
    #: Every reconciliation of the run, the newest first.
    reconciliations: Sequence[ReconciliationOutcome] = ()
    #: The first differences, see `redacted.DIFFERENCES`.
    differences: Sequence[Mapping[str, str | None]] = ()
    differences_in_all: int = 0
    duplicates: Sequence[Duplicate] = ()  #: the first ones
    overall: Mapping[str, int] = field(default_factory=dict)  #: current fate -> records of the run
    changes: Sequence[FateChange] = ()  #: by other runs
    damaged_runs: Sequence[str] = ()  #: unreadable folders of other runs, one line each
    open_items: Sequence[OpenItem] = ()
    oldest: Sequence[OpenRow] = ()  #: the oldest open rows
    signed: Sequence[SignOff] = ()
    as_of: str = ""  #: the time (ISO 8601) for which open records and current fates are shown
    evidence: str = ""  #: the digest of everything that a sign-off covers
    places: str = ""  #: options that a command needs to find this run
    destination: str = ""  #: options with the billing system for sending and lookups
    workbook: bool = False  #: whether report.xlsx exists beside the page


def planned_by(summary: RunSummary) -> list[SignOff]:
    """The sign-offs that the summary alone shows: the planner's."""
    return [
        SignOff(role, summary.planner, summary.planned_at) if role == "planner" else SignOff(role)
        for role in ROLES
    ]
