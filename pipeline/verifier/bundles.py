"""Check an evidence bundle from its own files, on any machine, and list what it cannot show."""

import csv
import hashlib
import io
import json
import os
import stat
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zipfile import ZipFile, ZipInfo

from pyarrow import parquet

from pipeline.domain.fates import LISTS, Fate
from pipeline.domain.machine_faults import is_of_the_machine
from pipeline.domain.manifest import ACCEPTED, MANIFEST, BundleManifest, RunManifest
from pipeline.domain.plan_file import PlanFile
from pipeline.domain.plan_versions import plan_of
from pipeline.domain.plurals import number_of
from pipeline.domain.reconciliation import Reconciliation
from pipeline.domain.run_summary import RunSummary
from pipeline.domain.summary_versions import summary_of
from pipeline.storage.files import open_regular
from pipeline.verifier.checks import Check, Verified, differing, read_any_cell, unreadable
from pipeline.verifier.listed_rows import causes_in
from pipeline.verifier.manifest import read_sealed
from pipeline.verifier.recomputed import Recomputed
from pipeline.verifier.reconciliations import of_reconciliation
from pipeline.verifier.summary_claims import of_accepted, of_one_run, of_page_text, of_summary

_AT_ONCE = 100_000
_BLOCK = 1 << 20
_LARGEST_STATEMENT = 64 << 20  #: bytes of a manifest or summary, which are read whole
_HIGHEST_RATIO = 300  #: refuse a member that unpacks to more than 300 times its size
_OUTER_END = b"PK\x05\x06"  #: an archive without a comment ends 22 bytes after this
_REQUIRED = (
    "README.txt", "report.html", "report.xlsx", "rows.parquet", "journal.csv",
    "run/manifest.json", "run/summary.json", "run/plan.json", "run/signatures.jsonl",
    *(f"lists/{name}.csv" for name in LISTS),
)  # fmt: skip
_OPTIONAL = (
    f"run/{ACCEPTED}", "config/job.json", "reconciliation/summary.json",
    "reconciliation/differences.csv", "reconciliation/manifest.json",
)  # fmt: skip
_SENT = {fate.value for fate in LISTS["created"]}
_OPEN = {Fate.IN_DOUBT.value, Fate.NOT_ATTEMPTED.value}
#: States of the journal in which the run has created the customer.
_CREATED_STATES = {"created", "created_different", "adopted"}


def verify_bundle(path: Path) -> Verified:
    """Recompute the figures of a bundle from its own files; write nothing."""
    try:
        with os.fdopen(open_regular(path), "rb") as file, ZipFile(file) as archive:
            return _verified(path, archive)
    # A manipulated archive can make its reader raise anything; the result is a failed check.
    except Exception as error:
        if is_of_the_machine(error):
            raise  # too little memory or too few threads say nothing about the bundle
        return Verified(path.name, 0, [unreadable("the bundle can be read", error)])


def _verified(path: Path, archive: ZipFile) -> Verified:
    if unexpected := next(_unexpected_members(path, archive), None):
        return Verified(
            path.name,
            0,
            [
                Check(
                    "the archive has the files of a bundle and no others",
                    holds=False,
                    found=unexpected,
                )
            ],
        )
    manifest, broken = read_sealed(archive.read(MANIFEST), MANIFEST)
    checks = [
        Check("the archive has the files of a bundle and no others", holds=True),
        Check(f"{MANIFEST} of the bundle is unchanged", broken is None, broken or ""),
    ]
    if not isinstance(manifest, BundleManifest):
        return Verified(path.name, 0, [*checks, _no_manifest_of("bundle", MANIFEST)])
    wrong = "; ".join(_changed_members(archive, manifest))
    checks.append(Check("every file of the bundle is unchanged", not wrong, wrong))
    if wrong or broken:
        return Verified(manifest.run_id, 0, checks)
    of_run, broken = read_sealed(archive.read(f"run/{MANIFEST}"), f"run/{MANIFEST}")
    checks.append(Check("the manifest of the run is unchanged", broken is None, broken or ""))
    if not isinstance(of_run, RunManifest):
        return Verified(manifest.run_id, 0, [*checks, _no_manifest_of("run", f"run/{MANIFEST}")])
    stated, written = (
        json.loads(archive.read(f"run/{name}")) for name in ("summary.json", "plan.json")
    )
    plan, summary = plan_of(written), summary_of(stated)
    checks += _of_the_run(archive, manifest, of_run, summary, plan)
    found = _walk(archive, summary, of_run)
    names = {
        "lists": "every record is in its list once, in order, and agrees with rows.parquet",
        "counts": "records read = sum over fates, and summary.json agrees",
        "sums": "the balances of the lists add up to the sums of summary.json",
        "journal": "journal.csv records every created customer under its key, and no other",
    }
    checks += [found.notes.check(name, what) for name, what in names.items()]
    checks += [*of_summary(found, summary, plan), *_not_here(manifest, of_run, archive)]
    return Verified(manifest.run_id, found.records, checks)


