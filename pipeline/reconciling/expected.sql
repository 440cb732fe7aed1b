-- Each customer once, of all runs: what it is expected to be in billing rather than in doubt, held or not sent; the newest run first.
-- candidates: external_reference, rank (0: expected, 1: in doubt, 2: held, 3: not sent), run_id, place, …
-- Who may stand there twice is found by hashes, eight bytes each; of those few the references themselves are compared.
CREATE TABLE repeated AS
SELECT external_reference
FROM candidates
SEMI JOIN (SELECT hash(external_reference) AS hashed FROM candidates GROUP BY hashed HAVING count(*) > 1)
    ON hash(external_reference) = hashed
GROUP BY external_reference
HAVING count(*) > 1;

CREATE TABLE chosen_from AS
SELECT * EXCLUDE (rank) FROM candidates ANTI JOIN repeated USING (external_reference)
UNION ALL BY NAME
SELECT * EXCLUDE (rank)
FROM candidates SEMI JOIN repeated USING (external_reference)
QUALIFY row_number() OVER (PARTITION BY external_reference ORDER BY rank, run_id DESC, place) = 1;
