"""The checks in turn: seals, lines, the partition, counts, sums, rows.parquet, keys; each with the first thing that does not hold."""

import csv
import hashlib
import json
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pyarrow import ArrowException, parquet

from pipeline.customer import Environment, create_key
from pipeline.files import sha256_of
from pipeline.outcomes import LISTS, Fate
from pipeline.verifier.amounts import Amounts, declared
from pipeline.verifier.checks import Check, Verified
from pipeline.verifier.listed_rows import Row, Unreadable, rows_of
from pipeline.verifier.seals import MANIFEST, changed_files, purged_files, read_manifest
from pipeline.verifier.source_lines import Lines

GENERATIONS = range(1, 4)  #: a key belongs to its row's first send, or to one that followed a replayed failure
_AT_ONCE = 100_000
#: What reading a file raises that is no more what it was.
_UNREADABLE = (OSError, ValueError, KeyError, TypeError, EOFError, zlib.error, csv.Error, ArrowException, Unreadable)


@dataclass
class _Recomputed:
    """What walking over all rows came to."""

    records: int = 0
    fates: Counter[str] = field(default_factory=Counter)
    debits: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    credits: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    first: dict[str, str] = field(default_factory=dict)  #: check -> the first thing that does not hold

    def note(self, check: str, found: str | None) -> None:
        """Remember the first thing that is wrong."""
        if found:
            self.first.setdefault(check, found)


def verify(folder: Path) -> Verified:
    """Recompute what a run folder says, from its files and the inputs that its manifest names; write nothing."""
    manifest, broken_seal = read_manifest(folder)
    checks = [Check(f"{MANIFEST} is as it was written", broken_seal is None, broken_seal or "")]
    if not manifest:
        return Verified(folder.name, 0, checks)
    checks += _of_files(folder, manifest)
    try:
        summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
        plan = json.loads((folder / "plan.json").read_text(encoding="utf-8"))
        found, of_rows = _of_rows(folder, manifest, summary, plan)
    except _UNREADABLE as error:
        told = str(error) if isinstance(error, Unreadable) else f"{type(error).__name__}: {error}"
        return Verified(
            folder.name, 0, [*checks, Check("the files can be read as what they are", holds=False, found=told)]
        )
    return Verified(folder.name, found.records, [*checks, *of_rows])


def _of_files(folder: Path, manifest: dict[str, Any]) -> Iterator[Check]:
    wrong = "; ".join(changed_files(folder, manifest))
    yield Check("every file of the run is the one that was written", not wrong, wrong)
    if purged := purged_files(folder, manifest):
        yield Check("the staged files are those that were written", None, f"{len(purged)} fell under retention")
    for file in [*manifest["inputs"], *([manifest["config"]] if manifest["config"] else [])]:
        path = Path(file["path"])
        what = f"{path.name} is the file that was read"
        if not path.is_file():
            yield Check(what, holds=False, found=f"{path} is not there")
        else:
            same = sha256_of(path) == file["sha256"]
            yield Check(what, same, "" if same else f"{path} was changed")


def _of_rows(
    folder: Path, manifest: dict[str, Any], summary: dict[str, Any], plan: dict[str, Any]
) -> tuple[_Recomputed, list[Check]]:
    inputs, columns = manifest["inputs"], plan["columns"]
    job = plan["config"]["job"] if plan["config"] else {}
    amounts = declared(job.get("mapping"), columns)
    found = _walk(folder, inputs, columns, amounts if isinstance(amounts, Amounts) else None, plan)
    read = sum(file["records"] for file in inputs)
    found.note("counts", _differing("records", {"read": found.records}, {"read": read}))
    found.note("counts", _differing("records", {"read": found.records}, {"read": summary["records"]["read"]}))
    fates = {fate.value: found.fates[fate.value] for fate in Fate}
    found.note("counts", _differing("records", fates, summary["fates"]))
    others = sorted({file["format"] for file in inputs if file["format"] != "csv"})
    by_name = {
        "lines": "every line of the inputs is the header, blank, skipped or of one record, and says what the list says",
        "partition": "every record stands in one list, once, under a fate of that list",
        "counts": "records read = sum over fates, as summary.json says",
        "rows": "rows.parquet says of every record what its list says",
        "keys": "every idempotency key is that of its row's content",
    }
    checks = [Check(what, name not in found.first, found.first.get(name, "")) for name, what in by_name.items()]
    if others:
        checks.append(
            Check(f"the cells of {' and '.join(others)} files are those listed", None, "only their rows are counted")
        )
    return found, [*checks, *_of_sums(found, summary, amounts), *_of_payloads(folder, manifest)]


