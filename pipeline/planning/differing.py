"""The names of fields in which a held row differs from its counterpart; never their content."""

from collections.abc import Iterable, Mapping

import duckdb
import polars as pl

from pipeline.domain.customer import FIELDS, METADATA_PREFIX, metadata_columns
from pipeline.domain.reasons import Reason
from pipeline.domain.sql import columns_of, identifier, literal

_KNOWN_FIELDS = ("name", "email", "phone", "billing_id", "currency", "balance")
_TWINS = Reason.MATCH_SAME_REFERENCE_OTHER_CONTENT.value
_CREATED = Reason.PLAN_CREATED_BEFORE_DIFFERENT.value
_KNOWN = Reason.MATCH_KNOWN_DIFFERENT.value


def created_otherwise(workbench: duckdb.DuckDBPyConnection) -> list[str]:
    """References of rows that are held because the ledger has them with other content."""
    found = workbench.execute(
        "SELECT DISTINCT external_reference FROM records JOIN judged USING (position) WHERE judged.reason = ?",
        [_CREATED],
    )
    return [reference for (reference,) in found.fetchall()]


def find_differing(
    workbench: duckdb.DuckDBPyConnection, created: Iterable[tuple[str, str]] = ()
) -> pl.DataFrame:
    """Held rows and the names of differing fields, in the order of the API: position, differs.

    Reads the tables of `find_matches` and `plan_query`. `created`: reference and payload in the
    ledger.
    """
    described = columns_of(workbench, "records")
    names = {
        name: described[name]
        for name in (*FIELDS[1:], *metadata_columns([*described]))
        if name in described
    }
    held = workbench.execute(
        "SELECT reason, count(*) FROM judged WHERE reason IN (?, ?, ?) GROUP BY 1",
        [_TWINS, _CREATED, _KNOWN],
    )
    reasons = dict(held.fetchall())
    found = [pl.DataFrame(schema={"position": pl.Int64, "differs": pl.List(pl.String)})]
    if _TWINS in reasons:
        found.append(_query(workbench, _of_twins(names)))
    if _CREATED in reasons:
        workbench.register("created_contents", _contents(created, names))
        found.append(_query(workbench, _of_created(names)))
        workbench.unregister("created_contents")
    if _KNOWN in reasons:
        stated = {
            name for (name,) in workbench.execute("SELECT field FROM known_fields").fetchall()
        }
        found.append(
            _query(
                workbench,
                _of_known([name for name in _KNOWN_FIELDS if name in stated and name in described]),
            )
        )
    return pl.concat(found)


def _query(workbench: duckdb.DuckDBPyConnection, query: str) -> pl.DataFrame:
    return pl.DataFrame(workbench.sql(query).to_arrow_table()).cast(
        {"position": pl.Int64, "differs": pl.List(pl.String)}
    )


def _names_where(conditions: Iterable[tuple[str, str]]) -> str:
    """An SQL list of the names whose condition holds."""
    cases = ", ".join(
        f"CASE WHEN {condition} THEN {literal(name)} END" for name, condition in conditions
    )
    return f"list_filter([{cases or 'NULL'}]::VARCHAR[], lambda name: name IS NOT NULL)"


def _of_twins(names: Mapping[str, str]) -> str:
    differ = [
        (name, f"count(DISTINCT {column}) > 1 OR count({column}) NOT IN (0, count(*))")
        for name, column in ((name, identifier(inside)) for name, inside in names.items())
    ]
    held = f"SELECT records.* FROM records JOIN judged USING (position) WHERE judged.reason = {literal(_TWINS)}"
    return (
        f"WITH held AS ({held}), groups AS (SELECT external_reference, {_names_where(differ)} AS differs FROM held GROUP BY 1)"
        " SELECT position, differs FROM held JOIN groups USING (external_reference) ORDER BY position"
    )


def _of_created(names: Mapping[str, str]) -> str:
    differ = [
        (name, f"records.{column} IS DISTINCT FROM created_contents.{column}")
        for name, column in ((name, identifier(inside)) for name, inside in names.items())
    ]
    return (
        f"SELECT position, {_names_where(differ)} AS differs FROM records JOIN judged USING (position)"
        f" JOIN created_contents USING (external_reference) WHERE judged.reason = {literal(_CREATED)} ORDER BY position"
    )


def _of_known(names: list[str]) -> str:
    differ = [
        (name, f"records.{name} IS DISTINCT FROM known.{name}")
        for name in names
        if name != "billing_id"
    ]
    if "billing_id" in names:  # a row without one does not differ
        differ.append(
            (
                "billing_id",
                "records.billing_id IS NOT NULL AND records.billing_id IS DISTINCT FROM known.billing_id",
            )
        )
    return (
        f"SELECT position, list_distinct(flatten(list({_names_where(differ)}))) AS differs FROM records JOIN judged USING (position)"
        f" JOIN known USING (external_reference) WHERE judged.reason = {literal(_KNOWN)} GROUP BY position ORDER BY position"
    )


def _contents(created: Iterable[tuple[str, str]], names: Mapping[str, str]) -> pl.DataFrame:
    """Payloads as columns by their names in SQL, without metadata that this run lacks."""
    table = pl.DataFrame(
        list(created), schema={"external_reference": pl.String, "payload": pl.String}, orient="row"
    )
    keys = [
        name.removeprefix(METADATA_PREFIX) for name in names if name.startswith(METADATA_PREFIX)
    ]
    fields = {
        name: pl.Int64 if name == "balance" else pl.String for name in names if name in FIELDS
    }
    metadata = {"metadata": pl.Struct(dict.fromkeys(keys, pl.String))} if keys else {}
    contents = table["payload"].str.json_decode(pl.Struct({**fields, **metadata})).struct.unnest()
    columns = [contents.get_column(name) for name in fields]
    if keys:  # `get_column`, because an expression reads a key such as `*` as a pattern
        inner = contents.get_column("metadata").struct.unnest()
        columns += [inner.get_column(key).alias(names[METADATA_PREFIX + key]) for key in keys]
    return pl.DataFrame([table["external_reference"], *columns])
