"""Compare a returned list with its records; undo or report what a spreadsheet changed.

`spreadsheet_damage.py` knows what a spreadsheet makes of a text; `mending.py` knows which cells the
reasons of a record ask to change. A cell is restored only if all other cells belong to that record
and to no other record of its list; see `compare`.
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
