"""Which rows speak of the same customer, among themselves and with those that are known already.

`find_matches` makes the tables `matches` (position, row_id, same_as, rule, score) and `known_matches` (the same without row_id).
"""

from importlib.resources import files

import duckdb

_EXACT = files(__package__).joinpath("exact.sql").read_text(encoding="utf-8")
_KNOWN = files(__package__).joinpath("known.sql").read_text(encoding="utf-8")
_NOTHING_KNOWN = files(__package__).joinpath("nothing_known.sql").read_text(encoding="utf-8")


def find_matches(workbench: duckdb.DuckDBPyConnection) -> None:
    """Fill the tables `matches` and `known_matches` from the view `records` and, where there are any, `known`.

    records: position, row_id, external_reference, payload, fate; with `known` also billing_id, email, phone, name,
    currency and balance. `known_fields` names what the known customers state at all.
    """
    workbench.execute(_EXACT)
    workbench.execute(_KNOWN if _anyone_is_known(workbench) else _NOTHING_KNOWN)


def _anyone_is_known(workbench: duckdb.DuckDBPyConnection) -> bool:
    views = {name for (name,) in workbench.execute("SELECT view_name FROM duckdb_views()").fetchall()}
    return "known" in views and bool(workbench.execute("SELECT 1 FROM known LIMIT 1").fetchall())
