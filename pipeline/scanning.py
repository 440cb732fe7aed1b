"""Whether a text that is to be handed on holds what it must not: people's data, or what somebody planted to be found.

People are looked for by what the records of a run say of them: texts of some length, so that a word of everyday language is
no finding, and numbers as long as a telephone number. Every text is compared without regard to case, and counts where nothing
like a letter or a digit stands beside it. So a text can only stand in a line that holds every word of it whole, and each is
looked for by the one of its words that fewest others have: millions of texts in millions of lines take seconds.
"""

import html
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import polars as pl

_SHORTEST_TEXT, _SHORTEST_NUMBER = 6, 9  #: characters; digits
_MOST_TIMES = 20  #: what more records than this say is nobody's in particular: a town, a tariff
_BESIDE = r"[^\W_]"
_LINES_AT_ONCE = 50_000
_WORD = r"[\pL\pN]+"
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
    """The needles of all parts together, each with the rarest of its words: text, row_id, column, folded, word."""
    together = pl.concat(parts).group_by("folded", maintain_order=True).agg(*_FIRST, pl.col("records").sum())
    few = together.filter(pl.col("records") <= _MOST_TIMES).drop("records")
    words = few.select("folded", word=pl.col("folded").str.extract_all(_WORD)).explode("word", empty_as_null=True)
    rarest = (
        words.with_columns(times=pl.len().over("word"))
        .sort("times", pl.col("word").str.len_chars(), descending=[False, True], maintain_order=True)
        .unique("folded", keep="first", maintain_order=True)
    )
    return few.join(rarest.select("folded", "word"), on="folded", how="left", maintain_order="left")


def find_people(member: str, lines: pl.Series, wanted: pl.DataFrame, our_words: str) -> Iterator[Leak]:
    """Where lines of a member say what `wanted` (see `distinct`) says; `our_words` are texts that our own pages say anyway."""
    said = lines.drop_nulls().str.to_lowercase().unique(maintain_order=True)
    for start in range(0, len(said), _LINES_AT_ONCE):
        yield from _in_some(member, said.slice(start, _LINES_AT_ONCE), wanted, our_words)


def _in_some(member: str, lines: pl.Series, wanted: pl.DataFrame, our_words: str) -> Iterator[Leak]:
    table = pl.DataFrame({"line": lines}).with_row_index()
    words = table.lazy().select("index", word=pl.col("line").str.extract_all(_WORD)).explode("word", empty_as_null=True)
    pairs = (
        words.join(wanted.lazy(), on="word", how="inner")
        .unique(["index", "folded"])
        .join(table.lazy(), on="index")
        .filter(pl.col("line").str.contains(pl.col("folded"), literal=True))
        .sort("folded", "index")
        .collect()
    )
    for (folded,), lines_with_it in pairs.group_by("folded", maintain_order=True):
        if _stands_alone(str(folded), our_words):
            continue
        if any(_stands_alone(str(folded), line) for line in lines_with_it["line"]):
            yield Leak(member, lines_with_it["row_id"][0], lines_with_it["column"][0])


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
