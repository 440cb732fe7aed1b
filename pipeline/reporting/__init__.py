"""What became of everything: `find_fates` gives every record its one fate, `summarize` adds up, the rest shows it."""

from pipeline.reporting.fates import differences, find_fates, list_query, rows_query
from pipeline.reporting.page import render_html
from pipeline.reporting.summary import Facts, Report, summarize

__all__ = ["Facts", "Report", "differences", "find_fates", "list_query", "render_html", "rows_query", "summarize"]
