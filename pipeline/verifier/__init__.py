"""The independent checker: recompute a run folder from the input files and the lists alone.

It shares no code with the packages that wrote the files, only the vocabulary; a test enforces it.
It reads CSV with Python's own module, sums with Decimal, and goes row by row, so that a reviewer
can read it from top to bottom.

`checks.py`           the result of one check, and of all checks together
`runs.py`             the checks of a run folder, in order
`manifest.py`         compare files with their digests, and the manifest with its seal
`row_by_row.py`       compare each listed row with its source and with rows.parquet
`listed_rows.py`      read the six lists as one, in the order of the input
`source_lines.py`     the physical lines of a CSV input, and the lines of each record
`csv_form.py`         the fields and columns of a CSV input
`source_tables.py`    the rows of a Parquet input
`origins.py`          recompute the keyed check of each record, if the key of the home is available
`amounts.py`          balances in minor units, if the job declares them plainly
`summary_claims.py`   compare summary.json with the rows and with itself
`held_fields.py`      the fields in which held records differ
`payloads.py`         compare the planned payloads with their fingerprints
`bundles.py`          an evidence bundle, from its own files alone
`reconciliations.py`  compare a reconciliation's differences, bridge and verdict with each other
`other_folders.py`    the folder of a reconciliation or of a period
"""

from pipeline.verifier.bundles import verify_bundle
from pipeline.verifier.checks import Check, Verified
from pipeline.verifier.runs import verify

__all__ = ["Check", "Verified", "verify", "verify_bundle"]
