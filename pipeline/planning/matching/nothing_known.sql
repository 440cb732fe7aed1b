-- The table that known.sql fills, where there are no known customers.
CREATE OR REPLACE TABLE known_matches (position BIGINT, same_as VARCHAR, rule VARCHAR, score DOUBLE)