def _no_manifest_of(kind: str, name: str) -> Check:
    what = f"{name} is the manifest of a {kind}"
    return Check(what, holds=False, found=f"{name} cannot be read, or is of another kind")


def _unexpected_members(path: Path, archive: ZipFile) -> Iterator[str]:
    """Whatever no bundle has: other files, duplicates, other packing, bytes outside the archive."""
    infos = archive.infolist()
    names = [info.filename for info in infos]
    for name, times in Counter(names).items():
        if times > 1:
            yield f"{name} is in the archive twice"
        if name not in {*_REQUIRED, *_OPTIONAL, MANIFEST}:
            yield f"{name!r} is not a file of a bundle"
    yield from (f"{name} is missing" for name in (*_REQUIRED, MANIFEST) if name not in names)
    yield from (problem for info in infos if (problem := _unsafe(info)))
    with os.fdopen(open_regular(path), "rb") as file:
        begins = file.read(4) == b"PK\x03\x04"
        file.seek(-22, io.SEEK_END)
        ends = file.read(4) == _OUTER_END
    if not begins or not ends or min((info.header_offset for info in infos), default=1) != 0:
        yield "the file has bytes before or after the archive"


def _unsafe(info: ZipInfo) -> str | None:
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


def _changed_members(archive: ZipFile, manifest: BundleManifest) -> Iterator[str]:
    members = set(archive.namelist())
    files = manifest.files
    for name, digest in files.items():
        if name not in members:
            yield f"{name} is missing"
        elif _sha256_of(archive, name) != digest:
            yield f"{name} was changed"
    for name in sorted(members - {*files, MANIFEST}):
        yield f"{name} is not in the manifest"


def _of_the_run(
    archive: ZipFile,
    manifest: BundleManifest,
    of_run: RunManifest,
    summary: RunSummary,
    plan: PlanFile,
) -> Iterator[Check]:
    """Everything in the bundle belongs to the run whose manifest it has."""
    yield _same_files(manifest, of_run, summary)
    yield of_one_run(of_run.run_id, of_run, summary, plan)
    has_accepted = f"run/{ACCEPTED}" in archive.namelist()
    yield of_accepted(
        archive.read(f"run/{ACCEPTED}").decode("utf-8") if has_accepted else "", summary, plan
    )
    yield from _same_job(archive, plan)
    yield of_page_text(archive.read("report.html").decode("utf-8"), summary.run_id, summary.verdict)
    if "reconciliation/summary.json" in archive.namelist():
        yield from _of_its_reconciliation(archive, of_run.run_id)


