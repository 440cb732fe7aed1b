-- The planned action of every accepted row of one part, in the order of the input.
-- the part:     position, external_reference, payload, fate      (positions from $first to $last)
-- judged:       position, reason, begun_key, flags, same_as      (rows with a reason or flags)
-- outside_wave: position                                         (rows that --where excludes)
-- verdicts:     reason, action, fate                             (of each reason; no reason = create)
WITH accepted AS (
    SELECT position, external_reference, sha256(payload) AS fingerprint FROM {part} WHERE fate IS NULL
),
limited AS (
    SELECT
        accepted.*,
        judged.begun_key,
        coalesce(judged.flags, []) AS flags,
        judged.same_as,
        CASE
            WHEN judged.reason <> $waits OR judged.begun_key IS NOT NULL THEN judged.reason
            WHEN outside.position IS NOT NULL THEN 'PLAN.OUTSIDE_WAVE'
            WHEN accepted.position >= CASE WHEN judged.reason IS NULL THEN $first_beyond ELSE $first_waiting_beyond END
                THEN 'PLAN.BEYOND_LIMIT'
            ELSE judged.reason
        END AS reason
    FROM accepted
    LEFT JOIN (SELECT * FROM judged WHERE position BETWEEN $first AND $last) AS judged USING (position)
    LEFT JOIN (SELECT position FROM outside_wave WHERE position BETWEEN $first AND $last) AS outside USING (position)
),
planned AS (
    SELECT
        limited.*,
        coalesce(verdicts.action, 'create') AS action,
        verdicts.fate,
        sha1(
            unhex($namespace)
            || encode($key_prefix || ',"' || external_reference || '","' || fingerprint || '",1]')
        ) AS name_hash
    FROM limited
    LEFT JOIN verdicts USING (reason)
)
SELECT
    position,
    external_reference,
    action,
    fate,
    reason,
    -- A row of a later batch is planned again in its own run.
    CASE WHEN action <> 'defer' THEN flags ELSE [] END AS flags,
    CASE WHEN action <> 'defer' THEN same_as END AS same_as,
    fingerprint,
    -- UUIDv5 (RFC 9562): the first 16 bytes of SHA-1(namespace, name), with version and variant.
    CASE WHEN action IN ('create', 'wait') THEN coalesce(
        begun_key,
        substr(name_hash, 1, 8) || '-' || substr(name_hash, 9, 4) || '-5' || substr(name_hash, 14, 3)
        || '-' || substr('89ab', (strpos('0123456789abcdef', substr(name_hash, 17, 1)) - 1) % 4 + 1, 1)
        || substr(name_hash, 18, 3) || '-' || substr(name_hash, 21, 12)
    ) END AS key
FROM planned
ORDER BY position
