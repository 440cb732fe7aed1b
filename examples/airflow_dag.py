"""An Airflow DAG: plan the night's file, apply the plan, reconcile the run.

Copy it into the folder of DAGs and set three variables for the workers:

    PIPELINE_PYTHON  the interpreter of an environment that has pipeline, such as /opt/pipeline/bin/python
    PIPELINE_WORK    the folder that keeps .pipeline and reports
    PIPELINE_CONFIG  the config, whose `address` says where billing is; without it, the sandbox

Airflow pins hundreds of packages, so pipeline stays in an environment of its own. The tasks run
there (`external_python`), and import everything inside. They pass run ids, never customers. (A
parameter of a task may not be called run_id: Airflow reserves that name.)

Checked: `nox -s airflow` installs Airflow into an environment of its own, imports this file as
Airflow does, and runs the DAG once with `dag.test()`. The everyday suite does not.
"""

import os
from datetime import datetime, timedelta
from typing import Any

from airflow.sdk import dag, task

PYTHON = os.environ.get("PIPELINE_PYTHON", "/opt/pipeline/bin/python")


@task.external_python(python=PYTHON, expect_airflow=False)
def plan(file: str) -> str:
    """Plan the import; return the id of the run. Sends nothing."""
    import os

    from pipeline import plan_import

    os.chdir(os.environ["PIPELINE_WORK"])
    planned = plan_import(file, config=os.environ.get("PIPELINE_CONFIG"))
    print(planned)
    return planned.run_id


@task.external_python(
    python=PYTHON, expect_airflow=False, retries=3, retry_delay=timedelta(minutes=5)
)
def apply(planned: str) -> str:
    """Create the customers of the plan. A retry finishes what an earlier attempt began."""
    import os

    from pipeline import NotApproved, apply_plan, resume_run

    os.chdir(os.environ["PIPELINE_WORK"])
    try:
        run = resume_run(planned)
    except NotApproved:  # this plan was never applied
        run = apply_plan(planned)
    print(run)
    return run.raise_if_stopped().run_id


@task.external_python(python=PYTHON, expect_airflow=False)
def reconcile(applied: str) -> dict[str, Any]:
    """Compare the run with billing, and verify its files; fail if it is out of balance."""
    import os

    from pipeline import OutOfBalance, reconcile, verify

    os.chdir(os.environ["PIPELINE_WORK"])
    checked, compared = verify(applied), reconcile(applied)
    print(checked, compared, sep="\n\n")
    if not checked.holds or not compared.is_signable:
        raise OutOfBalance(f"run {applied}: {compared.verdict}")
    return {"run_id": applied, "verdict": compared.verdict, "folder": str(compared.folder)}


@dag(
    schedule="0 5 * * *",
    start_date=datetime(2026, 1, 1),  # noqa: DTZ001 - Airflow adds its own time zone
    catchup=False,
    max_active_runs=1,  # one writer for each environment
    params={"file": "/data/customers.csv"},
)
def import_customers() -> None:
    """Bring the night's customers into billing, each exactly once."""
    reconcile(apply(plan("{{ params.file }}")))


nightly = import_customers()
