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
class AgainstBilling:
    """What reconciliations of the run found, and the answers that differ from what was sent."""

    #: The summary of the newest reconciliation that includes this run.
    reconciliation: Reconciliation | None = None
    #: Every reconciliation of the run, the newest first.
    reconciliations: Sequence[ReconciliationOutcome] = ()
    #: The first differences, see `redacted.DIFFERENCES`.
    differences: Sequence[Mapping[str, str | None]] = ()
    differences_in_all: int = 0


@dataclass(frozen=True, slots=True)
class FatesNow:
    """The current fates of the run's records, and what is open."""

    overall: Mapping[str, int] = field(default_factory=dict)  #: current fate -> records of the run
    changes: Sequence[FateChange] = ()  #: by other runs
    open_items: Sequence[OpenItem] = ()
    oldest: Sequence[OpenRow] = ()  #: the oldest open rows
    as_of: str = ""  #: the time (ISO 8601) for which all of it is shown


@dataclass(frozen=True, slots=True)
class Signing:
    """The sign-offs of a run, and what the next one covers."""

    signed: Sequence[SignOff] = ()
    evidence: str = ""  #: the digest of everything that a sign-off covers


@dataclass(frozen=True, slots=True)
class CommandOptions:
    """The options of the commands that a page suggests, each after a space."""

    places: str = ""  #: those that a command needs to find this run
    destination: str = ""  #: those with the billing system for sending and lookups


@dataclass(frozen=True, slots=True)
class ReportContext:
    """Everything is optional; a new plan has none of it."""

    pii: Pii = Pii.MASKED
    #: The reasons of the summary, with the examples that may be shown.
    reasons: Sequence[ReasonCount] = ()
    duplicates: Sequence[Duplicate] = ()  #: the first ones
    billing: AgainstBilling = AgainstBilling()
    current: FatesNow = FatesNow()
    signing: Signing = Signing()
    options: CommandOptions = CommandOptions()
    damaged_runs: Sequence[str] = ()  #: unreadable folders of other runs, one line each
    workbook: bool = False  #: whether report.xlsx exists next to the page


def planned_by(summary: RunSummary) -> list[SignOff]:
    """The sign-offs that the summary alone shows: the planner's."""
    return [
        SignOff(role, summary.planner, summary.planned_at) if role == "planner" else SignOff(role)
        for role in ROLES
    ]
