-- The row after an outcome. ?1 to ?19: the columns of an event, see events.py.
-- A row in doubt keeps the last outcome with a text: a lookup that finds nothing does not show what became of the request.
UPDATE rows SET
    seq = ?1,
    run_id = ?2,
    state = ?9,
    billing_id = ?14,
    payable = ?15,
    detail = CASE ?9 WHEN 'unknown' THEN coalesce(?19, detail) ELSE ?19 END
WHERE external_reference = ?5
