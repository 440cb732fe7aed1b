"""What was planned to be sent, beside the fingerprint that its row is known by; gone once the staged files are."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pyarrow import parquet

from pipeline.verifier.checks import Check
from pipeline.verifier.row_by_row import Recomputed

_AT_ONCE = 100_000
_WHAT = "every fingerprint is the SHA-256 of what was sent, and rows.parquet names it"


def of_payloads(folder: Path, manifest: dict[str, Any], plan: dict[str, Any], found: Recomputed) -> Iterator[Check]:
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
    rows = _rows(folder)
    for name in names:
        plan = parquet.read_table(folder / name, columns=["position", "fingerprint"])
        wanted = dict(zip(plan["position"].to_pylist(), plan["fingerprint"].to_pylist(), strict=True))
        records = parquet.ParquetFile(folder / name.replace("plan-", "records-"))
        for batch in records.iter_batches(_AT_ONCE, columns=["position", "row_id", "payload", "external_reference"]):
            for record in batch.to_pylist():
                fingerprint, row = wanted.get(record["position"]), next(rows, None)
                if row is None or row["row_id"] != record["row_id"]:
                    yield f"{record['row_id']} was planned, and does not stand in rows.parquet in its place"
                    return
                if row["fingerprint"] is not None and row["fingerprint"] != fingerprint:
                    yield f"{record['row_id']}: rows.parquet names another fingerprint than the plan"
                if fingerprint is not None:
                    yield from _other_payload(record, fingerprint)


def _other_payload(record: dict[str, Any], fingerprint: str) -> Iterator[str]:
    payload = record["payload"]
    if hashlib.sha256(payload.encode()).hexdigest() != fingerprint:
        yield f"{record['row_id']}: its payload has another fingerprint"
    elif json.loads(payload)["external_reference"] != record["external_reference"]:
        yield f"{record['row_id']}: its payload is of another customer"


def _rows(folder: Path) -> Iterator[dict[str, Any]]:
    for batch in parquet.ParquetFile(folder / "rows.parquet").iter_batches(_AT_ONCE, columns=["row_id", "fingerprint"]):
        yield from batch.to_pylist()
