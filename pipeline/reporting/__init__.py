"""What became of everything: `find_fates` gives every record its one fate, `summarize` adds up, `listed` and the rest show it."""

from pipeline.reporting.fates import differences, find_fates, identities
from pipeline.reporting.lists import listed
from pipeline.reporting.page import render_html
from pipeline.reporting.reconciliation import render_reconciliation
from pipeline.reporting.summary import Facts, Report, summarize

__all__ = [
    "Facts", "Report", "differences", "find_fates", "identities", "listed", "render_html", "render_reconciliation", "summarize",
]  # fmt: skip
