-- Pair the customers of both sides, and find the differences of whole customers.
-- expected:   external_reference, role, run_id, row_id, place, fate, currency, balance, …   once each
-- their_rows: external_reference, place, row_id, currency, balance, changed_at, …   one row for each
--             customer in billing
-- elsewhere:  external_reference, run_id, state   the ledger's state of unexpected customers: ours,
--             pre_existing, conflict, unknown, …
-- known:      external_reference   in a file of known customers
-- unanswered: external_reference, answer   no lookup showed whether billing holds it

-- If billing holds several copies, compare the one with the id that billing gave us. If no copy has
-- an id, compare one with our currency and balance, else the first.
CREATE TABLE several AS
SELECT external_reference, count(*) AS times
FROM their_rows
SEMI JOIN (
    SELECT hash(external_reference) AS hashed FROM their_rows GROUP BY hashed HAVING count(*) > 1
)
    ON hash(external_reference) = hashed
GROUP BY external_reference
HAVING count(*) > 1;

CREATE TABLE chosen_copies AS
SELECT
    external_reference,
    any_value(times) AS times,
    min_by(
        their_rows.place,
        {
            'by_id':
                CASE their_rows.billing_id = expected.billing_id
                    WHEN true THEN 0
                    WHEN false THEN 2
                    ELSE 1
                END,
            'differs':
                their_rows.currency IS DISTINCT FROM expected.currency
                OR their_rows.balance IS DISTINCT FROM expected.balance,
            'place': their_rows.place
        }
    ) AS first_place
FROM several
JOIN their_rows USING (external_reference)
LEFT JOIN (FROM expected SEMI JOIN several USING (external_reference)) AS expected
    USING (external_reference)
GROUP BY external_reference;

CREATE VIEW copies AS
SELECT external_reference, coalesce(times, 1) AS times, place AS their_place
FROM their_rows
LEFT JOIN chosen_copies USING (external_reference)
WHERE times IS NULL OR place = first_place;

CREATE TABLE paired AS
SELECT
    external_reference,
    expected.role,
    expected.run_id,
    expected.row_id,
    expected.place,
    copies.times,
    copies.their_place,
    CASE
        WHEN unanswered.external_reference IS NOT NULL THEN 'not_determinable'
        WHEN role = 'expected' AND times IS NULL THEN 'missing_in_billing'
        WHEN role = 'in_doubt' AND times IS NULL THEN 'in_doubt'
        WHEN role = 'in_doubt' THEN 'in_doubt_and_found'
        WHEN times IS NULL OR role = 'expected' THEN NULL
        -- In billing, but not from this row: another run created it or may have, it existed before,
        -- or its origin is unknown.
        WHEN elsewhere.state = 'ours' THEN 'created_by_another_run'
        WHEN elsewhere.state IN ('unknown', 'given_up', 'never_created') THEN 'in_doubt_and_found'
        WHEN role = 'held' OR elsewhere.state = 'conflict' THEN 'existed_before'
        WHEN elsewhere.state = 'pre_existing' THEN 'known_before'
        -- A file of known customers is no explanation: it may be an export of these very customers.
        WHEN role = 'refused' THEN 'refused_and_found'
        WHEN known.external_reference IS NOT NULL THEN 'known_before'
        WHEN elsewhere.state = 'refused' THEN 'refused_and_found'
        ELSE 'unknown_to_us'
    END AS kind,
    elsewhere.run_id AS created_by,
    unanswered.answer
FROM expected
FULL JOIN copies USING (external_reference)
LEFT JOIN elsewhere USING (external_reference)
LEFT JOIN unanswered USING (external_reference)
LEFT JOIN (
    SELECT DISTINCT external_reference FROM known SEMI JOIN copies USING (external_reference)
) AS known
    USING (external_reference);

CREATE TABLE differences (
    kind VARCHAR, external_reference VARCHAR, run_id VARCHAR, row_id VARCHAR, place BIGINT,
    their_place BIGINT, field VARCHAR, ours VARCHAR, theirs VARCHAR, currency VARCHAR,
    amount HUGEINT, pattern VARCHAR
);

INSERT INTO differences
SELECT
    paired.kind, external_reference, coalesce(created_by, paired.run_id), paired.row_id,
    paired.place, paired.their_place, NULL, paired.role,
    CASE WHEN times IS NULL THEN coalesce(paired.answer, 'not found') ELSE their_rows.row_id END,
    CASE WHEN times IS NULL THEN expected.currency ELSE their_rows.currency END,
    coalesce(
        CASE
            WHEN times IS NOT NULL THEN their_rows.balance
            WHEN paired.role = 'expected' THEN -expected.balance
        END,
        0
    ),
    NULL
FROM paired
LEFT JOIN expected USING (external_reference)
LEFT JOIN their_rows ON their_rows.place = paired.their_place
WHERE paired.kind IN (
    'missing_in_billing', 'in_doubt', 'in_doubt_and_found', 'refused_and_found',
    'not_determinable', 'created_by_another_run', 'unknown_to_us'
);

INSERT INTO differences
SELECT
    'twice_in_billing', external_reference, paired.run_id, paired.row_id, paired.place,
    their_rows.place, NULL, NULL, their_rows.row_id, their_rows.currency,
    coalesce(their_rows.balance, 0), NULL
FROM (SELECT * FROM paired WHERE times > 1) AS paired
JOIN their_rows USING (external_reference)
WHERE their_rows.place <> paired.their_place;
