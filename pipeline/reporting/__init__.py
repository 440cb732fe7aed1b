"""The figures of a run, a reconciliation and a period, and the reports that show them.

`find_fates` gives every record one fate; `summarize` counts and sums the fates.

`current_fates/`                         the present fate of each record, over all runs
`fates.py`, `summary.py`, `money.py`     counts and sums of one run
`verdict.py`                             what they come to: a sentence, an exit code
`plan_summary.py`, `throughput.py`       what a plan would do; how fast a run was
`examples.py`, `open_items.py`           example rows of a reason; the age of open records
`earlier_runs.py`                        requests that earlier runs left in doubt
`result_lists.py`, `held.py`             the result lists; the fields in which held rows differ
`redacted.py`, `pii_scan.py`             lists with masked personal data; a search for leaks of it
`period.py`                              a span of time, each record counted once
`headline.py`, `report_status.py`        the first lines of a report and its status
`card.py`                                a result as a short text, for consoles and notebooks
`context.py`                             what a report shows in addition to the summary
`html/`, `workbook/`                     the HTML pages; the same content as sheets
"""

from pipeline.domain.summary_parts import LeftInDoubt
from pipeline.reporting.card import Block, Card, counts_block, sums_block
from pipeline.reporting.context import (
    AgainstBilling,
    CommandOptions,
    Duplicate,
    FateChange,
    FatesNow,
    OpenRow,
    ReportContext,
    Signing,
)
from pipeline.reporting.current_fates import (
    ORIGINS,
    RECORDS,
    RETURNS,
    ROWS,
    Current,
    End,
    add_run,
    changes,
    resubmitted,
    settled_by_ledger,
)
from pipeline.reporting.earlier_runs import EarlierRuns
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
from pipeline.reporting.period import RunTotals, add_up_once, read_once, verdict_on_period
from pipeline.reporting.redacted import (
    DIFFERENCES,
    differences_shown,
    masked_filter,
    redact_list,
    shapes,
    shown_as,
    without_literals,
)
from pipeline.reporting.report_status import reservations, since_then
from pipeline.reporting.result_lists import listed
from pipeline.reporting.summary import Report, RunOutcome, StopCause, summarize
from pipeline.reporting.throughput import throughput
from pipeline.reporting.verdict import stopped_by
from pipeline.reporting.workbook import Table, period_tables, reconciliation_tables, run_tables

__all__ = [
    "DIFFERENCES",
    "OPEN_FATES",
    "ORIGINS",
    "RECORDS",
    "RETURNS",
    "ROWS",
    "AgainstBilling",
    "Block",
    "Card",
    "CommandOptions",
    "Current",
    "Duplicate",
    "EarlierRuns",
    "End",
    "FateChange",
    "FatesNow",
    "LeftInDoubt",
    "OpenRow",
    "Report",
    "ReportContext",
    "RunOutcome",
    "RunTotals",
    "Signing",
    "StopCause",
    "Table",
    "add_run",
    "add_up_once",
    "ages",
    "changes",
    "count_differing",
    "counts_block",
    "days_between",
    "differences",
    "differences_shown",
    "find_fates",
    "identities",
    "listed",
    "masked_filter",
    "our_own_words",
    "period_tables",
    "read_once",
    "reasons_of",
    "reconciliation_tables",
    "redact_list",
    "render_period",
    "render_reconciliation",
    "render_run",
    "render_unfinished",
    "reservations",
    "resubmitted",
    "run_tables",
    "settled_by_ledger",
    "shapes",
    "shown_as",
    "since_then",
    "stopped_by",
    "summarize",
    "sums_block",
    "throughput",
    "verdict_on_period",
    "with_differing",
    "with_examples",
    "without_examples",
    "without_literals",
]  # fmt: skip
