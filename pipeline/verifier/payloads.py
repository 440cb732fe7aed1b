"""Compare each planned payload with its fingerprint, while the staged files exist."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pyarrow import parquet

from pipeline.domain.currency import NO_CODE, NO_CURRENCY, known
from pipeline.domain.manifest import RunManifest
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
_WHAT = "every fingerprint is the SHA-256 of its payload, and the staged tables agree on every row"


def of_payloads(
    folder: Path, manifest: RunManifest, plan: dict[str, Any], found: Recomputed
) -> Iterator[Check]:
    """The staged files are those of the plan, and their payloads match rows.parquet."""
    planned = {f"staged/{name}": digest for name, digest in plan["staged"].items()}
    other = [name for name, digest in planned.items() if manifest.files.get(name) != digest]
    yield Check(
        "the staged files are those of the plan",
        not other,
        f"manifest and plan have different digests of {other[0]}" if other else "",
    )
    names = sorted(name for name in planned if name.startswith("staged/plan-"))
    if not names or not all((folder / name).is_file() for name in names):
        if found.records:
            yield Check(_WHAT, None, "the payloads fell under retention")
        return
    wrong = next(_wrong(folder, names), None)
    yield Check(_WHAT, wrong is None, wrong or "")


def _wrong(folder: Path, names: list[str]) -> Iterator[str]:
    """Problems of the staged tables, from which later steps add up sums and reconcile."""
    rows, codes, ends = _rows(folder), known(), sorted((folder / "staged").glob("fates-*.parquet"))
    if len(ends) != len(names):
        yield f"the plan has {len(names)} parts, and the fates have {len(ends)}"
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
                yield f"{record['row_id']} was planned but is not at its place in rows.parquet"
                return
            if row["fingerprint"] is not None and row["fingerprint"] != fingerprint:
                yield f"{record['row_id']}: rows.parquet and the plan have different fingerprints"
            if ended is None or any(ended[of_row] != record[of_row] for of_row in _OF_BOTH):
                yield f"{record['row_id']}: plan and fate have different rows or amounts"
                return
            code = record["currency"] or NO_CURRENCY
            if ended["currency"] != (code if code in codes or code == NO_CURRENCY else NO_CODE):
                yield f"{record['row_id']}: plan and fate have different currencies"
            if ended["fate"] != row["fate"]:
                yield (
                    f"{record['row_id']} is {ended['fate']} in the fates"
                    f" and {row['fate']} in rows.parquet"
                )
            if (row["mends_run_id"], row["mends_row_id"]) != (
                record["origin_run"],
                record["origin_row"],
            ):
                yield f"{record['row_id']}: rows.parquet and the plan name different rows it fixes"
            if fingerprint is not None:
                yield from _other_payload(record, fingerprint)


def _other_payload(record: dict[str, Any], fingerprint: str) -> Iterator[str]:
    if hashlib.sha256(record["payload"].encode()).hexdigest() != fingerprint:
        yield f"{record['row_id']}: its payload has another fingerprint"
        return
    payload = json.loads(record["payload"])
    if payload["external_reference"] != record["external_reference"]:
        yield f"{record['row_id']}: its payload belongs to another customer"
    elif other := [name for name in _SENT if payload.get(name) != record[name]]:
        yield f"{record['row_id']}: {other[0]} differs between payload and row"


def _rows(folder: Path) -> Iterator[dict[str, Any]]:
    return _batches(
        folder / "rows.parquet", ("row_id", "fingerprint", "fate", "mends_run_id", "mends_row_id")
    )


def _batches(path: Path, columns: Sequence[str]) -> Iterator[dict[str, Any]]:
    if path.is_file():
        for batch in parquet.ParquetFile(path).iter_batches(_AT_ONCE, columns=list(columns)):
            yield from batch.to_pylist()
