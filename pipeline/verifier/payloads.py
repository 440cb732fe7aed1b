"""Compare each planned payload with its fingerprint, while the staged files exist."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from pyarrow import parquet

from pipeline.domain.currency import NO_CODE, NO_CURRENCY, known
from pipeline.domain.machine_faults import is_of_the_machine
from pipeline.domain.plan_file import PlanFile
from pipeline.verifier.checks import Check
from pipeline.verifier.parquet_rows import rows_as
from pipeline.verifier.payload_columns import compare_payloads
from pipeline.verifier.recomputed import Recomputed

_SENT = ("name", "email", "phone", "currency", "balance")
_WHAT = "every fingerprint is the SHA-256 of its payload, and the staged tables agree on every row"


def of_payloads(
    folder: Path, files: Mapping[str, str], plan: PlanFile, found: Recomputed
) -> Iterator[Check]:
    """The staged files are those of the plan, and their payloads match rows.parquet."""
    planned = {f"staged/{name}": digest for name, digest in plan.staged.items()}
    other = [name for name, digest in planned.items() if files.get(name) != digest]
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
    wrong = None if _agree(folder, names) else next(_wrong(folder, names), None)
    yield Check(_WHAT, wrong is None, wrong or "")


def _agree(folder: Path, names: list[str]) -> bool:
    """Whether columns show that all agrees; if not, the rows name the first problem."""
    fates = sorted((folder / "staged").glob("fates-*.parquet"))
    try:
        compare_payloads(folder, names, fates)
    except Exception as error:
        if is_of_the_machine(error):
            raise
        return False
    return True


def _wrong(folder: Path, names: list[str]) -> Iterator[str]:
    """Problems of the staged tables, from which later steps add up sums and reconcile."""
    rows, codes = rows_as(_Row, folder / "rows.parquet"), known()
    ends = sorted((folder / "staged").glob("fates-*.parquet"))
    if len(ends) != len(names):
        yield f"the plan has {len(names)} parts, and the fates have {len(ends)}"
        return
    for name, end in zip(names, ends, strict=True):
        plan = parquet.read_table(folder / name, columns=["position", "fingerprint"])
        wanted = dict(
            zip(plan["position"].to_pylist(), plan["fingerprint"].to_pylist(), strict=True)
        )
        records = rows_as(_Record, folder / name.replace("plan-", "records-"))
        fates = rows_as(_Ended, end)
        for record in records:
            fingerprint, row, ended = (
                wanted.get(record.position),
                next(rows, None),
                next(fates, None),
            )
            if row is None or row.row_id != record.row_id:
                yield f"{record.row_id} was planned but is not at its place in rows.parquet"
                return
            if row.fingerprint is not None and row.fingerprint != fingerprint:
                yield f"{record.row_id}: rows.parquet and the plan have different fingerprints"
            if ended is None or ended.identity != record.identity:
                yield f"{record.row_id}: plan and fate have different rows or amounts"
                return
            code = record.currency or NO_CURRENCY
            if ended.currency != (code if code in codes or code == NO_CURRENCY else NO_CODE):
                yield f"{record.row_id}: plan and fate have different currencies"
            if ended.fate != row.fate:
                yield f"{record.row_id} is {ended.fate} in the fates and {row.fate} in rows.parquet"
            if (row.mends_run_id, row.mends_row_id) != (record.origin_run, record.origin_row):
                yield f"{record.row_id}: rows.parquet and the plan name different rows it fixes"
            if fingerprint is not None:
                yield from _other_payload(record, fingerprint)


def _other_payload(record: "_Record", fingerprint: str) -> Iterator[str]:
    text = record.payload or ""
    if hashlib.sha256(text.encode()).hexdigest() != fingerprint:
        yield f"{record.row_id}: its payload has another fingerprint"
        return
    payload = json.loads(text)
    if payload["external_reference"] != record.external_reference:
        yield f"{record.row_id}: its payload belongs to another customer"
    elif other := [name for name in _SENT if payload.get(name) != getattr(record, name)]:
        yield f"{record.row_id}: {other[0]} differs between payload and row"


class _Record(NamedTuple):
    """A staged record."""

    position: int
    row_id: str
    payload: str | None
    external_reference: str | None
    origin_run: str | None
    origin_row: str | None
    name: str | None
    email: str | None
    phone: str | None
    currency: str | None
    balance: int | None

    @property
    def identity(self) -> tuple[str, str | None, int | None]:
        """The values that the fate has too."""
        return self.row_id, self.external_reference, self.balance


class _Ended(NamedTuple):
    """A staged fate."""

    row_id: str
    external_reference: str | None
    balance: int | None
    currency: str | None
    fate: str

    @property
    def identity(self) -> tuple[str, str | None, int | None]:
        """The values that the record has too."""
        return self.row_id, self.external_reference, self.balance


class _Row(NamedTuple):
    """A row of rows.parquet."""

    row_id: str
    fingerprint: str | None
    fate: str
    mends_run_id: str | None
    mends_row_id: str | None
