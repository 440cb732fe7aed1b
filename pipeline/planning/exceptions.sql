-- Reasons not to create a row: the planning table of the README, from top to bottom. Rows without any
-- reason, usually nearly all, are not in the result.
-- records:       position, external_reference, payload, fate (null = accepted)
-- matches:       position, same_as, rule                      (rows of this run with one reference)
-- history:       external_reference, state, fingerprint, key, normalization       (the ledger)
-- known_matches: position, same_as, rule                      (known customers that match a row)
-- plan_options:  retry_refused, same_identity, normalization  (settings; version of the rules)
-- The history is read part by part, so a reference may appear twice.
CREATE OR REPLACE TEMP TABLE remembered AS
SELECT position, state, key, fingerprint = sha256(payload) AS is_same, normalization
FROM records
JOIN (SELECT DISTINCT * FROM history) USING (external_reference)
WHERE fate IS NULL;

CREATE OR REPLACE TABLE judged AS
WITH candidates AS (
    SELECT position FROM matches UNION SELECT position FROM known_matches UNION SELECT position FROM remembered
),
identities (rule, reason, place) AS (
    VALUES
        ('email_of_another', 'MATCH.EMAIL_OF_ANOTHER', 1),
        ('phone_of_another', 'MATCH.PHONE_OF_ANOTHER', 2),
        ('billing_id_of_another', 'MATCH.BILLING_ID_OF_ANOTHER', 3),
        ('identity_of_another', 'MATCH.IDENTITY_OF_ANOTHER', 4)
),
known_as AS (
    SELECT
        position,
        bool_or(rule = 'known_same') AS is_same,
        bool_or(rule = 'known_different') AS is_different,
        coalesce(list(reason ORDER BY place) FILTER (reason IS NOT NULL), []) AS identities,
        arg_min(known_matches.same_as, place) AS owner
    FROM known_matches
    LEFT JOIN identities USING (rule)
    GROUP BY position
),
with_reason AS (
    SELECT
        position,
        matches.same_as AS repeats,
        known_as.owner,
        coalesce(known_as.identities, []) AS identities,
        coalesce(remembered.state IN ('unknown', 'given_up') AND remembered.is_same, false) AS is_unsettled,
        remembered.key AS history_key,
        CASE
            WHEN matches.rule = 'same_reference_other_content' THEN 'MATCH.SAME_REFERENCE_OTHER_CONTENT'
            WHEN matches.rule = 'repeats_earlier_row' THEN 'MATCH.REPEATS_EARLIER_ROW'
            WHEN remembered.state IN ('created', 'created_different', 'adopted', 'pre_existing')
                AND remembered.is_same THEN 'PLAN.CREATED_BEFORE'
            -- Other normalization rules may have changed only the normal form.
            WHEN remembered.state IN ('created', 'created_different', 'adopted', 'pre_existing', 'conflict')
                AND remembered.normalization IS DISTINCT FROM plan_options.normalization THEN 'PLAN.CREATED_BEFORE_OTHER_FORM'
            WHEN remembered.state IN ('created', 'created_different', 'adopted', 'pre_existing', 'conflict')
                THEN 'PLAN.CREATED_BEFORE_DIFFERENT'
            -- A request in doubt continues first, even if the customer is known by now.
            WHEN remembered.state IN ('unknown', 'given_up') AND remembered.is_same THEN NULL
            WHEN remembered.state = 'refused' AND remembered.is_same AND NOT plan_options.retry_refused
                THEN 'PLAN.REFUSED_BEFORE'
            WHEN known_as.is_different THEN 'MATCH.KNOWN_DIFFERENT'
            WHEN known_as.is_same THEN 'MATCH.KNOWN_SAME'
            WHEN plan_options.same_identity <> 'flag' AND len(known_as.identities) > 0 THEN known_as.identities[1]
            -- No other reason: the record may be sent once the request is settled.
            WHEN remembered.state = 'unknown' THEN 'PLAN.EARLIER_REQUEST_UNSETTLED'
            WHEN remembered.state = 'given_up' THEN 'PLAN.EARLIER_REQUEST_GIVEN_UP'
        END AS reason
    FROM candidates
    CROSS JOIN plan_options
    LEFT JOIN matches USING (position)
    LEFT JOIN known_as USING (position)
    LEFT JOIN remembered USING (position)
)
SELECT
    position,
    reason,
    -- The request continues under its own key, of any generation.
    CASE WHEN is_unsettled AND reason IS NULL THEN history_key END AS begun_key,
    -- The owner of a shared identity helps if the row is sent, or if the identity stops it.
    CASE
        WHEN NOT is_unsettled
            AND (reason IS NULL OR reason = 'PLAN.EARLIER_REQUEST_UNSETTLED' OR list_contains(identities, reason)) THEN identities
        ELSE []
    END AS flags,
    CASE WHEN len(flags) > 0 THEN owner ELSE repeats END AS same_as
FROM with_reason
ORDER BY position;

DROP TABLE remembered
