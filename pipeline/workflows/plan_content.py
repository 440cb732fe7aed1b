"""The content of `plan.json`."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from pipeline import __version__
from pipeline.config import ConfigFile, Settings
from pipeline.domain.customer import Environment
from pipeline.domain.file_issues import Finding
from pipeline.domain.plan_file import (
    ConfigUsed,
    ControlTotalCheck,
    FileFinding,
    InputFile,
    InputTotals,
    KnownCustomersUsed,
    LineCounts,
    PlanFile,
)
from pipeline.planning import Plan
from pipeline.planning.file_checks import Held
from pipeline.sources import SourceFile, came_back, unknown_columns
from pipeline.storage.known_customers import References
from pipeline.storage.run_folder import RunFolder
from pipeline.transforming.normalize import NORMALIZATION_VERSION
from pipeline.transforming.source_totals import ControlTotals
from pipeline.workflows.plan_findings import FileFindings
from pipeline.workflows.plan_inputs import PlanInputs
from pipeline.workflows.profile import Profile
from pipeline.workflows.progress import CLOCK
from pipeline.workflows.row_stages import described_layout


@dataclass(frozen=True, slots=True)
class NewPlan:
    """One plan to make: its folder and settings, and the measured stages."""

    folder: RunFolder
    settings: Settings
    environment: Environment
    profile: Profile

    @property
    def ledger_folder(self) -> Path:
        """The folder with the ledger and the known customers of the environment."""
        return self.settings.home / self.environment.name


@dataclass(frozen=True, slots=True)
class PlanResults:
    """The results that `plan.json` records."""

    plan: Plan
    checked: FileFindings
    known: References | None  #: the known customers that rows were matched with
    ledger_event: int  #: the last event of the ledger that the plan knows; 0 if none
    staged: Mapping[str, str]  #: name of a staged file -> SHA-256


def build_plan(new: NewPlan, inputs: PlanInputs, results: PlanResults) -> PlanFile:
    """The content of `plan.json`."""
    settings, checked = new.settings, results.checked
    return PlanFile(
        run_id=new.folder.run_id,
        planned_at=CLOCK.now().isoformat(timespec="seconds"),
        planner=settings.planner,
        version=__version__,
        normalization=NORMALIZATION_VERSION,
        environment=new.environment,
        destination=settings.destination,
        config=_config(settings.config),
        settings=settings.planning,
        per_second=settings.per_second,
        max_creates=settings.max_creates,
        mapping=described_layout(settings.mapping),
        absent_texts=dict(sorted(inputs.absent.items())),
        known_customers=_known_customers(results.known),
        inputs=tuple(_input(inputs, file) for file in inputs.files),
        findings=tuple(map(_finding, checked.findings)),
        control_totals=tuple(map(_control_total, checked.control_totals)),
        columns=tuple(inputs.columns),
        columns_not_sent=unknown_columns(inputs.columns, inputs.mapping),
        ledger_event=results.ledger_event,
        read=_totals(inputs.totals),
        actions={action.value: count for action, count in results.plan.rows.items()},
        staged=dict(results.staged),
        profile=new.profile.stages,
    )


def _config(config: ConfigFile | None) -> ConfigUsed | None:
    if config is None:
        return None
    return ConfigUsed(
        path=config.path, sha256=config.sha256, job=config.job.model_dump(mode="json")
    )


def _known_customers(known: References | None) -> KnownCustomersUsed | None:
    if known is None:
        return None
    return KnownCustomersUsed(version=known.version, rows=known.rows, loaded_at=known.loaded_at)


def _totals(totals: ControlTotals) -> InputTotals:
    return InputTotals(
        records=totals.records, debits=dict(totals.debits), credits=dict(totals.credits)
    )


def _finding(finding: Finding) -> FileFinding:
    return FileFinding(
        code=finding.issue.value,
        stops=not finding.is_warning,
        what=finding.what,
        sentence=finding.issue.sentence,
    )


def _control_total(one: Held) -> ControlTotalCheck:
    return ControlTotalCheck(
        where=one.where, what=one.what, stated=one.stated, found=one.found, holds=one.holds
    )


def _input(inputs: PlanInputs, file: SourceFile) -> InputFile:
    totals = inputs.by_file[file.name]
    return InputFile(
        path=str(file.path),
        name=file.name,
        sha256=file.sha256,
        format=file.format,
        bytes=file.size,
        dialect=file.written,
        lines=LineCounts(**asdict(file.lines)),
        records=totals.records,
        columns=tuple(file.columns),
        debits=dict(totals.debits),
        credits=dict(totals.credits),
        is_resubmission=came_back(file),
        of_workbooks=bool(inputs.returns.of_workbooks.get(file.name)),
    )
