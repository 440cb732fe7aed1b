"""The independent checker: recompute a run folder from the input files and the lists alone.

It shares no code with the packages that wrote the files, only the vocabulary; a test enforces it.
It compares whole columns of text with Arrow. If columns leave a doubt, a second, plain way decides
row by row, with Python's csv and Decimal, and names the first problem. A reviewer can read that way
from top to bottom.

`checks.py`           the result of one check, and of all checks together
`runs.py`             the checks of a run folder, in order
`manifest.py`         compare files with their digests, and the manifest with its seal
`walk.py`             every row: in columns, and row by row if those leave a doubt
`recomputed.py`       the counts and sums of all rows
`origins.py`          recompute the keyed check of each record, if the key of the home is available
`amounts.py`          balances in minor units, as the job declares them
`amount_form.py`      read one amount: its signs, marks, thousands and decimals
`summary_claims.py`   compare summary.json with the rows and with itself
`held_fields.py`      the fields in which held records differ
`payloads.py`         compare the planned payloads with their fingerprints
`bundles.py`          an evidence bundle, from its own files alone
`reconciliations.py`  compare a reconciliation's differences, bridge and verdict with each other
`other_folders.py`    the folder of a reconciliation or of a period

In columns:

`in_columns.py`       the order of all rows, and each part of them in one of two threads
`list_columns.py`     the six lists
`row_columns.py`      compare a list with rows.parquet: fates, reasons, keys
`row_places.py`       the record of the input that each row id names
`input_columns.py`    compare a list with the records of an input
`source_columns.py`   the records of a CSV input that every CSV reader reads alike
`amount_columns.py`   add up amounts
`payload_columns.py`  compare payloads, fingerprints and the staged tables
`keyed_hashes.py`     recompute keys, fingerprints and checks
`column_faults.py`    the signal that columns leave a doubt
`in_threads.py`       work on parts in two threads

Row by row:

`row_by_row.py`       compare each listed row with its source and with rows.parquet
`listed_rows.py`      read the six lists as one, in the order of the input
`source_lines.py`     the lines of a CSV input, and the lines of each record
`line_source.py`      the physical lines of a CSV input, from its bytes
`csv_form.py`         the fields and columns of a CSV input
`source_tables.py`    the rows of a Parquet input
"""

from pipeline.verifier.bundles import verify_bundle
from pipeline.verifier.checks import Check, Verified
from pipeline.verifier.runs import verify

__all__ = ["Check", "Verified", "verify", "verify_bundle"]
