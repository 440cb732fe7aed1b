"""The status of a report (good, attention, broken), and the points that a sign-off must note."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from pipeline.domain.currency import grouped_digits
from pipeline.domain.fates import TROUBLED_FATES, Fate
from pipeline.domain.period_report import PeriodReport
from pipeline.domain.plurals import number_of
from pipeline.domain.reconciliation import OUT_OF_BALANCE, Reconciliation, ReconciliationOutcome
from pipeline.domain.run_summary import RunSummary
from pipeline.reporting.context import FateChange
from pipeline.reporting.open_items import OPEN_FATES
from pipeline.reporting.verdict import deferred, not_attempted, stopped_by


@dataclass(frozen=True, slots=True)
class ReportStatus:
    """The headline of a report."""

    state: str  #: `good`, `attention` (a person has something to do) or `broken`
    mark: str  #: the state in a few words
    sentence: str  #: the verdict
    detail: str = ""  #: a second sentence


def status_of_run(
    summary: RunSummary,
    reconciliation: Reconciliation | None = None,
    now: Mapping[str, int] | None = None,
    since: str = "",
) -> ReportStatus:
    """The status of a run: the worse of its summary and of its newest reconciliation.

    `now`: current fate -> records of the run. `since`: a sentence about later changes.
    """
    verdict, planned = summary.verdict, summary.is_planned
    if not summary.accounting.holds:
        return ReportStatus("broken", "Out of balance", verdict)
    if planned and (stops := stopped_by(summary)):
        return ReportStatus(
            "broken",
            "Blocked: the plan needs a decision",
            verdict,
            f"Stopped by {', '.join(stops)}.",
        )
    if reconciliation is not None and reconciliation.exit_code == OUT_OF_BALANCE:
        mark = (
            "Billing differs from what we sent" if reconciliation.signable else "Cannot be signed"
        )
        return ReportStatus(
            "broken",
            mark,
            reconciliation.verdict,
            f"The import itself: {verdict} {since}".strip(),
        )
    against = "" if reconciliation is None else f"Compared with billing: {reconciliation.verdict}"
    detail = " ".join(part for part in (since, against) if part)
    fates = now or summary.fates
    unsent = fates.get(Fate.NOT_ATTEMPTED, 0) > deferred(summary)
    if not planned and (fates.get(Fate.IN_DOUBT) or unsent):
        return ReportStatus("attention", "Not finished", verdict, detail)
    is_troubled = any(fates.get(fate) for fate in TROUBLED_FATES) or summary.not_payable
    is_trouble_code = summary.exit_code not in ({0, 1, 5} if now else {0})
    if is_trouble_code or is_troubled or (reconciliation is not None and reconciliation.exit_code):
        return ReportStatus("attention", "Adds up; action needed", verdict, detail)
    return ReportStatus("good", f"Adds up; {_left(summary)}", verdict, detail)


def since_then(changes: Iterable[FateChange], now: Mapping[str, int], run_id: str) -> str:
    """A sentence about what other runs changed in a run's records; empty if nothing."""
    later, earlier = Counter[str](), Counter[str]()
    for one in changes:
        (later if one.run_id >= run_id else earlier)[one.after] += one.records
    moved = [
        f"by {which} runs: {_in_words(by)}"
        for which, by in (("later", later), ("earlier", earlier))
        if by
    ]
    if not moved:
        return ""
    left = sum(now.get(fate, 0) for fate in OPEN_FATES)
    records = number_of(left, "record") if left else "nothing"
    state = f"{records} of this run {'are' if left > 1 else 'is'} open"
    return f"{'Since then, ' if later else 'Settled '}{'; '.join(moved)}; {state}."


def _in_words(moved: Mapping[str, int]) -> str:
    return ", ".join(
        f"{grouped_digits(records)} {fate.replace('_', ' ')}"
        for fate, records in sorted(moved.items())
    )


def status_of_reconciliation(content: Reconciliation) -> ReportStatus:
    """The status of a reconciliation."""
    state = {0: "good", 1: "attention"}.get(content.exit_code, "broken")
    words = {
        "good": "In balance",
        "attention": "In balance, with differences to review",
        "broken": "Out of balance",
    }
    mark = words[state] if content.signable else "Cannot be signed"
    return ReportStatus(
        state, f"{mark}, by a sample" if content.is_sample else mark, content.verdict
    )


def status_of_period(content: PeriodReport) -> ReportStatus:
    """The status of a period; broken if figures do not add up or billing differs from a run."""
    verdict = content.verdict
    if not content.once.accounting.holds or any(run.exit_code == 7 for run in content.runs):
        return ReportStatus("broken", "Out of balance", verdict)
    if wrong := content.out_of_balance():
        is_billing = any(run.against is not None and run.against.signable for run in wrong)
        mark = "Billing differs from what we sent" if is_billing else "Cannot be signed"
        named = ", ".join(run.run_id for run in wrong)
        return ReportStatus("broken", mark, verdict, f"By the newest reconciliation of {named}.")
    if content.not_finished:
        unfinished = f"Not finished: {', '.join(content.not_finished)}."
        return ReportStatus("attention", "Not finished", verdict, unfinished)
    if content.exit_code:
        return ReportStatus("attention", "Adds up; action needed", verdict)
    return ReportStatus("good", "Adds up; nothing left to do", verdict)


def reservations(
    summary: RunSummary,
    reconciliation: Reconciliation | None,
    others: Iterable[ReconciliationOutcome] = (),
) -> Iterator[str]:
    """Problems in a report that adds up; a sign-off needs a note about them.

    `others`: every reconciliation of the run; each may have found what the newest cannot show.
    """
    in_doubt, unsent = summary.fates[Fate.IN_DOUBT], not_attempted(summary)
    if in_doubt or unsent:
        yield (
            f"{number_of(in_doubt, 'record is', 'records are')} in doubt"
            f" and {grouped_digits(unsent)} were not sent"
        )
    if different := summary.fates[Fate.CREATED_DIFFERENT]:
        yield f"{number_of(different, 'customer was', 'customers were')} created with content other than we sent"
    if reconciliation is not None and reconciliation.exit_code:
        yield f"compared with billing: {reconciliation.verdict.rstrip('.')}"
    newest = reconciliation.reconciliation_id if reconciliation is not None else None
    for other in others:
        if other.exit_code == OUT_OF_BALANCE and other.reconciliation_id != newest:
            yield f"{other.reconciliation_id} found it out of balance"


def _left(summary: RunSummary) -> str:
    if summary.is_planned:
        return "ready to apply"
    return f"nothing left to do{' in this batch' if deferred(summary) else ''}"
