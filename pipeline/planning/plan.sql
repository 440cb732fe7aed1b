-- What is done with every accepted row: the planning table of the README, read from top to bottom.
-- records:  position, row_id, external_reference, payload, fate (null = accepted)
-- matches:  position, same_as, rule                      (rows of this run that share a reference)
-- history:  external_reference, state, fingerprint, key  (this environment's ledger)
-- verdicts: reason, action, fate                         (what each reason leads to; no reason = create)
WITH accepted AS (
    SELECT position, row_id, external_reference, payload, sha256(payload) AS fingerprint
    FROM records
    WHERE fate IS NULL
),
judged AS (
    SELECT
        accepted.*,
        matches.same_as,
        CASE
            WHEN matches.rule = 'same_reference_other_content' THEN 'MATCH.SAME_REFERENCE_OTHER_CONTENT'
            WHEN matches.rule = 'repeats_earlier_row' THEN 'MATCH.REPEATS_EARLIER_ROW'
            WHEN history.state IN ('created', 'created_different', 'adopted', 'pre_existing')
                AND history.fingerprint = accepted.fingerprint THEN 'PLAN.CREATED_BEFORE'
            WHEN history.state IN ('created', 'created_different', 'adopted', 'pre_existing', 'conflict')
                THEN 'PLAN.CREATED_BEFORE_DIFFERENT'
            WHEN history.state = 'unknown' AND history.fingerprint <> accepted.fingerprint
                THEN 'PLAN.EARLIER_REQUEST_UNSETTLED'
            WHEN history.state = 'refused' AND history.fingerprint = accepted.fingerprint AND NOT $retry_refused
                THEN 'PLAN.REFUSED_BEFORE'
        END AS reason,
        -- An unsettled request is gone on with under its own key, whatever its generation.
        CASE WHEN history.state = 'unknown' THEN history.key END AS begun_key
    FROM accepted
    LEFT JOIN matches USING (position)
    LEFT JOIN history USING (external_reference)
),
planned AS (
    SELECT
        judged.*,
        coalesce(verdicts.action, 'create') AS action,
        verdicts.fate,
        sha1(unhex($namespace) || encode($key_prefix || ',"' || external_reference || '","' || fingerprint || '",1]')) AS name_hash
    FROM judged
    LEFT JOIN verdicts USING (reason)
)
SELECT
    position,
    row_id,
    external_reference,
    action,
    fate,
    reason,
    same_as,
    fingerprint,
    -- UUIDv5 (RFC 9562): the first 16 bytes of SHA-1(namespace, name), version and variant put in.
    CASE WHEN action = 'create' THEN coalesce(
        begun_key,
        substr(name_hash, 1, 8) || '-' || substr(name_hash, 9, 4) || '-5' || substr(name_hash, 14, 3)
        || '-' || substr('89ab', (strpos('0123456789abcdef', substr(name_hash, 17, 1)) - 1) % 4 + 1, 1)
        || substr(name_hash, 18, 3) || '-' || substr(name_hash, 21, 12)
    ) END AS key,
    CASE WHEN action = 'create' THEN payload END AS payload
FROM planned
ORDER BY position
