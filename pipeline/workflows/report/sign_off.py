"""Sign off a run: check that it may be signed, record the name, and write the report again."""

from collections.abc import Sequence
from pathlib import Path

from pipeline.config import Settings
from pipeline.domain.reconciliation import ReconciliationOutcome
from pipeline.domain.run_summary import RunSummary
from pipeline.domain.sign_offs import digest, signature, signed
from pipeline.errors import NotApproved, OutOfBalance
from pipeline.reporting import reservations, stopped_by
from pipeline.storage.run_folder import PAGES, RunFolder
from pipeline.storage.run_search import find_readable_run
from pipeline.verifier import Verified, verify
from pipeline.workflows.progress import CLOCK
from pipeline.workflows.report.evidence import FoundReconciliation, Reconciliations, signed_digests
from pipeline.workflows.report.render import refuse_unfinished, write_pages


def sign(
    run_id: str,
    role: str,
    settings: Settings,
    *,
    evidence: str | None = None,
    note: str | None = None,
    inputs_at: Sequence[Path] = (),
) -> tuple[str, list[Path]]:
    """Record a sign-off of a run and write its report again.

    A reviewer signs off the results, an approver the plan.

    Args:
        run_id: the run
        role: reviewer or approver
        settings: where runs and ledgers are, and who signs
        evidence: the digest that the person saw on the report, or its beginning
        note: required if the run has reservations
        inputs_at: folders to which inputs were moved

    Returns:
        the digest of what was signed, and the pages

    Raises:
        OutOfBalance: if the run does not verify, or differences with billing are unexplained
        NotApproved: if `evidence` is another digest, or a required note is missing
    """
    folder = find_readable_run(settings.reports, run_id)
    refuse_unfinished(folder)
    _refuse_unverified(folder, verify(folder.path, inputs_at, settings.home))
    summary, every = folder.read_summary(), Reconciliations.of(folder.path.parent)
    reconciliation = every.newest(folder.run_id)
    if role == "reviewer":
        _refuse_what_is_not_done(summary, reconciliation, every.all_of(folder.run_id), note)
    elif stops := stopped_by(summary):
        raise NotApproved(f"the plan is stopped by {', '.join(stops)}: it cannot be approved")
    digests = signed_digests(folder, role, reconciliation)
    if evidence is not None and (not evidence or not digest(digests).startswith(evidence.lower())):
        raise NotApproved(
            f"the digest of the run is {digest(digests)[:16]}, not the one given:"
            " read the report again"
        )
    folder.sign(signature(role, settings.planner, _now(), digests, folder.signatures(), note))
    return digest(digests), write_pages(folder, summary, settings.home)


def _refuse_unverified(folder: RunFolder, found: Verified) -> None:
    """Raise OutOfBalance if a run does not verify."""
    if found.holds:
        return
    pages = {check.found for check in found.checks if check.holds is False}
    message = "; ".join(
        [f"run {folder.run_id} does not verify, and is not signed", *_broken(found)]
    )
    # A process that failed while it wrote the pages leaves pages with other digests.
    if pages <= {f"{name} was changed" for name in PAGES}:
        raise OutOfBalance(
            f"{message}. If nobody edited the pages, write them again",
            suggests=("report", folder.run_id),
        )
    raise OutOfBalance(message)


def _refuse_what_is_not_done(
    summary: RunSummary,
    reconciliation: FoundReconciliation | None,
    others: list[ReconciliationOutcome],
    note: str | None,
) -> None:
    """Raise OutOfBalance or NotApproved if a reviewer cannot sign."""
    if summary.is_planned:
        raise NotApproved(
            f"run {summary.run_id} is a plan, and a reviewer signs off results: use --as approver"
        )
    if not summary.accounting.holds:
        raise OutOfBalance(
            f"the figures of run {summary.run_id} do not add up: it cannot be signed"
        )
    if reconciliation is not None:
        _refuse_unsignable(reconciliation)
    against = reconciliation.content if reconciliation is not None else None
    reserved = list(reservations(summary, against, others))
    if reserved and not (note or "").strip():
        raise NotApproved(f"{'; '.join(reserved)}. A note is required: --note TEXT")


def _refuse_unsignable(reconciliation: FoundReconciliation) -> None:
    """Raise OutOfBalance if a reconciliation does not verify, or cannot be signed."""
    content, found = reconciliation.content, verify(reconciliation.path)
    if not found.holds:
        message = f"{reconciliation.path.name} does not verify, and is not signed"
        raise OutOfBalance("; ".join([message, *_broken(found)]))
    if not content.signable:
        raise OutOfBalance(
            f"{content.reconciliation_id}: {content.verdict}"
            " Fix the causes and reconcile the run again."
            " If a total or residual still differs, give the reason there: --because CODE=TEXT"
        )


def _broken(found: Verified) -> list[str]:
    return [f"{check.what}: {check.found}" for check in found.checks if check.holds is False]


def sign_for_plan(folder: RunFolder, role: str, name: str) -> None:
    """Sign the plan for the planner or applier, unless that role has a valid sign-off already."""
    digests = signed_digests(folder, role, None)
    valid = {one.role for one in signed(folder.signatures(), digests) if one.state == "stands"}
    if role not in valid:
        folder.sign(signature(role, name, _now(), digests, folder.signatures()))


def _now() -> str:
    return CLOCK.now().isoformat(timespec="seconds")
