-- The hashes of the fields that identify known customers.
-- {known}: place, external_reference, billing_id, email, phone, identity
SELECT
    place,
    CASE WHEN external_reference IS NOT NULL THEN hash(external_reference) END AS external_reference,
    CASE WHEN billing_id IS NOT NULL THEN hash(billing_id) END AS billing_id,
    CASE WHEN email IS NOT NULL THEN hash(email) END AS email,
    CASE WHEN phone IS NOT NULL THEN hash(phone) END AS phone,
    CASE WHEN identity IS NOT NULL THEN hash(identity) END AS identity
FROM {known}
