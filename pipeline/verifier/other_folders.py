"""Check the folder of a reconciliation or of a period: its files and its figures."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

from pipeline.domain.manifest import FolderManifest
from pipeline.domain.period_report import PeriodReport
from pipeline.domain.reconciliation import Reconciliation
from pipeline.storage.files import open_regular, read_regular
from pipeline.verifier.checks import Check, differing
from pipeline.verifier.manifest import changed_files
from pipeline.verifier.reconciliations import of_reconciliation
from pipeline.verifier.summary_claims import of_the_page


def of_another_folder(folder: Path, manifest: FolderManifest) -> Iterator[Check]:
    """Every check of a folder that is not the folder of a run."""
    wrong = "; ".join(changed_files(folder, manifest))
    yield Check("every file of the folder is unchanged", not wrong, wrong)
    document = json.loads(read_regular(folder / "summary.json").decode("utf-8"))
    named = document.get("reconciliation_id", folder.name)
    same = manifest.id == named and document["kind"] == manifest.kind
    yield Check(
        "manifest and summary belong together",
        same,
        "" if same else f"they name {manifest.id} and {named}",
    )
    if document["kind"] == "reconciliation":
        yield from _of_reconciliation(folder, Reconciliation.of(document))
    else:
        yield from _of_period(folder, PeriodReport.of(document))


def _of_reconciliation(folder: Path, summary: Reconciliation) -> Iterator[Check]:
    differences = open_regular(folder / "differences.csv")
    with os.fdopen(differences, encoding="utf-8", newline="") as file:
        yield from of_reconciliation(summary, file)
    yield of_the_page(folder, summary.reconciliation_id, summary.verdict)
    what = "billing agrees with the reconciliation"
    yield Check(what, None, "this check sends no requests to billing")


def _of_period(folder: Path, summary: PeriodReport) -> Iterator[Check]:
    wrong = next(_wrong_period(summary), "")
    yield Check("the figures of the period follow from each other", not wrong, wrong)
    yield of_the_page(folder, summary.verdict)
    yield Check("the runs agree with the period", None, "verify each run separately")


def _wrong_period(summary: PeriodReport) -> Iterator[str]:
    once, law = summary.once, summary.once.accounting
    yield from (check.what for check in law.checks if check.holds != (check.read == check.ended))
    if law.holds != all(check.holds for check in law.checks):
        yield "the result of the accounting checks does not follow from the checks"
    if once.records != sum(once.fates.values()):
        yield "the number of records is not the sum over their fates"
    counted = {
        fate: sum(by_fate.get(fate, 0) for by_fate in once.counts.values()) for fate in once.fates
    }
    if wrong := differing("records", counted, once.fates):
        yield wrong
    if law.checks[0].ended != once.records or law.checks[1].ended != once.rows_read:
        yield "the accounting checks count other records than the period"
    due = _exit_code_due(summary)
    if summary.exit_code != due:
        yield f"exit code {summary.exit_code} instead of {due}"
    created = sum(once.fates[fate] for fate in ("created", "created_different"))
    if law.holds and created and f"{created:,}" not in summary.verdict:
        yield "the verdict does not state how many customers we created"


def _exit_code_due(summary: PeriodReport) -> int:
    reconciled = [run.against.exit_code for run in summary.runs if run.against is not None]
    is_out = 7 in reconciled or any(run.exit_code == 7 for run in summary.runs)
    if is_out or not summary.once.accounting.holds:
        return 7
    return int(bool(summary.open or summary.not_finished or any(reconciled)))
