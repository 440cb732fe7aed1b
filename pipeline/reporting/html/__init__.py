"""The HTML pages of a run, a reconciliation and a period; each is one self-contained file.

`run.py`, `reconciliation.py`, `period.py`, `unfinished.py`   the data of each page
`NAME.html.j2`                                                the template of each page
`head`, `parts`, `bridge`, `differences`, `open`              templates that pages share
`bridge.py`, `charts.py`                                      the bridge; charts as inline SVG
`templates.py`, `page.css`, `page.js`                         rendering, style and the one script
"""

from pipeline.reporting.html.period import render_period
from pipeline.reporting.html.reconciliation import render_reconciliation
from pipeline.reporting.html.run import EXIT_CODES, render_run
from pipeline.reporting.html.templates import our_own_words
from pipeline.reporting.html.unfinished import render_unfinished

__all__ = [
    "EXIT_CODES",
    "our_own_words",
    "render_period",
    "render_reconciliation",
    "render_run",
    "render_unfinished",
]
