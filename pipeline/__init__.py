"""Bring customers into billing, each exactly once, and account for every record and every cent.

`sources` reads files, `transforming` maps and checks records, `planning` decides what to do,
`submission` sends it, and `reporting` states what happened. `workflows` combines them, one use case
a module.

From Python, in three lines:

    from pipeline import run_import
    result = run_import("customers.csv", config="job.yaml", sandbox=True)
    print(result)

Functions and their keyword options are those of the command line. Each returns a frozen value with
counts, sums in minor units, a verdict, an exit code and a folder. Bad data is part of the result. A
failure of the surroundings raises a `PipelineError`, whose `exit_code` is that of the command.
"""

from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pipeline.config import ConfigFile, Settings, load_config
    from pipeline.errors import (
        AddressRefused,
        ConfigError,
        HomeIsNew,
        Interrupted,
        KeyProblem,
        LedgerError,
        LedgerLocked,
        NoHeader,
        NotApproved,
        NothingToGiveUp,
        NotUtf8,
        OptionRefused,
        OutOfBalance,
        OutputRefused,
        PersonalDataFound,
        PipelineError,
        PlanStale,
        ReferencesError,
        ResultNotShown,
        RunNotFound,
        SandboxError,
        SourceError,
        SubmissionStopped,
        ThresholdExceeded,
        UnknownCode,
    )
    from pipeline.sandbox import SandboxServer
    from pipeline.storage.run_damage import RunDamaged
    from pipeline.workflows.progress import StopRequest
    from pipeline.workflows.public import (
        ApplyOptions,
        BundleOptions,
        KnownCustomersResult,
        LoadOptions,
        PeriodResult,
        PlacesOptions,
        ReconcileOptions,
        ReconciliationResult,
        ReportResult,
        ResumeOptions,
        ReviewOptions,
        RunOptions,
        RunResult,
        SignOffResult,
        SignOptions,
        VerificationResult,
        apply_plan,
        load_known_customers,
        make_bundle,
        make_report,
        plan_import,
        reconcile,
        report_period,
        resume_run,
        run_import,
        sign,
        verify,
    )

__version__ = "0.1.0"

__all__ = [
    "AddressRefused",
    "ApplyOptions",
    "BundleOptions",
    "ConfigError",
    "ConfigFile",
    "HomeIsNew",
    "Interrupted",
    "KeyProblem",
    "KnownCustomersResult",
    "LedgerError",
    "LedgerLocked",
    "LoadOptions",
    "NoHeader",
    "NotApproved",
    "NotUtf8",
    "NothingToGiveUp",
    "OptionRefused",
    "OutOfBalance",
    "OutputRefused",
    "PeriodResult",
    "PersonalDataFound",
    "PipelineError",
    "PlacesOptions",
    "PlanStale",
    "ReconcileOptions",
    "ReconciliationResult",
    "ReferencesError",
    "ReportResult",
    "ResultNotShown",
    "ResumeOptions",
    "ReviewOptions",
    "RunDamaged",
    "RunNotFound",
    "RunOptions",
    "RunResult",
    "SandboxError",
    "Settings",
    "SignOffResult",
    "SignOptions",
    "SourceError",
    "StopRequest",
    "SubmissionStopped",
    "ThresholdExceeded",
    "UnknownCode",
    "VerificationResult",
    "__version__",
    "apply_plan",
    "load_config",
    "load_known_customers",
    "make_bundle",
    "make_report",
    "open_sandbox",
    "plan_import",
    "reconcile",
    "report_period",
    "resume_run",
    "run_import",
    "sign",
    "verify",
]

#: Exported names that are in none of `_MODULES` -> their module.
_HOMES = {"RunDamaged": "storage.run_damage", "StopRequest": "workflows.progress"}
#: Searched in this order: the light ones first.
_MODULES = ("errors", "config", "workflows.public")


def __getattr__(name: str) -> Any:
    """Load a public name when it is asked for (PEP 562): importing the package costs nothing."""
    if name in __all__:
        for module in [_HOMES[name]] if name in _HOMES else _MODULES:
            found = import_module(f"pipeline.{module}")
            if hasattr(found, name):
                return getattr(found, name)
    raise AttributeError(f"module 'pipeline' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


@contextmanager
def open_sandbox(home: "str | Path | None" = None) -> "Iterator[SandboxServer]":
    """A billing API to practise on, in a thread of this process and for it alone.

    Args:
        home: the folder in which it keeps its state; None to keep it in memory

    Raises:
        SandboxError: the state cannot be opened (exit code 4)
    """
    from pathlib import Path

    from pipeline.errors import SandboxError
    from pipeline.sandbox import SandboxServer, StateError
    from pipeline.storage.files import private_folder

    state = private_folder(Path(home) / "sandbox") / "billing.sqlite" if home else None
    try:
        with SandboxServer(state=state, for_one_process=True) as sandbox:
            yield sandbox
    except StateError as wrong:
        raise SandboxError(str(wrong)) from None
