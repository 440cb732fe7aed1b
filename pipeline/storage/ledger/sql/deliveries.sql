-- Created if missing: ledgers of earlier versions do not have it, and earlier versions ignore it.
CREATE TABLE IF NOT EXISTS deliveries (
    run_id TEXT NOT NULL,
    at TEXT NOT NULL,
    name TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    records INTEGER NOT NULL,
    columns TEXT NOT NULL,
    debits TEXT NOT NULL,
    credits TEXT NOT NULL,
    is_whole INTEGER NOT NULL,
    PRIMARY KEY (run_id, name, sha256)
) STRICT
