-- What the vendor remembers -------------------------------------------------------------------------------------------

-- No uniqueness on external_reference here: it is a rule of the account that a fault setting can switch off.
CREATE TABLE customers (
    seq                INTEGER PRIMARY KEY,      -- order of creation
    id                 TEXT    NOT NULL UNIQUE,
    external_reference TEXT    NOT NULL,
    currency           TEXT,
    balance            INTEGER,                  -- minor units
    fields             TEXT    NOT NULL,         -- the fields as given, a JSON object
    has_payment_rules  INTEGER NOT NULL
) STRICT;

CREATE INDEX customers_by_reference ON customers (external_reference);

-- The answer to the first request with a key. An expired one stays until the key comes again.
-- payload_sha256 covers the payload of a create; before that of an update stand its method and path.
CREATE TABLE stored_answers (
    key            TEXT    PRIMARY KEY,
    payload_sha256 BLOB    NOT NULL,
    status         INTEGER NOT NULL,
    body           BLOB    NOT NULL,
    received_at    REAL    NOT NULL              -- seconds since 1970 on the sandbox's own clock
) STRICT, WITHOUT ROWID;

CREATE TABLE settings (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- What an observer noted: the client's conduct, whether or not the vendor kept anything of it --------------------------

CREATE TABLE sent_keys (
    key              TEXT    PRIMARY KEY,
    payload_sha256   BLOB    NOT NULL,           -- of the first payload sent with it
    had_two_payloads INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

CREATE TABLE effects (
    external_reference TEXT    PRIMARY KEY,
    count              INTEGER NOT NULL          -- creations begun, counted before the unique check
) STRICT, WITHOUT ROWID;

CREATE TABLE counters (
    name  TEXT    PRIMARY KEY,                   -- requests.create, answers.201, replays …
    count INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
