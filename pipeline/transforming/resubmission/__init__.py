"""A list of ours that came back: each row beside the record that it was, what a spreadsheet did to its cells undone or named.

`spreadsheets.py` says what a spreadsheet makes of a text, `mending.py` which cells the reasons of a record ask for. A cell is
restored only where all other cells are that record's, and of no other record of its list; see `compare`.
"""

from pipeline.transforming.resubmission.comparing import CELLS, Returned, compare, siblings_of
from pipeline.transforming.resubmission.siblings import Siblings
from pipeline.transforming.resubmission.spreadsheet_damage import TOO_LONG_FOR_A_CELL, readings

__all__ = [
    "CELLS",
    "TOO_LONG_FOR_A_CELL",
    "Returned",
    "Siblings",
    "compare",
    "readings",
    "siblings_of",
]
