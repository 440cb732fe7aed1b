-- One row per customer over all runs: the best rank (expected, in_doubt, held, refused, not_sent),
-- then the newest run.
-- candidates: external_reference, role, rank, run_id, place, …   one row for each row of the runs
-- repeated:   external_reference                                 those that several rows have
CREATE TABLE chosen_from AS
SELECT * EXCLUDE (rank) FROM candidates ANTI JOIN repeated USING (external_reference)
UNION ALL BY NAME
SELECT * EXCLUDE (rank)
FROM candidates SEMI JOIN repeated USING (external_reference)
QUALIFY row_number() OVER (PARTITION BY external_reference ORDER BY rank, run_id DESC, place) = 1;
