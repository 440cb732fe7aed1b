"""The first figures of a report, for page and terminal: records and money by list."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.domain.causes import Cause
from pipeline.domain.currency import NO_CODE, NO_CURRENCY, exponents, grouped_digits
from pipeline.domain.fates import LISTS, Fate
from pipeline.reporting.money import KINDS, Sides, sides_of
from pipeline.reporting.summary import deferred


@dataclass(frozen=True, slots=True)
class Account:
    """One group of records, its counts and its sums."""

    title: str
    list_name: str
    balances: dict[str, int]  #: kind -> records
    sums: list[tuple[str, int, int]]  #: currency, debits, credits; usable currencies first

    @property
    def records(self) -> int:
        """All of its records."""
        return sum(self.balances.values())


#: An earlier request for their reference is in doubt, so this run never sent their amounts.
WAITING = "waiting, never sent"


def accounts(content: Mapping[str, Any]) -> list[Account]:
    """All records read in groups; created, held and rejected always, others if not empty."""
    wanted, is_planned = content["by_action"], content["status"] == "planned"
    later = _account("left for a later wave", "unprocessed", wanted["defer"])
    first = (
        _account("would be created", "unprocessed", wanted["create"])
        if is_planned
        else _of_list("created", "created", content)
    )
    always = [first, _of_list("held", "held", content), _of_list("rejected", "rejected", content)]
    rest = [
        _without(_of_fates("in doubt", "in_doubt", (Fate.IN_DOUBT,), content), content["waiting"]),
        _account(WAITING, "in_doubt", content["waiting"]),
        _of_fates("given up", "in_doubt", (Fate.GIVEN_UP,), content),
        later,
        _of_list("skipped", "skipped", content),
    ]
    if not is_planned:
        rest.insert(1, _without(_of_list("not attempted", "unprocessed", content), wanted["defer"]))
    return [*always, *(account for account in rest if account.records)]


def all_balances(content: Mapping[str, Any]) -> dict[str, int]:
    """Kind -> records read."""
    return {kind: sum(by_kind[kind] for by_kind in content["balances"].values()) for kind in KINDS}


def not_attempted(content: Mapping[str, Any]) -> int:
    """Planned records that this run did not send; records of a later wave do not count."""
    return int(content["fates"]["not_attempted"]) - deferred(content)


#: How long billing keeps the first answer to a key.
KEY_LIFE_SECONDS = 24 * 3600


def how_long(estimate: Mapping[str, Any]) -> str:
    """How long the creates take: `at 20 a second about 56 s`."""
    if estimate["seconds"] is None:
        return "as fast as billing answers"
    at_rate = f"at {estimate['per_second']:g} a second about {duration(estimate['seconds'])}"
    if estimate["seconds"] < KEY_LIFE_SECONDS:
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


def written(how: Mapping[str, str]) -> str:
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
            return f" ({records:,} records are not)"


def sentence_of(code: str) -> str:
    """The sentence of a reason code, with or without a column."""
    return Cause.parse(code).reason.sentence


_MOST_REASONS = 6  #: of a list, on one line


def reasons_of(content: Mapping[str, Any], name: str) -> dict[str, int]:
    """Reason -> records of one list, most frequent first; a record may have several reasons."""
    found = {one["reason"]: one.get("by_list", {}).get(name, 0) for one in content["reasons"]}
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
    return ", ".join([*words, *([f"{left} more reason{'s' * (left > 1)}"] if left > 0 else [])])


def _with_column(reason: str) -> str:
    cause = Cause.parse(reason)
    return f"{cause.reason.value} ({cause.column})" if cause.column else cause.reason.value


def has_minor_unit(currency: str) -> bool:
    """Whether ISO 4217 gives its decimal places; if not, amounts are shown as written."""
    return exponents().get(currency) is not None


def currency_label(currency: str) -> str:
    """The currency code, or why there is none."""
    return {NO_CURRENCY: "no currency", NO_CODE: "no ISO 4217 code"}.get(currency, currency)


def _of_list(title: str, name: str, content: Mapping[str, Any]) -> Account:
    return _of_fates(title, name, LISTS[name], content)


def _of_fates(
    title: str, name: str, fates: tuple[Fate, ...], content: Mapping[str, Any]
) -> Account:
    balances = {kind: sum(content["balances"][fate][kind] for fate in fates) for kind in KINDS}
    return Account(
        title, name, balances, _lines(sides_of(fates, content["debits"], content["credits"]))
    )


def _account(title: str, name: str, wanted: Mapping[str, Any]) -> Account:
    return Account(title, name, dict(wanted["balances"]), _lines(wanted["sums"]))


def _without(account: Account, part: Mapping[str, Any]) -> Account:
    """An account without the records of one action in the same list."""
    sums = {
        currency: {"debits": debits, "credits": credits}
        for currency, debits, credits in account.sums
    }
    for currency, taken in part["sums"].items():
        whole = sums.get(currency, {})
        sums[currency] = {side: whole.get(side, 0) - amount for side, amount in taken.items()}
    balances = {
        kind: records - part["balances"][kind] for kind, records in account.balances.items()
    }
    return Account(
        account.title,
        account.list_name,
        balances,
        _lines({currency: sides for currency, sides in sums.items() if any(sides.values())}),
    )


def _lines(sums: Sides) -> list[tuple[str, int, int]]:
    lines = [(currency, sides["debits"], sides["credits"]) for currency, sides in sums.items()]
    return sorted(lines, key=lambda line: (not has_minor_unit(line[0]), line[0]))
