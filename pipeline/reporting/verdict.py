"""What the figures of a run come to: one sentence, the exit code, and what is left to do."""

from pipeline.domain.currency import grouped_digits
from pipeline.domain.fates import LISTS, TROUBLED_FATES, Action, Fate
from pipeline.domain.plurals import number_of
from pipeline.domain.run_summary import RunSummary
from pipeline.errors import Interrupted, OutOfBalance, ThresholdExceeded

_DO_NOT_SIGN = (
    "The figures do not add up: do not sign this report. See the failed accounting checks."
)


def verdict_on(summary: RunSummary) -> str:
    """One sentence: records by fate, and whether the figures add up."""
    if not summary.accounting.holds:
        return _DO_NOT_SIGN
    if summary.is_planned:
        return _planned(summary)
    return f"{', '.join(_ended(summary))}; {_accounted_for(summary)}."


def exit_code_of(summary: RunSummary, stop_code: int | None) -> int:
    """The exit code; if several apply, the first of 4, 3, 5, 7, 1.

    `stop_code`: the exit code of the cause that stopped the run; None if it did not stop.
    """
    stopped_early = Interrupted.exit_code
    if stop_code is not None and stop_code != stopped_early:
        return stop_code
    if summary.is_planned and stopped_by(summary):
        return ThresholdExceeded.exit_code  # a file issue blocks the plan
    # This run was not supposed to send records of a later batch.
    unsent = summary.fates[Fate.NOT_ATTEMPTED] > summary.actions.get(Action.DEFER, 0)
    if stop_code == stopped_early and (unsent or summary.fates[Fate.IN_DOUBT]):
        return stopped_early
    if not summary.is_planned and unsent:
        return stopped_early  # planned records that were never sent are never a clean end
    if not summary.accounting.holds:
        return OutOfBalance.exit_code
    return int(any(summary.fates[fate] for fate in TROUBLED_FATES))


def deferred(summary: RunSummary) -> int:
    """Records that the plan leaves for a later batch: not attempted, but no problem."""
    return min(summary.actions.get(Action.DEFER, 0), summary.fates[Fate.NOT_ATTEMPTED])


def not_attempted(summary: RunSummary) -> int:
    """Planned records that this run did not send; records of a later batch do not count."""
    return summary.fates[Fate.NOT_ATTEMPTED] - deferred(summary)


def records_of(summary: RunSummary, list_name: str) -> int:
    """The records of one of the six lists."""
    return sum(summary.fates[fate] for fate in LISTS[list_name])


def stopped_by(summary: RunSummary) -> list[str]:
    """The issues that block a plan until somebody accepts them."""
    found = (one.code for one in summary.findings if one.stops and one.code not in summary.accepted)
    return list(dict.fromkeys(found))


def _planned(summary: RunSummary) -> str:
    creates = grouped_digits(summary.actions[Action.CREATE])
    later, waits = deferred(summary), summary.waiting.records
    parts = [f"of {number_of(summary.records.read, 'record')}, {creates} would be created"]
    if later:
        parts.append(f"{grouped_digits(later)} left for a later batch")
    if waits:
        parts.append(f"{number_of(waits, 'waits', 'wait')} for an earlier request")
    return f"Planned: {', '.join(parts)}; nothing was sent."


def _ended(summary: RunSummary) -> list[str]:
    """The counts of the verdict."""
    counted = (
        (records_of(summary, "skipped"), "skipped"),
        (records_of(summary, "rejected"), "rejected"),
        (records_of(summary, "held"), "held for review"),
        (summary.fates[Fate.IN_DOUBT], f"in doubt{_never_sent(summary)}"),
        (summary.fates[Fate.GIVEN_UP], "given up"),
        (not_attempted(summary), "not attempted"),
        (deferred(summary), "left for a later batch"),
    )
    created = grouped_digits(records_of(summary, "created"))
    head = f"{created} of {grouped_digits(summary.records.read)} records were created"
    return [head, *(f"{grouped_digits(number)} {word}" for number, word in counted if number)]


def _never_sent(summary: RunSummary) -> str:
    waits = summary.waiting.records
    return f" ({grouped_digits(waits)} of them never sent)" if waits else ""


def _accounted_for(summary: RunSummary) -> str:
    """The part of the verdict that states what is accounted for."""
    unread = sum(summary.amounts_unreadable.values())
    amounts = "cent is"
    if unread:
        are_unread = f"{number_of(unread, 'unreadable amount')}"
        amounts = f"amount, except {are_unread}, is"
    claim = f"every record and every {amounts} accounted for"
    unfinished = summary.fates[Fate.IN_DOUBT] or not_attempted(summary)
    return f"{claim}, but the run is not finished: resume it" if unfinished else claim
