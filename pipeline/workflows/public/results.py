"""The values that the public functions return: frozen, small, and readable in a notebook.

Each has the `exit_code` of the command with the same name. Amounts are integers of minor units.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from pipeline.domain.currency import grouped_digits, major_units
from pipeline.domain.period_report import PeriodReport
from pipeline.domain.plurals import number_of
from pipeline.domain.reconciliation import Reconciliation
from pipeline.domain.run_summary import RunSummary
from pipeline.errors import (
    Interrupted,
    OutOfBalance,
    PipelineError,
    SubmissionStopped,
    ThresholdExceeded,
)
from pipeline.reporting import Block, Card, Report, counts_block, sums_block
from pipeline.reporting.headline import currency_label
from pipeline.verifier import Check, Verified
from pipeline.workflows.known_customers import LoadedCustomers
from pipeline.workflows.report.became import Became

#: Exit code of a run -> the error of `raise_if_stopped`.
_ERRORS: Mapping[int, type[PipelineError]] = {
    error.exit_code: error
    for error in (ThresholdExceeded, SubmissionStopped, Interrupted, OutOfBalance)
}


class Shown(ABC):
    """A result that shows itself: one line as `repr`, a few with `print`, tables in a notebook."""

    __slots__ = ()

    @abstractmethod
    def card(self) -> Card:
        """The text of the result."""

    def __repr__(self) -> str:
        card = self.card()
        return f"<{type(self).__name__} {' '.join([card.title, *card.sentences])}>"

    def __str__(self) -> str:
        return self.card().as_text()

    def _repr_html_(self) -> str:
        return self.card().as_html()


@dataclass(frozen=True, slots=True, repr=False)
class RunResult(Shown):
    """A plan, or a run that was applied; `status` says which.

    Exit codes: 0 all records ended well, 1 a person has to look at some, 3 a file issue or threshold
    stopped it, 4 billing stopped it, 5 resumable, 7 the figures do not add up. After the first
    send, a run that stops is a result and no exception, because customers were created.
    """

    run_id: str
    folder: Path  #: the run's folder, with lists and report
    status: str  #: planned, finished or stopped
    verdict: str  #: one sentence
    exit_code: int
    holds: bool  #: whether all accounting checks hold
    actions: Mapping[str, int]  #: planned action -> records
    fates: Mapping[str, int]  #: fate -> records; a planned create is not_attempted
    sums: Mapping[str, Mapping[str, int]]  #: currency -> fate -> minor units
    content: RunSummary = field(compare=False)  #: all of summary.json

    @classmethod
    def of(cls, report: Report, reports: Path) -> "RunResult":
        """The result of a workflow."""
        content = report.content
        return cls(
            content.run_id,
            (reports / content.run_id).absolute(),
            content.status,
            content.verdict,
            report.exit_code,
            report.holds,
            content.actions,
            content.fates,
            content.sums,
            content,
        )

    @property
    def report(self) -> Path:
        """The report as a page."""
        return self.folder / "report.html"

    def raise_if_stopped(self) -> Self:
        """Return this result if its exit code is 0 or 1, else raise the error of the exit code.

        Raises:
            ThresholdExceeded: a file issue or a threshold stopped it (exit code 3)
            SubmissionStopped: billing gave an answer after which nothing may be sent (4)
            Interrupted: stopped by a signal or an outage; resumable (5)
            OutOfBalance: the figures do not add up (7)
        """
        error = _ERRORS.get(self.exit_code)
        if error is None:
            return self
        why = self.content.stopped_because or self.verdict
        is_resumable = self.status == "stopped"
        raise error(
            f"run {self.run_id}: {why}",
            suggests=("resume", self.run_id) if is_resumable else (),
        )

    def card(self) -> Card:
        """Counts per fate or planned action, sums per currency, verdict and folder."""
        is_planned = self.status == "planned"
        counts = (
            counts_block("planned action", self.actions)
            if is_planned
            else counts_block("fate", self.fates)
        )
        stopped = self.content.stopped_because
        return Card(
            f"{self.run_id}: {self.status}, exit code {self.exit_code}.",
            [self.verdict, *([f"Stopped: {stopped}."] if stopped else [])],
            [counts, sums_block(self.content)],
            str(self.folder),
        )


@dataclass(frozen=True, slots=True, repr=False)
class KnownCustomersResult(Shown):
    """The loaded known customers of an environment.

    Exit codes: 0 all records were loaded, 1 some are set aside or incomplete.
    """

    environment: str
    version: str  #: a digest of their content
    rows: int  #: customers that are known now
    read: int  #: records read
    set_aside: int  #: records without a usable external reference, or unreadable
    incomplete: Mapping[str, int]  #: reason -> records that were kept without the faulty field
    exit_code: int
    path: Path  #: their file

    @classmethod
    def of(cls, loaded: LoadedCustomers, environment: str) -> "KnownCustomersResult":
        """The result of a workflow."""
        known = loaded.references
        return cls(
            environment,
            known.version,
            known.rows,
            loaded.read,
            loaded.set_aside,
            dict(loaded.incomplete),
            loaded.exit_code,
            known.path.absolute(),
        )

    def card(self) -> Card:
        """How many customers are known, and what is incomplete."""
        return Card(
            f"{self.environment}: {number_of(self.rows, 'known customer')},"
            f" exit code {self.exit_code}.",
            [f"{number_of(self.read, 'record')}, {grouped_digits(self.set_aside)} set aside."],
            [counts_block("kept without a field because of", self.incomplete)]
            if self.incomplete
            else [],
            str(self.path),
        )


@dataclass(frozen=True, slots=True, repr=False)
class ReconciliationResult(Shown):
    """A comparison of runs with billing.

    Exit codes: 0 all agrees, 1 a person has to look at something, 7 out of balance.
    """

    reconciliation_id: str
    folder: Path
    verdict: str  #: one sentence
    exit_code: int
    is_signable: bool  #: whether a reviewer may sign the runs
    differences: Mapping[str, int]  #: kind of difference -> customers
    residual: Mapping[str, int]  #: currency -> unexplained minor units
    content: Reconciliation = field(compare=False)  #: all of summary.json

    @classmethod
    def of(cls, content: Reconciliation, reports: Path) -> "ReconciliationResult":
        """The result of a workflow."""
        name = content.reconciliation_id
        return cls(
            name,
            (reports / name).absolute(),
            content.verdict,
            content.exit_code,
            content.signable,
            content.differences,
            {currency: left.sum for currency, left in content.residual.items()},
            content,
        )

    def card(self) -> Card:
        """The differences and the residuals."""
        residual = [
            (currency_label(currency), major_units(amount, currency))
            for currency, amount in self.residual.items()
        ]
        return Card(
            f"{self.reconciliation_id}: exit code {self.exit_code}.",
            [self.verdict],
            [
                *([counts_block("difference", self.differences)] * any(self.differences.values())),
                *([Block(("currency", "residual"), residual)] if residual else []),
            ],
            str(self.folder),
        )


@dataclass(frozen=True, slots=True, repr=False)
class ReportResult(Shown):
    """The report of a run, written again. Exit code: 0."""

    run_id: str
    files: tuple[Path, ...]  #: the page, and the workbook of an applied run
    verdict: str  #: one sentence
    content: RunSummary = field(compare=False)  #: all of summary.json
    now: Became | None = None  #: the current fates of an applied run
    exit_code: int = 0

    def card(self) -> Card:
        """The verdict and the written files."""
        return Card(
            f"{self.run_id}: report written.",
            [self.verdict],
            folder="\n".join(map(str, self.files)),
        )


@dataclass(frozen=True, slots=True, repr=False)
class PeriodResult(Shown):
    """The report of all runs of a period, each record counted once.

    Exit codes: 0 nothing is left to do, 1 something is open, 7 the figures do not add up.
    """

    folder: Path
    verdict: str  #: one sentence
    exit_code: int
    fates: Mapping[str, int]  #: fate -> records, each record once
    sums: Mapping[str, Mapping[str, int]]  #: currency -> fate -> minor units
    content: PeriodReport = field(compare=False)  #: all of summary.json

    @classmethod
    def of(cls, content: PeriodReport, folder: Path) -> "PeriodResult":
        """The result of a workflow."""
        once = content.once
        return cls(
            folder.absolute(),
            content.verdict,
            content.exit_code,
            once.fates,
            once.sums,
            content,
        )

    @property
    def report(self) -> Path:
        """The report as a page."""
        return self.folder / "report.html"

    def card(self) -> Card:
        """Counts per fate and sums per currency."""
        sums = [
            (fate, currency_label(currency), major_units(amount, currency))
            for currency, by_fate in self.sums.items()
            for fate, amount in by_fate.items()
            if amount
        ]
        return Card(
            f"{self.content.since} to {self.content.until}: exit code {self.exit_code}.",
            [self.verdict],
            [counts_block("fate", self.fates), Block(("fate", "currency", "sum"), sums)],
            str(self.folder),
        )


@dataclass(frozen=True, slots=True, repr=False)
class SignOffResult(Shown):
    """A recorded sign-off. Exit code: 0."""

    run_id: str
    role: str  #: reviewer or approver
    name: str
    digest: str  #: of everything that the sign-off covers
    files: tuple[Path, ...]  #: the pages, which now show the name
    exit_code: int = 0

    def card(self) -> Card:
        """Who signed, and for which digest."""
        return Card(
            f"{self.run_id}: signed by {self.name} as {self.role}.",
            [f"Digest {self.digest}."],
            folder="\n".join(map(str, self.files)),
        )


@dataclass(frozen=True, slots=True, repr=False)
class VerificationResult(Shown):
    """A folder or a bundle, recomputed. Exit codes: 0 no check failed, 7 a check failed."""

    run_id: str
    records: int | None  #: None if records are not checked one by one
    checks: Sequence[Check]
    holds: bool  #: whether no check failed
    exit_code: int

    @classmethod
    def of(cls, found: Verified) -> "VerificationResult":
        """The result of the verifier."""
        return cls(found.run_id, found.records, tuple(found.checks), found.holds, found.exit_code)

    def card(self) -> Card:
        """The number of checks, and every check that failed or could not be made."""
        failed = sum(check.holds is False for check in self.checks)
        records = f"{number_of(self.records, 'record')}, " if self.records is not None else ""
        verdict = number_of(failed, "does not hold", "do not hold") if failed else "none fails"
        return Card(
            f"{self.run_id}: exit code {self.exit_code}.",
            [
                f"{records}{number_of(len(self.checks), 'check')}, {verdict}.",
                *(
                    f"{'FAILS' if check.holds is False else 'Not checked'}: {check.what}:"
                    f" {check.found}."
                    for check in self.checks
                    if not check.holds
                ),
            ],
        )