def _walk(
    folder: Path, inputs: list[dict[str, Any]], columns: list[str], amounts: Amounts | None, plan: dict[str, Any]
) -> _Recomputed:
    """Every row of the lists beside the lines of its file and its row in rows.parquet."""
    found = _Recomputed()
    changed_on_return = _cells_that_came_back(folder)
    environment = Environment(**plan["environment"])
    identities = _identities(folder)
    reading: Lines | None = None
    at, last = -1, (-1, 0)
    for row in rows_of(folder, inputs, columns):
        if row.place <= last:
            found.note("partition", f"{row.row_id} stands in the lists twice, or in {row.list_name}.csv out of order")
            continue
        while at < row.place[0]:
            _finish(reading, inputs, at, found)
            at += 1
            reading = _opened(inputs[at])
        last = row.place
        found.records += 1
        found.fates[row.fate] += 1
        if row.fate not in {fate.value for fate in LISTS[row.list_name]}:
            found.note("partition", f"{row.row_id} stands in {row.list_name}.csv as {row.fate}")
        _hold_against_lines(reading, row, changed_on_return, columns, found)
        identity = next(identities, None)
        found.note("rows", _other_identity(row, identity))
        if identity is not None:
            found.note("keys", _other_key(row, identity, environment, columns, plan))
        if amounts is not None and not row.ours["text"]:
            _add(amounts.of(dict(zip(columns, row.cells, strict=True))), row, found)
    while at < len(inputs):
        _finish(reading, inputs, at, found)
        at += 1
        reading = _opened(inputs[at]) if at < len(inputs) else None
    if (more := next(identities, None)) is not None:
        found.note("rows", f"rows.parquet: {more['row_id']} is in no list")
    return found


def _opened(file: dict[str, Any]) -> Lines | None:
    """The lines of an input; None where it has none, or is not there."""
    path = Path(file["path"])
    return Lines.of(path, file) if file["format"] == "csv" and path.is_file() else None


def _finish(reading: Lines | None, inputs: list[dict[str, Any]], at: int, found: _Recomputed) -> None:
    if reading is not None:
        found.note("lines", reading.finish(inputs[at]["lines"]))


def _hold_against_lines(
    reading: Lines | None, row: Row, came_back: set[tuple[str, str]], columns: list[str], found: _Recomputed
) -> None:
    if reading is None:
        return
    strange = reading.skip_to(row.place[1])
    if strange is not None:
        found.note("lines", f"{reading.name}: line {strange} is in no list")
    told = {column for row_id, column in came_back if row_id == row.row_id} if came_back else set()
    expected = [None if column in told else cell for column, cell in zip(columns, row.cells, strict=True)]
    found.note("lines", reading.take_record(expected, row.ours["text"]))


def _cells_that_came_back(folder: Path) -> set[tuple[str, str]]:
    """Row and column of the cells of which the run says that it took another text than the file's, or set the row aside."""
    with (folder / "returned.csv").open(encoding="utf-8", newline="") as file:
        return {(cell["_import_row_id"], cell["column"]) for cell in csv.DictReader(file)}


def _identities(folder: Path) -> Iterator[dict[str, Any]]:
    for batch in parquet.ParquetFile(folder / "rows.parquet").iter_batches(_AT_ONCE):
        yield from batch.to_pylist()


