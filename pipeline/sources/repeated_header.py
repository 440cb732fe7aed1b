"""Find records that repeat the header, in any case, quotes and outer spaces."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

from pipeline.domain.characters import INVISIBLE_CLASS
from pipeline.sources.dialect import Dialect

_CASE_FOLDS = {"\u00df": "ss", "\u03c2": "\u03c3"}  #: sharp s, final sigma: beyond lower case


@dataclass(frozen=True, slots=True)
class HeaderText:
    """The original text of a header; without a text no record repeats it.

    `given`: position (from 0) -> the name of an unnamed column, which a record may repeat too.
    """

    text: str
    names: Sequence[str]
    dialect: Dialect
    given: Mapping[int, str] = field(default_factory=dict)

    def is_repeated_in(self, raw: pl.Expr) -> pl.Expr:
        """Whether records repeat it; only those with its longest word are compared."""
        if not self.text:
            return pl.lit(value=False)
        squeezed = str(pl.select(self._squeezed(pl.lit(self.text))).item())
        marks = re.escape(self.dialect.delimiter + self.dialect.quote)
        words = re.findall(r"[!-~]+", re.sub(f"[{marks}]", " ", self.text))
        if not words or not squeezed.isascii():
            return self._is_it(self._squeezed(raw), squeezed)
        may_be = raw.str.contains_any([max(words, key=len)], ascii_case_insensitive=True)
        return self._is_it(self._squeezed(pl.when(may_be).then(raw)), squeezed).fill_null(
            value=False
        )

    def _is_it(self, record: pl.Expr, squeezed: str) -> pl.Expr:
        """Whether a record is the header, after squeezing both."""
        if not self.given:
            return record == squeezed
        fields = [
            re.escape(name) for name in self._squeezed_series(pl.Series(list(self.names))).to_list()
        ]
        for at, name in self.given.items():
            fields[at] = f"(?:{re.escape(name)})?"
        return record.str.contains(f"^{re.escape(self.dialect.delimiter).join(fields)}$")

    def may_be_in(self, cells: pl.DataFrame) -> bool:
        """Whether a row may repeat it; the length of one cell excludes most."""
        if not self.text:
            return False
        names = self._squeezed_series(pl.Series(list(self.names))).to_list()
        longest_first = sorted(range(len(names)), key=lambda at: -len(names[at]))
        rows = pl.int_range(cells.height, eager=True)
        for at in longest_first:
            if names[at].isascii():
                rows = rows.filter(
                    cells.to_series(at).gather(rows).str.len_bytes() >= len(names[at])
                )
            if not len(rows):
                return False
        for at in longest_first:
            rows = rows.filter(
                self._squeezed_series(cells.to_series(at).gather(rows)).is_in(
                    [names[at], self.given.get(at, names[at])]
                )
            )
            if not len(rows):
                return False
        return True

    def _squeezed_series(self, texts: pl.Series) -> pl.Series:
        return texts.to_frame("text").select(self._squeezed(pl.col("text")))["text"]

    def _squeezed(self, text: pl.Expr) -> pl.Expr:
        """Text without case, quotes, spaces and invisible characters."""
        kept = "&&[^\t]" if self.dialect.delimiter == "\t" else ""
        bare = text.str.replace_all(
            f"[{re.escape(self.dialect.quote)}{INVISIBLE_CLASS}{kept}]", ""
        ).str.to_lowercase()
        return bare.str.replace_many(_CASE_FOLDS)
