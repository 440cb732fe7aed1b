"""Verify a run folder: digests, agreement between its files, every row, sums, payloads."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from pipeline.domain.fates import Fate
from pipeline.domain.machine_faults import is_of_the_machine
from pipeline.domain.manifest import ACCEPTED, MANIFEST, FolderManifest, RunManifest
from pipeline.domain.plan_file import ConfigFile, InputFile, PlanFile
from pipeline.domain.plan_versions import plan_of
from pipeline.domain.run_summary import RunSummary
from pipeline.domain.summary_parts import BalanceKinds
from pipeline.domain.summary_versions import summary_of
from pipeline.storage.files import read_regular, sha256_of
from pipeline.verifier.amounts import Amounts, declared
from pipeline.verifier.checks import Check, Verified, differing, unreadable
from pipeline.verifier.declared_job import DeclaredJob
from pipeline.verifier.held_fields import of_held
from pipeline.verifier.manifest import (
    UNFINISHED,
    changed_files,
    other_kinds,
    purged_files,
    read_manifest,
)
from pipeline.verifier.origins import Origins, key_of
from pipeline.verifier.other_folders import of_another_folder
from pipeline.verifier.payloads import of_payloads
from pipeline.verifier.recomputed import Recomputed
from pipeline.verifier.summary_claims import (
    of_accepted,
    of_one_run,
    of_summary,
    of_the_page,
    unread_books,
)
from pipeline.verifier.walk import walk

_PAGES = ("report.html ", "report.xlsx ")
_CHECKS = {
    "lines": "every input line is a header, blank, skipped, or part of one record, and agrees with"
    " its list",
    "partition": "every record is in one list, once, under a fate of that list",
    "counts": "records read = sum over fates, and summary.json agrees",
    "rows": "rows.parquet and the lists agree on every record",
    "fates": "every fate has what it requires: its own key and billing id, the row it repeats, and"
    " known reasons",
    "keys": "every idempotency key matches the content of its row",
}


def verify(folder: Path, inputs_at: Sequence[Path] = (), home: Path | None = None) -> Verified:
    """Recompute a run folder from its files and the inputs that its manifest names; write nothing.

    A reconciliation or a period is checked from its own folder alone.

    Args:
        folder: the folder of the run, reconciliation or period
        inputs_at: folders to search for inputs and a config that were moved
        home: the home whose key computed the checks of the lists
    """
    if (folder / UNFINISHED).exists():
        return Verified(folder.name, 0, [_unfinished(folder)])
    if irregular := "; ".join(other_kinds(folder)):
        return Verified(
            folder.name,
            0,
            [Check("the folder has regular files only", holds=False, found=irregular)],
        )
    manifest, broken_seal = read_manifest(folder)
    checks = [Check(f"{MANIFEST} is unchanged", broken_seal is None, broken_seal or "")]
    if manifest is None:
        return Verified(folder.name, 0, checks)
    records: int | None = 0
    try:
        if isinstance(manifest, FolderManifest):
            records = None
            # `extend` keeps the checks before one that raises.
            checks.extend(of_another_folder(folder, manifest))
            return Verified(folder.name, records, checks)
        if not isinstance(manifest, RunManifest):
            what = f"{MANIFEST} is the manifest of a run"
            return Verified(folder.name, 0, [*checks, Check(what, False, "it is that of a bundle")])
        manifest = _located(manifest, inputs_at)
        checks += _of_files(folder, manifest)
        stated, written = (
            json.loads(read_regular(folder / name).decode("utf-8"))
            for name in ("summary.json", "plan.json")
        )
        plan, summary = plan_of(written), summary_of(stated)
        checks.append(of_one_run(folder.name, manifest, summary, plan))
        accepted = folder / ACCEPTED
        lines = read_regular(accepted).decode("utf-8") if accepted.exists() else ""
        checks.append(of_accepted(lines, summary, plan))
        origins = Origins(plan.run_id, key_of(home))
        found, of_rows = _of_rows(folder, manifest, summary, plan, origins)
        checks, records = [*checks, *of_rows, origins.check()], found.records
    # A changed byte can make a reader raise anything; the result is a failed check.
    except Exception as error:
        if is_of_the_machine(error):
            raise  # too little memory or too few threads say nothing about the files
        checks.append(unreadable("the files can be read", error))
    return Verified(folder.name, records, checks)


def _unfinished(folder: Path) -> Check:
    what = "the run has finished and its results are complete"
    return Check(
        what, holds=False, found="it is running or was stopped", suggests=("resume", folder.name)
    )


def _located(manifest: RunManifest, folders: Sequence[Path]) -> RunManifest:
    """The manifest with the current paths of its inputs: the recorded path, else these folders."""

    def placed(file: InputFile | ConfigFile) -> str:
        path = Path(file.path)
        places = [path, *(folder / path.name for folder in folders)]
        return str(next((place for place in places if place.is_file()), path))

    config = manifest.config
    return manifest.changed(
        inputs=[file.changed(path=placed(file)) for file in manifest.inputs],
        config=config.changed(path=placed(config)) if config else None,
    )


def _of_files(folder: Path, manifest: RunManifest) -> Iterator[Check]:
    wrong = list(changed_files(folder, manifest))
    # If only pages are wrong, `report` can write them again.
    only_pages = bool(wrong) and all(one.startswith(_PAGES) for one in wrong)
    suggests = ("report", folder.name) if only_pages else ()
    yield Check("every file of the run is unchanged", not wrong, "; ".join(wrong), suggests)
    if purged := purged_files(folder, manifest):
        yield Check(
            "the staged files are unchanged",
            None,
            f"{len(purged)} fell under retention",
        )
    read: list[InputFile | ConfigFile] = [*manifest.inputs]
    for file in [*read, *([manifest.config] if manifest.config else [])]:
        path = Path(file.path)
        what = f"{path.name} is the file that the run read"
        if not path.is_file():
            why = "is not a regular file" if path.exists() else "does not exist"
            yield Check(what, holds=False, found=f"{path} {why}")
        else:
            same = sha256_of(path) == file.sha256
            yield Check(what, same, "" if same else f"{path} was changed")


def _of_rows(
    folder: Path,
    manifest: RunManifest,
    summary: RunSummary,
    plan: PlanFile,
    origins: Origins,
) -> tuple[Recomputed, list[Check]]:
    inputs, columns = manifest.inputs, plan.columns
    amounts = declared(DeclaredJob.of(plan).mapping, columns)
    found = walk(
        folder,
        inputs,
        columns,
        amounts if isinstance(amounts, Amounts) else None,
        plan,
        origins,
    )
    notes = found.notes
    read = sum(file.records for file in inputs)
    notes.note("counts", differing("records", {"read": found.records}, {"read": read}))
    notes.note(
        "counts",
        differing("records", {"read": found.records}, {"read": summary.records.read}),
    )
    fates = {fate.value: found.fates[fate.value] for fate in Fate}
    notes.note("counts", differing("records", fates, summary.fates))
    checks = [notes.check(name, what) for name, what in _CHECKS.items()]
    if missing := [file.name for file in inputs if not Path(file.path).is_file()]:
        at = next(index for index, check in enumerate(checks) if check.what == _CHECKS["lines"])
        if checks[at].holds:
            checks[at] = Check(_CHECKS["lines"], None, f"not found: {', '.join(missing)}")
    if not_read := sorted(found.not_read):
        checks.append(
            Check(
                "the lists have every cell of the inputs",
                None,
                f"not read: {', '.join(not_read)}",
            )
        )
    return found, [
        *checks,
        _of_sums(found, summary, amounts),
        *of_summary(found, summary, plan),
        of_the_page(folder, summary.run_id, summary.verdict),
        *unread_books(folder),
        *of_payloads(folder, manifest.files, plan, found),
        *of_held(folder, summary),
    ]


def _of_sums(found: Recomputed, summary: RunSummary, amounts: Amounts | str | None) -> Check:
    what = "the sums of balances per currency and fate agree with summary.json"
    if isinstance(amounts, str):
        return Check(what, None, amounts)
    wrong = None
    for name, mine, stated in (
        ("debits", found.debits, summary.debits),
        ("credits", found.credits, summary.credits),
    ):
        for code in sorted({*mine, *stated}):
            theirs = {fate: amount for fate, amount in stated.get(code, {}).items() if amount}
            ours = {fate: amount for fate, amount in mine[code].items() if amount}
            wrong = wrong or differing(f"{name} {code}", ours, theirs)
    if amounts is not None and summary.balances:
        for fate in sorted({*found.kinds, *summary.balances}):
            kinds = dict(summary.balances.get(fate, BalanceKinds()))
            wrong = wrong or differing(f"balances of {fate}", dict(found.kinds[fate]), kinds)
    return Check(what, wrong is None, wrong or "")
