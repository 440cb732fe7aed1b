-- From version 2, whose groups could say that something in them is not as it was, and not what.
ALTER TABLE groups ADD COLUMN digests BLOB;
PRAGMA user_version = 3;
