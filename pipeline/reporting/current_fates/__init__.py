"""The current fate of each record over all runs, for every page, list and command.

`add_run` takes the runs in order. It follows records that were open at some time or came back; all
other records keep the fate of their run. The file (SHA-256) and the place where a record first
appeared identify it. The rules:

- **Submitted again**: a row of a file that an earlier run took is the same record. The newest run
  decides.
- **Returned**: a row of one of our lists is the record that it names. Only one row can be that
  record; if somebody split a row in two, the second is a new record. A row with another external
  reference is not a return of a created record.
- **In a new file of the supplier**: the first row with the external reference of an open record is
  that record. If the record was sent and is in doubt, or was given up, the content must be equal.
- **Created stays created**, whatever happens to the same row later.
- **A return stays decided** when the old file is submitted again: its row only repeats the record.
- **Superseded**: a record is closed when a later run creates another row of its external reference,
  or finds it in billing. This closes the row of a conflict that somebody dropped.
- **Settled by the ledger**: a record in doubt or not attempted gets the state that a later run
  recorded in the ledger; other open records of its reference are then superseded. A record that
  waits for an earlier request is held once that request has created the customer.
- Everything else stays open: a rejected row that was dropped from its list, or a conflict of which
  no row was chosen.
"""

from pipeline.reporting.current_fates.ledger import End, settled_by_ledger
from pipeline.reporting.current_fates.runs import add_run, changes, resubmitted
from pipeline.reporting.current_fates.tables import ORIGINS, RECORDS, RETURNS, ROWS, Current

__all__ = [
    "ORIGINS",
    "RECORDS",
    "RETURNS",
    "ROWS",
    "Current",
    "End",
    "add_run",
    "changes",
    "resubmitted",
    "settled_by_ledger",
]
