-- The first row that does not match its events, and which of its columns differ.
WITH ends AS (
    SELECT max(seq) AS last, max(seq) FILTER (WHERE kind = 'intent') AS begun
    FROM events
    GROUP BY external_reference
)
SELECT newest.seq, {differing}
FROM ends
JOIN events AS newest ON newest.seq = ends.last
LEFT JOIN events AS intent ON intent.seq = ends.begun
LEFT JOIN rows ON rows.external_reference = newest.external_reference
WHERE {any_differs}
ORDER BY newest.seq
LIMIT 1
