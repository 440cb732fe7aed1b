"""The independent checker: what a run folder says, computed once more from the input files and the lists alone.

It shares no code with the rooms that made the files (a test says so), only the words; it reads CSV with Python's own module,
sums with Decimal, and goes row by row, so that a reviewer can read it from top to bottom and believe it.

`checks.py`           what a check comes to
`checking.py`         the story: each check in turn, and what it came to
`seals.py`            whether every file is the one that the manifest names, and the manifest the one that was written
`row_by_row.py`       every row of the lists beside its source and its row in rows.parquet
`listed_rows.py`      the six lists as one, in the order of the input
`source_lines.py`     the physical lines of a CSV input, and which of them a record is
`source_tables.py`    the rows of a Parquet input
`origins.py`          the keyed check beside each record, where the key of the home is at hand
`amounts.py`          what an amount comes to in minor units, where the job declares it plainly
`stated.py`           what summary.json says, held against the rows and against itself
`payloads.py`         what was planned to be sent
`bundles.py`          an evidence bundle, from itself alone
`reconciliations.py`  a reconciliation's differences, bridge and verdict, each by the others
`others.py`           the folder of a reconciliation, or of a span of time
"""

from pipeline.verifier.bundles import verify_bundle
from pipeline.verifier.checks import Check, Verified
from pipeline.verifier.runs import verify

__all__ = ["Check", "Verified", "verify", "verify_bundle"]
