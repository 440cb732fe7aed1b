"""Everything of ours on disk: the ledger, run folders, known customers, workbooks, and how files are written."""
