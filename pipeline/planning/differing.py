"""In which fields a held row differs from what it was compared with: names of fields, never what they say."""

from collections.abc import Iterable, Mapping

import duckdb
import polars as pl

from pipeline.domain.customer import FIELDS, METADATA_PREFIX, metadata_columns
from pipeline.domain.outcomes import Reason
from pipeline.domain.sql import columns_of, identifier, literal

_KNOWN_FIELDS = ("name", "email", "phone", "billing_id", "currency", "balance")
_TWINS = Reason.MATCH_SAME_REFERENCE_OTHER_CONTENT.value
_CREATED = Reason.PLAN_CREATED_BEFORE_DIFFERENT.value
_KNOWN = Reason.MATCH_KNOWN_DIFFERENT.value


def created_otherwise(workbench: duckdb.DuckDBPyConnection) -> list[str]:
    """The references of rows that are held because the ledger shows them with other content."""
    found = workbench.execute(
        "SELECT DISTINCT external_reference FROM records JOIN judged USING (position) WHERE judged.reason = ?",
        [_CREATED],
    )
    return [reference for (reference,) in found.fetchall()]


def find_differing(
    workbench: duckdb.DuckDBPyConnection, created: Iterable[tuple[str, str]] = ()
) -> pl.DataFrame:
    """Held rows and the fields in which they differ: position, differs (the names of fields, in the order of the API).

    Reads what `find_matches` and `make_plan` made. `created`: reference and payload of what the ledger shows.
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
        found.append(_asked(workbench, _of_twins(names)))
    if _CREATED in reasons:
        workbench.register("created_contents", _contents(created, names))
        found.append(_asked(workbench, _of_created(names)))
        workbench.unregister("created_contents")
    if _KNOWN in reasons:
        stated = {
            name for (name,) in workbench.execute("SELECT field FROM known_fields").fetchall()
        }
        found.append(
            _asked(
                workbench,
                _of_known([name for name in _KNOWN_FIELDS if name in stated and name in described]),
            )
        )
    return pl.concat(found)


def _asked(workbench: duckdb.DuckDBPyConnection, query: str) -> pl.DataFrame:
    return pl.DataFrame(workbench.sql(query).to_arrow_table()).cast(
        {"position": pl.Int64, "differs": pl.List(pl.String)}
    )


def _named(conditions: Iterable[tuple[str, str]]) -> str:
    """The names for which a condition holds, as a list."""
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
        f"WITH held AS ({held}), groups AS (SELECT external_reference, {_named(differ)} AS differs FROM held GROUP BY 1)"
        " SELECT position, differs FROM held JOIN groups USING (external_reference) ORDER BY position"
    )


def _of_created(names: Mapping[str, str]) -> str:
    differ = [
        (name, f"records.{column} IS DISTINCT FROM created_contents.{column}")
        for name, column in ((name, identifier(inside)) for name, inside in names.items())
    ]
    return (
        f"SELECT position, {_named(differ)} AS differs FROM records JOIN judged USING (position)"
        f" JOIN created_contents USING (external_reference) WHERE judged.reason = {literal(_CREATED)} ORDER BY position"
    )


def _of_known(names: list[str]) -> str:
    differ = [
        (name, f"records.{name} IS DISTINCT FROM known.{name}")
        for name in names
        if name != "billing_id"
    ]
    if "billing_id" in names:  # a row without one says nothing about it
        differ.append(
            (
                "billing_id",
                "records.billing_id IS NOT NULL AND records.billing_id IS DISTINCT FROM known.billing_id",
            )
        )
    return (
        f"SELECT position, list_distinct(flatten(list({_named(differ)}))) AS differs FROM records JOIN judged USING (position)"
        f" JOIN known USING (external_reference) WHERE judged.reason = {literal(_KNOWN)} GROUP BY position ORDER BY position"
    )


def _contents(created: Iterable[tuple[str, str]], names: Mapping[str, str]) -> pl.DataFrame:
    """Payloads as columns, by their names in SQL; metadata that this run has no column for is left out."""
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
    if keys:  # by `get_column`, for an expression takes a key such as `*` for a pattern
        inner = contents.get_column("metadata").struct.unnest()
        columns += [inner.get_column(key).alias(names[METADATA_PREFIX + key]) for key in keys]
    return pl.DataFrame([table["external_reference"], *columns])
