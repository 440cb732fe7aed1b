"""`created.csv` while a run sends: each reference with its billing id, as soon as the ledger holds them.

The final list of the same name replaces it. A run that fails on the way leaves it behind, marked by `unfinished.txt`.
"""

import csv
import io
from collections.abc import Iterable, Sequence

from pipeline.files import append_bytes, write_bytes
from pipeline.ledger import Answer, Ledger, Withdrawal
from pipeline.outcomes import State
from pipeline.run_folder import RunFolder

COLUMNS = ("external_reference", "billing_id")
_CREATED = (State.CREATED, State.CREATED_DIFFERENT, State.ADOPTED)


class Crosswalk:
    """The list of a run's customers so far; it begins with those that the ledger holds already."""

    def __init__(self, folder: RunFolder, ledger: Ledger) -> None:
        self._path = folder.path / "created.csv"
        write_bytes(self._path, _lines([COLUMNS]))
        for block in ledger.billing_ids(folder.run_id, _CREATED):
            append_bytes(self._path, _lines(block))

    def add(self, entries: Iterable[Answer | Withdrawal]) -> None:
        """Append the customers among outcomes that the ledger has just recorded."""
        created = [
            (entry.intent.external_reference, entry.billing_id)
            for entry in entries
            if isinstance(entry, Answer) and entry.state in _CREATED
        ]
        if created:
            append_bytes(self._path, _lines(created))


def _lines(rows: Iterable[Sequence[str | None]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()
