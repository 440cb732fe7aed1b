"""Sums of balances by fate and list, debits and credits apart, and the unreadable amounts."""

from collections.abc import Mapping
from typing import Any

import duckdb

from pipeline.domain.fates import LISTS, Fate

#: Every record has exactly one of these kinds, by its balance.
KINDS = ("debit", "credit", "zero", "absent", "unusable")

#: The kind of a row of the table `fates`. The content of an unreadable record is unknown, so its
#: balance is not absent.
KIND_OF_ROW = """
    CASE
        WHEN fates.balance > 0 THEN 'debit'
        WHEN fates.balance < 0 THEN 'credit'
        WHEN fates.balance = 0 THEN 'zero'
        WHEN fates.balance_kind IS NOT NULL OR fates.fate = 'unreadable' THEN 'unusable'
        ELSE 'absent'
    END
"""

#: Lists whose records are not in billing, or may not be.
_NOT_CREATED = ("rejected", "held", "in_doubt", "unprocessed")

Sums = dict[str, dict[str, int]]  #: currency -> fate -> minor units
Sides = dict[str, dict[str, int]]  #: currency -> "debits", "credits" -> minor units


def balances(workbench: duckdb.DuckDBPyConnection) -> dict[str, dict[str, int]]:
    """Fate -> kind -> records; zero is a stated balance, absent is not."""
    counted = {fate.value: dict.fromkeys(KINDS, 0) for fate in Fate}
    rows = workbench.execute(
        f"SELECT fate, {KIND_OF_ROW} AS kind, count(*) FROM fates GROUP BY ALL"
    ).fetchall()
    for fate, kind, records in rows:
        if fate is not None:  # a lost record fails the accounting checks
            counted[fate][kind] = records
    return counted


def unreadable_amounts(balances: Mapping[str, Mapping[str, int]]) -> dict[str, int]:
    """Fate -> records with a possibly unreadable amount; they are in no sum."""
    return {
        fate: kinds["unusable"] for fate, kinds in sorted(balances.items()) if kinds["unusable"]
    }


def sums(workbench: duckdb.DuckDBPyConnection, which: str) -> Sums:
    """Currency -> fate -> exact minor units (128-bit sums); every fate for every currency read."""
    rows = workbench.execute(
        f"SELECT currency, fate, sum(balance) FILTER ({which}) FROM fates"
        " WHERE balance IS NOT NULL GROUP BY ALL"
    ).fetchall()
    found = {
        currency: dict.fromkeys((fate.value for fate in Fate), 0)
        for currency in sorted({row[0] for row in rows})
    }
    for currency, fate, total in rows:
        if fate is not None:
            found[currency][fate] = int(total or 0)
    return found


def net(debits: Sums, credits: Sums) -> Sums:
    """Debits and credits together."""
    return {
        currency: {fate: amount + credits[currency][fate] for fate, amount in by_fate.items()}
        for currency, by_fate in debits.items()
    }


def at_stake(
    balances: Mapping[str, Mapping[str, int]], debits: Sums, credits: Sums
) -> dict[str, dict[str, Any]]:
    """List -> its records, the unreadable amounts, and the sums of the others."""
    return {
        name: {
            "records": sum(sum(balances[fate].values()) for fate in LISTS[name]),
            "unusable": sum(balances[fate]["unusable"] for fate in LISTS[name]),
            "sums": sides_of(LISTS[name], debits, credits),
        }
        for name in _NOT_CREATED
    }


def sides_of(fates: tuple[Fate, ...], debits: Sums, credits: Sums) -> Sides:
    """Sums of some fates by currency; currencies without an amount are left out."""
    sides = {
        currency: {
            "debits": sum(by_fate.get(fate, 0) for fate in fates),
            "credits": sum(credits[currency].get(fate, 0) for fate in fates),
        }
        for currency, by_fate in debits.items()
    }
    return {currency: both for currency, both in sides.items() if any(both.values())}


#: Fates whose customers are in billing, as far as this run knows.
IN_BILLING = (Fate.CREATED, Fate.CREATED_DIFFERENT, Fate.ALREADY_EXISTS_SAME)


def own_bridge(
    records: Mapping[str, Mapping[str, int]],
    ended: Mapping[str, Mapping[str, int]],
    read: Mapping[str, int],
) -> list[dict[str, Any]]:
    """The bridge from the source to billing: records and minor units per currency in each step.

    `records`, `ended`: currency -> fate; `read`: currency -> minor units, summed on the input. The
    step `residual` holds what no fate explains; it exists only if an accounting check fails.
    """
    currencies = sorted({*records, *read})

    def figures(fates: tuple[Fate, ...], sign: int) -> dict[str, dict[str, int]]:
        found = {
            currency: {
                "records": sign * sum(records.get(currency, {}).get(fate, 0) for fate in fates),
                "sum": sign * sum(ended.get(currency, {}).get(fate, 0) for fate in fates),
            }
            for currency in currencies
        }
        return {currency: both for currency, both in found.items() if any(both.values())}

    whole = {
        currency: {"records": sum(records.get(currency, {}).values()), "sum": read.get(currency, 0)}
        for currency in currencies
    }
    steps = [_step("read", "read from the source", whole, is_total=True)]
    steps += [
        _step(fate.value, fate.sentence, taken)
        for fate in Fate
        if fate not in IN_BILLING and (taken := figures((fate,), -1))
    ]
    lost = {
        currency: {
            "records": 0,
            "sum": sum(ended.get(currency, {}).values()) - read.get(currency, 0),
        }
        for currency in currencies
        if sum(ended.get(currency, {}).values()) != read.get(currency, 0)
    }
    steps += [_step("residual", "explained by no fate", lost)] if lost else []
    return [*steps, _step("expected", "expected in billing", figures(IN_BILLING, 1), is_total=True)]


def _step(
    name: str, sentence: str, figures: dict[str, dict[str, int]], *, is_total: bool = False
) -> dict[str, Any]:
    records = sum(both["records"] for both in figures.values())
    return {
        "step": name,
        "sentence": sentence,
        "is_total": is_total,
        "records": records,
        "figures": figures,
    }
