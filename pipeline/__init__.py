"""Bring customers into billing, each exactly once, and account for every record and every cent.

A batch is a river: rows enter (`sources`), are cleaned (`normalizing`), judged (`validating`), matched (`matching`),
planned (`planning`), sent (`submission` over `ledger` and `billing`) and reported (`reporting`, into a `run_folder`).
Modules whose names end in -ing are pure; modules that are nouns touch the world; `verbs` is where they meet.

From Python, for orchestrators and notebooks: `plan_import`, `apply_plan`, `resume_run`, `run_import`; each returns the
frozen value that the command line prints.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from pipeline.verbs.run import PlannedRun, apply_plan, plan_import, resume_run, run_import

__all__ = ["PlannedRun", "apply_plan", "plan_import", "resume_run", "run_import"]


def __getattr__(name: str) -> Any:
    """Load the public functions when they are asked for (PEP 562): importing the package costs nothing."""
    if name in __all__:
        return getattr(import_module("pipeline.verbs.run"), name)
    raise AttributeError(f"module 'pipeline' has no attribute {name!r}")
