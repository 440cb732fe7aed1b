"""Which rows speak of the same customer: `find_matches` makes the table `matches` (position, row_id, same_as, rule, score)."""

from importlib.resources import files

import duckdb

_EXACT = files(__package__).joinpath("exact.sql").read_text(encoding="utf-8")


def find_matches(workbench: duckdb.DuckDBPyConnection) -> None:
    """Fill the table `matches` from the view `records` (position, row_id, external_reference, payload, fate)."""
    workbench.execute(_EXACT)
