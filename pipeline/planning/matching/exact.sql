-- Rows of this run that share an external reference: the first of equal payloads stays, its repeats point at it;
-- where payloads differ, every row of the reference is named, for a person to decide.
-- Which references may stand there more than once is found by hashes, eight bytes each, so that millions of references
-- that stand there once cost little; of those few everything is compared whole, for no hash is trusted with money.
CREATE OR REPLACE TEMP TABLE repeated AS
SELECT hash(external_reference) AS hashed FROM records WHERE fate IS NULL GROUP BY hashed HAVING count(*) > 1;

CREATE OR REPLACE TABLE matches AS
WITH accepted AS (
    SELECT position, row_id, external_reference, payload
    FROM records
    SEMI JOIN repeated ON hash(external_reference) = hashed
    WHERE fate IS NULL
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
FROM (SELECT position, row_id, external_reference FROM accepted) AS named
JOIN shared USING (external_reference)
WHERE contents_differ OR position > first_position;

DROP TABLE repeated
