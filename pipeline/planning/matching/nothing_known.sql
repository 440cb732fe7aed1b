-- The empty table of known.sql if there are no known customers.
CREATE OR REPLACE TABLE known_matches (position BIGINT, same_as VARCHAR, rule VARCHAR, score DOUBLE)