def _same_files(manifest: BundleManifest, of_run: RunManifest, summary: RunSummary) -> Check:
    """The files that are not redacted are those of the run."""
    is_redacted = summary.settings.where is not None or manifest.pii != "masked"
    unredacted = (
        ["signatures.jsonl"] if is_redacted else ["signatures.jsonl", "summary.json", "plan.json"]
    )
    unredacted += (
        [ACCEPTED] if ACCEPTED in of_run.files or f"run/{ACCEPTED}" in manifest.files else []
    )
    wrong = [
        f"run/{name} is not the file of the run"
        for name in unredacted
        if manifest.files.get(f"run/{name}") != of_run.files.get(name)
    ]
    if manifest.run_id != of_run.run_id:
        wrong.append(f"they name different runs: {manifest.run_id}, {of_run.run_id}")
    return Check(f"{', '.join(unredacted)} belong to the run", not wrong, "; ".join(wrong))


def _same_job(archive: ZipFile, plan: PlanFile) -> Iterator[Check]:
    """The job in the bundle is that of the plan; no check if neither has one."""
    has_job = "config/job.json" in archive.namelist()
    if plan.config or has_job:
        same = (
            plan.config is not None
            and has_job
            and json.loads(archive.read("config/job.json")) == plan.config.job
        )
        yield Check(
            "the job is the one that the plan used",
            same,
            "" if same else "config/job.json differs from the plan",
        )


def _of_its_reconciliation(archive: ZipFile, run_id: str) -> Iterator[Check]:
    """The reconciliation covers the run, and agrees with its own differences."""
    against = Reconciliation.of(json.loads(archive.read("reconciliation/summary.json")))
    names_run = run_id in against.runs
    yield Check(
        "the reconciliation covers this run",
        names_run,
        "" if names_run else "it names other runs",
    )
    with archive.open("reconciliation/differences.csv") as member:
        yield from of_reconciliation(
            against, io.TextIOWrapper(member, encoding="utf-8", newline="")
        )


def _walk(archive: ZipFile, summary: RunSummary, of_run: RunManifest) -> Recomputed:
    """Compare each row of rows.parquet with the lists and the journal."""
    read_any_cell()
    found = Recomputed()
    notes = found.notes
    lists = {name: _listed(archive, name) for name in LISTS}
    list_of = {fate.value: name for name, members in LISTS.items() for fate in members}
    journal = _Journal(_created_in_journal(archive))
    for row in _rows(archive):
        found.records += 1
        name = list_of[row["fate"]]
        listed = next(lists[name], None)
        found.fates[row["fate"]] += 1
        found.reasons.update(row["reasons"] or ())
        if listed is None or listed["_import_row_id"] != row["row_id"]:
            notes.note("lists", f"{row['row_id']} is missing from lists/{name}.csv at its place")
            break
        notes.note("lists", _other_in_list(row, listed, name))
        _add_balance(found, row["fate"], listed)
        notes.note("journal", journal.compare(row))
    for name, rest in lists.items():
        if (extra := next(rest, None)) is not None:
            notes.note("lists", f"lists/{name}.csv has an extra row: {extra['_import_row_id']}")
    notes.note("journal", journal.without_row())
    _compare_with_summary(found, summary, sum(file.records for file in of_run.inputs))
    return found


def _other_in_list(row: dict[str, Any], listed: dict[str, str], name: str) -> str | None:
    """The problem if a list and rows.parquet differ in a row."""
    columns = ("fate", "idempotency_key", "billing_id")
    ours = (*(row[column] or "" for column in columns), row["reasons"] or [])
    in_list = [listed[f"_import_{column}"] for column in columns]
    if ours == (*in_list, causes_in(listed["_import_reasons"])):
        return None
    return f"{row['row_id']}: lists/{name}.csv and rows.parquet differ"


def _add_balance(found: Recomputed, fate: str, listed: dict[str, str]) -> None:
    if listed["_import_balance"]:
        minor = int(listed["_import_balance"])
        sums = found.debits if minor > 0 else found.credits
        sums[listed["_import_currency"]][fate] += minor


