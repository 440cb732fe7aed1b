"""Sums of balances by fate and list, debits and credits apart, and the unreadable amounts.

`add_up` reads the fates once, into a small table; the other functions query only that.
"""

from collections.abc import Mapping
from typing import Literal

import duckdb

from pipeline.domain.fates import LISTS, Fate
from pipeline.domain.summary_parts import (
    AmountAtStake,
    BalanceKinds,
    BridgeFigure,
    BridgeStep,
    Sides,
)

#: Every record has exactly one of these kinds, by its balance.
KINDS = tuple(BalanceKinds.model_fields)

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


#: The sums are exact: DuckDB adds 64-bit integers up in 128 bits.
_ADD_UP = f"""
    CREATE OR REPLACE TEMP TABLE totals AS
    SELECT currency, fate, {KIND_OF_ROW} AS kind, payable, count(*) AS records, count(balance) AS stated,
        sum(balance) FILTER (balance > 0) AS debits, sum(balance) FILTER (balance < 0) AS credits
    FROM fates
    GROUP BY ALL
"""


def add_up(workbench: duckdb.DuckDBPyConnection) -> None:
    """Make the table `totals` from `fates`: records and sums by currency, fate and kind of balance."""
    workbench.execute(_ADD_UP)


def balances(workbench: duckdb.DuckDBPyConnection) -> dict[str, BalanceKinds]:
    """Fate -> records by kind; zero is a stated balance, absent is not."""
    counted = {fate.value: dict.fromkeys(KINDS, 0) for fate in Fate}
    rows = workbench.execute(
        "SELECT fate, kind, sum(records)::BIGINT FROM totals GROUP BY ALL"
    ).fetchall()
    for fate, kind, records in rows:
        if fate is not None:  # a lost record fails the accounting checks
            counted[fate][kind] = records
    return {fate: BalanceKinds(**kinds) for fate, kinds in counted.items()}


def unreadable_amounts(balances: Mapping[str, BalanceKinds]) -> dict[str, int]:
    """Fate -> records with a possibly unreadable amount; they are in no sum."""
    return {fate: kinds.unusable for fate, kinds in sorted(balances.items()) if kinds.unusable}


def sums(workbench: duckdb.DuckDBPyConnection, side: Literal["debits", "credits"]) -> Sums:
    """Currency -> fate -> exact minor units; every fate for every currency read."""
    rows = workbench.execute(
        f"SELECT currency, fate, sum({side}) FROM totals WHERE stated > 0 GROUP BY ALL"
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
    balances: Mapping[str, BalanceKinds], debits: Sums, credits: Sums
) -> dict[str, AmountAtStake]:
    """List -> its records, the unreadable amounts, and the sums of the others."""
    return {
        name: AmountAtStake(
            records=sum(balances[fate].records for fate in LISTS[name]),
            unusable=sum(balances[fate].unusable for fate in LISTS[name]),
            sums=sides_of(LISTS[name], debits, credits),
        )
        for name in _NOT_CREATED
    }


def sides_of(fates: tuple[Fate, ...], debits: Sums, credits: Sums) -> dict[str, Sides]:
    """Sums of some fates by currency; currencies without an amount are left out."""
    sides = {
        currency: Sides(
            debits=sum(by_fate.get(fate, 0) for fate in fates),
            credits=sum(credits[currency].get(fate, 0) for fate in fates),
        )
        for currency, by_fate in debits.items()
    }
    return {currency: both for currency, both in sides.items() if both.debits or both.credits}


#: Fates whose customers are in billing, as far as this run knows.
IN_BILLING = (Fate.CREATED, Fate.CREATED_DIFFERENT, Fate.ALREADY_EXISTS_SAME)


def own_bridge(
    records: Mapping[str, Mapping[str, int]],
    ended: Mapping[str, Mapping[str, int]],
    read: Mapping[str, int],
) -> tuple[BridgeStep, ...]:
    """The bridge from the source to billing: records and minor units per currency in each step.

    `records`, `ended`: currency -> fate; `read`: currency -> minor units, summed on the input. The
    step `residual` holds what no fate explains; it exists only if an accounting check fails.
    """
    currencies = sorted({*records, *read})

    def figures(fates: tuple[Fate, ...], sign: int) -> dict[str, BridgeFigure]:
        found = {
            currency: BridgeFigure(
                records=sign * sum(records.get(currency, {}).get(fate, 0) for fate in fates),
                sum=sign * sum(ended.get(currency, {}).get(fate, 0) for fate in fates),
            )
            for currency in currencies
        }
        return {code: figure for code, figure in found.items() if figure.records or figure.sum}

    whole = {
        currency: BridgeFigure(
            records=sum(records.get(currency, {}).values()), sum=read.get(currency, 0)
        )
        for currency in currencies
    }
    steps = [_step("read", "read from the source", whole, is_total=True)]
    steps += [
        _step(fate.value, fate.sentence, taken)
        for fate in Fate
        if fate not in IN_BILLING and (taken := figures((fate,), -1))
    ]
    lost = {
        currency: BridgeFigure(records=0, sum=difference)
        for currency in currencies
        if (difference := sum(ended.get(currency, {}).values()) - read.get(currency, 0))
    }
    steps += [_step("residual", "explained by no fate", lost)] if lost else []
    steps += [_step("expected", "expected in billing", figures(IN_BILLING, 1), is_total=True)]
    return tuple(steps)


def _step(
    name: str, sentence: str, figures: dict[str, BridgeFigure], *, is_total: bool = False
) -> BridgeStep:
    records = sum(figure.records or 0 for figure in figures.values())
    return BridgeStep(
        step=name, sentence=sentence, is_total=is_total, records=records, figures=figures
    )
