-- Every customer once, from both sides, and what is wrong with it as a whole.
-- expected:  external_reference, role, run_id, row_id, place, fate, currency, balance, …          once each
-- billed:    external_reference, place, row_id, currency, balance, changed_at, …                  as often as billing holds it
-- elsewhere: external_reference, run_id, state      what the ledger knows of strangers: ours, pre_existing, conflict, unknown, …
-- known:     external_reference                     files of known customers name it
-- unanswered: external_reference, answer            lookups of it got no answer that says whether billing holds it
-- Of several copies the one is compared that has the id which billing gave us; where none says, that which holds what we meant;
-- else the first, in whatever order they came.
CREATE TABLE several AS
SELECT external_reference, count(*) AS times
FROM billed
SEMI JOIN (SELECT hash(external_reference) AS hashed FROM billed GROUP BY hashed HAVING count(*) > 1)
    ON hash(external_reference) = hashed
GROUP BY external_reference
HAVING count(*) > 1;

CREATE TABLE held_twice AS
SELECT
    external_reference,
    any_value(times) AS times,
    min_by(
        billed.place,
        {
            'is_another': CASE billed.billing_id = expected.billing_id WHEN true THEN 0 WHEN false THEN 2 ELSE 1 END,
            'is_other': billed.currency IS DISTINCT FROM expected.currency OR billed.balance IS DISTINCT FROM expected.balance,
            'place': billed.place
        }
    ) AS first_place
FROM several
JOIN billed USING (external_reference)
LEFT JOIN (FROM expected SEMI JOIN several USING (external_reference)) AS expected USING (external_reference)
GROUP BY external_reference;

CREATE VIEW copies AS
SELECT external_reference, coalesce(times, 1) AS times, place AS billed_place
FROM billed
LEFT JOIN held_twice USING (external_reference)
WHERE times IS NULL OR place = first_place;

CREATE TABLE paired AS
SELECT
    external_reference,
    expected.role,
    expected.run_id,
    expected.row_id,
    expected.place,
    copies.times,
    copies.billed_place,
    CASE
        WHEN unanswered.external_reference IS NOT NULL THEN 'not_determinable'
        WHEN role = 'expected' AND times IS NULL THEN 'missing_in_billing'
        WHEN role = 'in_doubt' AND times IS NULL THEN 'in_doubt'
        WHEN role = 'in_doubt' THEN 'in_doubt_and_found'
        WHEN times IS NULL OR role = 'expected' THEN NULL
        -- There, and not by this: another run made it or may have, somebody met it before, or nobody knows why.
        WHEN elsewhere.state = 'ours' THEN 'created_by_another_run'
        WHEN elsewhere.state IN ('unknown', 'given_up', 'never_created') THEN 'in_doubt_and_found'
        WHEN role = 'held' OR elsewhere.state = 'conflict' THEN 'there_before'
        WHEN elsewhere.state = 'pre_existing' THEN 'known_before'
        -- A file of known customers does not explain it: it may have been made from what billing holds by mistake.
        WHEN role = 'refused' THEN 'refused_and_found'
        WHEN known.external_reference IS NOT NULL THEN 'known_before'
        WHEN elsewhere.state = 'refused' THEN 'refused_and_found'
        ELSE 'unknown_to_us'
    END AS kind,
    elsewhere.run_id AS made_by,
    unanswered.answer
FROM expected
FULL JOIN copies USING (external_reference)
LEFT JOIN elsewhere USING (external_reference)
LEFT JOIN unanswered USING (external_reference)
LEFT JOIN (SELECT DISTINCT external_reference FROM known SEMI JOIN copies USING (external_reference)) AS known
    USING (external_reference);

CREATE TABLE differences (
    kind VARCHAR, external_reference VARCHAR, run_id VARCHAR, row_id VARCHAR, place BIGINT, billed_place BIGINT, field VARCHAR,
    ours VARCHAR, theirs VARCHAR, currency VARCHAR, amount HUGEINT, pattern VARCHAR
);

INSERT INTO differences
SELECT
    paired.kind, external_reference, coalesce(made_by, paired.run_id), paired.row_id, paired.place, paired.billed_place, NULL,
    paired.role, CASE WHEN times IS NULL THEN coalesce(paired.answer, 'not found') ELSE billed.row_id END,
    CASE WHEN times IS NULL THEN expected.currency ELSE billed.currency END,
    coalesce(CASE WHEN times IS NULL THEN CASE WHEN paired.role = 'expected' THEN -expected.balance END
        ELSE billed.balance END, 0),
    NULL
FROM paired
LEFT JOIN expected USING (external_reference)
LEFT JOIN billed ON billed.place = paired.billed_place
WHERE paired.kind IN (
    'missing_in_billing', 'in_doubt', 'in_doubt_and_found', 'refused_and_found', 'not_determinable', 'created_by_another_run', 'unknown_to_us'
);

INSERT INTO differences
SELECT
    'twice_in_billing', external_reference, paired.run_id, paired.row_id, paired.place, billed.place, NULL, NULL, billed.row_id,
    billed.currency, coalesce(billed.balance, 0), NULL
FROM (SELECT * FROM paired WHERE times > 1) AS paired
JOIN billed USING (external_reference)
WHERE billed.place <> paired.billed_place;
