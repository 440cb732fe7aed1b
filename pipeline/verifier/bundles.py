"""An evidence bundle by itself, on any machine: what can be recomputed from it, and what cannot."""

import csv
import hashlib
import io
import json
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

from pyarrow import ArrowException, parquet

from pipeline.outcomes import LISTS, Fate
from pipeline.verifier.checks import Check, Verified
from pipeline.verifier.seals import MANIFEST, seal_of

_AT_ONCE = 100_000
_BLOCK = 1 << 20
_UNREADABLE = (OSError, ValueError, KeyError, TypeError, EOFError, zlib.error, csv.Error, ArrowException, BadZipFile)


def verify_bundle(path: Path) -> Verified:
    """Recompute what a bundle says from the bundle alone; write nothing."""
    try:
        with ZipFile(path) as archive:
            return _verified(path, archive)
    except _UNREADABLE as error:
        return Verified(
            path.name, 0, [Check("the bundle can be read", holds=False, found=f"{type(error).__name__}: {error}")]
        )


def _verified(path: Path, archive: ZipFile) -> Verified:
    manifest, broken = seal_of(archive.read(MANIFEST), MANIFEST)
    checks = [Check(f"{MANIFEST} of the bundle is as it was written", broken is None, broken or "")]
    wrong = "; ".join(_changed_members(archive, manifest))
    checks.append(Check("every file of the bundle is the one that was written", not wrong, wrong))
    if wrong or broken:
        return Verified(manifest.get("run_id", path.name), 0, checks)
    of_run, broken = seal_of(archive.read(f"run/{MANIFEST}"), f"run/{MANIFEST}")
    checks.append(Check("the manifest of the run is as it was written", broken is None, broken or ""))
    summary = json.loads(archive.read("run/summary.json"))
    checks.append(_same_run(manifest, of_run, summary))
    records, of_rows = _of_rows(archive, of_run, summary, has_journal=manifest["journal_end"] is not None)
    return Verified(str(manifest["run_id"]), records, [*checks, *of_rows, *_not_here(manifest, of_run)])


def _changed_members(archive: ZipFile, manifest: dict[str, Any]) -> Iterator[str]:
    there = archive.namelist()
    for name, digest in manifest.get("files", {}).items():
        if name not in there:
            yield f"{name} is missing"
        elif _sha256_of(archive, name) != digest:
            yield f"{name} was changed"
    for name in sorted({*there} - {*manifest.get("files", {}), MANIFEST}):
        yield f"{name} is not in the manifest"
    for name in sorted(name for name, times in Counter(there).items() if times > 1):
        yield f"{name} is there twice"


def _same_run(manifest: dict[str, Any], of_run: dict[str, Any], summary: dict[str, Any]) -> Check:
    """What went into the bundle as it was is what the run's own manifest names."""
    wrong = [
        f"run/{name} is not the one of the run"
        for name, digest in of_run.get("files", {}).items()
        if f"run/{name}" in manifest["files"] and manifest["files"][f"run/{name}"] != digest
    ]
    named = {manifest["run_id"], of_run.get("run_id"), summary["run_id"]}
    wrong += [f"they name several runs: {', '.join(sorted(map(str, named)))}"] if len(named) > 1 else []
    return Check("summary, plan, signatures and rows.parquet are those of the run", not wrong, "; ".join(wrong))


