"""An evidence bundle by itself, on any machine: what can be recomputed from it, and what cannot."""

import csv
import hashlib
import io
import json
import os
import stat
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zipfile import ZipFile, ZipInfo

from pyarrow import parquet

from pipeline.domain.outcomes import LISTS, Fate
from pipeline.storage.files import open_regular
from pipeline.verifier.checks import Check, Notes, Verified, differing, read_any_cell, unreadable
from pipeline.verifier.listed_rows import causes_in
from pipeline.verifier.manifest import ACCEPTED, MANIFEST, seal_of
from pipeline.verifier.reconciliations import of_reconciliation
from pipeline.verifier.row_by_row import Recomputed
from pipeline.verifier.summary_claims import of_accepted, of_summary, page_tells, same_story

_AT_ONCE = 100_000
_BLOCK = 1 << 20
_LARGEST_STATEMENT = 64 << 20  #: bytes of a manifest or summary, which are read whole
_HIGHEST_RATIO = 300  #: a member that unpacks to more than so many times its size is no evidence
_OUTER_END = b"PK\x05\x06"  #: with no comment behind it, an archive ends 22 bytes after this
_WANTED = (
    "README.txt", "report.html", "report.xlsx", "rows.parquet", "journal.csv", "run/manifest.json", "run/summary.json",
    "run/plan.json", "run/signatures.jsonl", *(f"lists/{name}.csv" for name in LISTS),
)  # fmt: skip
_MAY_BE = (
    f"run/{ACCEPTED}", "config/job.json", "reconciliation/summary.json", "reconciliation/differences.csv", "reconciliation/manifest.json",
)  # fmt: skip
_SENT = {fate.value for fate in LISTS["created"]}
_OPEN = {Fate.IN_DOUBT.value, Fate.NOT_ATTEMPTED.value}
_OURS = {
    "created",
    "created_different",
    "adopted",
}  #: what the journal calls what a run has created


def verify_bundle(path: Path) -> Verified:
    """Recompute what a bundle says from the bundle alone; write nothing."""
    try:
        with os.fdopen(open_regular(path), "rb") as file, ZipFile(file) as archive:
            return _verified(path, archive)
    # Whatever an archive that somebody made makes its reader raise, it is no evidence, and that is the answer.
    except Exception as error:  # noqa: BLE001
        return Verified(path.name, 0, [unreadable("the bundle can be read", error)])


def _verified(path: Path, archive: ZipFile) -> Verified:
    if strange := next(_strange_members(path, archive), None):
        return Verified(
            path.name,
            0,
            [
                Check(
                    "the archive holds a bundle's files and nothing else",
                    holds=False,
                    found=strange,
                )
            ],
        )
    manifest, broken = seal_of(archive.read(MANIFEST), MANIFEST)
    checks = [
        Check("the archive holds a bundle's files and nothing else", holds=True),
        Check(f"{MANIFEST} of the bundle is as it was written", broken is None, broken or ""),
    ]
    wrong = "; ".join(_changed_members(archive, manifest))
    checks.append(Check("every file of the bundle is the one that was written", not wrong, wrong))
    if wrong or broken:
        return Verified(str(manifest.get("run_id", path.name)), 0, checks)
    of_run, broken = seal_of(archive.read(f"run/{MANIFEST}"), f"run/{MANIFEST}")
    checks.append(
        Check("the manifest of the run is as it was written", broken is None, broken or "")
    )
    summary, plan = (
        json.loads(archive.read(f"run/{name}")) for name in ("summary.json", "plan.json")
    )
    checks += _of_the_run(archive, manifest, of_run, summary, plan)
    found = _walk(archive, summary, of_run)
    names = {
        "lists": "every record stands in its list once, in its place, as rows.parquet has it",
        "counts": "records read = sum over fates, as summary.json says",
        "sums": "the balances of the lists come to the sums per currency and fate of summary.json",
        "journal": "journal.csv settled every customer that was created under its key, and no other",
    }
    checks += [found.notes.check(name, what) for name, what in names.items()]
    checks += [*of_summary(found, summary, plan), *_not_here(manifest, of_run, archive)]
    return Verified(str(manifest["run_id"]), found.records, checks)


