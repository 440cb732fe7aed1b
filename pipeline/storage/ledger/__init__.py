"""The ledger: intents and outcomes in append-only SQLite, one ledger for each environment.

An intent is durable before its request is sent; states are read from the ledger, never kept in memory alone. Only one
process writes (`lock.py`); others may read at the same time.
"""

from pipeline.storage.ledger.events import (
    EXTRACT_COLUMNS,
    OUTCOME_COLUMNS,
    Answer,
    Begun,
    InDoubt,
    Intent,
    Known,
    OutcomeRow,
    RecordedEvent,
    Withdrawal,
)
from pipeline.storage.ledger.lock import is_holding, lock_holder, run_lock
from pipeline.storage.ledger.network_mounts import disk_fault
from pipeline.storage.ledger.opening import HOME_IS_NEW
from pipeline.storage.ledger.reader import LedgerReader
from pipeline.storage.ledger.run_reader import RecordedRun
from pipeline.storage.ledger.witnesses import IN_RUN
from pipeline.storage.ledger.writer import Ledger

__all__ = [
    "EXTRACT_COLUMNS",
    "HOME_IS_NEW",
    "IN_RUN",
    "OUTCOME_COLUMNS",
    "Answer",
    "Begun",
    "InDoubt",
    "Intent",
    "Known",
    "Ledger",
    "LedgerReader",
    "OutcomeRow",
    "RecordedEvent",
    "RecordedRun",
    "Withdrawal",
    "disk_fault",
    "is_holding",
    "lock_holder",
    "run_lock",
]