def _of_rows(
    archive: ZipFile, of_run: dict[str, Any], summary: dict[str, Any], *, has_journal: bool
) -> tuple[int, list[Check]]:
    """rows.parquet beside the lists and the journal, each row once."""
    first: dict[str, str] = {}
    fates: Counter[str] = Counter()
    sums: defaultdict[str, Counter[str]] = defaultdict(Counter)
    lists = {name: _listed(archive, name) for name in LISTS}
    list_of = {fate.value: name for name, members in LISTS.items() for fate in members}
    settled = _settled(archive)
    records = 0
    for row in _rows(archive):
        records += 1
        name = list_of[row["fate"]]
        beside = next(lists[name], None)
        fates[row["fate"]] += 1
        if beside is None or beside["_import_row_id"] != row["row_id"]:
            first.setdefault("lists", f"{row['row_id']} does not stand in lists/{name}.csv where it should")
            break
        if (
            beside["_import_fate"] != row["fate"]
            or (beside["_import_idempotency_key"] or None) != row["idempotency_key"]
        ):
            first.setdefault("lists", f"{row['row_id']} of lists/{name}.csv is not as rows.parquet has it")
        if beside["_import_balance"]:
            sums[beside["_import_currency"]][row["fate"]] += int(beside["_import_balance"])
        if (
            has_journal
            and row["fate"] in {"created", "created_different"}
            and settled.get(row["idempotency_key"]) != row["billing_id"]
        ):
            first.setdefault("journal", f"{row['row_id']} was created, and journal.csv does not say so")
    for name, left in lists.items():
        if (more := next(left, None)) is not None:
            first.setdefault("lists", f"lists/{name}.csv has a row more: {more['_import_row_id']}")
    counted = {fate.value: fates[fate.value] for fate in Fate}
    read = sum(file["records"] for file in of_run["inputs"])
    if counted != summary["fates"] or records != read:
        first.setdefault(
            "counts",
            f"{records} records and {dict(fates)} are there, {read} were read and summary.json says {summary['fates']}",
        )
    told = {
        code: {fate: amount for fate, amount in by_fate.items() if amount} for code, by_fate in summary["sums"].items()
    }
    found = {code: {fate: amount for fate, amount in by_fate.items() if amount} for code, by_fate in sums.items()}
    if {code: by_fate for code, by_fate in told.items() if by_fate} != {
        code: by_fate for code, by_fate in found.items() if by_fate
    }:
        first.setdefault("sums", "the balances of the lists do not come to the sums of summary.json")
    by_name = {
        "lists": "every record stands in its list once, in its place, as rows.parquet has it",
        "counts": "records read = sum over fates, as summary.json says",
        "sums": "the balances of the lists come to the sums per currency and fate of summary.json",
        "journal": "every customer that was created was settled in the journal under its key",
    }
    if not has_journal:
        del by_name["journal"]
    return records, [Check(what, name not in first, first.get(name, "")) for name, what in by_name.items()]


def _rows(archive: ZipFile) -> Iterator[dict[str, Any]]:
    file = parquet.ParquetFile(io.BytesIO(archive.read("run/rows.parquet")))
    for batch in file.iter_batches(_AT_ONCE, columns=["row_id", "fate", "idempotency_key", "billing_id"]):
        yield from batch.to_pylist()


def _listed(archive: ZipFile, name: str) -> Iterator[dict[str, str]]:
    with archive.open(f"lists/{name}.csv") as member:
        yield from csv.DictReader(io.TextIOWrapper(member, encoding="utf-8", newline=""))


def _settled(archive: ZipFile) -> dict[str, str]:
    """Key -> billing id of every event that settled something."""
    with archive.open("journal.csv") as member:
        events = csv.DictReader(io.TextIOWrapper(member, encoding="utf-8", newline=""))
        return {event["key"]: event["billing_id"] for event in events if event["kind"] == "settled"}


def _not_here(manifest: dict[str, Any], of_run: dict[str, Any]) -> Iterator[Check]:
    """What a bundle cannot show, and by what it can be known again."""
    inputs = "; ".join(f"{file['name']} SHA-256 {file['sha256']}" for file in of_run["inputs"])
    yield Check("the lines of the inputs are those of the lists", None, f"no input is in a bundle; they were {inputs}")
    yield Check(
        "the lists say what was written",
        None,
        "they show people masked; the run's manifest names the SHA-256 of the whole ones",
    )
    end = manifest["journal_end"]
    told = (
        f"the ledger is not in a bundle; its chain stood at event {end['seq']} with {end['sha256']}"
        if end
        else "there was no ledger"
    )
    yield Check("the journal holds together", None, told)


def _sha256_of(archive: ZipFile, name: str) -> str:
    digest = hashlib.sha256()
    with archive.open(name) as member:
        while block := member.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()
