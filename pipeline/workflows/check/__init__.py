"""`pipeline check`: check everything that a run needs, and state a remedy for each fault.

Start at `workflow.py`; `billing.py` checks the destination, and `machine.py` disks and ledger.
"""

from pipeline.workflows.check.finding import Finding, Verdict
from pipeline.workflows.check.request import CheckRequest
from pipeline.workflows.check.workflow import SECONDS, check

__all__ = ["SECONDS", "CheckRequest", "Finding", "Verdict", "check"]
