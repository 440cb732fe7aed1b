"""What we meant against what billing holds: every difference under its name, and a bridge from the source total to billing's.

`choose` makes of all runs' rows each customer once (`expected.sql`), `compare` the table `differences` (`compare.sql`,
`patterns.sql`), `bridge` the steps from what was read to what billing holds, per currency, each with records and sums, and
the residual that nothing explains; `legacy.py` begins it with what a legacy system says it holds; `sampling.py` says what a sample lets one say,
`verdict.py` what it all comes to.
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
    strangers,
    tell_changes,
    to_look_up,
    unreadable_balances,
)
from pipeline.reconciling.legacy import RECORDS, Legacy, from_legacy, reasons_used, unexplained
from pipeline.reconciling.sampling import at_most
from pipeline.reconciling.verdict import Found, Sampled, Verdict, judge, not_determinable

__all__ = [
    "EXPECTED", "RECORDS", "Chosen", "Found", "Legacy", "Sampled", "Step", "Terms", "Verdict", "at_most", "bridge", "changed_references",
    "choose", "column_of", "compare", "count_candidates", "doubts", "from_legacy", "judge", "not_determinable", "reasons_used", "residuals",
    "strangers", "tell_changes", "to_look_up", "unexplained", "unreadable_balances",
]  # fmt: skip
