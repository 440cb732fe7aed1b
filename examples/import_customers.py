"""Plan an import, look at the plan, apply it and reconcile the run, from Python.

    python examples/import_customers.py FILE [CONFIG]

It sends to a sandbox inside the process. For billing, replace `sandbox=True` by `base_url`,
`environment` and `merchant`, and set BILLING_API_KEY_FILE.

Checked: tests/journeys/test_python_api.py runs it, and mypy checks it in strict mode.
"""

import sys

from pipeline import Interrupted, PipelineError, RunResult, reconcile, resume_run, run_import

MOST_REJECTED = 0.10  #: share of the records


def is_acceptable(plan: RunResult) -> bool:
    """Whether to send: a plan that rejects many records needs a person."""
    print(plan)
    rejected = plan.fates["invalid"] + plan.fates["unreadable"]
    return rejected <= MOST_REJECTED * sum(plan.fates.values())


def import_customers(file: str, config: str | None = None) -> int:
    """Import a file and compare the result with billing; return an exit code."""
    try:
        run = run_import(file, config=config, sandbox=True, approve=is_acceptable)
    except Interrupted:
        resumed = resume_run()
        if resumed is None:
            raise
        run = resumed
    print(run)
    comparison = reconcile(run.run_id)
    print(comparison)
    return max(run.exit_code, comparison.exit_code)


def main() -> int:
    """Import the files of the command line."""
    try:
        return import_customers(*sys.argv[1:3])
    except PipelineError as error:
        print(error, file=sys.stderr)
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
