"""What people read: the pages of a run, of a reconciliation and of a span of time, each one self-contained file.

`run.py`, `reconciliation.py`, `period.py`   what each page shows; the `.html.j2` of the same name says where
`head`, `bridge`, `open`                     pieces that several pages have
`pictures.py`                                SVG that we draw ourselves
`templates.py`, `page.css`, `page.js`        how pages are made, what they look like, and the one script
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