def _strange_members(path: Path, archive: ZipFile) -> Iterator[str]:
    """What no bundle has: other files, files twice, what is packed in another way, bytes before or behind the archive."""
    infos = archive.infolist()
    names = [info.filename for info in infos]
    for name, times in Counter(names).items():
        if times > 1:
            yield f"{name} is there twice"
        if name not in {*_WANTED, *_MAY_BE, MANIFEST}:
            yield f"{name!r} is no file of a bundle"
    yield from (f"{name} is missing" for name in (*_WANTED, MANIFEST) if name not in names)
    yield from (told for info in infos if (told := _strange(info)))
    with os.fdopen(open_regular(path), "rb") as file:
        begins = file.read(4) == b"PK\x03\x04"
        file.seek(-22, io.SEEK_END)
        ends = file.read(4) == _OUTER_END
    if not begins or not ends or min((info.header_offset for info in infos), default=1) != 0:
        yield "there is something before or behind the archive"


def _strange(info: ZipInfo) -> str | None:
    if info.flag_bits & 1:
        return f"{info.filename} is encrypted"
    if stat.S_IFMT(info.external_attr >> 16) not in {0, stat.S_IFREG}:
        return f"{info.filename} is not a regular file"
    if info.file_size > _HIGHEST_RATIO * max(info.compress_size, _BLOCK):
        return f"{info.filename} unpacks to {info.file_size:,} bytes"
    is_statement = info.filename.endswith((".json", ".jsonl"))
    return (
        f"{info.filename} is too large"
        if is_statement and info.file_size > _LARGEST_STATEMENT
        else None
    )


def _changed_members(archive: ZipFile, manifest: dict[str, Any]) -> Iterator[str]:
    there = set(archive.namelist())
    files = manifest.get("files")
    if not isinstance(files, dict):
        yield f"{MANIFEST} names no files"
        return
    for name, digest in files.items():
        if name not in there:
            yield f"{name} is missing"
        elif _sha256_of(archive, name) != digest:
            yield f"{name} was changed"
    for name in sorted(there - {*files, MANIFEST}):
        yield f"{name} is not in the manifest"


def _of_the_run(
    archive: ZipFile,
    manifest: dict[str, Any],
    of_run: dict[str, Any],
    summary: dict[str, Any],
    plan: dict[str, Any],
) -> Iterator[Check]:
    """What went into the bundle is of the run whose manifest lies in it, and as it was where nothing of it is hidden."""
    is_hidden = (summary["settings"] or {}).get("where") is not None or manifest["pii"] != "masked"
    as_it_was = (
        ["signatures.jsonl"] if is_hidden else ["signatures.jsonl", "summary.json", "plan.json"]
    )
    as_it_was += (
        [ACCEPTED] if ACCEPTED in of_run["files"] or f"run/{ACCEPTED}" in manifest["files"] else []
    )
    wrong = [
        f"run/{name} is not the one of the run"
        for name in as_it_was
        if manifest["files"].get(f"run/{name}") != of_run["files"].get(name)
    ]
    if manifest["run_id"] != of_run["run_id"]:
        wrong.append(f"they name several runs: {manifest['run_id']}, {of_run['run_id']}")
    yield Check(f"{', '.join(as_it_was)} are those of the run", not wrong, "; ".join(wrong))
    yield same_story(str(of_run["run_id"]), of_run, summary, plan)
    has_accepted = f"run/{ACCEPTED}" in archive.namelist()
    yield of_accepted(
        archive.read(f"run/{ACCEPTED}").decode("utf-8") if has_accepted else "", summary, plan
    )
    there = "config/job.json" in archive.namelist()
    if plan["config"] or there:
        same = (
            bool(plan["config"])
            and there
            and json.loads(archive.read("config/job.json")) == plan["config"]["job"]
        )
        yield Check(
            "the job is the one that the plan was made by",
            same,
            "" if same else "config/job.json is another",
        )
    yield page_tells(archive.read("report.html").decode("utf-8"), summary, "run_id")
    if "reconciliation/summary.json" in archive.namelist():
        against = json.loads(archive.read("reconciliation/summary.json"))
        of_this = of_run["run_id"] in against["runs"]
        yield Check(
            "the reconciliation is one of this run",
            of_this,
            "" if of_this else "it names other runs",
        )
        with archive.open("reconciliation/differences.csv") as member:
            yield from of_reconciliation(
                against, io.TextIOWrapper(member, encoding="utf-8", newline="")
            )


