"""The story of a signature: what lies there is fit to be signed, the name goes under it, the report says so."""

from pathlib import Path

from pipeline.config import Settings
from pipeline.errors import NotApproved, OutOfBalance
from pipeline.run_folder import RunFolder
from pipeline.signatures import digest, signature, signed
from pipeline.verbs.report.evidence import lies_beneath, newest_reconciliation
from pipeline.verbs.report.run import write_pages
from pipeline.verbs.watch import CLOCK


def sign(
    run_id: str, role: str, settings: Settings, *, evidence: str | None = None, note: str | None = None
) -> tuple[str, list[Path]]:
    """Put a name under a run and make its report anew; the digest of what was signed, and where the report is.

    A reviewer signs for what was done, an approver for the plan. Raises OutOfBalance where the figures, or the newest
    reconciliation, are not to be signed, and NotApproved where `evidence` is not what lies there.
    """
    folder = RunFolder.find(settings.reports, run_id)
    content = folder.read_json("summary.json")
    reconciliation = newest_reconciliation(folder)
    if not content["conservation"]["holds"]:
        raise OutOfBalance(f"the figures of run {run_id} do not add up: it is not to be signed")
    if role == "reviewer":
        if content["status"] == "planned":
            raise NotApproved(f"run {run_id} is a plan: a reviewer signs for what was done; see --as approver")
        if reconciliation is not None and not reconciliation[1]["signable"]:
            raise OutOfBalance(f"{reconciliation[1]['reconciliation_id']}: {reconciliation[1]['verdict']}")
    beneath = lies_beneath(folder, role, reconciliation)
    if evidence is not None and not digest(beneath).startswith(evidence.lower()):
        raise NotApproved(f"what lies there is {digest(beneath)[:16]}, and not what was read: look at the report again")
    folder.sign(signature(role, settings.planner, _now(), beneath, folder.signatures(), note))
    return digest(beneath), write_pages(folder, content, settings.home)


def sign_for_plan(folder: RunFolder, role: str, name: str) -> None:
    """Whoever plans or applies has signed for the plan, unless somebody has already whose signature stands."""
    beneath = lies_beneath(folder, role, None)
    standing = {one.role for one in signed(folder.signatures(), beneath) if one.state == "stands"}
    if role not in standing:
        folder.sign(signature(role, name, _now(), beneath, folder.signatures()))


def _now() -> str:
    return CLOCK.now().isoformat(timespec="seconds")
