"""Which rows speak of the same customer, among themselves and with those that are known already.

`find_matches` makes the tables `matches` (position, row_id, same_as, rule, score) and `known_matches` (the same without row_id).
"""

from importlib.resources import files

import duckdb

_EXACT = files(__package__).joinpath("exact.sql").read_text(encoding="utf-8")
_KNOWN = files(__package__).joinpath("known.sql").read_text(encoding="utf-8")
_HASHES = files(__package__).joinpath("hashes.sql").read_text(encoding="utf-8")
_NOTHING_KNOWN = files(__package__).joinpath("nothing_known.sql").read_text(encoding="utf-8")
_LOOKED_AT = 2048  #: known customers whose stored hashes are held against those of the DuckDB that reads them


def find_matches(workbench: duckdb.DuckDBPyConnection) -> None:
    """Fill the tables `matches` and `known_matches` from the view `records` and, where there are any, `known`.

    records: position, row_id, external_reference, payload, fate; with `known` also billing_id, email, phone, name,
    currency and balance. `known_fields` names what the known customers state at all; `stored_hashes`, where it is there,
    saves hashing them.
    """
    workbench.execute(_EXACT)
    views = {
        name for (name,) in workbench.execute("SELECT view_name FROM duckdb_views()").fetchall()
    }
    if "known" not in views or not workbench.execute("SELECT 1 FROM known LIMIT 1").fetchall():
        workbench.execute(_NOTHING_KNOWN)
        return
    is_stored = "stored_hashes" in views and _are_ours(workbench)
    hashes = "FROM stored_hashes" if is_stored else _HASHES.format(known="known")
    workbench.execute(f"CREATE OR REPLACE VIEW known_hashes AS {hashes}")
    workbench.execute(_KNOWN)


def _are_ours(workbench: duckdb.DuckDBPyConnection) -> bool:
    """Whether stored hashes are those that this DuckDB computes: another version may hash in another way."""
    anew = _HASHES.format(known=f"(SELECT * FROM known WHERE place < {_LOOKED_AT})")
    stored = f"SELECT place, external_reference, billing_id, email, phone, identity FROM stored_hashes WHERE place < {_LOOKED_AT}"
    return not workbench.execute(f"({anew}) EXCEPT ({stored}) LIMIT 1").fetchall()
