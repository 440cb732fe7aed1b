"""The status of a report (good, attention, broken), and the points that a sign-off must note."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.domain.currency import grouped_digits
from pipeline.domain.fates import TROUBLED_FATES
from pipeline.reporting.headline import not_attempted
from pipeline.reporting.open_items import OPEN_FATES
from pipeline.reporting.summary import deferred


@dataclass(frozen=True, slots=True)
class ReportStatus:
    """The headline of a report."""

    state: str  #: `good`, `attention` (a person has something to do) or `broken`
    mark: str  #: the state in a few words
    sentence: str  #: the verdict
    detail: str = ""  #: a second sentence


def status_of_run(
    content: Mapping[str, Any],
    reconciliation: Mapping[str, Any] | None = None,
    now: Mapping[str, int] | None = None,
    since: str = "",
) -> ReportStatus:
    """The status of a run: the worse of its summary and of its newest reconciliation.

    `now`: current fate -> records of the run. `since`: a sentence about later changes.
    """
    verdict, planned = str(content["verdict"]), content["status"] == "planned"
    if not content["conservation"]["holds"]:
        return ReportStatus("broken", "Out of balance", verdict)
    if planned and (stops := stopped_by(content)):
        return ReportStatus(
            "broken",
            "Blocked: the plan needs a decision",
            verdict,
            f"Stopped by {', '.join(stops)}.",
        )
    if reconciliation is not None and reconciliation["exit_code"] == 7:
        mark = (
            "Billing differs from what we sent"
            if reconciliation["signable"]
            else "Cannot be signed"
        )
        return ReportStatus(
            "broken",
            mark,
            str(reconciliation["verdict"]),
            f"The import itself: {verdict} {since}".strip(),
        )
    against = (
        "" if reconciliation is None else f"Compared with billing: {reconciliation['verdict']}"
    )
    detail = " ".join(part for part in (since, against) if part)
    fates = now or content["fates"]
    if not planned and (fates.get("in_doubt") or fates.get("not_attempted", 0) > deferred(content)):
        return ReportStatus("attention", "Not finished", verdict, detail)
    is_troubled = (
        any(fates.get(fate) for fate in TROUBLED_FATES) or content["cannot_be_paid_against"]
    )
    is_trouble_code = content["exit_code"] not in ({0, 1, 5} if now else {0})
    if (
        is_trouble_code
        or is_troubled
        or (reconciliation is not None and reconciliation["exit_code"])
    ):
        return ReportStatus("attention", "Adds up; action needed", verdict, detail)
    return ReportStatus("good", f"Adds up; {_left(content, planned=planned)}", verdict, detail)


def since_then(became: Iterable[Mapping[str, Any]], now: Mapping[str, int], run_id: str) -> str:
    """A sentence about what other runs changed in a run's records; empty if nothing."""
    later, earlier = Counter[str](), Counter[str]()
    for one in became:
        (later if one["run_id"] >= run_id else earlier)[one["now"]] += one["records"]
    moved = [
        f"by {which} runs: {_in_words(by)}"
        for which, by in (("later", later), ("earlier", earlier))
        if by
    ]
    if not moved:
        return ""
    left = sum(now.get(fate, 0) for fate in OPEN_FATES)
    records = (
        f"{grouped_digits(left)} {'record' if left == 1 else 'records'}" if left else "nothing"
    )
    state = f"{records} of this run {'are' if left > 1 else 'is'} open"
    return f"{'Since then, ' if later else 'Settled '}{'; '.join(moved)}; {state}."


def _in_words(moved: Mapping[str, int]) -> str:
    return ", ".join(
        f"{grouped_digits(records)} {fate.replace('_', ' ')}"
        for fate, records in sorted(moved.items())
    )


def status_of_reconciliation(content: Mapping[str, Any]) -> ReportStatus:
    """The status of a reconciliation."""
    state = {0: "good", 1: "attention"}.get(content["exit_code"], "broken")
    words = {
        "good": "In balance",
        "attention": "In balance, with differences to review",
        "broken": "Out of balance",
    }
    mark = words[state] if content["signable"] else "Cannot be signed"
    return ReportStatus(
        state, f"{mark}, by a sample" if "sample" in content else mark, str(content["verdict"])
    )


def status_of_period(content: Mapping[str, Any]) -> ReportStatus:
    """The status of a period; broken if figures do not add up or billing differs from a run."""
    verdict = str(content["verdict"])
    if not content["once"]["conservation"]["holds"] or any(
        run["exit_code"] == 7 for run in content["runs"]
    ):
        return ReportStatus("broken", "Out of balance", verdict)
    if wrong := [
        run for run in content["runs"] if run["against"] and run["against"]["exit_code"] == 7
    ]:
        is_billing = any(run["against"].get("signable", True) for run in wrong)
        mark = "Billing differs from what we sent" if is_billing else "Cannot be signed"
        named = ", ".join(run["run_id"] for run in wrong)
        return ReportStatus("broken", mark, verdict, f"By the newest reconciliation of {named}.")
    if content["not_finished"]:
        return ReportStatus(
            "attention",
            "Not finished",
            verdict,
            f"Not finished: {', '.join(content['not_finished'])}.",
        )
    if content["exit_code"]:
        return ReportStatus("attention", "Adds up; action needed", verdict)
    return ReportStatus("good", "Adds up; nothing left to do", verdict)


def stopped_by(content: Mapping[str, Any]) -> list[str]:
    """The issues that block a plan until somebody accepts them."""
    found = (
        one["code"]
        for one in content["findings"]
        if one["stops"] and one["code"] not in content["accepted"]
    )
    return list(dict.fromkeys(found))


def reservations(
    content: Mapping[str, Any],
    reconciliation: Mapping[str, Any] | None,
    others: Iterable[Mapping[str, Any]] = (),
) -> Iterator[str]:
    """Problems in a report that adds up; a sign-off needs a note about them.

    `others`: every reconciliation of the run; each may have found what the newest cannot show.
    """
    fates, unsent = content["fates"], not_attempted(content)
    if fates["in_doubt"] or unsent:
        yield f"{grouped_digits(fates['in_doubt'])} records are in doubt and {grouped_digits(unsent)} were not sent"
    if fates["created_different"]:
        yield f"{grouped_digits(fates['created_different'])} customers were created with content other than we sent"
    if reconciliation is not None and reconciliation["exit_code"]:
        yield f"compared with billing: {reconciliation['verdict'].rstrip('.')}"
    for other in others:
        if other["exit_code"] == 7 and other["reconciliation_id"] != (reconciliation or {}).get(
            "reconciliation_id"
        ):
            yield f"{other['reconciliation_id']} found it out of balance"


def _left(content: Mapping[str, Any], *, planned: bool) -> str:
    if planned:
        return "ready to apply"
    return f"nothing left to do{' in this wave' if deferred(content) else ''}"
