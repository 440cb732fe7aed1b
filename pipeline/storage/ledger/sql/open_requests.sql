-- Requests without a final outcome, oldest first: all but those given up; or those of the
-- references in ?1 (a JSON array), including those given up.
SELECT
    external_reference, fingerprint, key, payload, generation, {normalization}, first_sent, credential,
    run_id,
    (SELECT started_at FROM runs WHERE runs.run_id = rows.run_id),
    (SELECT group_concat(DISTINCT status) FROM events WHERE events.external_reference = rows.external_reference)
FROM rows JOIN payloads USING (fingerprint)
WHERE CASE
    WHEN ?1 IS NULL THEN state = 'unknown'
    ELSE state IN ('unknown', 'given_up') AND external_reference IN (SELECT value FROM json_each(?1))
END
ORDER BY seq
