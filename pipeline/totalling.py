"""Control totals of what was read: amounts per currency, summed from the source text by a way of its own.

The conservation law compares these with the sums over fates, which come from the normalized balances through planning,
the ledger and SQL. The two ways share no code, so that a row lost or a cent changed between them shows.
"""

from collections import Counter
from dataclasses import dataclass, field

import polars as pl

from pipeline.currency import NO_CODE, NO_CURRENCY, known

_AMOUNT = r"^[ \t]*[+-]?0*[0-9]{1,18}[ \t]*$"


@dataclass(slots=True)
class ControlTotals:
    """Exact sums in minor units as Python integers, which do not wrap (polars' Int64 sum does, in silence)."""

    records: int = 0
    debits: Counter[str] = field(default_factory=Counter)  #: positive balances: customers who owe
    credits: Counter[str] = field(default_factory=Counter)  #: negative balances: customers in credit

    def add(self, records: pl.DataFrame) -> None:
        """Count the records of one batch, readable or not, and add the amounts that stand in them."""
        self.records += records.height
        if "given.balance" not in records.columns:
            return
        currency = pl.col("given.currency") if "given.currency" in records.columns else pl.lit(None, pl.String)
        amounts = (
            records.lazy()
            .filter(pl.col("given.balance").str.contains(_AMOUNT))
            .select(
                currency=currency.str.replace_all(r"^[ \t]+|[ \t]+$", ""),
                amount=pl.col("given.balance").str.replace_all(r"[ \t+]", "").cast(pl.Int128),
            )
            .group_by("currency")
            .agg(
                debits=pl.col("amount").filter(pl.col("amount") > 0).sum(),
                credits=pl.col("amount").filter(pl.col("amount") < 0).sum(),
            )
            .collect()
        )
        for code, debits, credits in amounts.iter_rows():
            name = _name(code)
            self.debits[name] += debits
            self.credits[name] += credits

    @property
    def net(self) -> dict[str, int]:
        """Debits and credits together, per currency."""
        return {code: self.debits[code] + self.credits[code] for code in sorted({*self.debits, *self.credits})}


def _name(currency: str | None) -> str:
    """What amounts beside this text are summed under."""
    if not currency:
        return NO_CURRENCY
    code = currency.upper() if currency.isascii() else currency
    return code if code in known() else NO_CODE
