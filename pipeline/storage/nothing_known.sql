-- The known customers of an environment that has none.
CREATE VIEW known AS
SELECT
    NULL::BIGINT AS place,
    NULL::VARCHAR AS row_id,
    NULL::VARCHAR AS external_reference,
    NULL::VARCHAR AS billing_id,
    NULL::VARCHAR AS email,
    NULL::VARCHAR AS phone,
    NULL::VARCHAR AS name,
    NULL::VARCHAR AS currency,
    NULL::BIGINT AS balance,
    NULL::VARCHAR AS identity
WHERE false;
CREATE VIEW known_fields AS SELECT NULL::VARCHAR AS field WHERE false;
