-- What the ledger says of planned rows, by their place in the input.
-- plan:     position, external_reference, fingerprint, key
-- outcomes: external_reference, state, run_id, fingerprint, key, billing_id, payable, detail
CREATE OR REPLACE TABLE settled AS
SELECT
    plan.position,
    outcomes.state,
    outcomes.run_id AS settled_by,
    outcomes.fingerprint = plan.fingerprint AS same_content,
    -- Nearly every key is the planned one; to keep those would be to keep each twice.
    CASE WHEN outcomes.key IS DISTINCT FROM plan.key THEN outcomes.key END AS sent_key,
    outcomes.billing_id,
    outcomes.payable,
    outcomes.detail
FROM plan
JOIN (SELECT DISTINCT * FROM outcomes) AS outcomes USING (external_reference)  -- asked part by part, so told twice perhaps
ORDER BY position
