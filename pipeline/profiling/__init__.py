"""What the columns of a file look like: how full they are, in which shapes their texts come, what they may be.

`Profile.add` counts one batch after the other. Shapes say how texts are written and nothing of what they say: every
upper-case letter as X, other letters as x, every digit as 9, everything else as it stands.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import polars as pl

from pipeline.currency import exponents
from pipeline.profiling.forms import AmountForms
from pipeline.profiling.names import field_named

GIVEN = "given."
_SHAPES_KEPT = 200  #: of each column, while counting
_LONGEST_SHAPE = 40

#: What a text may be -> the expression that says so. A text may be several of these.
_LOOKS = {
    "email": r"^[^@\s,;]+@[^@\s,;]+\.[A-Za-z]{2,}$",
    "phone": r"^(?:\+|00|0|\(0)[0-9 ().\-/]{6,20}$",
    "international phone": r"^(?:\+|00)[1-9][0-9 ().\-/]{6,20}$",
    "whole number": r"^[+-]?[0-9]+$",
    "decimal point": r"^[+-]?(?:[0-9]*\.[0-9]{1,4}|[0-9]{1,3}(?:[, '][0-9]{3})+\.[0-9]{1,4})$",
    "decimal comma": r"^[+-]?(?:[0-9]*,[0-9]{1,4}|[0-9]{1,3}(?:[. '][0-9]{3})+,[0-9]{1,4})$",
    "thousands by comma": r"^[+-]?[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]*)?$",
    "thousands by point": r"^[+-]?[0-9]{1,3}(?:\.[0-9]{3})+(?:,[0-9]*)?$",
    "thousands by space": r"^[+-]?[0-9]{1,3}(?:[ \u00a0\u202f][0-9]{3})+(?:[.,][0-9]*)?$",
    "parentheses": r"^\([0-9][0-9., ']*\)$",
    "trailing minus": r"^[0-9][0-9., ']*-$",
    "mark of debit or credit": r"(?i)^[0-9][0-9., ']*\s*(?:cr|dr)$",
    "date": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$|^[0-9]{1,2}[/.][0-9]{1,2}[/.][0-9]{2,4}$|^[0-9]{8}$",
    "identity number": r"^[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])[0-9]{4}[01][0-9]{2}$",
    "reference": r"^[A-Za-z0-9_-]{1,255}$",
    "damaged by a spreadsheet": r"^\d+(?:[.,]\d+)?[Ee]\+\d+$",
    "two letters": r"^[A-Za-z]{2}$",
    "word": r"^\p{L}[\p{L} .'\u2019-]*$",
}
#: Texts that stand for nothing in many files, in lower case.
_NOTHING = (
    "null", "(null)", "<null>", "[null]", "\\n", "\\\\n", "#n/a", "#n/d", "#nv", "#null!", "#ref!", "#value!", "#name?", "#div/0!", "n/a",
    "n.a.", "n/a.", "nan", "none", "nil", "undefined", "<na>", "(blank)", "(leer)", "(empty)", "-", "--", "---", "\u2013", "\u2014", "?", ".",
)  # fmt: skip


@dataclass(slots=True)
class Column:
    """One column as far as it was counted."""

    name: str
    filled: int = 0
    looks: Counter[str] = field(default_factory=Counter)
    shapes: Counter[str] = field(default_factory=Counter)
    repeated: int = 0  #: texts that stood in their batch before
    nothing: Counter[str] = field(default_factory=Counter)  #: texts such as NULL, exactly as they are written
    texts: Counter[str] = field(
        default_factory=Counter
    )  #: the most frequent texts, of columns that are called currencies

    @property
    def present(self) -> int:
        """How many cells say something."""
        return self.filled - self.nothing.total()

    def share(self, look: str) -> float:
        """The share of the texts that say something that may be this; 0 of an empty column."""
        return self.looks[look] / self.present if self.present else 0.0


@dataclass(slots=True)
class Profile:
    """All columns of a file, and how many records were counted."""

    sensitive_kinds: Callable[[pl.Series], pl.Series] | None = None  #: card, iban, identity or null, by check digits
    records: int = 0
    columns: dict[str, Column] = field(default_factory=dict)
    amounts: AmountForms = field(default_factory=AmountForms)

    def add(self, records: pl.DataFrame) -> None:
        """Count the records of one batch that could be read."""
        readable = records.filter(pl.col("reason").is_null())
        self.records += readable.height
        # The prefix stays: polars takes a bare name such as ^x$ for a pattern, that of a series too.
        texts = readable.select(pl.col(name).str.strip_chars() for name in records.columns if name.startswith(GIVEN))
        by_name = {series.name.removeprefix(GIVEN): series for series in texts}
        for name, series in by_name.items():
            self._count(self.columns.setdefault(name, Column(name)), series.filter(series != ""))
        self.amounts.add(by_name)

    def _count(self, column: Column, filled: pl.Series) -> None:
        column.filled += len(filled)
        if not len(filled):
            return
        column.repeated += len(filled) - filled.n_unique()
        column.nothing.update(filled.filter(filled.str.to_lowercase().is_in(_NOTHING)).to_list())
        column.looks.update(_looks(filled))
        if field_named(column.name) == "currency":
            column.texts.update(dict(_counted(filled)))
            column.texts = Counter(dict(column.texts.most_common(_SHAPES_KEPT)))
        if self.sensitive_kinds is not None:
            column.looks.update(self.sensitive_kinds(filled).drop_nulls().to_list())
        column.shapes.update(dict(_shapes(filled)))
        column.shapes = Counter(dict(column.shapes.most_common(_SHAPES_KEPT)))


def _looks(texts: pl.Series) -> dict[str, int]:
    text = pl.col("text")
    asked = {look: text.str.contains(pattern).sum() for look, pattern in _LOOKS.items()}
    codes = list(exponents())
    asked["currency"] = text.str.to_uppercase().is_in(codes).sum()
    asked["ends in 00"] = text.str.contains(r"^[+-]?[0-9]*00$").sum()
    return texts.alias("text").to_frame().select(**asked).row(0, named=True)


def _shapes(texts: pl.Series) -> Iterator[tuple[str, int]]:
    shape = (
        texts.str.head(_LONGEST_SHAPE)
        .str.replace_all(r"\p{Lu}", "X")
        .str.replace_all(r"[\p{L}--\p{Lu}]", "x")
        .str.replace_all(r"\p{Nd}", "9")
    )
    return _counted(shape)


def _counted(texts: pl.Series) -> Iterator[tuple[str, int]]:
    counted = texts.alias("text").value_counts(sort=True, name="times").head(_SHAPES_KEPT)
    return ((text, times) for text, times in counted.iter_rows())
