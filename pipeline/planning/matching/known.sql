-- Compare each row with the known customers: is its reference known, with equal or other content? If
-- not, does its email, phone, billing id or identity number (as a token) belong to another reference?
-- records:      position, external_reference, billing_id, email, phone, name, currency, balance, identity, fate
-- matches:      position                     (rows of this run with one reference, without the first of equal rows)
-- known:        place (a number of its own), external_reference, billing_id, email, phone, name, currency, balance, identity
-- known_hashes: place, external_reference, billing_id, email, phone, identity: their hashes, see hashes.sql
-- known_fields: field                        (fields that the known customers have; only these are compared)
-- Each step scans the known customers once by hashes of eight bytes, so that tens of millions of them
-- fit in memory beside millions of rows; the few that remain are read and compared in full.
CREATE OR REPLACE TEMP TABLE near AS
SELECT place FROM known_hashes
SEMI JOIN (SELECT hash(external_reference) AS wanted FROM records WHERE fate IS NULL) ON known_hashes.external_reference = wanted;

CREATE OR REPLACE TEMP TABLE known_here AS
SELECT external_reference, billing_id, email, phone, name, currency, balance
FROM known
WHERE place IN (SELECT place FROM near);

-- One row for each reference: the repeats within the run have their own rule.
CREATE OR REPLACE TEMP TABLE known_already AS
WITH stated AS (
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
        row_here.position,
        known_here.billing_id,
        (stated.email AND row_here.email IS DISTINCT FROM known_here.email)
        OR (stated.phone AND row_here.phone IS DISTINCT FROM known_here.phone)
        OR (stated.name AND row_here.name IS DISTINCT FROM known_here.name)
        OR (stated.currency AND row_here.currency IS DISTINCT FROM known_here.currency)
        OR (stated.balance AND row_here.balance IS DISTINCT FROM known_here.balance)
        -- Suppliers seldom know billing's own id: a row without one does not differ.
        OR (stated.billing_id AND row_here.billing_id IS NOT NULL AND row_here.billing_id IS DISTINCT FROM known_here.billing_id)
        AS differs
    FROM records AS row_here
    JOIN known_here USING (external_reference)
    CROSS JOIN stated
    WHERE row_here.fate IS NULL
)
SELECT
    position,
    -- Two billing ids under one reference are two customers, even if all else is equal.
    bool_or(differs)
    OR min(billing_id) IS DISTINCT FROM max(billing_id)
    OR count(billing_id) NOT IN (0, count(*))
    AS differs
FROM compared
ANTI JOIN matches USING (position)
GROUP BY position;

-- The owner of each email, phone, billing id and identity number of the rows: one owner each, the
-- same in every run. Grouping before joining keeps the work small if thousands share one address.
CREATE OR REPLACE TEMP TABLE near AS
SELECT place FROM known_hashes
SEMI JOIN (SELECT hash(email) AS wanted FROM records WHERE fate IS NULL AND email IS NOT NULL) ON known_hashes.email = wanted;

CREATE OR REPLACE TEMP TABLE email_owners AS
SELECT email, min(external_reference) AS owner
FROM known
WHERE place IN (SELECT place FROM near) AND external_reference IS NOT NULL
GROUP BY email;

CREATE OR REPLACE TEMP TABLE near AS
SELECT place FROM known_hashes
SEMI JOIN (SELECT hash(phone) AS wanted FROM records WHERE fate IS NULL AND phone IS NOT NULL) ON known_hashes.phone = wanted;

CREATE OR REPLACE TEMP TABLE phone_owners AS
SELECT phone, min(external_reference) AS owner
FROM known
WHERE place IN (SELECT place FROM near) AND external_reference IS NOT NULL
GROUP BY phone;

CREATE OR REPLACE TEMP TABLE near AS
SELECT place FROM known_hashes
SEMI JOIN (SELECT hash(billing_id) AS wanted FROM records WHERE fate IS NULL AND billing_id IS NOT NULL) ON known_hashes.billing_id = wanted;

CREATE OR REPLACE TEMP TABLE billing_id_owners AS
SELECT billing_id, min(external_reference) AS owner
FROM known
WHERE place IN (SELECT place FROM near) AND external_reference IS NOT NULL
GROUP BY billing_id;

CREATE OR REPLACE TEMP TABLE near AS
SELECT place FROM known_hashes
SEMI JOIN (SELECT hash(identity) AS wanted FROM records WHERE fate IS NULL AND identity IS NOT NULL) ON known_hashes.identity = wanted;

CREATE OR REPLACE TEMP TABLE identity_owners AS
SELECT identity, min(external_reference) AS owner
FROM known
WHERE place IN (SELECT place FROM near) AND external_reference IS NOT NULL
GROUP BY identity;

CREATE OR REPLACE TABLE known_matches AS
WITH shared AS (
    SELECT position, owner, 'email_of_another' AS rule FROM records JOIN email_owners USING (email) WHERE fate IS NULL
    UNION ALL
    SELECT position, owner, 'phone_of_another' FROM records JOIN phone_owners USING (phone) WHERE fate IS NULL
    UNION ALL
    SELECT position, owner, 'billing_id_of_another' FROM records JOIN billing_id_owners USING (billing_id) WHERE fate IS NULL
    UNION ALL
    SELECT position, owner, 'identity_of_another' FROM records JOIN identity_owners USING (identity) WHERE fate IS NULL
)
SELECT position, NULL AS same_as, CASE WHEN differs THEN 'known_different' ELSE 'known_same' END AS rule, 1.0::DOUBLE AS score
FROM known_already
UNION ALL
-- A row with a known reference is not compared with other references.
SELECT position, owner, rule, 1.0::DOUBLE
FROM shared
ANTI JOIN known_already USING (position)
ANTI JOIN matches USING (position);

DROP TABLE near;
DROP TABLE known_here;
DROP TABLE known_already;
DROP TABLE email_owners;
DROP TABLE phone_owners;
DROP TABLE billing_id_owners;
DROP TABLE identity_owners
