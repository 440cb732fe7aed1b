"""What was planned to be sent, beside the fingerprint that its row is known by; gone once the staged files are."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pyarrow import parquet

from pipeline.domain.currency import NO_CODE, NO_CURRENCY, known
from pipeline.verifier.checks import Check
from pipeline.verifier.row_by_row import Recomputed

_AT_ONCE = 100_000
_SENT = ("name", "email", "phone", "currency", "balance")
_OF_RECORDS = (
    "position",
    "row_id",
    "payload",
    "external_reference",
    "origin_run",
    "origin_row",
    *_SENT,
)
_OF_BOTH = ("row_id", "external_reference", "balance")
_OF_FATES = (*_OF_BOTH, "currency", "fate")
_WHAT = (
    "every fingerprint is the SHA-256 of what was sent, and the staged tables say so of every row"
)


def of_payloads(
    folder: Path, manifest: dict[str, Any], plan: dict[str, Any], found: Recomputed
) -> Iterator[Check]:
    """The staged files are those that were planned with, and their payloads those of rows.parquet."""
    planned = {f"staged/{name}": digest for name, digest in plan["staged"].items()}
    other = [name for name, digest in planned.items() if manifest["files"].get(name) != digest]
    yield Check(
        "the staged files are those that the plan was made with",
        not other,
        f"{other[0]} is not named by the manifest as it is by the plan" if other else "",
    )
    names = sorted(name for name in planned if name.startswith("staged/plan-"))
    if not names or not all((folder / name).is_file() for name in names):
        if found.records:
            yield Check(_WHAT, None, "the payloads fell under retention")
        return
    wrong = next(_wrong(folder, names), None)
    yield Check(_WHAT, wrong is None, wrong or "")


def _wrong(folder: Path, names: list[str]) -> Iterator[str]:
    """What is summed and held against billing afterwards are the staged tables: they must say of a row what the others say."""
    rows, codes, ends = _rows(folder), known(), sorted((folder / "staged").glob("fates-*.parquet"))
    if len(ends) != len(names):
        yield f"there are {len(names)} parts of the plan, and {len(ends)} of the fates"
        return
    for name, end in zip(names, ends, strict=True):
        plan = parquet.read_table(folder / name, columns=["position", "fingerprint"])
        wanted = dict(
            zip(plan["position"].to_pylist(), plan["fingerprint"].to_pylist(), strict=True)
        )
        records = _batches(folder / name.replace("plan-", "records-"), _OF_RECORDS)
        fates = _batches(end, _OF_FATES)
        for record in records:
            fingerprint, row, ended = (
                wanted.get(record["position"]),
                next(rows, None),
                next(fates, None),
            )
            if row is None or row["row_id"] != record["row_id"]:
                yield f"{record['row_id']} was planned, and does not stand in rows.parquet in its place"
                return
            if row["fingerprint"] is not None and row["fingerprint"] != fingerprint:
                yield f"{record['row_id']}: rows.parquet names another fingerprint than the plan"
            if ended is None or any(ended[of_row] != record[of_row] for of_row in _OF_BOTH):
                yield f"{record['row_id']}: its fate is of another row, or of another amount, than it was planned with"
                return
            code = record["currency"] or NO_CURRENCY
            if ended["currency"] != (code if code in codes or code == NO_CURRENCY else NO_CODE):
                yield f"{record['row_id']}: its fate is in another currency than it was planned with"
            if ended["fate"] != row["fate"]:
                yield f"{record['row_id']} is {ended['fate']} among the fates, and {row['fate']} in rows.parquet"
            if (row["mends_run_id"], row["mends_row_id"]) != (
                record["origin_run"],
                record["origin_row"],
            ):
                yield f"{record['row_id']} mends another row by rows.parquet than it was planned as"
            if fingerprint is not None:
                yield from _other_payload(record, fingerprint)


def _other_payload(record: dict[str, Any], fingerprint: str) -> Iterator[str]:
    if hashlib.sha256(record["payload"].encode()).hexdigest() != fingerprint:
        yield f"{record['row_id']}: its payload has another fingerprint"
        return
    payload = json.loads(record["payload"])
    if payload["external_reference"] != record["external_reference"]:
        yield f"{record['row_id']}: its payload is of another customer"
    elif other := [name for name in _SENT if payload.get(name) != record[name]]:
        yield f"{record['row_id']}: its payload has another {other[0]} than the row"


def _rows(folder: Path) -> Iterator[dict[str, Any]]:
    return _batches(
        folder / "rows.parquet", ("row_id", "fingerprint", "fate", "mends_run_id", "mends_row_id")
    )


def _batches(path: Path, columns: Sequence[str]) -> Iterator[dict[str, Any]]:
    if path.is_file():
        for batch in parquet.ParquetFile(path).iter_batches(_AT_ONCE, columns=list(columns)):
            yield from batch.to_pylist()
