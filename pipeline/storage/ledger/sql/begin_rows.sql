-- The row of an intent. ?1 to ?19: the columns of an event, see events.py.
INSERT OR REPLACE INTO rows (
    seq, run_id, first_sent, external_reference, fingerprint, generation, key, state, credential, normalization, detail
) VALUES (?1, ?2, ?3, ?5, ?6, ?7, ?8, ?9, ?17, ?18, ?19)
