"""The content of `plan.json`."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pipeline import __version__
from pipeline.config import Settings
from pipeline.domain.customer import Environment
from pipeline.domain.file_issues import Finding
from pipeline.planning import Plan
from pipeline.sources import SourceFile, came_back, unknown_columns
from pipeline.storage.known_customers import References
from pipeline.storage.run_folder import PLAN_SCHEMA, RunFolder
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


def plan_content(new: NewPlan, inputs: PlanInputs, results: PlanResults) -> dict[str, Any]:
    """The content of `plan.json`."""
    checked = results.checked
    return {
        **_made_from(new),
        "absent_texts": dict(sorted(inputs.absent.items())),
        "references": _references(results.known),
        "inputs": [_input(inputs, file) for file in inputs.files],
        "findings": [_finding(finding) for finding in checked.findings],
        "control_totals": [{**asdict(one), "holds": one.holds} for one in checked.control_totals],
        "columns": inputs.columns,
        "columns_not_sent": unknown_columns(inputs.columns, inputs.mapping),
        "ledger_event": results.ledger_event,
        "read": _sums(inputs.totals),
        "actions": {action.value: count for action, count in results.plan.rows.items()},
        "staged": dict(results.staged),
        "profile": new.profile.stages,
    }


def _made_from(new: NewPlan) -> dict[str, Any]:
    """Who made the plan, when, by which version and with which settings."""
    settings = new.settings
    return {
        "schema": PLAN_SCHEMA,
        "run_id": new.folder.run_id,
        "planned_at": CLOCK.now().isoformat(timespec="seconds"),
        "planner": settings.planner,
        "version": __version__,
        "normalization": NORMALIZATION_VERSION,
        "environment": asdict(new.environment),
        "destination": settings.destination,
        "config": _config(settings),
        "settings": settings.planning,
        "per_second": settings.per_second,
        "max_creates": settings.max_creates,
        "mapping": described_layout(settings.mapping),
    }


def _config(settings: Settings) -> dict[str, Any] | None:
    config = settings.config
    if config is None:
        return None
    return {"path": config.path, "sha256": config.sha256, "job": config.job.model_dump(mode="json")}


def _references(known: References | None) -> dict[str, Any] | None:
    if known is None:
        return None
    return {"version": known.version, "rows": known.rows, "loaded_at": known.loaded_at}


def _sums(totals: ControlTotals) -> dict[str, Any]:
    return {
        "records": totals.records,
        "debits": dict(totals.debits),
        "credits": dict(totals.credits),
    }


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "code": finding.issue.value,
        "stops": not finding.is_warning,
        "what": finding.what,
        "sentence": finding.issue.sentence,
    }


def _input(inputs: PlanInputs, file: SourceFile) -> dict[str, Any]:
    totals = inputs.by_file[file.name]
    return {
        "path": str(file.path),
        "name": file.name,
        "sha256": file.sha256,
        "format": file.format,
        "bytes": file.size,
        "written": file.written,
        "lines": asdict(file.lines),
        "records": totals.records,
        "columns": file.columns,
        "debits": dict(totals.debits),
        "credits": dict(totals.credits),
        "came_back": came_back(file),
        **({"of_workbooks": True} if inputs.returns.of_workbooks.get(file.name) else {}),
    }
