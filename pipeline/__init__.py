"""Bring customers into billing, each exactly once, and account for every record and every cent.

A batch is a river: rows enter (`sources`), are mapped (`mapping`), cleaned (`normalizing`), judged (`validating`), matched (`matching`),
planned (`planning`), sent (`submission` over `ledger` and `billing`) and reported (`reporting`, into a `run_folder`).
Modules whose names end in -ing are pure; modules that are nouns touch the world; `verbs` is where they meet.

From Python, for orchestrators and notebooks: `load_config` and `Settings.of`, then `plan_import`, `apply_plan`,
`resume_run`, `run_import`, `load_references`; each returns the frozen value that the command line prints.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from pipeline.config import Settings, load_config
    from pipeline.verbs.apply import apply_plan, resume_run
    from pipeline.verbs.bundle.story import make_bundle
    from pipeline.verbs.plan import PlannedRun, plan_import
    from pipeline.verbs.reconcile.story import reconcile
    from pipeline.verbs.references import load_references
    from pipeline.verbs.report.period import report_period
    from pipeline.verbs.report.run import make_report
    from pipeline.verbs.report.sign import sign
    from pipeline.verbs.run import run_import

__all__ = [
    "PlannedRun",
    "Settings",
    "apply_plan",
    "load_config",
    "load_references",
    "make_bundle",
    "make_report",
    "plan_import",
    "reconcile",
    "report_period",
    "resume_run",
    "run_import",
    "sign",
]

_HOMES = {
    "PlannedRun": "verbs.plan",
    "Settings": "config",
    "apply_plan": "verbs.apply",
    "load_config": "config",
    "load_references": "verbs.references",
    "make_bundle": "verbs.bundle.story",
    "make_report": "verbs.report.run",
    "plan_import": "verbs.plan",
    "reconcile": "verbs.reconcile.story",
    "report_period": "verbs.report.period",
    "resume_run": "verbs.apply",
    "run_import": "verbs.run",
    "sign": "verbs.report.sign",
}


def __getattr__(name: str) -> Any:
    """Load the public functions when they are asked for (PEP 562): importing the package costs nothing."""
    if name in _HOMES:
        return getattr(import_module(f"pipeline.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'pipeline' has no attribute {name!r}")
