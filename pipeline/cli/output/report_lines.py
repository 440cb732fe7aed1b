"""The lines of a report around its tables: findings, money, reasons, unsent columns."""

from typing import TYPE_CHECKING

from pipeline.cli.output.terminal import MOST_COLUMNS
from pipeline.domain.plurals import number_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pipeline.domain.run_summary import RunSummary
    from pipeline.reporting.headline import Account

_MANY = 10  #: from this many records on, the most frequent reason is explained


def stakes(summary: "RunSummary") -> "Iterator[str]":
    """The kinds of balances, and the money that did not arrive."""
    from pipeline.reporting.headline import LATER, WAITING, accounts, all_balances

    kinds = {
        "debit": "debits",
        "credit": "credits",
        "zero": "zero",
        "absent": "absent",
        "unusable": "unreadable",
    }
    counted = [
        f"{count:,} {kinds[kind].removesuffix('s') if count == 1 else kinds[kind]}"
        for kind, count in all_balances(summary)
        if count
    ]
    yield f"balances: {', '.join(counted) or 'none'}"
    stated = {"held", "rejected", "in doubt", WAITING, "given up", LATER}
    for account in accounts(summary):
        if account.title in stated and account.records:
            yield f"{account.title}: {_account(account)}"
    if unpaid := summary.not_payable:
        yield f"created without payment rules: {number_of(unpaid, 'customer')} cannot receive payments"
    for reason, count in summary.flagged.items():
        yield f"sent and flagged: {count:,} {reason}"


def why(summary: "RunSummary") -> "Iterator[str]":
    """Why records were rejected, held or left in doubt: reasons with counts."""
    from pipeline.reporting.earlier_runs import left_in_words
    from pipeline.reporting.headline import reasons_in_words, reasons_of
    from pipeline.reporting.held import differing_in_words

    for name, title in (("rejected", "rejected"), ("held", "held"), ("in_doubt", "in doubt")):
        records = summary.at_stake[name].records
        if reasons := reasons_of(summary, name):
            yield f"{title} {records:,}: {reasons_in_words(reasons)}"
            yield from _most_frequent(reasons, records)
    if differs := differing_in_words(summary.held_differs or {}):
        yield f"held records: {differs}"
    yield from left_in_words(summary)
    if others := len(summary.other_ledgers):
        ledgers = (
            "1 other ledger of this environment writes"
            if others == 1
            else f"{others} other ledgers of this environment write"
        )
        yield f"home: {ledgers} to this reports folder; check that every run uses the same --home"
    if summary.account_is_doubtful:
        yield f"account: {summary.account}"


def intentions(summary: "RunSummary") -> "Iterator[str]":
    """Samples of what a plan would do, and how long it takes."""
    from pipeline.domain.currency import major_units
    from pipeline.reporting.headline import how_long

    if not summary.is_planned:
        return
    for action, samples in summary.samples.items():
        for sample in samples:
            amount = "no balance"
            if sample.balance is not None:
                source = f"{sample.given} -> " if sample.given else ""
                major = major_units(sample.balance, sample.currency)
                amount = f"{source}{sample.balance:,} ({major} {sample.currency})"
            reason = f"  {sample.reason}" if sample.reason else ""
            yield f"{action}  {sample.row_id}  {amount}{reason}"
    yield f"{number_of(summary.estimate.creates, 'create')}, {how_long(summary.estimate)}"


def findings(summary: "RunSummary") -> "Iterator[tuple[str, str]]":
    """The kind and the text of each finding about whole files; first those that stop the plan."""
    for one in sorted(summary.findings, key=lambda one: not one.stops):
        if not one.stops:
            kind = "warning"
        else:
            kind = "accepted" if one.code in summary.accepted else "STOPS"
        yield kind, f"{one.code}: {one.what}"


def unusual_forms(summary: "RunSummary") -> "Iterator[str]":
    """A line for each input whose detected form is unusual for a CSV file."""
    from pipeline.reporting.headline import dialect_in_words

    usual = {"delimiter": ",", "encoding": "utf-8", "line_end": "LF or CRLF"}
    for file in summary.inputs:
        how = file.dialect
        detected = how.get("found", "").split()
        is_unusual = any(how.get(name) != usual.get(name) for name in detected)
        if is_unusual or "end_mark" in how or "columns_ignored" in how:
            yield f"{file.name}: {dialect_in_words(how)}"


def columns_not_sent(columns: dict[str, str | None]) -> "Iterator[str]":
    """A line for each unsent column, at most 40; those that resemble a field have priority."""
    listed = dict(sorted(columns.items(), key=lambda one: not one[1])[:MOST_COLUMNS])
    for column in [name for name in columns if name in listed]:
        near = columns[column]
        hint = f" (did you mean '{near}'?)" if near else ""
        yield f"column '{column}' is kept in the lists and not sent{hint}"
    if others := len(columns) - len(listed):
        yield f"{number_of(others, 'more column is', 'more columns are')} kept in the lists and not sent"


def _most_frequent(reasons: "Mapping[str, int]", records: int) -> "Iterator[str]":
    """The first reason and how to correct it, if it explains at least half of many records."""
    from pipeline.domain.causes import Cause
    from pipeline.domain.reason_help import EXPLANATIONS

    reason, times = next(iter(reasons.items()))
    if records >= _MANY and 2 * times >= records:
        known = Cause.parse(reason).reason
        yield f"{known.value}: {known.sentence} {EXPLANATIONS[known].remedy}"


def _account(account: "Account") -> str:
    from pipeline.domain.currency import major_units
    from pipeline.reporting.headline import currency_label, has_minor_unit

    sums = [
        f"{currency_label(code)}{'' if has_minor_unit(code) else ' (as written)'}"
        f" {major_units(sides.debits, code)} debits, {major_units(sides.credits, code)} credits"
        for code, sides in account.sums.items()
    ]
    unusable = account.balances.unusable
    unread = [number_of(unusable, "unreadable amount")] if unusable else []
    records = number_of(account.records, "record")
    return f"{records}; at stake: {'; '.join([*sums, *unread]) or 'nothing'}"