def _other_identity(row: Row, identity: dict[str, Any] | None) -> str | None:
    if identity is None:
        return f"{row.row_id} is not in rows.parquet"
    ours = row.ours
    here = (row.row_id, row.fate, ours["reasons"], ours["billing_id"], ours["idempotency_key"])
    there = (
        identity["row_id"],
        identity["fate"],
        " ".join(identity["reasons"] or ()),
        identity["billing_id"] or "",
        identity["idempotency_key"] or "",
    )
    return None if here == there else f"{row.row_id}: {row.list_name}.csv and rows.parquet differ"


def _other_key(
    row: Row, identity: dict[str, Any], environment: Environment, columns: list[str], plan: dict[str, Any]
) -> str | None:
    """A key is made of environment, reference and content alone, so whoever has these can make it again."""
    key, fingerprint = identity["idempotency_key"], identity["fingerprint"]
    column = _plain_reference(plan)
    if key is None or column not in columns:
        return None
    reference = row.cells[columns.index(column)].strip(" \t")
    made = {create_key(environment, reference, fingerprint, generation) for generation in GENERATIONS}
    return None if key in made else f"{row.row_id}: its key is not that of its content"


def _plain_reference(plan: dict[str, Any]) -> str | None:
    """The column of references where they are taken as they stand."""
    job = plan["config"]["job"] if plan["config"] else {}
    if not job.get("mapping"):
        return "external_reference"
    said = job["mapping"]["external_reference"]
    others = ("split", "extract", "values", "escape", "prefix", "suffix", "when", "default", "columns")
    return None if any(said.get(name) for name in others) else said["column"]


def _add(amount: tuple[str, int] | None, row: Row, found: _Recomputed) -> None:
    if amount is not None:
        code, minor = amount
        (found.debits if minor > 0 else found.credits)[code][row.fate] += minor


def _of_sums(found: _Recomputed, summary: dict[str, Any], amounts: Amounts | str | None) -> Iterator[Check]:
    what = "the sums of balances per currency and fate are those of summary.json"
    if amounts is None:
        return
    if isinstance(amounts, str):
        yield Check(what, None, f"{amounts}: this check sums only what stands plainly in a column")
        return
    wrong = None
    for name, mine in (("debits", found.debits), ("credits", found.credits)):
        for code in sorted({*mine, *summary[name]}):
            theirs = {fate: amount for fate, amount in summary[name].get(code, {}).items() if amount}
            ours = {fate: amount for fate, amount in mine[code].items() if amount}
            wrong = wrong or _differing(f"{name} {code}", ours, theirs)
    yield Check(what, wrong is None, wrong or "")


def _of_payloads(folder: Path, manifest: dict[str, Any]) -> Iterator[Check]:
    """Whether what was planned to be sent has the fingerprint that its row is known by; gone with the staged files."""
    what = "every fingerprint is the SHA-256 of what was sent"
    names = sorted(name for name in manifest["files"] if name.startswith("staged/plan-"))
    if not names or not all((folder / name).is_file() for name in names):
        yield Check(what, None, "the payloads fell under retention")
        return
    wrong = next((told for name in names for told in _other_payloads(folder, name)), None)
    yield Check(what, wrong is None, wrong or "")


def _other_payloads(folder: Path, name: str) -> Iterator[str]:
    plan = parquet.read_table(folder / name, columns=["position", "fingerprint"])
    wanted = dict(zip(plan["position"].to_pylist(), plan["fingerprint"].to_pylist(), strict=True))
    records = parquet.ParquetFile(folder / name.replace("plan-", "records-"))
    for batch in records.iter_batches(_AT_ONCE, columns=["position", "row_id", "payload"]):
        for row in batch.to_pylist():
            fingerprint = wanted.get(row["position"])
            if fingerprint is not None and hashlib.sha256(row["payload"].encode()).hexdigest() != fingerprint:
                yield f"{row['row_id']}: its payload has another fingerprint"


def _differing(what: str, ours: dict[str, int], theirs: dict[str, int]) -> str | None:
    """The first of some figures that is not the same on both sides."""
    for name in sorted({*ours, *theirs}):
        if ours.get(name, 0) != theirs.get(name, 0):
            return f"{what}, {name}: {ours.get(name, 0)} recomputed, {theirs.get(name, 0)} stated"
    return None
