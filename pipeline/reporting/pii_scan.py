"""Whether a text that is to be handed on holds what it must not: people's data, or what somebody planted to be found.

People are looked for by what the records of a run say of them: texts of four characters or more, and numbers of eight digits or more,
each compared in lower case and with nothing between its words but one space, so that neither case nor punctuation hides them; and telephone
numbers by their last nine digits, however they are written. A text can only stand where all of its words do, so the words that stand
anywhere in what is handed on sort out nearly every record first, at eight bytes a word.
"""

import html
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import polars as pl

_SHORTEST_TEXT, _SHORTEST_NUMBER = 4, 8  #: characters; digits
_LAST_DIGITS = 9  #: of a telephone number; what stands before them may be written in several ways
_MOST_TIMES = 20  #: what more records than this say is nobody's in particular: a town, a tariff
_BETWEEN = r"[^\pL\pN]+"
_WRITTEN_NUMBER = r"\+?[0-9](?:[ ().\-/\x{00A0}\x{202F}]{0,2}[0-9]){8,14}"
_ESCAPED = re.compile(
    r"\\u((?!d[89a-f])[0-9a-f]{4})", re.IGNORECASE
)  # JSON in ASCII; half of a pair is no character
_SAID = pl.Schema(dict.fromkeys(("folded", "row_id", "column"), pl.String))


@dataclass(frozen=True, slots=True)
class Leak:
    """A person's data where it must not be: in which member, and which cell of which record it is; never the text itself."""

    member: str
    row_id: str
    column: str


@dataclass(slots=True)
class Handed:
    """What stands in everything that is handed on: hashes of its words, and of the last digits of its numbers."""

    words: pl.Series
    numbers: pl.Series

    @classmethod
    def nothing(cls) -> "Handed":
        """Nothing yet."""
        return cls(pl.Series(dtype=pl.UInt64), pl.Series(dtype=pl.UInt64))

    def add(self, lines: pl.Series) -> None:
        """Take in the lines of a member, as `plain` makes them."""
        words = folded(lines).str.split(" ").explode().unique()
        self.words = pl.concat([self.words, words.hash()]).unique()
        self.numbers = pl.concat([self.numbers, _written_numbers(lines).unique().hash()]).unique()


def needles(
    records: pl.DataFrame,
    columns: Iterable[str],
    handed: Handed,
    *,
    shared: Iterable[str] = (),
    phones: Iterable[str] = (),
) -> pl.DataFrame:
    """What the records say of people, as far as all words of it stand in what is handed on: folded, row_id, column, records, is_phone.

    `shared`: columns of which the texts of many records are nobody's. `phones`: those that hold telephone numbers.
    """
    parts = [_texts(records, column, handed) for column in columns]
    parts += [_phones(records, column, handed) for column in phones]
    shared_ones = list(shared)
    said = pl.concat(
        [pl.DataFrame(schema={**_SAID, "records": pl.UInt32, "is_phone": pl.Boolean}), *parts]
    )
    return said.with_columns(is_shared=pl.col("column").is_in(shared_ones))


def together(parts: Iterable[pl.DataFrame]) -> pl.DataFrame:
    """The needles of all parts, each once, without what many records share."""
    found = pl.concat(parts)
    if found.is_empty():
        return found
    once = found.group_by("folded", "is_phone", maintain_order=True).agg(
        pl.col("row_id").first(),
        pl.col("column").first(),
        pl.col("records").sum(),
        pl.col("is_shared").all(),
    )
    return once.filter(~pl.col("is_shared") | (pl.col("records") <= _MOST_TIMES))


def find_people(
    member: str, lines: pl.Series, wanted: pl.DataFrame, our_words: str
) -> Iterator[Leak]:
    """Where lines of a member say what `wanted` (see `together`) says; `our_words`: what our pages say anyway, see `folded_text`."""
    texts, numbers = folded(lines), _written_numbers(lines)
    for one in wanted.iter_rows(named=True):
        if one["is_phone"]:
            is_here = (numbers == one["folded"]).any()
        else:
            is_here = (
                one["folded"] not in our_words
                and texts.str.contains(one["folded"], literal=True).any()
            )
        if is_here:
            yield Leak(member, one["row_id"], one["column"])


