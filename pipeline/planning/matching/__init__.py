"""Find rows of the same customer, within the run and among the known customers.

`find_matches` makes the tables `matches` (position, row_id, same_as, rule, score) and
`known_matches` (the same without row_id).
"""

from importlib.resources import files

import duckdb

_EXACT = files(__package__).joinpath("exact.sql").read_text(encoding="utf-8")
_KNOWN = files(__package__).joinpath("known.sql").read_text(encoding="utf-8")
_HASHES = files(__package__).joinpath("hashes.sql").read_text(encoding="utf-8")
_NOTHING_KNOWN = files(__package__).joinpath("nothing_known.sql").read_text(encoding="utf-8")
_CHECKED = 2048  #: known customers whose stored hashes are checked with the running DuckDB


def find_matches(workbench: duckdb.DuckDBPyConnection) -> None:
    """Fill the tables `matches` and `known_matches` from the views `records` and, if any, `known`.

    records: position, row_id, external_reference, payload, fate; with `known` also billing_id,
    email, phone, name, currency and balance. `known_fields` lists the fields of the known
    customers;
    `stored_hashes`, if present, saves hashing them.
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
    """Whether this DuckDB computes the stored hashes; another version may hash differently."""
    computed = _HASHES.format(known=f"(SELECT * FROM known WHERE place < {_CHECKED})")
    stored = (
        "SELECT place, external_reference, billing_id, email, phone, identity"
        f" FROM stored_hashes WHERE place < {_CHECKED}"
    )
    return not workbench.execute(f"({computed}) EXCEPT ({stored}) LIMIT 1").fetchall()
