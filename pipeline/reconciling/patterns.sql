-- The mistakes that balances which differ look like.
-- scales: currency, factor (minor units in a major one, where that is not 1)
CREATE TABLE ranked AS
SELECT
    external_reference, currency, balance,
    lag(balance) OVER order_of_input AS before, lead(balance) OVER order_of_input AS after,
    row_number() OVER order_of_input AS rank
FROM expected
WHERE role = 'expected'
WINDOW order_of_input AS (ORDER BY run_id, place);

CREATE TABLE suspects AS
SELECT differences.external_reference, ranked.rank, ranked.balance AS ours, billed.balance AS theirs, ranked.before,
    ranked.after, scales.factor
FROM differences
JOIN ranked USING (external_reference)
JOIN billed ON billed.place = differences.billed_place AND billed.currency IS NOT DISTINCT FROM ranked.currency
LEFT JOIN scales ON scales.currency = ranked.currency
WHERE differences.kind = 'balance_differs' AND ranked.balance IS NOT NULL AND billed.balance IS NOT NULL;

-- Two or more rows in a row that hold each the balance of the one before, or each of the one after.
CREATE TABLE shifted AS
SELECT DISTINCT one.external_reference
FROM suspects AS one
JOIN suspects AS other ON abs(one.rank - other.rank) = 1
WHERE (one.theirs = one.before AND other.theirs = other.before) OR (one.theirs = one.after AND other.theirs = other.after);

CREATE TABLE merged AS
SELECT DISTINCT suspects.external_reference
FROM suspects
JOIN expected AS kept USING (external_reference)
JOIN differences AS gone ON gone.kind = 'missing_in_billing'
JOIN expected AS lost ON lost.external_reference = gone.external_reference
WHERE suspects.theirs = suspects.ours + lost.balance AND lost.currency IS NOT DISTINCT FROM kept.currency
    AND (lower(lost.email) = lower(kept.email) OR lost.phone = kept.phone OR lower(lost.name) = lower(kept.name));

UPDATE differences SET pattern = found.pattern
FROM (
    SELECT
        external_reference,
        CASE
            WHEN external_reference IN (SELECT external_reference FROM merged) THEN 'merged_customers'
            WHEN external_reference IN (SELECT external_reference FROM shifted) THEN 'shifted_rows'
            WHEN theirs = -ours AND ours <> 0 THEN 'sign'
            WHEN ours <> 0 AND factor > 1 AND (theirs = ours::HUGEINT * factor OR theirs::HUGEINT * factor = ours) THEN 'unit'
        END AS pattern
    FROM suspects
) AS found
WHERE differences.kind = 'balance_differs' AND differences.external_reference = found.external_reference;
