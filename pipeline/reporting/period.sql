-- Each record once, however often its file or its row was submitted.
-- input_rows:   every row of the runs: run, run_id, file, place (of its record), row_id, fate, currency,
--           balance
-- current_rows: the current fates (`current_fates`): file, place, now, now_run, now_row, now_currency,
--           now_balance
-- A created record stays created; otherwise `current_rows` decides, otherwise the newest run.
CREATE OR REPLACE TABLE once AS
SELECT
    file,
    place,
    times,
    is_there OR current_rows.now IS NULL AS is_by_row,
    CASE WHEN is_by_row THEN input_rows.fate ELSE current_rows.now END AS fate,
    CASE WHEN is_by_row THEN input_rows.currency ELSE current_rows.now_currency END AS currency,
    coalesce(CASE WHEN is_by_row THEN input_rows.balance ELSE current_rows.now_balance END, 0) AS balance,
    CASE WHEN is_by_row THEN input_rows.run_id ELSE current_rows.now_run END AS run_id,
    CASE WHEN is_by_row THEN input_rows.row_id ELSE current_rows.now_row END AS row_id
FROM (
    SELECT *, fate IN ('created', 'created_different') AS is_there, count(*) OVER (PARTITION BY file, place) AS times
    FROM input_rows
    QUALIFY row_number() OVER (PARTITION BY file, place ORDER BY is_there DESC, run DESC, row_id) = 1
) AS input_rows
LEFT JOIN current_rows USING (file, place)
