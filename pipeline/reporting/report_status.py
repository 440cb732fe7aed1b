"""How a report stands: sound, something to do, or broken; and what whoever signs has to say something about."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.domain.currency import grouped_digits
from pipeline.domain.outcomes import TROUBLED_FATES
from pipeline.reporting.headline import not_attempted
from pipeline.reporting.open_items import OPEN_FATES
from pipeline.reporting.summary import deferred


@dataclass(frozen=True, slots=True)
class Standing:
    """What a report begins with."""

    state: str  #: `good`, `attention` (a person has something to do) or `broken`
    mark: str  #: in a few words
    sentence: str  #: the verdict
    beneath: str = ""  #: what is to be said besides


def standing(
    content: Mapping[str, Any],
    reconciliation: Mapping[str, Any] | None = None,
    now: Mapping[str, int] | None = None,
    since: str = "",
) -> Standing:
    """Of a run's summary and of the newest reconciliation that took it in, the graver comes first.

    `now`: fate -> records of the run as they stand today, `since`: what became of them, in a sentence.
    """
    verdict, planned = str(content["verdict"]), content["status"] == "planned"
    if not content["conservation"]["holds"]:
        return Standing("broken", "Out of balance", verdict)
    if planned and (stops := stopped_by(content)):
        return Standing(
            "broken",
            "It will not be applied as it stands",
            verdict,
            f"Stopped by {', '.join(stops)}.",
        )
    if reconciliation is not None and reconciliation["exit_code"] == 7:
        mark = "Billing is not what was meant" if reconciliation["signable"] else "Not to be signed"
        return Standing(
            "broken",
            mark,
            str(reconciliation["verdict"]),
            f"The import by itself: {verdict} {since}".strip(),
        )
    against = (
        "" if reconciliation is None else f"Compared with billing: {reconciliation['verdict']}"
    )
    beneath = " ".join(part for part in (since, against) if part)
    fates = now or content["fates"]
    if not planned and (fates.get("in_doubt") or fates.get("not_attempted", 0) > deferred(content)):
        return Standing("attention", "Not finished", verdict, beneath)
    troubled = any(fates.get(fate) for fate in TROUBLED_FATES) or content["cannot_be_paid_against"]
    ended = content["exit_code"] not in ({0, 1, 5} if now else {0})
    if ended or troubled or (reconciliation is not None and reconciliation["exit_code"]):
        return Standing("attention", "Adds up; something is left to do", verdict, beneath)
    return Standing("good", f"Adds up; {_left(content, planned=planned)}", verdict, beneath)


def since_then(became: Iterable[Mapping[str, Any]], now: Mapping[str, int], run_id: str) -> str:
    """What other runs made of a run's records, in a sentence; nothing where none changed anything."""
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


def standing_of_reconciliation(content: Mapping[str, Any]) -> Standing:
    """Of a reconciliation's own summary."""
    state = {0: "good", 1: "attention"}.get(content["exit_code"], "broken")
    words = {
        "good": "In balance",
        "attention": "In balance, with something to look at",
        "broken": "Out of balance",
    }
    mark = words[state] if content["signable"] else "Not to be signed"
    return Standing(
        state, f"{mark}, by a sample" if "sample" in content else mark, str(content["verdict"])
    )


def standing_of_period(content: Mapping[str, Any]) -> Standing:
    """Of a span's summary: broken where something does not add up, or billing is not what one of its runs meant."""
    verdict = str(content["verdict"])
    if not content["once"]["conservation"]["holds"] or any(
        run["exit_code"] == 7 for run in content["runs"]
    ):
        return Standing("broken", "Out of balance", verdict)
    if wrong := [
        run for run in content["runs"] if run["against"] and run["against"]["exit_code"] == 7
    ]:
        is_billing = any(run["against"].get("signable", True) for run in wrong)
        mark = "Billing is not what was meant" if is_billing else "Not to be signed"
        named = ", ".join(run["run_id"] for run in wrong)
        return Standing("broken", mark, verdict, f"By the newest reconciliation of {named}.")
    if content["not_finished"]:
        return Standing(
            "attention",
            "Not finished",
            verdict,
            f"Begun and never finished: {', '.join(content['not_finished'])}.",
        )
    if content["exit_code"]:
        return Standing("attention", "Adds up; something is left to do", verdict)
    return Standing("good", "Adds up; nothing is left to do", verdict)


def stopped_by(content: Mapping[str, Any]) -> list[str]:
    """The alarms that keep a plan from being applied, until somebody accepts them."""
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
    """What is not as it should be, though it adds up; nobody signs for it without a word about it.

    `others`: every reconciliation of the run. What one of them found may be what the newest cannot show.
    """
    fates, unsent = content["fates"], not_attempted(content)
    if fates["in_doubt"] or unsent:
        yield f"{grouped_digits(fates['in_doubt'])} records are in doubt and {grouped_digits(unsent)} were not sent"
    if fates["created_different"]:
        yield f"{grouped_digits(fates['created_different'])} customers were created with other content than was sent"
    if reconciliation is not None and reconciliation["exit_code"]:
        yield f"compared with billing: {reconciliation['verdict'].rstrip('.')}"
    for other in others:
        if other["exit_code"] == 7 and other["reconciliation_id"] != (reconciliation or {}).get(
            "reconciliation_id"
        ):
            yield f"{other['reconciliation_id']} found it out of balance"


def _left(content: Mapping[str, Any], *, planned: bool) -> str:
    if planned:
        return "ready to be applied"
    return f"nothing is left to do{' in this wave' if deferred(content) else ''}"
