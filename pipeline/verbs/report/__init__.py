"""`pipeline report` and `pipeline sign`: `run.py` and `period.py` the two stories, `beside.py` what stands beside a run's summary, `open_rows.py` what is open, `sign.py` who signed."""
