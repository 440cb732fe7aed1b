"""The first figures of a report, for page and terminal: records and money by list."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from pipeline.domain.causes import Cause
from pipeline.domain.currency import NO_CODE, NO_CURRENCY, exponents, grouped_digits
from pipeline.domain.fates import LISTS, Action, Fate
from pipeline.domain.plurals import number_of
from pipeline.domain.run_summary import RunSummary
from pipeline.domain.summary_parts import BalanceKinds, Estimate, RecordGroup, Sides
from pipeline.reporting.money import sides_of


@dataclass(frozen=True, slots=True)
class Account:
    """One group of records, its counts and its sums."""

    title: str
    list_name: str
    records: int
    balances: BalanceKinds
    sums: Mapping[str, Sides]  #: currency -> sums; usable currencies first


#: An earlier request for their reference is in doubt, so this run never sent their amounts.
WAITING = "waiting, never sent"
LATER = "left for a later batch"


def accounts(summary: RunSummary) -> list[Account]:
    """All records read in groups; created, held and rejected always, others if not empty."""
    wanted = summary.by_action
    later, waiting = wanted[Action.DEFER], summary.waiting
    first = (
        _account("would be created", "unprocessed", wanted[Action.CREATE])
        if summary.is_planned
        else _of_list("created", summary)
    )
    always = [first, _of_list("held", summary), _of_list("rejected", summary)]
    in_doubt = _without(_of_fate("in doubt", "in_doubt", Fate.IN_DOUBT, summary), waiting)
    rest = [
        in_doubt,
        _account(WAITING, "in_doubt", waiting),
        _of_fate("given up", "in_doubt", Fate.GIVEN_UP, summary),
        _account(LATER, "unprocessed", later),
        _of_list("skipped", summary),
    ]
    if not summary.is_planned:
        unsent = _of_fate("not attempted", "unprocessed", Fate.NOT_ATTEMPTED, summary)
        rest.insert(1, _without(unsent, later))
    return [*always, *(account for account in rest if account.records)]


def all_balances(summary: RunSummary) -> BalanceKinds:
    """The records read, by kind of balance."""
    return sum(summary.balances.values(), BalanceKinds())


#: How long billing keeps the first answer to a key.
KEY_LIFE_SECONDS = 24 * 3600


def rate(number: float) -> str:
    """A rate, or seconds, in three digits at least: 0.123, 12.3, 1,234."""
    return f"{number:.3g}" if abs(number) < 100 else grouped_digits(round(number))


def how_long(estimate: Estimate) -> str:
    """How long the creates take: `at 20 a second about 56 s`."""
    if estimate.seconds is None or estimate.per_second is None:
        return "as fast as billing answers"
    at_rate = f"at {rate(estimate.per_second)} a second about {duration(estimate.seconds)}"
    if estimate.seconds < KEY_LIFE_SECONDS:
        return at_rate
    return (
        f"{at_rate}, longer than an idempotency key is valid (24 h): billing sees each key only when its "
        "row is sent, so no key expires early; a request still in doubt after that is looked up first"
    )


def duration(seconds: float) -> str:
    """Seconds for people: `56 s`, `3 min`, `2 h 46 min`, `4 d 3 h`; never less than 1 s."""
    if seconds < 100:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    if minutes < 100:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours < 48 else f"{hours // 24} d {hours % 24} h"


_DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}
_WORDS = {
    "delimiter": "the delimiter", "encoding": "the encoding", "line_end": "the line ends",
}  # fmt: skip
#: Facts about how a file is written -> words for them.
_FACTS = {
    "quote": "quote character: {}",
    "escape": "escape character: {}",
    "header": "no header",
    "columns_ignored": "ignored as empty and without a name: column {}",
    "end_mark": "ends with {}",
}


def dialect_in_words(how: Mapping[str, str]) -> str:
    """The format of an input and what was detected: `semicolons, utf-8, lines end with LF`."""
    facts = []
    if "sheet" in how:
        facts.append(f"sheet {how['sheet']!r}")
    if "delimiter" in how:
        trailing = ", one more at the end of each line" if "trailing_delimiter" in how else ""
        facts.append(
            f"{_DELIMITERS[how['delimiter']]}{trailing}, {how['encoding']}{_exceptions(how)}, lines end with {how['line_end']}"
        )
    facts += [sentence.format(how[fact]) for fact, sentence in _FACTS.items() if how.get(fact)]
    if found := how.get("found"):
        facts.append(
            f"detected, not declared: {', '.join(_WORDS.get(name, name) for name in found.split())}"
        )
    return "; ".join(facts)


def _exceptions(how: Mapping[str, str]) -> str:
    """How many records have another encoding: ` (2 records are not)`."""
    match int(how.get("not_in_encoding", 0)):
        case 0:
            return ""
        case 1:
            return " (1 record is not)"
        case records:
            return f" ({number_of(records, 'record is', 'records are')} not)"


def sentence_of(code: str) -> str:
    """The sentence of a reason code, with or without a column."""
    return Cause.parse(code).reason.sentence


_MOST_REASONS = 6  #: of a list, on one line


def reasons_of(summary: RunSummary, list_name: str) -> dict[str, int]:
    """Reason -> records of one list, most frequent first; a record may have several reasons."""
    found = {one.reason: one.by_list.get(list_name, 0) for one in summary.reasons}
    return dict(
        sorted(
            ((reason, rows) for reason, rows in found.items() if rows), key=lambda pair: -pair[1]
        )
    )


def reasons_in_words(reasons: Mapping[str, int]) -> str:
    """Reasons with counts on one line: `18 VALIDATE.PHONE_NOT_VALID (phone), 2 MAP.X (email)`."""
    words = [
        f"{grouped_digits(rows)} {_with_column(reason)}"
        for reason, rows in list(reasons.items())[:_MOST_REASONS]
    ]
    left = len(reasons) - len(words)
    return ", ".join([*words, *([f"{number_of(left, 'more reason')}"] if left > 0 else [])])


def _with_column(reason: str) -> str:
    cause = Cause.parse(reason)
    return f"{cause.reason.value} ({cause.column})" if cause.column else cause.reason.value


def has_minor_unit(currency: str) -> bool:
    """Whether ISO 4217 gives its decimal places; if not, amounts are shown as written."""
    return exponents().get(currency) is not None


def currency_label(currency: str) -> str:
    """The currency code, or why there is none."""
    return {NO_CURRENCY: "no currency", NO_CODE: "no ISO 4217 code"}.get(currency, currency)


def _of_list(name: str, summary: RunSummary) -> Account:
    return _of_fates(name, name, LISTS[name], summary)


def _of_fate(title: str, list_name: str, fate: Fate, summary: RunSummary) -> Account:
    return _of_fates(title, list_name, (fate,), summary)


def _of_fates(title: str, list_name: str, fates: tuple[Fate, ...], summary: RunSummary) -> Account:
    none = BalanceKinds()
    return Account(
        title,
        list_name,
        records=sum(summary.fates[fate] for fate in fates),
        balances=sum((summary.balances.get(fate, none) for fate in fates), none),
        sums=_usable_first(sides_of(fates, summary.debits, summary.credits)),
    )


def _account(title: str, list_name: str, group: RecordGroup) -> Account:
    return Account(title, list_name, group.records, group.balances, _usable_first(group.sums))


def _without(account: Account, part: RecordGroup) -> Account:
    """An account without some of its records."""
    left = {
        currency: account.sums.get(currency, Sides()) - part.sums.get(currency, Sides())
        for currency in {**account.sums, **part.sums}
    }
    return replace(
        account,
        records=account.records - part.records,
        balances=account.balances - part.balances,
        sums=_usable_first({code: sides for code, sides in left.items() if sides != Sides()}),
    )


def _usable_first(sums: Mapping[str, Sides]) -> dict[str, Sides]:
    return dict(sorted(sums.items(), key=lambda one: (not has_minor_unit(one[0]), one[0])))
