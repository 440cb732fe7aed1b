"""The form of amounts, whole or decimal, and the column that separates the two.

A mix of whole and decimal amounts may be cents and rand. A column of few texts, such as a flag, may
state the unit.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

import polars as pl

from pipeline.transforming.profiling.names import field_named
from pipeline.transforming.profiling.stacking import stacked

_MOST_TEXTS, _LONGEST_TEXT = 8, 12  #: of a column that separates the forms
_CLEAR = 0.9  #: of the amounts have the form of their text
_SHARE = 0.1  #: a smaller share of a form is ignored
_MONEY = ("balance", "debit", "credit")
WHOLE, DECIMAL = "whole", "decimal"


@dataclass(frozen=True, slots=True)
class Flag:
    """A column whose texts separate whole from decimal amounts."""

    column: str
    whole: tuple[str, ...]
    decimal: tuple[str, ...]
    clear: float  #: share of the amounts with the form of their text


@dataclass(slots=True)
class AmountForms:
    """Amounts by form, for each amount column and for the texts of flag columns."""

    forms: dict[str, Counter[str]] = field(
        default_factory=dict
    )  #: amount column -> form -> amounts
    by_text: dict[tuple[str, str], Counter[tuple[str, str]]] = field(default_factory=dict)
    _many: set[str] = field(default_factory=set)  #: columns with too many texts to be flags

    def add(self, texts: Mapping[str, pl.Series]) -> None:
        """Count the amounts of one batch: the trimmed texts of each column."""
        amounts = [name for name in texts if field_named(name) in _MONEY]
        for amount in amounts:
            form = pl.DataFrame({"text": texts[amount]}).select(form=amount_form(pl.col("text")))[
                "form"
            ]
            counted = Counter(form.drop_nulls().to_list())
            self.forms.setdefault(amount, Counter()).update(counted)
            others = [name for name in texts if name not in amounts and name not in self._many]
            for cells in stacked([texts[name] for name in others], form=form):
                self._count(amount, others, cells.drop_nulls())

    def _count(self, amount: str, names: Sequence[str], cells: pl.DataFrame) -> None:
        """Count the texts of columns (`at`: column position) beside amounts of a form."""
        pairs = cells.group_by("at", "text", "form", maintain_order=True).len("times")
        pairs = pairs.with_columns(of_column=pl.len().over("at"))
        is_few = pl.col("of_column") <= 2 * _MOST_TEXTS
        self._many.update(names[at] for at in pairs.filter(~is_few)["at"].unique())
        for at, text, form, times in (
            pairs.filter(is_few).select("at", "text", "form", "times").iter_rows()
        ):
            self.by_text.setdefault((amount, names[at]), Counter())[text, form] += times
        for at in pairs["at"].unique():
            texts = {text for text, _ in self.by_text.get((amount, names[at]), ())}
            if len(texts) > _MOST_TEXTS or max(map(len, texts), default=0) > _LONGEST_TEXT:
                self._many.add(names[at])

    def without(self, names: Collection[str]) -> "AmountForms":
        """A copy without these columns as flags."""
        return replace(self, _many=self._many | set(names))

    def texts_beside(self, amount: str, name: str) -> set[str] | None:
        """The texts of a column beside nonzero amounts; None if there are too many."""
        return (
            None
            if name in self._many
            else {text for text, _ in self.by_text.get((amount, name), Counter())}
        )

    def are_mixed(self, amounts: Sequence[str]) -> bool:
        """Whether both forms have a large share of these columns' amounts."""
        return are_mixed(sum((self.forms.get(name, Counter()) for name in amounts), Counter()))

    def flags(self, amounts: Sequence[str]) -> list[Flag]:
        """The columns that separate the forms, the clearest first."""
        names = dict.fromkeys(
            name for amount, name in self.by_text if amount in amounts and name not in self._many
        )
        parted = (
            (name, sum((self.by_text.get((a, name), Counter()) for a in amounts), Counter()))
            for name in names
        )
        found = [flag for name, counts in parted if (flag := flag_of(name, counts))]
        return sorted(found, key=lambda flag: (-flag.clear, len(flag.whole) + len(flag.decimal)))


def amount_form(text: pl.Expr) -> pl.Expr:
    """`whole` or `decimal`; null for zero and for ambiguous texts such as 1.234."""
    bare = text.str.replace_all(r"[^0-9.,]", "")
    is_amount = text.str.contains(r"^[^\p{L}]*\p{L}{0,4}[^\p{L}]*\p{L}{0,4}$") & bare.str.contains(
        "[1-9]"
    )
    return (
        pl.when(is_amount & bare.str.contains(r"^[0-9]+$"))
        .then(pl.lit(WHOLE))
        .when(is_amount & bare.str.contains(r"[.,][0-9]{1,2}$"))
        .then(pl.lit(DECIMAL))
    )


def are_mixed(forms: Counter[str]) -> bool:
    """Whether both forms have a large share."""
    return min(forms[WHOLE], forms[DECIMAL]) >= max(1, _SHARE * forms.total())


def flag_of(name: str, counts: Counter[tuple[str, str]]) -> Flag | None:
    """A column as a flag, if nearly each amount has the form of its text."""
    amounts = Counter[str]()
    for (text, _), times in counts.items():
        amounts[text] += times
    sides = {
        text: WHOLE if 2 * counts[text, WHOLE] > times else DECIMAL
        for text, times in sorted(amounts.items())
        if times > 1
    }
    whole, decimal = (
        tuple(text for text in sides if sides[text] == side) for side in (WHOLE, DECIMAL)
    )
    clear = sum(counts[text, side] for text, side in sides.items())
    if not (whole and decimal) or clear < _CLEAR * counts.total() or len(amounts) > _MOST_TEXTS:
        return None
    return Flag(name, whole, decimal, clear / counts.total())
