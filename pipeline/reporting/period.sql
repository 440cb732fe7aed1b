-- Each record once, however often its file or its row was submitted.
-- fed:      every row of the runs: run, run_id, file, place (of its record), row_id, fate, currency,
--           balance
-- followed: the current fates (`current_fates`): file, place, now, now_run, now_row, now_currency,
--           now_balance
-- A created record stays created; otherwise `followed` decides, otherwise the newest run.
CREATE OR REPLACE TABLE once AS
SELECT
    file,
    place,
    times,
    is_there OR followed.now IS NULL AS is_by_row,
    CASE WHEN is_by_row THEN fed.fate ELSE followed.now END AS fate,
    CASE WHEN is_by_row THEN fed.currency ELSE followed.now_currency END AS currency,
    coalesce(CASE WHEN is_by_row THEN fed.balance ELSE followed.now_balance END, 0) AS balance,
    CASE WHEN is_by_row THEN fed.run_id ELSE followed.now_run END AS run_id,
    CASE WHEN is_by_row THEN fed.row_id ELSE followed.now_row END AS row_id
FROM (
    SELECT *, fate IN ('created', 'created_different') AS is_there, count(*) OVER (PARTITION BY file, place) AS times
    FROM fed
    QUALIFY row_number() OVER (PARTITION BY file, place ORDER BY is_there DESC, run DESC, row_id) = 1
) AS fed
LEFT JOIN followed USING (file, place)
