"""The ledger: intents, answers and outcomes in append-only SQLite, one ledger for each environment.

An intent is durable before its request is sent; states are read from the ledger, never kept in memory alone. Only one
process writes (`lock.py`); others may read at the same time.
"""

from pipeline.storage.ledger.journal import (
    EXTRACT_COLUMNS,
    HOME_IS_NEW,
    OUTCOME_COLUMNS,
    Answer,
    Begun,
    Intent,
    Known,
    Ledger,
    Withdrawal,
)
from pipeline.storage.ledger.lock import is_holding, lock_holder, run_lock
from pipeline.storage.ledger.network_mounts import disk_fault
from pipeline.storage.ledger.witnesses import IN_RUN

__all__ = [
    "EXTRACT_COLUMNS",
    "HOME_IS_NEW",
    "IN_RUN",
    "OUTCOME_COLUMNS",
    "Answer",
    "Begun",
    "Intent",
    "Known",
    "Ledger",
    "Withdrawal",
    "disk_fault",
    "is_holding",
    "lock_holder",
    "run_lock",
]
