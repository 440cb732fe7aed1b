"""Recompute the fields in which held records differ, from staged records and billing's answers.

The folder has no copy of the ledger or of the known customers. For records that differ from
these, this check takes the fields from the plan and says how many records that concerns.
"""

import csv
import json
import os
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet

from pipeline.domain.customer import FIELDS, METADATA_PREFIX
from pipeline.domain.fates import Fate
from pipeline.domain.reasons import Reason
from pipeline.domain.run_summary import RunSummary
from pipeline.storage.files import open_regular
from pipeline.verifier.checks import Check, differing, read_any_cell
from pipeline.verifier.parquet_rows import ColumnsOf, column_of

_TWINS = Reason.MATCH_SAME_REFERENCE_OTHER_CONTENT.value
_ELSEWHERE = {Reason.PLAN_CREATED_BEFORE_DIFFERENT.value, Reason.MATCH_KNOWN_DIFFERENT.value}
_WHAT = "summary.json and held.csv agree with the fields in which held records differ"
_NOT_HERE = "the plan is right about the fields that differ from the ledger or the known customers"


_SCHEMA = pa.schema(
    [("fate", pa.string()), ("reasons", pa.list_(pa.string())), ("fingerprint", pa.string())]
)


class _Row(NamedTuple):
    """A row of rows.parquet."""

    fate: str
    reasons: list[str] | None
    fingerprint: str | None


@dataclass
class _Held:
    """Held records, by the other side of the comparison."""

    references: dict[str, str] = field(default_factory=dict)  #: row id -> external reference
    #: External reference -> field -> the values in its records.
    twins: defaultdict[str, defaultdict[str, set[Any]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(set))
    )
    twin_rows: list[str] = field(default_factory=list)
    #: Row id -> fingerprint of the planned payload, compared with billing's answer.
    answered: dict[str, str | None] = field(default_factory=dict)
    #: Position -> row id, compared with records that are not in the folder.
    elsewhere: dict[int, str] = field(default_factory=dict)


def of_held(folder: Path, summary: RunSummary) -> Iterator[Check]:
    """The check of `held_differs`; nothing for summaries of earlier versions, which lack it."""
    if summary.held_differs is None:
        return
    parts = sorted((folder / "staged").glob("records-*.parquet"))
    if not parts:
        yield Check(_WHAT, None, "the staged records fell under retention")
        return
    held = _held(folder, parts)
    fields = _recomputed(folder, held)
    counts = Counter(name for names in fields.values() for name in names)
    wrong = differing("held_differs", counts, summary.held_differs) or _other_in_list(
        folder, fields
    )
    yield Check(_WHAT, wrong is None, wrong or "")
    if held.elsewhere:
        yield Check(
            _NOT_HERE,
            None,
            f"{len(held.elsewhere):,} records: the folder lacks the other side of the comparison",
        )


def _held(folder: Path, parts: list[Path]) -> _Held:
    """The held records, and the values of those that differ from other records of the run."""
    held, rows = _Held(), ColumnsOf(folder / "rows.parquet", _SCHEMA)
    for part in parts:
        names = [name for name in parquet.read_schema(part).names if _is_compared(name)]
        kinds = _with_reasons(rows.take(parquet.read_metadata(part).num_rows))
        wanted = {at: kind for at, row in kinds.items() if (kind := _kind(row))}
        if not wanted:
            continue
        table = parquet.read_table(
            part, columns=["position", "row_id", "external_reference", *names]
        )
        for at, record in zip(wanted, table.take([*wanted]).to_pylist(), strict=True):
            row_id, reference = record["row_id"], record["external_reference"]
            held.references[row_id] = reference
            if wanted[at] == "twin":
                held.twin_rows.append(row_id)
                for name in names:
                    held.twins[reference][name].add(record[name])
            elif wanted[at] == "answered":
                held.answered[row_id] = kinds[at].fingerprint
            else:
                held.elsewhere[record["position"]] = row_id
    return held


def _with_reasons(rows: Any) -> dict[int, _Row]:
    """The rows that have reasons, by their place in these rows."""
    places = pc.indices_nonzero(
        pc.greater(pc.list_value_length(column_of(rows, "reasons")).fill_null(0), 0)
    )
    found = rows.take(places).to_pylist()
    return {at: _Row(**row) for at, row in zip(places.to_pylist(), found, strict=True)}


def _is_compared(name: str) -> bool:
    return name in FIELDS[1:] or name.startswith(METADATA_PREFIX)


def _kind(row: _Row) -> str | None:
    """The other side of the comparison; None if the record is not held because of one."""
    reasons = {*(row.reasons or ())}
    if _TWINS in reasons:
        return "twin"
    if reasons & _ELSEWHERE:
        return "elsewhere"
    return "answered" if row.fate == Fate.ALREADY_EXISTS_DIFFERENT.value else None


def _recomputed(folder: Path, held: _Held) -> dict[str, list[str]]:
    """Row id -> the fields that differ, in the order of the API, then metadata by name."""
    found = dict[str, list[str]]()
    for row_id in held.twin_rows:
        by_field = held.twins[held.references[row_id]]
        found[row_id] = sorted(
            (name for name, values in by_field.items() if len(values) > 1), key=_order
        )
    answers = _answers(folder, {held.references[row_id] for row_id in held.answered})
    for row_id, fingerprint in held.answered.items():
        sent, detail = answers.get(held.references[row_id], (None, ""))
        if sent == fingerprint and detail.startswith("[["):
            found[row_id] = [name for name, _, _ in json.loads(detail)]
    stated = _stated(folder)
    found |= {
        row_id: stated[position]
        for position, row_id in held.elsewhere.items()
        if position in stated
    }
    return found


def _order(name: str) -> tuple[int, str]:
    return (FIELDS.index(name), "") if name in FIELDS else (len(FIELDS), name)


def _answers(folder: Path, references: set[str]) -> dict[str, tuple[str, str]]:
    """External reference -> fingerprint of the sent payload, and the differences billing stated."""
    if not references:
        return {}
    columns = ["external_reference", "fingerprint", "detail"]
    found = dict[str, tuple[str, str]]()
    for part in sorted((folder / "staged").glob("outcomes-*.parquet")):
        for row in parquet.read_table(part, columns=columns).to_pylist():
            if row["external_reference"] in references:
                found[row["external_reference"]] = (row["fingerprint"], row["detail"] or "")
    return found


def _stated(folder: Path) -> dict[int, list[str]]:
    """Position -> the fields that the plan names; plans of earlier versions name none."""
    path = folder / "staged" / "differing.parquet"
    rows = parquet.read_table(path).to_pylist() if path.is_file() else []
    return {row["position"]: row["differs"] for row in rows}


def _other_in_list(folder: Path, fields: dict[str, list[str]]) -> str | None:
    """The first row of held.csv that names other fields."""
    read_any_cell()
    with os.fdopen(open_regular(folder / "held.csv"), encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            row_id, stated = row["_import_row_id"], row.get("_import_differs") or ""
            if stated != (ours := ", ".join(fields.get(row_id, []))):
                return (
                    f"{row_id} of held.csv differs in {ours or 'nothing'},"
                    f" but the list names {stated or 'nothing'}"
                )
    return None
