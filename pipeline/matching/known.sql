-- What the known customers say of a row: is its reference known, with equal or with different content; and if it is not,
-- does its email, phone, billing id or identity number (as a token) belong to another reference.
-- records:      position, row_id, external_reference, billing_id, email, phone, name, currency, balance, identity, fate
-- matches:      position                     (rows of this run that share a reference, but for the first of equal ones)
-- known:        external_reference, billing_id, email, phone, name, currency, balance, identity
-- known_fields: field                        (what the known customers state at all; nothing else is compared)
CREATE OR REPLACE TABLE known_matches AS
WITH asking AS MATERIALIZED (
    -- One row for each reference: what the run itself says of the others comes first.
    SELECT position, row_id, external_reference, billing_id, email, phone, name, currency, balance, identity
    FROM records
    ANTI JOIN matches USING (position)
    WHERE fate IS NULL
),
stated AS (
    SELECT
        coalesce(bool_or(field = 'billing_id'), false) AS billing_id,
        coalesce(bool_or(field = 'email'), false) AS email,
        coalesce(bool_or(field = 'phone'), false) AS phone,
        coalesce(bool_or(field = 'name'), false) AS name,
        coalesce(bool_or(field = 'currency'), false) AS currency,
        coalesce(bool_or(field = 'balance'), false) AS balance
    FROM known_fields
),
compared AS (
    SELECT
        asking.position,
        known.billing_id,
        (stated.email AND asking.email IS DISTINCT FROM known.email)
        OR (stated.phone AND asking.phone IS DISTINCT FROM known.phone)
        OR (stated.name AND asking.name IS DISTINCT FROM known.name)
        OR (stated.currency AND asking.currency IS DISTINCT FROM known.currency)
        OR (stated.balance AND asking.balance IS DISTINCT FROM known.balance)
        -- Suppliers seldom know billing's own id: a row without one says nothing about it.
        OR (stated.billing_id AND asking.billing_id IS NOT NULL AND asking.billing_id IS DISTINCT FROM known.billing_id)
        AS differs
    FROM asking
    JOIN known USING (external_reference)
    CROSS JOIN stated
),
known_already AS (
    SELECT
        position,
        -- Two billing ids under one reference are two customers, whatever else they have in common.
        bool_or(differs)
        OR min(billing_id) IS DISTINCT FROM max(billing_id)
        OR count(billing_id) NOT IN (0, count(*))
        AS differs
    FROM compared
    GROUP BY position
),
new AS (
    SELECT position, email, phone, billing_id, identity FROM asking ANTI JOIN known_already USING (position)
),
-- Who has an email, phone or billing id, by name: one owner each, the same one in every run; only of those that are asked
-- for. Grouping before joining keeps the work small where thousands share one address.
email_owners AS (
    SELECT email, min(external_reference) AS owner
    FROM known
    SEMI JOIN new USING (email)
    WHERE external_reference IS NOT NULL
    GROUP BY email
),
phone_owners AS (
    SELECT phone, min(external_reference) AS owner
    FROM known
    SEMI JOIN new USING (phone)
    WHERE external_reference IS NOT NULL
    GROUP BY phone
),
billing_id_owners AS (
    SELECT billing_id, min(external_reference) AS owner
    FROM known
    SEMI JOIN new USING (billing_id)
    WHERE external_reference IS NOT NULL
    GROUP BY billing_id
),
identity_owners AS (
    SELECT identity, min(external_reference) AS owner
    FROM known
    SEMI JOIN new USING (identity)
    WHERE external_reference IS NOT NULL
    GROUP BY identity
),
found AS (
    SELECT position, NULL AS same_as, CASE WHEN differs THEN 'known_different' ELSE 'known_same' END AS rule
    FROM known_already
    UNION ALL
    SELECT position, owner, 'email_of_another' FROM new JOIN email_owners USING (email)
    UNION ALL
    SELECT position, owner, 'phone_of_another' FROM new JOIN phone_owners USING (phone)
    UNION ALL
    SELECT position, owner, 'billing_id_of_another' FROM new JOIN billing_id_owners USING (billing_id)
    UNION ALL
    SELECT position, owner, 'identity_of_another' FROM new JOIN identity_owners USING (identity)
)
SELECT position, row_id, same_as, rule, 1.0::DOUBLE AS score
FROM found
JOIN asking USING (position)
