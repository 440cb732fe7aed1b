"""Compare our runs with billing: name every difference, and build a bridge between the totals.

`choose` reduces the rows of all runs to one per customer (`expected.sql`). `compare` writes the
table `differences` (`compare.sql`, `patterns.sql`). `bridge` computes, per currency, the steps from
the records read to the customers in billing, and the residual that no step explains. `legacy.py`
starts the bridge from the control totals of a legacy system. `sampling.py` computes the confidence
bound of a sample. `verdict.py` states the verdict.
"""

from pipeline.reconciling.bridge import EXPECTED, Step, bridge, residuals
from pipeline.reconciling.comparing import (
    Chosen,
    Terms,
    changed_references,
    choose,
    column_of,
    compare,
    count_candidates,
    doubts,
    mark_changes,
    to_look_up,
    unexpected_customers,
    unreadable_balances,
)
from pipeline.reconciling.legacy import RECORDS, Legacy, from_legacy, reasons_used, unexplained
from pipeline.reconciling.sampling import at_most
from pipeline.reconciling.verdict import Found, Sampled, Verdict, judge, not_determinable

__all__ = [
    "EXPECTED", "RECORDS", "Chosen", "Found", "Legacy", "Sampled", "Step", "Terms", "Verdict",
    "at_most", "bridge", "changed_references", "choose", "column_of", "compare", "count_candidates",
    "doubts", "from_legacy", "judge", "mark_changes", "not_determinable", "reasons_used",
    "residuals", "to_look_up", "unexpected_customers", "unexplained", "unreadable_balances",
]  # fmt: skip