def _walk(archive: ZipFile, summary: dict[str, Any], of_run: dict[str, Any]) -> Recomputed:
    """rows.parquet beside the lists and the journal, each row once."""
    read_any_cell()
    found, notes = Recomputed(), Notes()
    found.notes = notes
    lists = {name: _listed(archive, name) for name in LISTS}
    list_of = {fate.value: name for name, members in LISTS.items() for fate in members}
    settled, created, left_open = _settled(archive), set[str](), set[str]()
    for row in _rows(archive):
        found.records += 1
        name, fate = list_of[row["fate"]], row["fate"]
        beside = next(lists[name], None)
        found.fates[fate] += 1
        found.reasons.update(row["reasons"] or ())
        if beside is None or beside["_import_row_id"] != row["row_id"]:
            notes.note(
                "lists", f"{row['row_id']} does not stand in lists/{name}.csv where it should"
            )
            break
        told = (fate, row["idempotency_key"] or "", row["billing_id"] or "", row["reasons"] or [])
        listed = [
            beside[f"_import_{column}"] for column in ("fate", "idempotency_key", "billing_id")
        ]
        if told != (*listed, causes_in(beside["_import_reasons"])):
            notes.note(
                "lists", f"{row['row_id']} of lists/{name}.csv is not as rows.parquet has it"
            )
        if beside["_import_balance"]:
            minor = int(beside["_import_balance"])
            (found.debits if minor > 0 else found.credits)[beside["_import_currency"]][fate] += (
                minor
            )
        if fate in _SENT:
            created.add(row["idempotency_key"])
            if settled.get(row["idempotency_key"]) != row["billing_id"]:
                notes.note(
                    "journal", f"{row['row_id']} was created, and journal.csv does not say so"
                )
        elif fate in _OPEN and row["idempotency_key"]:
            left_open.add(row["idempotency_key"])  # the ledger may have settled it since
    for name, left in lists.items():
        if (more := next(left, None)) is not None:
            notes.note("lists", f"lists/{name}.csv has a row more: {more['_import_row_id']}")
    if strays := {*settled} - created - left_open:
        notes.note("journal", f"{len(strays)} customers were created by journal.csv, and by no row")
    fates = {fate.value: found.fates[fate.value] for fate in Fate}
    read = sum(file["records"] for file in of_run["inputs"])
    notes.note("counts", differing("records", fates, summary["fates"]))
    notes.note("counts", differing("records", {"read": found.records}, {"read": read}))
    for side, mine in (("debits", found.debits), ("credits", found.credits)):
        for code in sorted({*mine, *summary[side]}):
            theirs = {
                fate: amount for fate, amount in summary[side].get(code, {}).items() if amount
            }
            notes.note("sums", differing(f"{side} {code}", dict(mine[code]), theirs))
    return found


def _rows(archive: ZipFile) -> Iterator[dict[str, Any]]:
    file = parquet.ParquetFile(io.BytesIO(archive.read("rows.parquet")))
    columns = ["row_id", "fate", "reasons", "idempotency_key", "billing_id"]
    for batch in file.iter_batches(_AT_ONCE, columns=columns):
        yield from batch.to_pylist()


def _listed(archive: ZipFile, name: str) -> Iterator[dict[str, str]]:
    with archive.open(f"lists/{name}.csv") as member:
        yield from csv.DictReader(io.TextIOWrapper(member, encoding="utf-8", newline=""))


def _settled(archive: ZipFile) -> dict[str, str]:
    """Key -> billing id of every event by which a customer is ours."""
    with archive.open("journal.csv") as member:
        events = csv.DictReader(io.TextIOWrapper(member, encoding="utf-8", newline=""))
        return {
            event["key"]: event["billing_id"]
            for event in events
            if event["kind"] == "settled" and event["state"] in _OURS
        }


def _not_here(
    manifest: dict[str, Any], of_run: dict[str, Any], archive: ZipFile
) -> Iterator[Check]:
    """What a bundle cannot show, and by what it can be known again."""
    inputs = "; ".join(f"{file['name']} SHA-256 {file['sha256']}" for file in of_run["inputs"])
    yield Check(
        "the lines of the inputs are those of the lists",
        None,
        f"no input is in a bundle; they were {inputs}",
    )
    yield Check(
        "the lists say what was written",
        None,
        "they show people masked, and keys under the key of the home; the run's manifest names the SHA-256 of the whole ones",
    )
    end = manifest["journal_end"]
    told = (
        f"the ledger is not in a bundle; its chain stood at event {end['seq']} with {end['sha256']}"
        if end
        else "there was no ledger"
    )
    yield Check("the journal holds together", None, told)
    yield Check(
        "the workbook says what the page and the lists say", None, "report.xlsx: not read again"
    )
    if (of_run["config"] or {}).get("sha256"):
        yield Check(
            "the config is the file that was read",
            None,
            f"its SHA-256 was {of_run['config']['sha256']}",
        )
    if "reconciliation/summary.json" in archive.namelist():
        yield Check(
            "billing holds what the reconciliation says", None, "billing is not asked by this check"
        )


def _sha256_of(archive: ZipFile, name: str) -> str:
    digest = hashlib.sha256()
    with archive.open(name) as member:
        while block := member.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()
