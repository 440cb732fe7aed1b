-- The first position whose row no longer fits into a wave of $limit creates; no row where all fit.
-- Requests that were begun are gone on with in any case, and take their places first.
WITH begun AS (
    SELECT count(*) AS places FROM judged WHERE begun_key IS NOT NULL
)
SELECT position
FROM records
ANTI JOIN outside_wave USING (position)
ANTI JOIN (SELECT position FROM judged WHERE reason IS NOT NULL OR begun_key IS NOT NULL) USING (position)
WHERE fate IS NULL
ORDER BY position
LIMIT 1
OFFSET (SELECT greatest($limit - places, 0) FROM begun)
