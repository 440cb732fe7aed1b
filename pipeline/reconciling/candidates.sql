-- What each row of the runs is by now, and which references stand there twice.
-- meant:    external_reference, role (expected, in_doubt, held, refused, not_sent), run_id, place, …     a row for each row of the runs
-- resolved: external_reference, run_id, role      in doubt by the run's report, and settled by the ledger since
CREATE VIEW candidates AS
SELECT
    meant.* EXCLUDE (role),
    coalesce(resolved.role, meant.role) AS role,
    CASE coalesce(resolved.role, meant.role) WHEN 'expected' THEN 0 WHEN 'in_doubt' THEN 1 WHEN 'held' THEN 2 WHEN 'refused' THEN 3 ELSE 4 END AS rank,
    resolved.role IS NOT NULL AS is_resolved
FROM meant
LEFT JOIN resolved
    ON meant.role = 'in_doubt' AND resolved.external_reference = meant.external_reference AND resolved.run_id = meant.run_id;

-- Who may stand there twice is found by hashes, eight bytes each; of those few the references themselves are compared.
CREATE TABLE repeated AS
SELECT external_reference
FROM meant
SEMI JOIN (SELECT hash(external_reference) AS hashed FROM meant GROUP BY hashed HAVING count(*) > 1)
    ON hash(external_reference) = hashed
GROUP BY external_reference
HAVING count(*) > 1;
