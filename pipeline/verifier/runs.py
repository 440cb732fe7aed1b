"""The story of a check: seals, what the files say of each other, every row, sums, payloads; each with the first thing that does not hold."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pipeline.domain.outcomes import Fate
from pipeline.storage.files import read_regular, sha256_of
from pipeline.verifier.amounts import Amounts, declared
from pipeline.verifier.checks import Check, Verified, differing, unreadable
from pipeline.verifier.held_fields import of_held
from pipeline.verifier.manifest import (
    ACCEPTED,
    MANIFEST,
    UNFINISHED,
    changed_files,
    other_kinds,
    purged_files,
    read_manifest,
)
from pipeline.verifier.origins import Origins, key_of
from pipeline.verifier.other_folders import of_another_folder
from pipeline.verifier.payloads import of_payloads
from pipeline.verifier.row_by_row import Recomputed, walk
from pipeline.verifier.summary_claims import (
    of_accepted,
    of_summary,
    of_the_page,
    same_story,
    unread_books,
)

_PAGES = ("report.html ", "report.xlsx ")
_CHECKS = {
    "lines": "every line of the inputs is the header, blank, skipped or of one record, and says what the list says",
    "partition": "every record stands in one list, once, under a fate of that list",
    "counts": "records read = sum over fates, as summary.json says",
    "rows": "rows.parquet says of every record what its list says",
    "fates": "every fate has what it needs: a key and a billing id of its own, the row that is repeated, reasons that there are",
    "keys": "every idempotency key is that of its row's content",
}


def verify(folder: Path, inputs_at: Sequence[Path] = (), home: Path | None = None) -> Verified:
    """Recompute what a run folder says, from its files and the inputs that its manifest names; write nothing.

    Of a reconciliation or a span of time: what its folder alone can show. `inputs_at`: folders to look in for inputs, and a config,
    that do not lie any more where they were read. `home`: the place of ledgers whose key made the checks of the lists.
    """
    if (folder / UNFINISHED).exists():
        return Verified(folder.name, 0, [_unfinished(folder)])
    if strange := "; ".join(other_kinds(folder)):
        return Verified(
            folder.name,
            0,
            [Check("the folder holds regular files only", holds=False, found=strange)],
        )
    manifest, broken_seal = read_manifest(folder)
    checks = [Check(f"{MANIFEST} is as it was written", broken_seal is None, broken_seal or "")]
    if not manifest:
        return Verified(folder.name, 0, checks)
    records: int | None = 0
    try:
        if "kind" in manifest:
            records = None
            checks.extend(
                of_another_folder(folder, manifest)
            )  # where one raises, those before it stay
            return Verified(folder.name, records, checks)
        manifest = _where_they_are(manifest, inputs_at)
        checks += _of_files(folder, manifest)
        summary, plan = (
            json.loads(read_regular(folder / name).decode("utf-8"))
            for name in ("summary.json", "plan.json")
        )
        checks.append(same_story(folder.name, manifest, summary, plan))
        accepted = folder / ACCEPTED
        lines = read_regular(accepted).decode("utf-8") if accepted.exists() else ""
        checks.append(of_accepted(lines, summary, plan))
        origins = Origins(str(plan["run_id"]), key_of(home))
        found, of_rows = _of_rows(folder, manifest, summary, plan, origins)
        checks, records = [*checks, *of_rows, origins.check()], found.records
    # Whatever a changed byte makes a reader raise, it is the file that is at fault, and it says so.
    except Exception as error:  # noqa: BLE001
        checks.append(unreadable("the files can be read as what they are", error))
    return Verified(folder.name, records, checks)


def _unfinished(folder: Path) -> Check:
    what = "the run has finished and its results are complete"
    return Check(
        what, holds=False, found="it goes on or was stopped", suggests=("resume", folder.name)
    )


def _where_they_are(manifest: dict[str, Any], folders: Sequence[Path]) -> dict[str, Any]:
    """The manifest with the places at which its inputs lie now: where they were read, else under their name in one of these folders."""

    def placed(file: dict[str, Any]) -> dict[str, Any]:
        path = Path(file["path"])
        places = [path, *(folder / path.name for folder in folders)]
        return {**file, "path": str(next((place for place in places if place.is_file()), path))}

    config = manifest["config"]
    return {
        **manifest,
        "inputs": [placed(file) for file in manifest["inputs"]],
        "config": placed(config) if config else None,
    }


def _of_files(folder: Path, manifest: dict[str, Any]) -> Iterator[Check]:
    wrong = list(changed_files(folder, manifest))
    # Whatever fails between a page and its place in the manifest leaves nothing else to be made again.
    can_be_made = bool(wrong) and all(one.startswith(_PAGES) for one in wrong)
    suggests = ("report", folder.name) if can_be_made else ()
    yield Check(
        "every file of the run is the one that was written", not wrong, "; ".join(wrong), suggests
    )
    if purged := purged_files(folder, manifest):
        yield Check(
            "the staged files are those that were written",
            None,
            f"{len(purged)} fell under retention",
        )
    for file in [*manifest["inputs"], *([manifest["config"]] if manifest["config"] else [])]:
        path = Path(file["path"])
        what = f"{path.name} is the file that was read"
        if not path.is_file():
            yield Check(
                what,
                holds=False,
                found=f"{path} is not {'a regular file' if path.exists() else 'there'}",
            )
        else:
            same = sha256_of(path) == file["sha256"]
            yield Check(what, same, "" if same else f"{path} was changed")


def _of_rows(
    folder: Path,
    manifest: dict[str, Any],
    summary: dict[str, Any],
    plan: dict[str, Any],
    origins: Origins,
) -> tuple[Recomputed, list[Check]]:
    inputs, columns = manifest["inputs"], plan["columns"]
    job = plan["config"]["job"] if plan["config"] else {}
    amounts = declared(job.get("mapping"), columns)
    found = walk(
        folder, inputs, columns, amounts if isinstance(amounts, Amounts) else None, plan, origins
    )
    notes = found.notes
    read = sum(file["records"] for file in inputs)
    notes.note("counts", differing("records", {"read": found.records}, {"read": read}))
    notes.note(
        "counts",
        differing("records", {"read": found.records}, {"read": summary["records"]["read"]}),
    )
    fates = {fate.value: found.fates[fate.value] for fate in Fate}
    notes.note("counts", differing("records", fates, summary["fates"]))
    checks = [notes.check(name, what) for name, what in _CHECKS.items()]
    if gone := [file["name"] for file in inputs if not Path(file["path"]).is_file()]:
        at = next(index for index, check in enumerate(checks) if check.what == _CHECKS["lines"])
        if checks[at].holds:
            checks[at] = Check(_CHECKS["lines"], None, f"{', '.join(gone)} is not there to be read")
    if not_read := sorted(found.not_read):
        checks.append(
            Check(
                "every cell of the inputs is the one that is listed",
                None,
                f"not read again: {', '.join(not_read)}",
            )
        )
    return found, [
        *checks,
        _of_sums(found, summary, amounts),
        *of_summary(found, summary, plan),
        of_the_page(folder, summary, "run_id"),
        *unread_books(folder),
        *of_payloads(folder, manifest, plan, found),
        *of_held(folder, summary),
    ]


def _of_sums(found: Recomputed, summary: dict[str, Any], amounts: Amounts | str | None) -> Check:
    what = "the sums of balances per currency and fate are those of summary.json"
    if isinstance(amounts, str):
        return Check(what, None, f"{amounts}: this check sums only what stands plainly in a column")
    wrong = None
    for name, mine in (("debits", found.debits), ("credits", found.credits)):
        for code in sorted({*mine, *summary[name]}):
            theirs = {
                fate: amount for fate, amount in summary[name].get(code, {}).items() if amount
            }
            ours = {fate: amount for fate, amount in mine[code].items() if amount}
            wrong = wrong or differing(f"{name} {code}", ours, theirs)
    if amounts is not None:
        for fate in sorted({*found.kinds, *summary["balances"]}):
            theirs = summary["balances"].get(fate, {})
            wrong = wrong or differing(f"balances of {fate}", dict(found.kinds[fate]), theirs)
    return Check(what, wrong is None, wrong or "")
