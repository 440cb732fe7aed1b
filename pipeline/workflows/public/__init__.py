"""The public functions of Python callers; `pipeline` exports them lazily.

Each does what its command does, with keyword options named like those of the command line.

- `imports.py`: plan, apply, resume, run, and load the known customers
- `evidence.py`: verify, reconcile, report, sign and bundle
- `options.py`: the types of the keyword options
- `call.py`: from options to settings and a destination
- `results.py`: the values that the functions return
"""

from pipeline.workflows.public.evidence import (
    make_bundle,
    make_report,
    reconcile,
    report_period,
    sign,
    verify,
)
from pipeline.workflows.public.imports import (
    apply_plan,
    load_known_customers,
    plan_import,
    resume_run,
    run_import,
)
from pipeline.workflows.public.options import (
    ApplyOptions,
    BundleOptions,
    LoadOptions,
    PlacesOptions,
    ReconcileOptions,
    ResumeOptions,
    ReviewOptions,
    RunOptions,
    SignOptions,
)
from pipeline.workflows.public.results import (
    KnownCustomersResult,
    PeriodResult,
    ReconciliationResult,
    ReportResult,
    RunResult,
    SignOffResult,
    VerificationResult,
)

__all__ = [
    "ApplyOptions",
    "BundleOptions",
    "KnownCustomersResult",
    "LoadOptions",
    "PeriodResult",
    "PlacesOptions",
    "ReconcileOptions",
    "ReconciliationResult",
    "ReportResult",
    "ResumeOptions",
    "ReviewOptions",
    "RunOptions",
    "RunResult",
    "SignOffResult",
    "SignOptions",
    "VerificationResult",
    "apply_plan",
    "load_known_customers",
    "make_bundle",
    "make_report",
    "plan_import",
    "reconcile",
    "report_period",
    "resume_run",
    "run_import",
    "sign",
    "verify",
]
