-- Rows of this run that share an external reference: the first of equal payloads stays, its repeats point at it;
-- where payloads differ, every row of the reference is named, for a person to decide. Grouping first keeps the work on
-- the few references that stand there more than once; payloads are compared whole, no hash is trusted with money.
CREATE OR REPLACE TABLE matches AS
WITH accepted AS (
    SELECT position, row_id, external_reference, payload FROM records WHERE fate IS NULL
),
shared AS (
    SELECT
        external_reference,
        min(position) AS first_position,
        arg_min(row_id, position) AS first_row_id,
        min(payload) <> max(payload) AS contents_differ
    FROM accepted
    GROUP BY external_reference
    HAVING count(*) > 1
)
SELECT
    position,
    row_id,
    first_row_id AS same_as,
    CASE WHEN contents_differ THEN 'same_reference_other_content' ELSE 'repeats_earlier_row' END AS rule,
    1.0::DOUBLE AS score
FROM accepted
JOIN shared USING (external_reference)
WHERE contents_differ OR position > first_position