def find_canaries(member: str, lines: pl.Series, canaries: list[str]) -> Iterator[Leak]:
    """Where lines of a member hold a planted text, of whatever length and with whatever beside it."""
    for number, canary in enumerate(canaries, start=1):
        if lines.str.to_lowercase().str.contains(canary.lower(), literal=True).any():
            yield Leak(member, f"canary {number}", "")


def plain(text: str) -> pl.Series:
    """The lines of a page, a table or JSON, its escapes undone."""
    undone = (
        _ESCAPED.sub(lambda found: chr(int(found[1], 16)), html.unescape(text))
        .replace('\\"', '"')
        .replace("\\n", " ")
        .replace("\\t", " ")
        .replace("\\\\", "\\")
    )
    return pl.Series(undone.splitlines(), dtype=pl.String)


def folded(texts: pl.Series) -> pl.Series:
    """In lower case, words parted by one space, one before and one behind."""
    bare = texts.drop_nulls().str.to_lowercase().str.replace_all(_BETWEEN, " ").str.strip_chars(" ")
    return " " + bare + " "


def folded_text(text: str) -> str:
    """The same of one text."""
    return " ".join(["", *re.split(r"[\W_]+", text.lower().strip()), ""])


def _texts(records: pl.DataFrame, column: str, handed: Handed) -> pl.DataFrame:
    said = records.select("row_id", text=pl.col(column).cast(pl.String)).drop_nulls("text")
    # What is made of nothing but x and 9 is its own shape, wherever shapes are shown.
    said = said.filter(pl.col("text").str.contains(r"[\pL\pN&&[^xX9]]"))
    said = said.with_columns(folded=folded(said["text"]), column=pl.lit(column))
    length, digits = pl.col("folded").str.len_chars() - 2, pl.col("folded").str.count_matches(r"\d")
    has_letter = pl.col("folded").str.contains(r"\pL")
    said = said.filter(
        (has_letter & (length >= _SHORTEST_TEXT)) | (~has_letter & (digits >= _SHORTEST_NUMBER))
    )
    once = said.group_by("folded", maintain_order=True).agg(
        pl.col("row_id").first(),
        pl.col("column").first(),
        pl.col("row_id").n_unique().alias("records"),
    )
    words = once.select(
        "folded", word=pl.col("folded").str.strip_chars(" ").str.split(" ")
    ).explode("word")
    missing = words.filter(~words["word"].hash().is_in(handed.words.implode()))["folded"].unique()
    return once.filter(~pl.col("folded").is_in(missing.implode())).with_columns(is_phone=False)


def _phones(records: pl.DataFrame, column: str, handed: Handed) -> pl.DataFrame:
    said = records.select(
        "row_id", folded=_last_digits(pl.col(column).cast(pl.String)), column=pl.lit(column)
    )
    said = said.drop_nulls("folded").filter(pl.col("folded").str.len_chars() == _LAST_DIGITS)
    there = said.filter(said["folded"].hash().is_in(handed.numbers.implode()))
    once = there.group_by("folded", maintain_order=True).agg(
        pl.col("row_id").first(),
        pl.col("column").first(),
        pl.col("row_id").n_unique().alias("records"),
    )
    return once.with_columns(is_phone=True)


def _written_numbers(lines: pl.Series) -> pl.Series:
    """The last digits of every number that is as long as a telephone number, however it is written."""
    found = lines.drop_nulls().str.extract_all(_WRITTEN_NUMBER).explode().drop_nulls()
    return found.to_frame("text").select(_last_digits(pl.col("text"))).to_series()


def _last_digits(text: pl.Expr) -> pl.Expr:
    return text.str.replace_all(r"[^0-9]", "").str.tail(_LAST_DIGITS)
