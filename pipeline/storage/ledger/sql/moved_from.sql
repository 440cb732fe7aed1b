-- The last outcomes of run ?1 for references that another run has moved since.
WITH own AS (
    SELECT events.external_reference, max(events.seq) AS last
    FROM events JOIN rows USING (external_reference)
    WHERE events.run_id = ?1 AND rows.run_id <> ?1
    GROUP BY 1
)
SELECT events.external_reference, state, run_id, fingerprint, key, billing_id, payable, detail
FROM own JOIN events ON events.seq = own.last
WHERE state NOT IN ('unknown', 'withdrawn')
