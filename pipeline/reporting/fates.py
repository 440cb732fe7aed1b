"""The fate of every record, part by part, and queries over all fates."""

import json
from collections.abc import Iterable, Iterator
from importlib.resources import files

import duckdb
import polars as pl

from pipeline.domain.currency import NO_CODE, NO_CURRENCY, known
from pipeline.domain.fates import Fate

_SETTLED, _FATES = (
    files(__package__).joinpath(name).read_text(encoding="utf-8")
    for name in ("settled.sql", "fates.sql")
)
_NOTHING_SENT = """
    CREATE TABLE settled (position BIGINT, state VARCHAR, settled_by VARCHAR, same_content BOOLEAN, sent_key VARCHAR,
        billing_id VARCHAR, payable BOOLEAN, detail VARCHAR)
"""


def find_fates(
    workbench: duckdb.DuckDBPyConnection, run_id: str, parts: Iterable[tuple[str, str]]
) -> Iterator[pl.DataFrame]:
    """The fates of all records, part by part, from the views `plan` and (once sent) `outcomes`.

    `parts`: the SQL relations of the records and the plan of each part. Columns, in the order of
    the input: position, row_id, line_count, external_reference, origin_run, origin_row, currency,
    balance, balance_kind, same_as, fate, reasons, fingerprint, key, billing_id, payable, detail.
    """
    views = {
        name for (name,) in workbench.execute("SELECT view_name FROM duckdb_views()").fetchall()
    }
    workbench.execute(_SETTLED if "outcomes" in views else _NOTHING_SENT)
    shared = {
        "run_id": run_id,
        "currencies": sorted(known()),
        "no_currency": NO_CURRENCY,
        "no_code": NO_CODE,
    }
    for records, plan in parts:
        first, last = workbench.execute(
            f"SELECT min(position), max(position) FROM {records}"
        ).fetchall()[0]
        found = workbench.sql(
            _FATES.format(records=records, plan=plan),
            params={"first": first, "last": last, **shared},
        )
        yield pl.DataFrame(found.to_arrow_table())
    workbench.execute("DROP TABLE settled")


def identities(fates: pl.DataFrame) -> pl.DataFrame:
    """Every record once, without its content: identity and fate only."""
    return fates.select(
        "row_id", "fate", "reasons", "fingerprint", idempotency_key="key", billing_id="billing_id",
        mends_run_id="origin_run", mends_row_id="origin_row",
    )  # fmt: skip


def differences(
    workbench: duckdb.DuckDBPyConnection,
) -> Iterator[tuple[str, str, str, str | None, str | None]]:
    """Fields that billing returned changed: row_id, external_reference, field, ours, theirs."""
    found = workbench.execute(
        "SELECT row_id, external_reference, detail FROM fates WHERE fate IN (?, ?) AND detail LIKE '[[%' ORDER BY position",
        [Fate.CREATED_DIFFERENT.value, Fate.ALREADY_EXISTS_DIFFERENT.value],
    ).fetchall()
    for row_id, reference, detail in found:
        for field, ours, theirs in json.loads(detail):
            yield row_id, reference, field, ours, theirs
