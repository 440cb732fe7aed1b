"""Three Dagster assets: the plan of a file, the import of the plan, and the comparison with billing.

    PIPELINE_FILE=customers.csv dagster dev -f examples/dagster_assets.py

PIPELINE_FILE names the file and PIPELINE_CONFIG the config, if there is one. Without an address in
the config, the assets send to a sandbox inside the process. Dagster and pipeline share an
environment, so install pipeline from its lock first.

Checked: `nox -s dagster` installs Dagster into an environment of its own and runs this file, which
materializes the assets. The everyday suite does not.
"""

import os
import sys

from dagster import (
    AssetCheckResult,
    Definitions,
    MaterializeResult,
    MetadataValue,
    RetryPolicy,
    asset,
    asset_check,
    materialize,
)

from pipeline import (
    NotApproved,
    RunResult,
    apply_plan,
    plan_import,
    reconcile,
    resume_run,
    verify,
)


@asset(group_name="billing")
def customer_plan() -> MaterializeResult[str]:
    """What an import of the file would do. Sends nothing."""
    plan = plan_import(os.environ["PIPELINE_FILE"], config=os.environ.get("PIPELINE_CONFIG"))
    return MaterializeResult(value=plan.run_id, metadata=_metadata(plan))


@asset(group_name="billing", retry_policy=RetryPolicy(max_retries=3, delay=60))
def billing_customers(customer_plan: str) -> MaterializeResult[str]:
    """The customers of the plan, each created once.

    A retry finishes what an earlier attempt began.
    """
    try:
        run = resume_run(customer_plan)
    except NotApproved:  # this plan was never applied
        run = apply_plan(customer_plan)
    assert run is not None  # noqa: S101 - it is None only without a run id
    run.raise_if_stopped()
    return MaterializeResult(value=run.run_id, metadata=_metadata(run))


@asset(group_name="billing")
def reconciliation(billing_customers: str) -> MaterializeResult[str]:
    """The comparison of the run with billing, record by record."""
    found = reconcile(billing_customers)
    return MaterializeResult(
        value=found.reconciliation_id,
        metadata={
            "verdict": found.verdict,
            "exit code": found.exit_code,
            "folder": MetadataValue.path(str(found.folder)),
        },
    )


@asset_check(asset=billing_customers, blocking=True)
def run_verifies(billing_customers: str) -> AssetCheckResult:
    """Recompute the run from its files."""
    found = verify(billing_customers)
    return AssetCheckResult(passed=found.holds, metadata={"checks": len(found.checks)})


def _metadata(run: RunResult) -> dict[str, object]:
    """The figures of a run for the page of the asset."""
    return {
        "verdict": run.verdict,
        "exit code": run.exit_code,
        **{f"records {fate}": count for fate, count in run.fates.items() if count},
        "report": MetadataValue.path(str(run.report)),
    }


ASSETS = [customer_plan, billing_customers, reconciliation]
definitions = Definitions(assets=ASSETS, asset_checks=[run_verifies])

if __name__ == "__main__":
    sys.exit(0 if materialize([*ASSETS, run_verifies]).success else 1)
