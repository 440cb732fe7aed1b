-- The first position whose row no longer fits into a wave of $limit creates; no row where all fit.
-- Requests that were begun are gone on with in any case, and take their places first.
WITH begun AS (
    SELECT count(*) AS places FROM judged WHERE begun_key IS NOT NULL
)
SELECT position
FROM judged
ANTI JOIN outside_wave USING (position)
WHERE reason IS NULL AND begun_key IS NULL
ORDER BY position
LIMIT 1
OFFSET (SELECT greatest($limit - places, 0) FROM begun)
