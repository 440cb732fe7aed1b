"""The story of a signature: what lies there is fit to be signed, the name goes under it, the report says so."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline.config import Settings
from pipeline.errors import NotApproved, OutOfBalance
from pipeline.reporting import reservations, stopped_by
from pipeline.run_folder import PAGES, RunFolder
from pipeline.run_search import find_readable_run
from pipeline.signatures import digest, signature, signed
from pipeline.verbs.report.evidence import Reconciliation, Reconciliations, lies_beneath
from pipeline.verbs.report.run import refuse_unfinished, write_pages
from pipeline.verbs.watch import CLOCK
from pipeline.verifier import Verified, verify


def sign(
    run_id: str,
    role: str,
    settings: Settings,
    *,
    evidence: str | None = None,
    note: str | None = None,
    inputs_at: Sequence[Path] = (),
) -> tuple[str, list[Path]]:
    """Put a name under a run and make its report anew; the digest of what was signed, and where the report is.

    A reviewer signs for what was done, an approver for the plan. Raises OutOfBalance where the run does not verify, or what billing
    holds is not explained; NotApproved where `evidence` is not what lies there, or nothing is said (`note`) of what is not as it
    should be. `inputs_at`: folders in which inputs lie that were put away.
    """
    folder = find_readable_run(settings.reports, run_id)
    refuse_unfinished(folder)
    found = verify(folder.path, inputs_at, settings.home)
    if not found.holds:
        broken, pages = _broken(found), [check.found for check in found.checks if check.holds is False]
        # A process that failed while it made the pages leaves some that the manifest does not know.
        is_of_pages = {*pages} <= {f"{name} was changed" for name in PAGES}
        told = "; ".join([f"run {folder.run_id} does not verify, and is not signed", *broken])
        if is_of_pages:
            raise OutOfBalance(
                f"{told}. If nobody edited the pages, make them anew", suggests=("report", folder.run_id)
            )
        raise OutOfBalance(told)
    content, every = folder.read_summary(), Reconciliations.of(folder.path.parent)
    reconciliation = every.newest(folder.run_id)
    if role == "reviewer":
        _refuse_what_is_not_done(content, reconciliation, every.all_of(folder.run_id), note)
    elif stops := stopped_by(content):
        raise NotApproved(f"the plan is stopped by {', '.join(stops)}: it is not approved as it stands")
    beneath = lies_beneath(folder, role, reconciliation)
    if evidence is not None and (not evidence or not digest(beneath).startswith(evidence.lower())):
        raise NotApproved(f"what lies there is {digest(beneath)[:16]}, and not what was read: look at the report again")
    folder.sign(signature(role, settings.planner, _now(), beneath, folder.signatures(), note))
    return digest(beneath), write_pages(folder, content, settings.home)


def _refuse_what_is_not_done(
    content: dict[str, Any], reconciliation: Reconciliation | None, others: list[dict[str, Any]], note: str | None
) -> None:
    """Raise OutOfBalance, or NotApproved, where a reviewer cannot sign."""
    if content["status"] == "planned":
        raise NotApproved(f"run {content['run_id']} is a plan: a reviewer signs for what was done; see --as approver")
    if not content["conservation"]["holds"]:
        raise OutOfBalance(f"the figures of run {content['run_id']} do not add up: it is not to be signed")
    if reconciliation is not None and not (against := verify(reconciliation[0])).holds:
        raise OutOfBalance(
            "; ".join([f"{reconciliation[0].name} does not verify, and is not signed for", *_broken(against)])
        )
    if reconciliation is not None and not reconciliation[1]["signable"]:
        raise OutOfBalance(
            f"{reconciliation[1]['reconciliation_id']}: {reconciliation[1]['verdict']} Once its causes are gone, reconcile the run again; a total "
            "or residual that does not come out wants its reason there: --because CODE=TEXT"
        )
    told = list(reservations(content, reconciliation[1] if reconciliation else None, others))
    if told and not (note or "").strip():
        raise NotApproved(f"{'; '.join(told)}: nobody signs for that without a word about it (--note TEXT)")


def _broken(found: Verified) -> list[str]:
    return [f"{check.what}: {check.found}" for check in found.checks if check.holds is False]


def sign_for_plan(folder: RunFolder, role: str, name: str) -> None:
    """Whoever plans or applies has signed for the plan, unless somebody has already whose signature stands."""
    beneath = lies_beneath(folder, role, None)
    standing = {one.role for one in signed(folder.signatures(), beneath) if one.state == "stands"}
    if role not in standing:
        folder.sign(signature(role, name, _now(), beneath, folder.signatures()))


def _now() -> str:
    return CLOCK.now().isoformat(timespec="seconds")
