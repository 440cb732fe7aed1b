"""`pipeline reconcile`: start reading at `workflow.py`.

`run_selection.py` selects the runs, `expected.py` stages our side, and `actual.py` billing's.
`lookups.py` makes the lookups, and `asking.py` one of them. `ledger_queries.py` reads the ledger,
`result.py` writes the result, and `workspace.py` creates the folder.
"""
