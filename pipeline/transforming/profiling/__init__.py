"""Profile the columns of a file: how full they are, the shapes of their texts, their probable kind.

`Profile.add` counts batch after batch. A shape hides the content of a text: X for an upper-case
letter, x for other letters, 9 for a digit; everything else stays.
"""

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace

import polars as pl

from pipeline.domain.currency import exponents
from pipeline.transforming.profiling.forms import AmountForms
from pipeline.transforming.profiling.names import field_named
from pipeline.transforming.profiling.stacking import stacked

GIVEN = "given."
_SHAPES_KEPT = 200  #: of each column, while counting
_LONGEST_SHAPE = 40

_POINT = r"(?:[0-9]*\.[0-9]{1,4}|[0-9]{1,3}(?:[, '\u00a0\u202f][0-9]{3})+\.[0-9]{1,4})"
_COMMA = r"(?:[0-9]*,[0-9]{1,4}|[0-9]{1,3}(?:[. '\u00a0\u202f][0-9]{3})+,[0-9]{1,4})"
_SIGN = r"\s?[(+\-\u2212]?\s?"
_WORD = r"(?:[A-Za-z]{1,4}|[A-Za-z]{0,3}\p{Sc})"


def _beside_a_word(number: str) -> str:
    """A pattern: an amount with a currency sign or debit/credit mark before or after it."""
    return rf"^{_SIGN}{_WORD}{_SIGN}{number}[)\-]?(?:\s?{_WORD})?\)?$|^{_SIGN}{number}[)\-]?\s?{_WORD}\)?$"


