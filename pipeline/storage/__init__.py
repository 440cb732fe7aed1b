"""Our files on disk: the ledger, run folders, known customers, workbooks."""
