-- The first position over a limit of $limit creates (null if all fit): of rows to create, and of
-- rows that wait for an earlier request. Begun requests always continue and count first. Waiting
-- rows come last, so that no batch consists of them alone.
WITH candidates AS (
    SELECT position, judged.reason IS NOT NULL AS is_waiting
    FROM records
    ANTI JOIN outside_wave USING (position)
    LEFT JOIN judged USING (position)
    WHERE fate IS NULL AND begun_key IS NULL AND coalesce(judged.reason, $waits) = $waits
),
numbered AS (
    SELECT
        position,
        is_waiting,
        row_number() OVER (ORDER BY is_waiting, position) AS place
    FROM candidates
),
begun AS (
    SELECT count(*) AS places FROM judged WHERE begun_key IS NOT NULL
)
SELECT min(position) FILTER (NOT is_waiting), min(position) FILTER (is_waiting)
FROM numbered, begun
WHERE place > greatest($limit - places, 0)
