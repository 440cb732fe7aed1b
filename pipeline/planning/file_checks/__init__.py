"""Checks of whole files against agreements and earlier files, before anything is sent.

`sequence.py`        files of a stream: again, late, missing, with other columns or another volume
`control_totals.py`  totals stated in an option, a trailer or a file of their own
`rejections.py`      too many rejected records
`warnings.py`        problems that only all rows show: cents read as rand, rounded references
`texts.py`           damaged texts and placeholders
`units.py`           whole and decimal amounts mixed under major units

Each finding has a code of `FileIssue`. A finding that stops blocks the plan until somebody
accepts it.
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
