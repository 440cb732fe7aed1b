-- Every accepted row beside what speaks against creating it: the planning table of the README, read from top to bottom.
-- records:       position, row_id, external_reference, payload, fate (null = accepted)
-- matches:       position, same_as, rule                      (rows of this run that share a reference)
-- history:       external_reference, state, fingerprint, key  (this environment's ledger)
-- known_matches: position, same_as, rule                      (what the known customers say of a row)
-- told:          retry_refused, same_identity                 (how the job wants it)
CREATE OR REPLACE TEMP VIEW judged AS
WITH accepted AS (
    SELECT position, row_id, external_reference, payload, sha256(payload) AS fingerprint
    FROM records
    WHERE fate IS NULL
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
weighed AS (
    SELECT
        accepted.*,
        matches.same_as AS repeats,
        known_as.owner,
        coalesce(known_as.identities, []) AS identities,
        history.state IS NOT DISTINCT FROM 'unknown' AS is_unsettled,
        history.key AS history_key,
        CASE
            WHEN matches.rule = 'same_reference_other_content' THEN 'MATCH.SAME_REFERENCE_OTHER_CONTENT'
            WHEN matches.rule = 'repeats_earlier_row' THEN 'MATCH.REPEATS_EARLIER_ROW'
            WHEN history.state IN ('created', 'created_different', 'adopted', 'pre_existing')
                AND history.fingerprint = accepted.fingerprint THEN 'PLAN.CREATED_BEFORE'
            WHEN history.state IN ('created', 'created_different', 'adopted', 'pre_existing', 'conflict')
                THEN 'PLAN.CREATED_BEFORE_DIFFERENT'
            WHEN history.state = 'unknown' AND history.fingerprint <> accepted.fingerprint
                THEN 'PLAN.EARLIER_REQUEST_UNSETTLED'
            -- An unsettled request is gone on with before anything else, whoever is known meanwhile.
            WHEN history.state = 'unknown' THEN NULL
            WHEN history.state = 'refused' AND history.fingerprint = accepted.fingerprint AND NOT told.retry_refused
                THEN 'PLAN.REFUSED_BEFORE'
            WHEN known_as.is_different THEN 'MATCH.KNOWN_DIFFERENT'
            WHEN known_as.is_same THEN 'MATCH.KNOWN_SAME'
            WHEN told.same_identity <> 'flag' THEN known_as.identities[1]
        END AS reason
    FROM accepted
    CROSS JOIN told
    LEFT JOIN matches USING (position)
    LEFT JOIN known_as USING (position)
    LEFT JOIN history USING (external_reference)
)
SELECT
    position,
    row_id,
    external_reference,
    payload,
    fingerprint,
    reason,
    -- Under its own key, whatever its generation.
    CASE WHEN is_unsettled AND reason IS NULL THEN history_key END AS begun_key,
    -- Of whom a row reminds is of use where it is let through, or where that is what stops it.
    CASE WHEN NOT is_unsettled AND (reason IS NULL OR list_contains(identities, reason)) THEN identities ELSE [] END AS flags,
    CASE WHEN len(flags) > 0 THEN owner ELSE repeats END AS same_as
FROM weighed
