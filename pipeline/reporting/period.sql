-- Each record of a period once, however often its file or its row was fed: the view `fed` holds every feeding, by run.
-- A record stands under the file and the place where it was first read; what was created stays created, else the newest says.
CREATE TABLE once AS
SELECT file, place, count(*) OVER records AS times, fate, currency, coalesce(balance, 0) AS balance
FROM (SELECT *, fate IN ('created', 'created_different') AS is_there FROM fed)
WINDOW records AS (PARTITION BY file, place)
QUALIFY row_number() OVER (PARTITION BY file, place ORDER BY is_there DESC, run DESC) = 1
