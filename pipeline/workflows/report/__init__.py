"""`pipeline report` and `pipeline sign`: start at `render.py`, `period.py` or `sign_off.py`.

`context.py` gathers what a report adds to the run's summary. `current.py` computes the current fate
of each record, `became.py` the figures of one run, and `run_rows.py` reads the rows of a run.
`open_items.py` lists open records, and `evidence.py` the files behind a sign-off.
"""
