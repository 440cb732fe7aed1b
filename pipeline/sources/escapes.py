r"""Escaped characters, if a config declares `source.escape`: replaced first, restored in cells.

An escape before punctuation or a line end removes its meaning. Before letters, `\n` is a line
feed, `\t` a tab, `\r\n` a line end, and `\N` as a whole field means no value (MySQL's NULL). The
replacement is a private character of plane 16, so framing and splitting see no escapes.
"""

import re
import string
from pathlib import Path

import polars as pl

from pipeline.errors import SourceError
from pipeline.sources.dialect import Dialect

_BASE = 0x10F000
_CRLF, _LF, _CRLF_IN_LETTERS, _NULL = (
    "\r",
    "\n",
    "r",
    "N",
)  #: these characters replace the following escaped ones
_LETTERS = {"n": "\n", "t": "\t", _CRLF_IN_LETTERS: "\r\n"}
_MARKS = string.punctuation + " \t"  #: characters that mean themselves after an escape
_HIDDEN = "[\U0010f000-\U0010f07f]"
LONGEST_JOINED = 16 << 20  #: bytes; longer runs of escaped line ends are not joined


def _hide(character: str) -> str:
    return chr(_BASE + ord(character))


_SHOWN = {
    **{_hide(mark): mark for mark in _MARKS},
    **{_hide(letter): text for letter, text in _LETTERS.items()},
    _hide(_LF): "\n",
    _hide(_CRLF): "\r\n",
}


def _pairs(escape: str) -> dict[str, str]:
    """Escape -> the replacing character, without line ends."""
    letters = {f"{escape}{letter}": _hide(letter) for letter in ("n", "t", _NULL)}
    crlf = {f"{escape}r{escape}n": _hide(_CRLF_IN_LETTERS)}
    return {**{escape + mark: _hide(mark) for mark in _MARKS}, **letters, **crlf}


def hidden_text(text: str, escape: str) -> str:
    """A text of several lines with every escape replaced, line ends included."""
    if not escape or escape not in text:
        return text
    known = {**_pairs(escape), f"{escape}\r\n": _hide(_CRLF), f"{escape}\n": _hide(_LF)}
    mark = re.escape(escape)
    return re.sub(
        rf"{mark}(?:r{mark}n|\r\n|.)",
        lambda found: known.get(found[0], found[0]),
        text,
        flags=re.DOTALL,
    )


def shown_text(text: str) -> str:
    """A text with its escapes restored."""
    return "".join(_SHOWN.get(character, character) for character in text)


def refuse_hidden(raw: pl.Series, path: Path) -> None:
    """Refuse lines with a character that replaces escapes, because it would be ambiguous."""
    if raw.str.contains(_HIDDEN).any():
        raise SourceError(
            f"{path}: it holds a private character from U+10F000 to U+10F07F, which cannot be read where source.escape is "
            "declared; nothing was sent. Remove these characters, or take source.escape out of the config"
        )


def joined_lines(
    lines: pl.DataFrame, dialect: Dialect, *, at_end: bool
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Lines with escapes replaced and escaped line ends joined; and the last that need the next."""
    raw = pl.col("raw").str.replace_many(_pairs(dialect.escape))
    lines = lines.with_columns(raw)
    ends = pl.col("raw").str.contains(rf"{re.escape(dialect.escape)}\r?$") & ~pl.col("undecoded")
    if at_end:  # the escape of the last line escapes nothing
        ends &= pl.int_range(pl.len()) < pl.len() - 1
    lines = lines.with_columns(ends=ends)
    begins = ~pl.col("ends").shift(1, fill_value=False)
    hidden_end = (
        pl.when(~pl.col("ends")).then(pl.col("raw") + "\n")
        .when(pl.col("raw").str.ends_with("\r"))
        .then(pl.col("raw").str.head(-2) + _hide(_CRLF))
        .otherwise(pl.col("raw").str.head(-1) + _hide(_LF))
    )  # fmt: skip
    waits = not at_end and lines.height and lines["ends"][-1]
    rest = lines.select(begins.arg_true())["ends"][-1] if waits else lines.height
    if waits and int(lines["raw"].slice(rest).str.len_bytes().sum()) > LONGEST_JOINED:
        rest = lines.height
    joined = (
        lines.head(rest)
        .group_by(begins.cum_sum().alias("group"), maintain_order=True)
        .agg(
            pl.col("line").first(),
            hidden_end.str.join("").str.strip_suffix("\n").alias("raw"),
            pl.col("undecoded").any(),
            pl.col("line_count").sum(),
        )
    )
    return joined.select("line", "raw", "undecoded", "line_count"), lines.slice(rest).drop("ends")


def shown_cells(cells: pl.Expr) -> pl.Expr:
    """Cells with their escapes restored; a NULL cell is empty."""
    return pl.when(cells == _hide(_NULL)).then(pl.lit("")).otherwise(cells.str.replace_many(_SHOWN))


def as_written(raw: pl.Expr, escape: str) -> pl.Expr:
    """Records in their original form."""
    written = {hidden: pair for pair, hidden in _pairs(escape).items()}
    ends = {_hide(_CRLF): f"{escape}\r\n", _hide(_LF): f"{escape}\n"}
    return raw.str.replace_many({**written, **ends})


def stray_escapes(raw: pl.Expr, dialect: Dialect) -> pl.Expr:
    """Whether a record has an escape without a meaning, or NULL within a text."""
    part, null = dialect.delimiter, _hide(_NULL)
    apart = pl.concat_str(
        pl.lit(part), raw.str.replace_all(part, 2 * part, literal=True), pl.lit(part)
    )
    quote = f"{re.escape(dialect.quote)}?" if dialect.quote else ""
    whole = apart.str.count_matches(f"[{part}]{quote}{null}{quote}[{part}]")
    return raw.str.contains(dialect.escape, literal=True) | (
        raw.str.count_matches(null, literal=True) != whole
    )