@dataclass(frozen=True, slots=True)
class _Journal:
    """The customers that journal.csv records as created, and the rows that have their keys."""

    billing_ids: dict[str, str]  #: key -> billing id
    created: set[str] = field(default_factory=set)  #: keys of rows that were created
    left_open: set[str] = field(default_factory=set)  #: keys of rows without an outcome

    def compare(self, row: dict[str, Any]) -> str | None:
        """The problem if the journal lacks the customer of a created row."""
        key = row["idempotency_key"]
        if row["fate"] in _SENT:
            self.created.add(key)
            if self.billing_ids.get(key) != row["billing_id"]:
                return f"{row['row_id']} was created, but journal.csv does not record it"
        elif row["fate"] in _OPEN and key:
            self.left_open.add(key)  # the ledger may have the outcome by now
        return None

    def without_row(self) -> str | None:
        """The problem if customers of the journal have no row, once all rows are compared."""
        count = len({*self.billing_ids} - self.created - self.left_open)
        return (
            f"journal.csv records {number_of(count, 'created customer')} without a row"
            if count
            else None
        )


def _compare_with_summary(found: Recomputed, summary: RunSummary, read: int) -> None:
    """Note a problem if the counts and sums of the rows are not those of the run.

    `read`: the records of all inputs.
    """
    notes, fates = found.notes, {fate.value: found.fates[fate.value] for fate in Fate}
    notes.note("counts", differing("records", fates, summary.fates))
    notes.note("counts", differing("records", {"read": found.records}, {"read": read}))
    for side, mine, stated in (
        ("debits", found.debits, summary.debits),
        ("credits", found.credits, summary.credits),
    ):
        for code in sorted({*mine, *stated}):
            theirs = {fate: amount for fate, amount in stated.get(code, {}).items() if amount}
            notes.note("sums", differing(f"{side} {code}", dict(mine[code]), theirs))


def _rows(archive: ZipFile) -> Iterator[dict[str, Any]]:
    file = parquet.ParquetFile(io.BytesIO(archive.read("rows.parquet")))
    columns = ["row_id", "fate", "reasons", "idempotency_key", "billing_id"]
    for batch in file.iter_batches(_AT_ONCE, columns=columns):
        yield from batch.to_pylist()


def _listed(archive: ZipFile, name: str) -> Iterator[dict[str, str]]:
    with archive.open(f"lists/{name}.csv") as member:
        yield from csv.DictReader(io.TextIOWrapper(member, encoding="utf-8", newline=""))


def _created_in_journal(archive: ZipFile) -> dict[str, str]:
    """Key -> billing id of each customer that the journal records as created."""
    with archive.open("journal.csv") as member:
        events = csv.DictReader(io.TextIOWrapper(member, encoding="utf-8", newline=""))
        return {
            event["key"]: event["billing_id"]
            for event in events
            if event["kind"] == "settled" and event["state"] in _CREATED_STATES
        }


def _not_here(manifest: BundleManifest, of_run: RunManifest, archive: ZipFile) -> Iterator[Check]:
    """What a bundle cannot show, with the digests of the missing files."""
    inputs = "; ".join(f"{file.name} SHA-256 {file.sha256}" for file in of_run.inputs)
    yield Check(
        "the lists agree with the lines of the inputs",
        None,
        f"a bundle has no inputs; they were {inputs}",
    )
    yield Check(
        "the lists are those that the run wrote",
        None,
        "people are masked here and keys are hashed with the key of the home;"
        " the run's manifest has the SHA-256 of the full lists",
    )
    end = manifest.journal_end
    why = (
        f"a bundle has no ledger; its hash chain was at event {end.seq} with {end.sha256}"
        if end
        else "there was no ledger"
    )
    yield Check("the hash chain of the ledger is intact", None, why)
    yield Check("the workbook agrees with the page and the lists", None, "report.xlsx: not read")
    if of_run.config is not None:
        yield Check("the config is unchanged", None, f"its SHA-256 was {of_run.config.sha256}")
    if "reconciliation/summary.json" in archive.namelist():
        yield Check(
            "billing agrees with the reconciliation",
            None,
            "this check sends no requests to billing",
        )


def _sha256_of(archive: ZipFile, name: str) -> str:
    digest = hashlib.sha256()
    with archive.open(name) as member:
        while block := member.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()
