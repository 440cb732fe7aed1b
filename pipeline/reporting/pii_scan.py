"""Search for personal data, or planted canary texts, in files that are about to be shared.

The values come from the records of a run: texts of at least four characters and numbers of at least
eight digits. Both sides are compared in lower case with single spaces between words, so that case
and punctuation hide nothing. Telephone numbers are compared by their last nine digits. A text can
only occur if all of its words do, so a set of word hashes (8 bytes each) excludes most records
early.
"""

import html
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import polars as pl

_SHORTEST_TEXT, _SHORTEST_NUMBER = 4, 8  #: characters; digits
_LAST_DIGITS = 9  #: of a telephone number; its prefix has several spellings
_MOST_TIMES = 20  #: a text in more records is not personal: a town, a tariff
_BETWEEN = r"[^\pL\pN]+"
_WRITTEN_NUMBER = r"\+?[0-9](?:[ ().\-/\x{00A0}\x{202F}]{0,2}[0-9]){8,14}"
# A JSON escape; half of a surrogate pair is not a character.
_ESCAPED = re.compile(r"\\u((?!d[89a-f])[0-9a-f]{4})", re.IGNORECASE)
_TEXTS = pl.Schema(dict.fromkeys(("folded", "row_id", "column"), pl.String))


@dataclass(frozen=True, slots=True)
class Leak:
    """Where personal data leaked: the member, the row and the column; never the text itself."""

    member: str
    row_id: str
    column: str


@dataclass(slots=True)
class SharedWords:
    """Hashes of all words in the shared files, and of the last digits of their numbers."""

    words: pl.Series
    numbers: pl.Series

    @classmethod
    def nothing(cls) -> "SharedWords":
        """An empty set."""
        return cls(pl.Series(dtype=pl.UInt64), pl.Series(dtype=pl.UInt64))

    def add(self, lines: pl.Series) -> None:
        """Add the lines of a member; see `plain`."""
        words = folded(lines).str.split(" ").explode().unique()
        self.words = pl.concat([self.words, words.hash()]).unique()
        self.numbers = pl.concat([self.numbers, _written_numbers(lines).unique().hash()]).unique()


def needles(
    records: pl.DataFrame,
    columns: Iterable[str],
    present: SharedWords,
    *,
    shared: Iterable[str] = (),
    phones: Iterable[str] = (),
) -> pl.DataFrame:
    """The personal texts whose words all occur in the shared files.

    Columns: folded, row_id, column, records, is_phone. `shared`: columns in which a text of many
    records is not personal. `phones`: columns with telephone numbers.
    """
    parts = [_texts(records, column, present) for column in columns]
    parts += [_phones(records, column, present) for column in phones]
    shared_ones = list(shared)
    texts = pl.concat(
        [pl.DataFrame(schema={**_TEXTS, "records": pl.UInt32, "is_phone": pl.Boolean}), *parts]
    )
    return texts.with_columns(is_shared=pl.col("column").is_in(shared_ones))


def together(parts: Iterable[pl.DataFrame]) -> pl.DataFrame:
    """The needles of all parts, each once, without texts that many records share."""
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
    """Leaks in the lines of a member.

    `wanted`: see `together`. `our_words`: the text that our pages always contain, see
    `folded_text`.
    """
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
    """Where the lines of a member contain a canary text, of any length and in any context."""
    for number, canary in enumerate(canaries, start=1):
        if lines.str.to_lowercase().str.contains(canary.lower(), literal=True).any():
            yield Leak(member, f"canary {number}", "")


def plain(text: str) -> pl.Series:
    """The lines of a page, a table or JSON, unescaped."""
    undone = (
        _ESCAPED.sub(lambda found: chr(int(found[1], 16)), html.unescape(text))
        .replace('\\"', '"')
        .replace("\\n", " ")
        .replace("\\t", " ")
        .replace("\\\\", "\\")
    )
    return pl.Series(undone.splitlines(), dtype=pl.String)


def folded(texts: pl.Series) -> pl.Series:
    """Lower-case words with one space between, before and after them."""
    bare = texts.drop_nulls().str.to_lowercase().str.replace_all(_BETWEEN, " ").str.strip_chars(" ")
    return " " + bare + " "


def folded_text(text: str) -> str:
    """Fold one text in the same way."""
    return " ".join(["", *re.split(r"[\W_]+", text.lower().strip()), ""])


def _texts(records: pl.DataFrame, column: str, present: SharedWords) -> pl.DataFrame:
    texts = records.select("row_id", text=pl.col(column).cast(pl.String)).drop_nulls("text")
    # A text of only x and 9 equals its own mask, so it would match every masked text.
    texts = texts.filter(pl.col("text").str.contains(r"[\pL\pN&&[^xX9]]"))
    texts = texts.with_columns(folded=folded(texts["text"]), column=pl.lit(column))
    length, digits = pl.col("folded").str.len_chars() - 2, pl.col("folded").str.count_matches(r"\d")
    has_letter = pl.col("folded").str.contains(r"\pL")
    texts = texts.filter(
        (has_letter & (length >= _SHORTEST_TEXT)) | (~has_letter & (digits >= _SHORTEST_NUMBER))
    )
    once = texts.group_by("folded", maintain_order=True).agg(
        pl.col("row_id").first(),
        pl.col("column").first(),
        pl.col("row_id").n_unique().alias("records"),
    )
    words = once.select(
        "folded", word=pl.col("folded").str.strip_chars(" ").str.split(" ")
    ).explode("word")
    missing = words.filter(~words["word"].hash().is_in(present.words.implode()))["folded"].unique()
    return once.filter(~pl.col("folded").is_in(missing.implode())).with_columns(is_phone=False)


def _phones(records: pl.DataFrame, column: str, present: SharedWords) -> pl.DataFrame:
    texts = records.select(
        "row_id", folded=_last_digits(pl.col(column).cast(pl.String)), column=pl.lit(column)
    )
    texts = texts.drop_nulls("folded").filter(pl.col("folded").str.len_chars() == _LAST_DIGITS)
    there = texts.filter(texts["folded"].hash().is_in(present.numbers.implode()))
    once = there.group_by("folded", maintain_order=True).agg(
        pl.col("row_id").first(),
        pl.col("column").first(),
        pl.col("row_id").n_unique().alias("records"),
    )
    return once.with_columns(is_phone=True)


def _written_numbers(lines: pl.Series) -> pl.Series:
    """The last digits of every number as long as a telephone number, in any spelling."""
    found = lines.drop_nulls().str.extract_all(_WRITTEN_NUMBER).explode().drop_nulls()
    return found.to_frame("text").select(_last_digits(pl.col("text"))).to_series()


def _last_digits(text: pl.Expr) -> pl.Expr:
    return text.str.replace_all(r"[^0-9]", "").str.tail(_LAST_DIGITS)
