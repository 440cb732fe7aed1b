-- From version 1, which had no chain. The version is raised after the chain is written.
ALTER TABLE events ADD COLUMN detail_sha256 TEXT;
CREATE TABLE IF NOT EXISTS groups (
    last_seq INTEGER PRIMARY KEY,
    sha256 TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS damage (
    found_at TEXT NOT NULL,
    what TEXT NOT NULL
) STRICT;
