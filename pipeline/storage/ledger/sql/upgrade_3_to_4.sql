-- From version 3, which did not keep by which normalization rules the bytes of an intent were made; of older ones it is unknown.
ALTER TABLE events ADD COLUMN normalization INTEGER;
ALTER TABLE rows ADD COLUMN normalization INTEGER;
PRAGMA user_version = 4;
