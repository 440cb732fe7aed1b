"""Write `created.csv` while a run sends: each external reference with its billing id.

The final list of the same name replaces it. If the run fails, it stays, marked by `unfinished.txt`.
"""

from collections.abc import Iterable

import polars as pl

from pipeline.domain.fates import State
from pipeline.storage.files import append_bytes, write_bytes
from pipeline.storage.ledger import Answer, Withdrawal
from pipeline.storage.run_folder import RunFolder

_COLUMNS = ("external_reference", "billing_id")
_CREATED = [State.CREATED.value, State.CREATED_DIFFERENT.value, State.ADOPTED.value]


class Crosswalk:
    """The created customers of a run so far; starts with those that are already settled."""

    def __init__(self, folder: RunFolder, settled: pl.DataFrame) -> None:
        self._path = folder.path / "created.csv"
        created = settled.filter(pl.col("state").is_in(_CREATED)).select(_COLUMNS)
        write_bytes(self._path, created.write_csv().encode())

    def add(self, entries: Iterable[Answer | Withdrawal]) -> None:
        """Append the customers among outcomes that the ledger has just recorded."""
        created = [
            (entry.intent.external_reference, entry.billing_id)
            for entry in entries
            if isinstance(entry, Answer) and entry.state.value in _CREATED
        ]
        if created:
            rows = pl.DataFrame(created, schema=dict.fromkeys(_COLUMNS, pl.String), orient="row")
            append_bytes(self._path, rows.write_csv(include_header=False).encode())
