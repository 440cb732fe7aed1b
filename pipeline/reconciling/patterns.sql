-- Recognize typical mistakes by the balances that differ.
CREATE TABLE ranked AS
SELECT
    external_reference, run_id, currency, balance,
    row_number() OVER (ORDER BY run_id, place) AS rank
FROM chosen_from
WHERE role = 'expected';

CREATE TABLE suspects AS
SELECT
    differences.external_reference, ranked.rank, ranked.currency, ranked.balance AS ours,
    their_rows.balance AS theirs
FROM differences
JOIN ranked USING (external_reference)
JOIN their_rows
    ON their_rows.place = differences.their_place
    AND their_rows.currency IS NOT DISTINCT FROM ranked.currency
WHERE
    differences.kind = 'balance_differs'
    AND ranked.balance IS NOT NULL
    AND their_rows.balance IS NOT NULL;

-- Shifted rows: at least two neighbouring rows that have the balance of the row at the same
-- distance. Zeros do not count, and the balances must differ: many customers owe 0 or the same fee.
CREATE TABLE moved AS
SELECT suspects.external_reference, suspects.rank, suspects.theirs, distance
FROM suspects, (SELECT unnest([-3, -2, -1, 1, 2, 3]) AS distance) AS distances
JOIN ranked ON ranked.rank = suspects.rank + distance AND ranked.balance = suspects.theirs
WHERE suspects.theirs <> 0;

CREATE TABLE shifted AS
SELECT DISTINCT one.external_reference
FROM moved AS one
JOIN moved AS other
    ON other.distance = one.distance
    AND abs(one.rank - other.rank) = 1
    AND other.theirs <> one.theirs;

-- Merged customers: a balance that is the sum of our balance and those of missing customers with
-- the same email, phone or name. One join per field: a join with OR would compare every pair.
CREATE TABLE kept AS
SELECT
    external_reference, suspects.currency, ours, theirs, lower(email) AS email, phone,
    lower(name) AS name
FROM suspects JOIN expected USING (external_reference);

CREATE TABLE lost AS
SELECT
    external_reference, expected.currency, balance, lower(email) AS email, phone,
    lower(name) AS name
FROM (SELECT external_reference FROM differences WHERE kind = 'missing_in_billing')
JOIN expected USING (external_reference)
WHERE balance IS NOT NULL;

CREATE TABLE merged AS
SELECT kept AS external_reference
FROM (
    SELECT
        kept.external_reference AS kept, lost.external_reference AS lost,
        theirs::HUGEINT - ours AS more, lost.balance
    FROM kept JOIN lost USING (currency, email)
    UNION
    SELECT kept.external_reference, lost.external_reference, theirs::HUGEINT - ours, lost.balance
    FROM kept JOIN lost USING (currency, phone)
    UNION
    SELECT kept.external_reference, lost.external_reference, theirs::HUGEINT - ours, lost.balance
    FROM kept JOIN lost USING (currency, name)
)
GROUP BY kept, more
HAVING more = sum(balance) OR bool_or(more = balance);

UPDATE differences SET pattern = found.pattern
FROM (
    SELECT
        external_reference,
        CASE
            WHEN external_reference IN (SELECT external_reference FROM merged)
                THEN 'merged_customers'
            WHEN external_reference IN (SELECT external_reference FROM shifted) THEN 'shifted_rows'
            WHEN theirs = -ours AND ours <> 0 THEN 'sign'
            -- A factor of 10, 100 or 1000, with or without the sign flipped.
            WHEN ours <> 0 AND theirs <> 0 AND (
                abs(theirs::HUGEINT) IN (
                    abs(ours::HUGEINT) * 10, abs(ours::HUGEINT) * 100, abs(ours::HUGEINT) * 1000
                )
                OR abs(ours::HUGEINT) IN (
                    abs(theirs::HUGEINT) * 10,
                    abs(theirs::HUGEINT) * 100,
                    abs(theirs::HUGEINT) * 1000
                )
            ) THEN 'unit'
        END AS pattern
    FROM suspects
) AS found
WHERE
    differences.kind = 'balance_differs'
    AND differences.external_reference = found.external_reference;