#: Kind -> pattern of such texts. A text may have several kinds.
_PATTERNS = {
    "email": r"^[^@\s,;]+@[^@\s,;]+\.[A-Za-z]{2,}$",
    "phone": r"^(?:\+|00|0|\(0)[0-9 ().\-/]{6,20}$",
    "international phone": r"^(?:\+|00)[1-9][0-9 ().\-/]{6,20}$",
    "whole number": r"^[+-]?[0-9]+$",
    "decimal point": r"^[+-]?(?:[0-9]*\.[0-9]{1,4}|[0-9]{1,3}(?:[, '][0-9]{3})+\.[0-9]{1,4})$",
    "decimal comma": r"^[+-]?(?:[0-9]*,[0-9]{1,4}|[0-9]{1,3}(?:[. '][0-9]{3})+,[0-9]{1,4})$",
    "decimal point beside a word": _beside_a_word(_POINT),
    "decimal comma beside a word": _beside_a_word(_COMMA),
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
_LOOKS = (*_PATTERNS, "currency", "ends in 00")
#: Texts that often mean an empty cell, in lower case.
_NOTHING = (
    "null", "(null)", "<null>", "[null]", "\\n", "\\\\n", "#n/a", "#n/d", "#nv", "#null!", "#ref!", "#value!", "#name?", "#div/0!", "n/a",
    "n.a.", "n/a.", "nan", "none", "nil", "undefined", "<na>", "(blank)", "(leer)", "(empty)", "-", "--", "---", "\u2013", "\u2014", "?", ".",
)  # fmt: skip


@dataclass(slots=True)
class Column:
    """The counts of one column."""

    name: str
    filled: int = 0
    looks: Counter[str] = field(default_factory=Counter)
    shapes: Counter[str] = field(default_factory=Counter)
    repeated: int = 0  #: texts that repeat an earlier one of their batch, without NULL and the like
    nothing: Counter[str] = field(default_factory=Counter)  #: texts such as NULL, as written
    texts: Counter[str] = field(
        default_factory=Counter
    )  #: the most frequent texts of currency columns

    @property
    def present(self) -> int:
        """How many cells have a value."""
        return self.filled - self.nothing.total()

    @property
    def numeric_share(self) -> float:
        """The share of texts with more digits than letters, from the kept shapes."""
        of_numbers = (
            times
            for shape, times in self.shapes.items()
            if shape.count("9") > sum(map(str.isalpha, shape))
        )
        return sum(of_numbers) / self.present if self.present else 0.0

    def share(self, look: str) -> float:
        """The share of texts of this kind; 0 for an empty column."""
        return self.looks[look] / self.present if self.present else 0.0


@dataclass(slots=True)
class Profile:
    """The columns of a file and the number of records."""

    sensitive_kinds: Callable[[pl.Series], pl.Series] | None = (
        None  #: card, iban, identity or null, by check digits
    )
    records: int = 0
    columns: dict[str, Column] = field(default_factory=dict)
    amounts: AmountForms = field(default_factory=AmountForms)

    def add(self, records: pl.DataFrame) -> None:
        """Count the readable records of one batch."""
        readable = records.filter(pl.col("reason").is_null())
        self.records += readable.height
        # Keep the prefix: polars reads a bare name such as ^x$ as a pattern, also for a series.
        texts = readable.select(
            pl.col(name).str.strip_chars() for name in records.columns if name.startswith(GIVEN)
        )
        by_name = {series.name.removeprefix(GIVEN): series for series in texts}
        columns = [self.columns.setdefault(name, Column(name)) for name in by_name]
        for cells in stacked(list(by_name.values())):
            filled = cells.filter(pl.col("text") != "")
            self._count(columns, filled.group_by("at", "text", maintain_order=True).len("times"))
        self.amounts.add(by_name)

    def without(self, names: Collection[str]) -> "Profile":
        """The profile without these columns."""
        columns = {name: column for name, column in self.columns.items() if name not in names}
        return replace(self, columns=columns, amounts=self.amounts.without(names))

    def _count(self, columns: Sequence[Column], texts: pl.DataFrame) -> None:
        """Count distinct texts: `at` (the place of their column), `text`, `times`."""
        nothing = texts.filter(pl.col("text").str.to_lowercase().is_in(_NOTHING))
        for at, text, times in nothing.iter_rows():
            columns[at].nothing[text] += times
        for at, filled, repeated, *looks in _looks(texts).iter_rows():
            columns[at].filled += filled
            columns[at].repeated += repeated
            columns[at].looks.update(dict(zip(_LOOKS, looks, strict=True)))
        if self.sensitive_kinds is not None:
            kinds = texts.with_columns(kind=self.sensitive_kinds(texts["text"])).drop_nulls("kind")
            for at, kind, times in _sums(kinds, "kind").iter_rows():
                columns[at].looks[kind] += times
        for at, shape, times in _shapes(texts).iter_rows():
            columns[at].shapes[shape] += times
        coded = [at for at, column in enumerate(columns) if field_named(column.name) == "currency"]
        for at, text, times in _most_frequent(
            texts.filter(pl.col("at").is_in(coded)), "text"
        ).iter_rows():
            columns[at].texts[text] += times
        for column in columns:
            column.texts = Counter(dict(column.texts.most_common(_SHAPES_KEPT)))
            column.shapes = Counter(dict(column.shapes.most_common(_SHAPES_KEPT)))


def _looks(texts: pl.DataFrame) -> pl.DataFrame:
    """By column: texts, repeats (without NULL and the like), and texts of each kind of `_LOOKS`."""
    is_look = {look: pl.col("text").str.contains(pattern) for look, pattern in _PATTERNS.items()}
    is_look["currency"] = pl.col("text").str.to_uppercase().is_in(list(exponents()))
    says_something = ~pl.col("text").str.to_lowercase().is_in(_NOTHING)
    is_look["ends in 00"] = pl.col("text").str.contains(r"^[+-]?[0-9]*00$")
    counted = texts.select(
        "at",
        filled=pl.col("times"),
        repeated=(pl.col("times") - 1) * says_something,
        **{look: pl.col("times") * is_look[look] for look in _LOOKS},
    )
    return counted.group_by("at", maintain_order=True).sum()


def _shapes(texts: pl.DataFrame) -> pl.DataFrame:
    """The most frequent shapes of each column with their counts."""
    shape = (
        pl.col("text").str.head(_LONGEST_SHAPE)
        .str.replace_all(r"\p{Lu}", "X")
        .str.replace_all(r"[\p{L}--\p{Lu}]", "x")
        .str.replace_all(r"\p{Nd}", "9")
    )  # fmt: skip
    return _most_frequent(texts.with_columns(shape=shape), "shape")


def _most_frequent(texts: pl.DataFrame, what: str) -> pl.DataFrame:
    counted = _sums(texts, what).sort("times", descending=True, maintain_order=True)
    return counted.group_by("at", maintain_order=True).head(_SHAPES_KEPT)


def _sums(texts: pl.DataFrame, what: str) -> pl.DataFrame:
    return texts.group_by("at", what, maintain_order=True).agg(pl.col("times").sum())
