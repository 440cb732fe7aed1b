"""Physical lines -> whole records: which lines belong together, and what is wrong with those that stand alone.

A legal quoted field may hold line ends, so a record may span lines; a stray quote must not swallow the lines after it.
Lines with an even number of quotes are whole by themselves. From a line with an odd number a record can only reach to
the next such line: it is taken where the joined text is a legal record (RFC 4180) with as many fields as the header,
else the line stands alone as unreadable and reading goes on at the next one. So nothing is lost and nothing is guessed.
"""

from dataclasses import dataclass

import polars as pl

from pipeline.outcomes import Reason
from pipeline.sources.dialect import Dialect
from pipeline.sources.grammar import Grammar, grammar
from pipeline.sources.source_file import CONTROL, LONE_CR, LONGEST_RECORD

#: No open quote is followed further than this. Between the two, a legal record is unreadable as a whole, so that no line
#: inside it becomes a customer.
LONGEST_QUOTE = 16 << 20


@dataclass(frozen=True, slots=True)
class Frames:
    """Records framed from some lines: `table` has `line`, `line_count`, `raw` (String) and `reason` (null = whole so far).

    `rest` is where the lines begin that need more of the file before they can be judged.
    """

    table: pl.DataFrame
    rest: int


def frame(lines: pl.DataFrame, field_count: int, dialect: Dialect, *, at_end: bool, header: str) -> Frames:
    """Lines (`line`, `raw`, `undecoded`) -> frames; at the end of the file every line is judged, else some may wait.

    A record has `field_count` fields, and one more that is empty where its dialect has a trailing delimiter.
    """
    field_count += dialect.trailing_delimiter
    odd = (lines["raw"].str.count_matches('"', literal=True) % 2 == 1).arg_true().to_list()
    spans, unclosed, rest = _spans(lines["raw"], odd, field_count, grammar(dialect.delimiter), at_end=at_end)
    taken = _joined(lines.head(rest), spans)
    judged = _judged(
        taken, dialect, unclosed=lines["line"].gather(unclosed).implode(), field_count=field_count, header=header
    )
    return Frames(judged, rest)


def blank_line(raw: pl.Expr, dialect: Dialect) -> pl.Expr:
    """Whether a line holds nothing but spaces and tabs; where tabs part the fields, they are fields."""
    return raw.str.strip_chars(" \t\r".replace(dialect.delimiter, "")) == ""


def _spans(
    raw: pl.Series, odd: list[int], field_count: int, patterns: Grammar, *, at_end: bool
) -> tuple[list[tuple[int, int]], list[int], int]:
    """Which lines make one record: [(first, last)], which open a quote in vain, and where the undecided rest begins."""
    spans: list[tuple[int, int]] = []
    unclosed: list[int] = []
    free = 0
    for position, first in enumerate(odd):
        if first < free or not patterns.opens.match(raw[first]):
            continue
        last = odd[position + 1] if position + 1 < len(odd) else None
        text = _text_up_to(raw, first, last if last is not None else len(raw) - 1)
        if text is not None and last is None and not at_end:
            return spans, unclosed, first
        if text is not None and last is not None and _field_count(text, patterns) == field_count:
            spans.append((first, last))
            free = last + 1
        else:
            unclosed.append(first)
    return spans, unclosed, len(raw)


def _text_up_to(raw: pl.Series, first: int, last: int) -> str | None:
    """The lines joined as they stand, or None where that is further than an open quote is followed."""
    pieces: list[str] = []
    length = 0
    for index in range(first, last + 1):
        length += len(raw[index]) + 1
        if length > LONGEST_QUOTE:
            return None
        pieces.append(raw[index])
    return "\n".join(pieces)


def _field_count(text: str, patterns: Grammar) -> int:
    """How many fields a legal record has; 0 of anything else."""
    text = text.removesuffix("\r")
    if patterns.legal.match(text) is None:
        return 0
    return sum(1 for _ in patterns.one_field.finditer(patterns.delimiter + text))


