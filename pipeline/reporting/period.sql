-- Each record of a period once, however often its file or its row was fed: the view `fed` holds every feeding, by run.
-- A record stands under the file and the place where it was first read; what was created stays created, else the newest says.
CREATE TABLE once AS
SELECT
    file,
    place,
    count(*) AS times,
    min(run) AS first_run,
    arg_max(fate, (is_there, run)) AS fate,
    arg_max(currency, (is_there, run)) AS currency,
    arg_max(coalesce(balance, 0), (is_there, run)) AS balance
FROM (SELECT *, fate IN ('created', 'created_different') AS is_there FROM fed)
GROUP BY file, place
