"""The `summary.json` of the report of a period: its runs, its files, and each record once."""

from typing import Literal, Self

from pydantic import Field, JsonValue

from pipeline.domain.customer import Environment
from pipeline.domain.published import Count, MinorUnits, Published, Sha256, Sums, Text
from pipeline.domain.reconciliation import OUT_OF_BALANCE, DamagedFolder
from pipeline.domain.summary_parts import Accounting
from pipeline.domain.upgrades import Document, renamed, upgraded, with_each

PERIOD_SCHEMA = 2  #: the version of the summary of a period


class ReviewOfRun(Published):
    """The newest sign-off of a reviewer."""

    state: Literal["open", "stale", "stands"]
    name: Text | None
    at: Text | None


class ReconciliationOfRun(Published):
    """The result of the newest reconciliation of a run."""

    exit_code: Count
    signable: bool = True
    verdict: Text


class RunOfPeriod(Published):
    """One run of the period."""

    run_id: Text
    planned_at: Text
    planner: Text
    read: Count
    created: Count
    exit_code: Count
    reviewed: ReviewOfRun
    against: ReconciliationOfRun | None = Field(description="null if it was never reconciled")


class FileOfPeriod(Published):
    """One different input file of the period."""

    file: Count = Field(description="its number within the period")
    name: Text
    sha256: Sha256
    records: Count
    taken_at: Text = Field(description="when it was first planned")
    times: Count = Field(description="how often it was read")
    corrections: Count = Field(description="its rows that correct a row of another file")


class RecordsOnce(Published):
    """The records of the period, each counted once."""

    records: Count
    rows_read: Count = Field(description="rows of all runs, however often a record was read")
    read_again: Count = Field(description="records that were read more than once")
    fates: dict[str, Count]
    sums: dict[str, dict[str, MinorUnits]] = Field(description="currency -> fate -> minor units")
    counts: dict[str, dict[str, Count]] = Field(description="currency -> fate -> records")
    of_earlier_files: dict[str, Count] = Field(description="fate -> records that were resubmitted")
    accounting: Accounting


class OpenItem(Published):
    """The open records of one fate."""

    fate: Text
    records: Count
    since: Text
    days: MinorUnits
    runs: Count = Field(description="runs that read the oldest of them")
    sums: Sums


class PeriodReport(Published):
    """The content of a period's `summary.json`."""

    schema_version: Count = Field(default=PERIOD_SCHEMA, le=PERIOD_SCHEMA, alias="schema")
    kind: Literal["period"] = "period"
    since: Text
    until: Text
    environment: Environment
    reviewer: Text
    version: Text
    finished_at: Text
    runs: tuple[RunOfPeriod, ...]
    not_finished: tuple[str, ...]
    damaged_runs: tuple[DamagedFolder, ...]
    files: tuple[FileOfPeriod, ...]
    once: RecordsOnce
    open: tuple[OpenItem, ...]
    open_as_of: Text
    without_sums: tuple[str, ...] = Field(description="runs whose rows were deleted")
    exit_code: Count
    verdict: Text

    def out_of_balance(self) -> list[RunOfPeriod]:
        """The runs whose newest reconciliation is out of balance or cannot be signed."""
        return [
            run
            for run in self.runs
            if run.against is not None and run.against.exit_code == OUT_OF_BALANCE
        ]

    @classmethod
    def of(cls, document: Document) -> Self:
        """Parse a summary of any version; raise ValidationError if it has another shape."""
        return cls.model_validate(upgraded(document, _STEPS))


#: Keys that some summaries of version 1 lack: they were added without a new version.
_ADDED_TO_1: dict[str, JsonValue] = {"not_finished": [], "damaged_runs": []}


def _from_1(document: Document) -> Document:
    """Rename what was called fed and mends; add what some summaries of version 1 lack."""
    once = document.get("once")
    return {
        **_ADDED_TO_1,
        "open_as_of": document.get("until"),
        **document,
        "files": with_each(document, "files", lambda one: renamed(one, {"mends": "corrections"})),
        "once": renamed(
            {"counts": {}, **once},
            {"fed": "rows_read", "fed_again": "read_again", "conservation": "accounting"},
        )
        if isinstance(once, dict)
        else once,
    }


_STEPS = {1: _from_1}
