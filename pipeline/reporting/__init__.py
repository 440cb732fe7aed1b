"""What became of everything: `find_fates` gives every record its one fate, `summarize` adds up, the rest shows it.

`current_fates.py`                                    what became of each record since, over all runs
`fates.py`, `summary.py`, `money.py`, `intended.py`   what is counted and summed
`pace.py`, `examples.py`, `open_items.py`             what a reviewer asks besides: how fast, for example whom, since when
`lists.py`, `held.py`, `masked.py`                    rows as they came, and as they may be handed on
`period.py`                                           a span of time: each record once
`glance.py`, `beside.py`                              what is told first, and what stands on a report beside its summary
`pages/`, `sheets.py`                                 what people read: pages, and the same as tables for a workbook
"""

from pipeline.reporting.context import Beside
from pipeline.reporting.current_fates import (
    ORIGINS,
    RECORDS,
    RETURNS,
    ROWS,
    Current,
    End,
    became,
    came_back,
    carried,
    settled_by_ledger,
)
from pipeline.reporting.earlier_runs import EarlierRuns, LeftInDoubt
from pipeline.reporting.examples import with_examples, without_examples
from pipeline.reporting.fates import differences, find_fates, identities
from pipeline.reporting.headline import reasons_of
from pipeline.reporting.held import count_differing, with_differing
from pipeline.reporting.html import (
    our_own_words,
    render_period,
    render_reconciliation,
    render_run,
    render_unfinished,
)
from pipeline.reporting.open_items import OPEN_FATES, ages, days_between
from pipeline.reporting.period import add_up_once, read_once, verdict_on_period
from pipeline.reporting.redacted import (
    DIFFERENCES,
    differences_shown,
    handed_on,
    shapes,
    shown_as,
    without_literals,
)
from pipeline.reporting.report_status import reservations, since_then, stopped_by
from pipeline.reporting.result_lists import listed
from pipeline.reporting.summary import Facts, Report, summarize
from pipeline.reporting.throughput import pace
from pipeline.reporting.workbook import Table, period_tables, reconciliation_tables, run_tables

__all__ = [
    "DIFFERENCES",
    "OPEN_FATES",
    "ORIGINS",
    "RECORDS",
    "RETURNS",
    "ROWS",
    "Beside",
    "Current",
    "EarlierRuns",
    "End",
    "Facts",
    "LeftInDoubt",
    "Report",
    "Table",
    "add_up_once",
    "ages",
    "became",
    "came_back",
    "carried",
    "count_differing",
    "days_between",
    "differences",
    "differences_shown",
    "find_fates",
    "handed_on",
    "identities",
    "listed",
    "our_own_words",
    "pace",
    "period_tables",
    "read_once",
    "reasons_of",
    "reconciliation_tables",
    "render_period",
    "render_reconciliation",
    "render_run",
    "render_unfinished",
    "reservations",
    "run_tables",
    "settled_by_ledger",
    "shapes",
    "shown_as",
    "since_then",
    "stopped_by",
    "summarize",
    "verdict_on_period",
    "with_differing",
    "with_examples",
    "without_examples",
    "without_literals",
]  # fmt: skip
