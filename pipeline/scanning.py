"""Whether a text that is to be handed on holds what it must not: people's data, or what somebody planted to be found.

People are looked for by what the records of a run say of them: texts of some length, so that a word of everyday language is
no finding, and numbers as long as a telephone number. Every text is compared without regard to case, and counts where nothing
like a letter or a digit stands beside it.
"""

import html
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import polars as pl

_SHORTEST_TEXT, _SHORTEST_NUMBER = 6, 9  #: characters; digits
_MOST_TIMES = 20  #: what more records than this say is nobody's in particular: a town, a tariff
_NEEDLES_AT_ONCE = 200_000
_BESIDE = r"[^\W_]"
_SAID = pl.Schema(dict.fromkeys(("text", "row_id", "column"), pl.String))
_FOLDED = pl.col("text").str.to_lowercase().alias("folded")
_FIRST = [pl.col(name).first() for name in _SAID.names()]


@dataclass(frozen=True, slots=True)
class Leak:
    """A person's data where it must not be: in which member, and which cell of which record it is; never the text itself."""

    member: str
    row_id: str
    column: str


def needles(records: pl.DataFrame, columns: Iterable[str]) -> pl.DataFrame:
    """What is looked for: each text of some columns of records (with row_id) once, with how many records say it."""
    parts = [
        records.select(pl.col(column).cast(pl.String).str.strip_chars().alias("text"), "row_id", column=pl.lit(column))
        for column in columns
    ]
    long_enough = (pl.col("text").str.len_chars() >= _SHORTEST_TEXT) & pl.col("text").str.contains(r"\pL")
    digits = pl.col("text").str.count_matches(r"\d")
    said = pl.concat([pl.DataFrame(schema=_SAID), *parts]).filter(long_enough | (digits >= _SHORTEST_NUMBER))
    return said.group_by(_FOLDED, maintain_order=True).agg(*_FIRST, records=pl.col("row_id").n_unique())


def distinct(parts: Iterable[pl.DataFrame]) -> pl.DataFrame:
    """The needles of all parts together: text, row_id, column; none that many records say."""
    together = pl.concat(parts).group_by("folded", maintain_order=True).agg(*_FIRST, pl.col("records").sum())
    return together.filter(pl.col("records") <= _MOST_TIMES).select(_SAID.names())


def find_people(member: str, lines: pl.Series, wanted: pl.DataFrame, our_words: str) -> Iterator[Leak]:
    """Where lines of a member say what `wanted` (see `distinct`) says; `our_words` are texts that our own pages say anyway."""
    lines = lines.drop_nulls()
    for start in range(0, wanted.height, _NEEDLES_AT_ONCE):
        some = wanted.slice(start, _NEEDLES_AT_ONCE)
        patterns = some["text"].to_list()
        suspect = lines.filter(lines.str.contains_any(patterns, ascii_case_insensitive=True))
        if suspect.is_empty():
            continue
        hits = suspect.str.extract_many(patterns, ascii_case_insensitive=True, overlapping=True)
        said = {
            text
            for text in hits.explode(empty_as_null=True).unique().drop_nulls()
            if not _stands_alone(text, our_words)
        }
        folded = {text.lower() for text in said if any(_stands_alone(text, line) for line in suspect)}
        for text, row_id, column in some.iter_rows():
            if text.lower() in folded:
                yield Leak(member, row_id, column)


def find_canaries(member: str, lines: pl.Series, canaries: list[str]) -> Iterator[Leak]:
    """Where lines of a member hold a planted text, of whatever length and with whatever beside it."""
    for number, canary in enumerate(canaries, start=1):
        if lines.str.to_lowercase().str.contains(canary.lower(), literal=True).any():
            yield Leak(member, f"canary {number}", "")


def plain(text: str) -> pl.Series:
    """The lines of a page, a table or JSON, its escapes undone."""
    undone = html.unescape(text).replace('\\"', '"').replace("\\\\", "\\")
    return pl.Series(undone.splitlines(), dtype=pl.String)


def _stands_alone(text: str, line: str) -> bool:
    return re.search(f"(?<!{_BESIDE}){re.escape(text)}(?!{_BESIDE})", line, re.IGNORECASE) is not None
