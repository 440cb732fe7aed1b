-- Rows of this run with one external reference. Of equal payloads the first row stays, and repeats
-- point to it. If payloads differ, every row is listed, and a person decides. Hashes of eight bytes
-- find candidates, so that millions of single references cost little memory; the candidates are
-- compared in full, because a hash is not proof.
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