def _joined(lines: pl.DataFrame, spans: list[tuple[int, int]]) -> pl.DataFrame:
    """Lines of one span become one record under the number of its first line."""
    if not spans:
        return lines.with_columns(line_count=pl.lit(1, pl.Int64))
    starts = pl.Series([first for first, _ in spans], dtype=pl.UInt32)
    inside = pl.Series([index for first, last in spans for index in range(first + 1, last + 1)], dtype=pl.UInt32)
    whole = [("\n".join(lines["raw"][first : last + 1]), last - first + 1) for first, last in spans]
    bad = [bool(lines["undecoded"][first : last + 1].any()) for first, last in spans]
    index = pl.int_range(pl.len(), dtype=pl.UInt32)
    merged = pl.DataFrame(
        {
            "index": starts,
            "whole": [text for text, _ in whole],
            "line_count": [count for _, count in whole],
            "bad": bad,
        },
        schema={"index": pl.UInt32, "whole": pl.String, "line_count": pl.Int64, "bad": pl.Boolean},
    )
    return (
        lines.with_columns(index=index)
        .filter(~pl.col("index").is_in(inside.implode()))
        .join(merged, on="index", how="left", maintain_order="left")
        .select(
            "line",
            raw=pl.coalesce("whole", "raw"),
            undecoded=pl.coalesce("bad", "undecoded"),
            line_count=pl.col("line_count").fill_null(1),
        )
    )


def _judged(
    records: pl.DataFrame, dialect: Dialect, *, unclosed: pl.Series, field_count: int, header: str
) -> pl.DataFrame:
    """Give every record its reason, if it has one; blank lines have `blank` set and no reason."""
    raw = pl.col("raw")
    quotes = raw.str.contains('"', literal=True)
    unquoted = pl.when("quoted").then(raw.str.replace_all(r'"(?:[^"]|"")*"', "")).otherwise(raw)
    fields = pl.col("fields")
    undecodable = Reason.READ_NOT_UTF8 if dialect.is_utf8 else Reason.READ_UNDECODABLE
    # Where lines end with CR alone, the two have changed places on the way in; inside quotes either breaks a line.
    lone, lone_reason = raw.str.contains(LONE_CR), Reason.READ_LONE_CR
    if dialect.ends_with_cr:
        lone, lone_reason = unquoted.str.contains("\r", literal=True), Reason.READ_LONE_LF
    surplus = ~raw.str.ends_with(dialect.delimiter) if dialect.trailing_delimiter else pl.lit(value=False)
    legal = pl.when("quoted").then(raw).str.contains(grammar(dialect.delimiter).legal_text)  # of others nobody asks
    reason = (
        pl.when("blank").then(None)
        .when("undecoded").then(pl.lit(undecodable.value))
        .when(raw.str.len_bytes() > LONGEST_RECORD).then(pl.lit(Reason.READ_TOO_LONG.value))
        .when(pl.col("line").is_in(unclosed)).then(pl.lit(Reason.READ_UNCLOSED_QUOTE.value))
        .when(pl.col("quoted") & ~legal).then(pl.lit(Reason.READ_STRAY_QUOTE.value))
        .when(raw.str.contains(CONTROL)).then(pl.lit(Reason.READ_CONTROL_CHARACTER.value))
        .when(lone).then(pl.lit(lone_reason.value))
        .when(fields < field_count).then(pl.lit(Reason.READ_TOO_FEW_FIELDS.value))
        .when((fields > field_count) | surplus).then(pl.lit(Reason.READ_TOO_MANY_FIELDS.value))
        .when(raw == header).then(pl.lit(Reason.READ_REPEATED_HEADER.value))
    )  # fmt: skip
    blank = blank_line(raw, dialect) & ~pl.col("undecoded")
    return (
        records.with_columns(raw=raw.str.strip_suffix("\r"))
        .with_columns(quoted=quotes, blank=blank)
        .with_columns(fields=unquoted.str.count_matches(dialect.delimiter, literal=True) + 1)
        .with_columns(reason=reason)
        .drop("fields")
    )
