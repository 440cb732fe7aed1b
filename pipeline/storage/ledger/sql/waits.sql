-- For each reference that a run gave a final outcome: when its intent and its outcome were recorded.
SELECT min(at) FILTER (WHERE kind = 'intent'), max(at) FILTER (WHERE kind = 'settled')
FROM events
WHERE run_id = ? AND kind IN ('intent', 'settled')
GROUP BY external_reference
HAVING count(DISTINCT kind) = 2
