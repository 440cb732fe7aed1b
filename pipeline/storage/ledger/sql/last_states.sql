-- The state after the newest event of each pair [external reference, fingerprint] of a JSON array.
SELECT events.external_reference, events.fingerprint, state, run_id, max(seq)
FROM json_each(?) AS wanted
JOIN events ON events.external_reference = wanted.value ->> 0 AND events.fingerprint = wanted.value ->> 1
GROUP BY 1, 2
