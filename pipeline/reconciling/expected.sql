-- Each customer once, of all runs: what it is expected to be in billing rather than in doubt, held, refused or not sent; the newest run first.
-- candidates: external_reference, role (expected, in_doubt, held, refused, not_sent), rank, run_id, place, …     a row for each row of the runs
-- repeated:   external_reference                                                                         those that stand there twice
CREATE TABLE chosen_from AS
SELECT * EXCLUDE (rank) FROM candidates ANTI JOIN repeated USING (external_reference)
UNION ALL BY NAME
SELECT * EXCLUDE (rank)
FROM candidates SEMI JOIN repeated USING (external_reference)
QUALIFY row_number() OVER (PARTITION BY external_reference ORDER BY rank, run_id DESC, place) = 1;
