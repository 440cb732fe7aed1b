"""Every record's fate as a table, and the queries by which the result files are cut out of it."""

import json
from collections.abc import Iterator, Sequence
from importlib.resources import files

import duckdb

from pipeline.currency import NO_CODE, NO_CURRENCY, WITHDRAWN, known
from pipeline.explanations import EXPLANATIONS
from pipeline.outcomes import LISTS, Fate, Reason
from pipeline.sql import identifier

_FATES = files(__package__).joinpath("fates.sql").read_text(encoding="utf-8")


def find_fates(workbench: duckdb.DuckDBPyConnection, run_id: str) -> None:
    """Fill the table `fates` from the views `records`, `plan` and `outcomes` (an empty one before anything was sent)."""
    views = {name for (name,) in workbench.execute("SELECT view_name FROM duckdb_views()").fetchall()}
    if "outcomes" not in views:
        workbench.execute(
            "CREATE TEMP VIEW outcomes AS SELECT NULL::VARCHAR AS external_reference, NULL::VARCHAR AS state,"
            " NULL::VARCHAR AS run_id, NULL::VARCHAR AS fingerprint, NULL::VARCHAR AS key, NULL::VARCHAR AS billing_id,"
            " NULL::BOOLEAN AS payable, NULL::VARCHAR AS detail WHERE false"
        )
    codes = {"currencies": sorted(known()), "no_currency": NO_CURRENCY, "no_code": NO_CODE}
    workbench.execute(_FATES, {"run_id": run_id, **codes})
    # Said once, as maps: spelled out in each list's query they took longer to plan than a small run to write.
    workbench.execute(
        "CREATE TEMP TABLE told (sentences MAP(VARCHAR, VARCHAR), hints MAP(VARCHAR, VARCHAR), successors MAP(VARCHAR, VARCHAR))"
    )
    workbench.execute(
        "INSERT INTO told VALUES (?, ?, ?)",
        [
            {reason.value: reason.sentence for reason in Reason},
            {reason.value: EXPLANATIONS[reason].mend for reason in Reason},
            {code: f"{code} was replaced by {successor} on {day}." for code, (successor, day) in WITHDRAWN.items()},
        ],
    )


def list_query(name: str, columns: Sequence[str], run_id: str) -> str:
    """The rows of one list: the supplier's own columns and text in their order, then ours.

    The last column is full in every row, for a spreadsheet leaves out the delimiters before empty cells at a line's end.
    """
    originals = ", ".join(f"{identifier(f'given.{column}')} AS {identifier(column)}" for column in columns)
    fates = ", ".join(f"'{fate.value}'" for fate in LISTS[name])
    return f"""
        SELECT {originals},
            fates.row_id AS _import_row_id,
            fates.fate AS _import_fate,
            array_to_string(fates.reasons, ' ') AS _import_reasons,
            concat_ws(' ', array_to_string(
                list_transform(fates.reasons, lambda reason: told.sentences[split_part(reason, ':', 1)]), ' '
            ), told.successors[records.currency]) AS _import_explanation,
            array_to_string(list_distinct(
                list_transform(fates.reasons, lambda reason: told.hints[split_part(reason, ':', 1)])
            ), ' ') AS _import_hint,
            CASE WHEN fates.fate IN ('refused', 'in_doubt') THEN fates.detail END AS _import_billing_said,
            fates.same_as AS _import_same_as,
            fates.billing_id AS _import_billing_id,
            fates.key AS _import_idempotency_key,
            fates.text AS _import_text,
            '{_doubled(run_id)}' AS _import_run_id
        FROM records JOIN fates USING (position) CROSS JOIN told
        WHERE fates.fate IN ({fates})
        ORDER BY position
    """


def rows_query() -> str:
    """Every record once, without a word of what it says: identity and fate only."""
    return """
        SELECT fates.row_id, fates.fate, fates.reasons, fates.fingerprint, fates.key AS idempotency_key, fates.billing_id,
            records.origin_run AS mends_run_id, records.origin_row AS mends_row_id
        FROM fates JOIN records USING (position) ORDER BY position
    """


def differences(workbench: duckdb.DuckDBPyConnection) -> Iterator[tuple[str, str, str, str | None, str | None]]:
    """Where billing's echo was not what was sent: row_id, external_reference, field, ours, theirs."""
    found = workbench.execute(
        "SELECT row_id, external_reference, detail FROM fates WHERE fate IN (?, ?) AND detail LIKE '[[%' ORDER BY position",
        [Fate.CREATED_DIFFERENT.value, Fate.ALREADY_EXISTS_DIFFERENT.value],
    ).fetchall()
    for row_id, reference, detail in found:
        for field, ours, theirs in json.loads(detail):
            yield row_id, reference, field, ours, theirs


def _doubled(text: str) -> str:
    return text.replace("'", "''")
