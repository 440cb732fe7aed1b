"""Import the example DAG as Airflow does, and run it once on the sample data.

    nox -s airflow

It needs Airflow, a migrated database and the variables of airflow_dag.py.
"""

import os
import sys
from pathlib import Path

from airflow.dag_processing.dagbag import DagBag

EXAMPLES = Path(__file__).parent
SAMPLE = EXAMPLES.parent / "sample_data" / "customers.csv"


def main() -> int:
    """Return 0 if the DAG can be imported and every task succeeds."""
    bag = DagBag(os.environ["AIRFLOW__CORE__DAGS_FOLDER"])
    if bag.import_errors:
        print(bag.import_errors, file=sys.stderr)
        return 1
    run = bag.dags["import_customers"].test(run_conf={"file": str(SAMPLE)})
    print(f"{run.dag_id}: {run.state}")
    return 0 if run.state == "success" else 1


if __name__ == "__main__":
    sys.exit(main())
