-- The outcomes in the ledger of planned rows, by their position in the input.
-- plan:     position, external_reference, fingerprint, key
-- outcomes: external_reference, state, run_id, fingerprint, key, billing_id, payable, detail
CREATE OR REPLACE TABLE settled AS
SELECT
    plan.position,
    outcomes.state,
    outcomes.run_id AS settled_by,
    outcomes.fingerprint = plan.fingerprint AS same_content,
    -- Nearly every key is the planned one; keep only the others.
    CASE WHEN outcomes.key IS DISTINCT FROM plan.key THEN outcomes.key END AS sent_key,
    outcomes.billing_id,
    outcomes.payable,
    outcomes.detail
FROM plan
-- Outcomes are read part by part, so the same row may appear twice.
JOIN (SELECT DISTINCT * FROM outcomes) AS outcomes USING (external_reference)
ORDER BY position
