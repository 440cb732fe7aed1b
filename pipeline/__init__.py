"""Bring customers into billing, each exactly once, and account for every record and every cent.

`sources` reads files, `transforming` maps and checks records, `planning` decides what to do, `submission` sends it, and
`reporting` states what happened. `workflows` combines them, one use case a module.

From Python, for orchestrators and notebooks: `load_config` and `Settings.of`, then `plan_import`, `apply_plan`,
`resume_run`, `run_import`, `load_references`; each returns the frozen value that the command line prints.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from pipeline.config import Settings, load_config
    from pipeline.workflows.apply import apply_plan, resume_run
    from pipeline.workflows.bundle.workflow import make_bundle
    from pipeline.workflows.known_customers import load_references
    from pipeline.workflows.plan import PlannedRun, plan_import
    from pipeline.workflows.reconcile.workflow import reconcile
    from pipeline.workflows.report.period import report_period
    from pipeline.workflows.report.render import make_report
    from pipeline.workflows.report.sign_off import sign
    from pipeline.workflows.run import run_import

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
    "PlannedRun": "workflows.plan",
    "Settings": "config",
    "apply_plan": "workflows.apply",
    "load_config": "config",
    "load_references": "workflows.known_customers",
    "make_bundle": "workflows.bundle.workflow",
    "make_report": "workflows.report.render",
    "plan_import": "workflows.plan",
    "reconcile": "workflows.reconcile.workflow",
    "report_period": "workflows.report.period",
    "resume_run": "workflows.apply",
    "run_import": "workflows.run",
    "sign": "workflows.report.sign_off",
}


def __getattr__(name: str) -> Any:
    """Load the public functions when they are asked for (PEP 562): importing the package costs nothing."""
    if name in _HOMES:
        return getattr(import_module(f"pipeline.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'pipeline' has no attribute {name!r}")
