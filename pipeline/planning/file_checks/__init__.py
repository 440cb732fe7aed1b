"""What arrives, held against what was agreed and what came before, before anything of it is sent.

`stream.py`      files that come one after the other: again, late, missing, changed in form or in volume
`control.py`     totals that somebody states, in an option, a trailer or a file of their own
`rejections.py`  too many rejected records
`doubts.py`      what no single row can show: cents taken for rand, references that a spreadsheet has rounded
`units.py`       whole amounts beside decimal ones, all declared as major units

Each finding has a code of `outcomes.Alarm`; one that stops keeps the plan from being applied until somebody accepts it.
"""

from pipeline.planning.file_checks.control_totals import (
    Held,
    Stated,
    hold,
    parse_expected,
    stated_in,
)
from pipeline.planning.file_checks.rejections import Limit, Rejections, judge_rejections
from pipeline.planning.file_checks.sequence import judge_repeats, judge_stream
from pipeline.planning.file_checks.units import find_mixed_units
from pipeline.planning.file_checks.warnings import find_doubts

__all__ = [
    "Held",
    "Limit",
    "Rejections",
    "Stated",
    "find_doubts",
    "find_mixed_units",
    "hold",
    "judge_rejections",
    "judge_repeats",
    "judge_stream",
    "parse_expected",
    "stated_in",
]
