-- The ledger of one environment. Events are appended and never changed; `rows` has their result, written in the same
-- transaction, because deriving it from millions of events takes seconds.
--
-- kind       what it records                                      moves a reference
-- intent     this payload will be sent under this key             (none), withdrawn, refused -> unknown
--            a generation above 1 follows a replayed failure      unknown -> unknown
-- answer     an answer that settles nothing                       unknown, given_up -> unknown
--            a person gave it up                                  unknown, given_up -> given_up
-- settled    billing's answer or a lookup settles it              unknown, given_up -> created, created_different, adopted,
--                                                                            pre_existing, conflict, refused
--            given up two days after its last send                unknown, given_up -> never_created
-- withdrawn  an orderly stop takes back an intent, never sent     unknown -> withdrawn
--
-- normalization: the version of the rules that made the bytes of an intent; null in older intents, and in other events.
--
-- A crash leaves an intent without a later event: unknown, it may or may not exist there.

CREATE TABLE environment (
    name TEXT NOT NULL,
    merchant TEXT NOT NULL,
    mode TEXT NOT NULL CHECK (mode IN ('test', 'live')),
    host TEXT NOT NULL
) STRICT;

CREATE TABLE runs (
    run_id TEXT PRIMARY KEY,
    started_at TEXT NOT NULL,
    ended_at TEXT,
    status TEXT NOT NULL CHECK (status IN ('running', 'finished', 'stopped')),
    planned INTEGER NOT NULL,
    pid INTEGER NOT NULL
) STRICT;

-- Frozen when the intent is written: a resume after an upgrade sends these bytes. A table of its own, so that they can
-- be purged while key, hash and fate remain.
CREATE TABLE payloads (
    fingerprint TEXT PRIMARY KEY,
    payload BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE events (
    seq INTEGER PRIMARY KEY,
    run_id TEXT NOT NULL,
    at TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('intent', 'answer', 'settled', 'withdrawn')),
    external_reference TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    generation INTEGER NOT NULL,
    key TEXT NOT NULL,
    state TEXT NOT NULL,
    call TEXT CHECK (call IN ('create', 'look_up')),
    outcome TEXT,
    status INTEGER,
    replayed INTEGER,
    billing_id TEXT,
    payable INTEGER,
    detail TEXT,
    detail_sha256 TEXT,
    credential TEXT,
    normalization INTEGER
) STRICT;
CREATE INDEX events_by_run ON events (run_id, kind);

-- Each transaction's events are a group, which carries the hash over itself and all groups before it. What may be
-- purged one day (payloads, details) is covered by its own hash, so that the chain holds without it.
-- digests: 8 bytes of the SHA-256 of each event, so that an altered event can be named.
CREATE TABLE groups (
    last_seq INTEGER PRIMARY KEY,
    sha256 TEXT NOT NULL,
    digests BLOB
) STRICT;

-- What was found wrong with the ledger at an opening. From then on every reference is looked up before it is sent.
CREATE TABLE damage (
    found_at TEXT NOT NULL,
    what TEXT NOT NULL
) STRICT;

CREATE TABLE rows (
    external_reference TEXT PRIMARY KEY,
    state TEXT NOT NULL,
    run_id TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    generation INTEGER NOT NULL,
    key TEXT NOT NULL,
    first_sent TEXT NOT NULL,
    credential TEXT NOT NULL,
    billing_id TEXT,
    payable INTEGER,
    detail TEXT,
    seq INTEGER NOT NULL,
    normalization INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX rows_by_state ON rows (state) WHERE state = 'unknown';
CREATE INDEX rows_by_seq ON rows (seq);

PRAGMA user_version = 4;
