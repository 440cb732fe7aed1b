-- The current role of each row of the runs, and the references that several rows have.
-- our_rows: external_reference, role, run_id, place, …   one row for each row of the runs;
--           the roles are expected, in_doubt, held, refused, not_sent
-- resolved: external_reference, run_id, role   in doubt in the run's report, with an outcome in the
--           ledger since
CREATE VIEW candidates AS
SELECT
    our_rows.* EXCLUDE (role),
    coalesce(resolved.role, our_rows.role) AS role,
    CASE coalesce(resolved.role, our_rows.role)
        WHEN 'expected' THEN 0
        WHEN 'in_doubt' THEN 1
        WHEN 'held' THEN 2
        WHEN 'refused' THEN 3
        ELSE 4
    END AS rank,
    resolved.role IS NOT NULL AS is_resolved
FROM our_rows
LEFT JOIN resolved
    ON our_rows.role = 'in_doubt'
    AND resolved.external_reference = our_rows.external_reference
    AND resolved.run_id = our_rows.run_id;

-- Hashes of eight bytes save memory: only references whose hash repeats are compared themselves.
CREATE TABLE repeated AS
SELECT external_reference
FROM our_rows
SEMI JOIN (
    SELECT hash(external_reference) AS hashed FROM our_rows GROUP BY hashed HAVING count(*) > 1
)
    ON hash(external_reference) = hashed
GROUP BY external_reference
HAVING count(*) > 1;
