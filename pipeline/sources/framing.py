"""Frame physical lines into records: which lines belong together, and what is wrong with others.

A quoted field may contain line ends, so a record may span lines; but a stray quote must not swallow
the lines after it. A line with an even number of quotes is complete. From a line with an odd
number, a record can only reach to the next such line. The joined text is used if it is a legal
record (RFC 4180) with the header's number of fields; otherwise the line alone is unreadable, and
reading continues at the next line. Nothing is lost and nothing is guessed.
"""

import re
from dataclasses import dataclass

import polars as pl

from pipeline.domain.characters import BLANK_CLASS
from pipeline.domain.reasons import Reason
from pipeline.sources.dialect import Dialect
from pipeline.sources.escapes import stray_escapes
from pipeline.sources.repeated_header import HeaderText
from pipeline.sources.source_file import CONTROL, LONE_CR, LONGEST_RECORD

#: No open quote is followed further than this. Between the two, a legal record is unreadable as a
#: whole, so that no line inside it becomes a customer.
LONGEST_QUOTE = 16 << 20


@dataclass(frozen=True, slots=True)
class Frames:
    """Framed records: `table` has `line`, `line_count`, `raw` (String), `reason` (null = valid).

    `rest` is the start of the lines that need more of the file.
    """

    table: pl.DataFrame
    rest: int


def frame(
    lines: pl.DataFrame, field_count: int, dialect: Dialect, *, at_end: bool, header: HeaderText
) -> Frames:
    """Frame lines (`line`, `raw`, `undecoded`); at the end of the file no line waits.

    A record has `field_count` fields, and one more, empty field with a trailing delimiter.
    """
    field_count += dialect.trailing_delimiter
    spans, unclosed, rest = _spans(lines["raw"], field_count, dialect, at_end=at_end)
    taken = _joined(lines.head(rest), spans)
    judged = _judged(
        taken,
        dialect,
        unclosed=lines["line"].gather(unclosed).implode(),
        field_count=field_count,
        header=header,
    )
    return Frames(judged, rest)


def blank_line(raw: pl.Expr, dialect: Dialect) -> pl.Expr:
    """Whether a line has only delimiters, invisible characters, and quotes around those."""
    return raw.str.contains(dialect.grammar.blank_text)


def _spans(
    raw: pl.Series, field_count: int, dialect: Dialect, *, at_end: bool
) -> tuple[pl.DataFrame, list[int], int]:
    """The lines of each record (`first`, `last`, `whole`), unclosed quotes, start of the rest.

    All odd lines are joined with the next one at once; only overlaps are resolved in order.
    """
    nothing = pl.DataFrame(schema={"first": pl.UInt32, "last": pl.UInt32, "whole": pl.String})
    if not dialect.quote:
        return nothing, [], len(raw)
    odd = (raw.str.count_matches(dialect.quote, literal=True) % 2 == 1).arg_true()
    if not len(odd):
        return nothing, [], len(raw)
    pairs = _pairs(raw, odd, field_count, dialect)
    taken: list[int] = []
    unclosed: list[int] = []
    rest = len(raw)
    free = 0
    opening = zip(
        *(pairs[name].to_list() for name in ("place", "first", "is_whole", "is_followed")),
        strict=True,
    )
    for at, (place, first, is_whole, is_followed) in enumerate(opening):
        if place < free:
            continue
        if is_whole:
            taken.append(at)
            free = place + 2
        elif place + 1 == len(odd) and is_followed and not at_end:
            rest = first
        else:
            unclosed.append(first)
    return pairs[taken].select(nothing.columns), unclosed, rest


def _pairs(raw: pl.Series, odd: pl.Series, field_count: int, dialect: Dialect) -> pl.DataFrame:
    """Each odd line that ends inside quotes, joined with the next odd line.

    `whole`: the joined text; `is_whole`: it is a legal record with the right number of fields;
    `is_followed`: it is within the limit for open quotes.
    """
    patterns = dialect.grammar
    ends = raw.str.len_bytes().cast(pl.Int64).cum_sum() + pl.int_range(1, len(raw) + 1, eager=True)
    begins = ends - raw.str.len_bytes() - 1
    last = odd.shift(-1).fill_null(len(raw) - 1)
    pairs = pl.DataFrame(
        {
            "first": odd,
            "last": last,
            "length": ends.gather(last) - begins.gather(odd),
            "line": raw.gather(odd),
        }
    ).with_row_index("place")
    has_next = pl.col("place") + 1 < len(odd)
    pairs = pairs.filter(pl.col("line").str.contains(patterns.opens_text)).with_columns(
        is_followed=pl.col("length") <= LONGEST_QUOTE
    )
    spanned = pairs.filter(has_next & pl.col("is_followed")).select(
        "place", index=pl.int_ranges("first", pl.col("last").cast(pl.Int64) + 1)
    )
    whole = (
        spanned.explode("index")
        .with_columns(raw=raw.gather(spanned["index"].explode(empty_as_null=False)))
        .group_by("place", maintain_order=True)
        .agg(whole=pl.col("raw").str.join("\n"))
    )
    text = pl.col("whole").str.strip_suffix("\r")
    is_legal = text.str.contains(patterns.legal_text) & (_fields_of(text, dialect) == field_count)
    return pairs.join(whole, on="place", how="left", maintain_order="left").with_columns(
        is_whole=is_legal.fill_null(value=False)
    )


def _fields_of(text: pl.Expr, dialect: Dialect) -> pl.Expr:
    """The number of fields of a legal record: delimiters outside quotes, plus one."""
    unquoted = text.str.replace_all(dialect.grammar.quoted_text, "")
    return unquoted.str.count_matches(dialect.delimiter, literal=True) + 1


def _joined(lines: pl.DataFrame, spans: pl.DataFrame) -> pl.DataFrame:
    """Join the lines of each span under the number of its first line."""
    if not spans.height:
        return lines
    index = pl.int_range(pl.len(), dtype=pl.UInt32)
    lasts = spans.select(
        at=pl.int_ranges(pl.col("first") + 1, pl.col("last") + 1), start="first"
    ).explode("at")
    is_inside = pl.repeat(value=False, n=lines.height, eager=True).scatter(lasts["at"], True)
    bad = lines["undecoded"]
    if bad.any():
        spoilt = lasts.filter(bad.gather(lasts["at"]))["start"]
        bad = bad.scatter(spoilt, True)
    number, count = lines["line"], lines["line_count"]
    last, first = (
        pl.lit((number + count).gather(spans["last"])),
        pl.lit(number.gather(spans["first"])),
    )
    wholes = spans.select(index="first", whole="whole", whole_count=last - first)
    return (
        lines.with_columns(bad.alias("undecoded"), index=index)
        .filter(~is_inside)
        .join(wholes, on="index", how="left", maintain_order="left")
        .select(
            "line",
            "undecoded",
            raw=pl.coalesce("whole", "raw"),
            line_count=pl.coalesce("whole_count", "line_count"),
        )
    )


def _judged(
    records: pl.DataFrame,
    dialect: Dialect,
    *,
    unclosed: pl.Series,
    field_count: int,
    header: HeaderText,
) -> pl.DataFrame:
    """Set the reason of every invalid record; blank lines have `blank` and no reason."""
    raw = pl.col("raw")
    fields = raw.str.count_matches(dialect.delimiter, literal=True) + 1
    may_be_blank = rf"^[{BLANK_CLASS}]*(?:[{re.escape(dialect.delimiter)}]|\r?$)"
    # Most records are plainly valid; only the others need the slow checks.
    in_question = (
        pl.col("undecoded") | pl.col("quoted") | (fields != field_count) | (raw.str.len_bytes() > LONGEST_RECORD)
        | raw.str.contains(CONTROL) | raw.str.contains("\r", literal=True) | header.is_repeated_in(raw) | raw.str.contains(may_be_blank)
    )  # fmt: skip
    if dialect.trailing_delimiter:
        in_question |= ~raw.str.ends_with(dialect.delimiter)
    if dialect.escape:
        in_question |= stray_escapes(raw, dialect)
    quoted = raw.str.contains(dialect.quote, literal=True) if dialect.quote else pl.lit(value=False)
    records = records.with_columns(raw=raw.str.strip_suffix("\r")).with_columns(quoted=quoted)
    numbered = records.with_columns(in_question=in_question).with_row_index("at")
    reasons = _reasoned(numbered.filter("in_question"), dialect, unclosed, field_count, header)
    return (
        numbered.join(reasons, on="at", how="left", maintain_order="left")
        .with_columns(pl.col("blank").fill_null(value=False))
        .drop("at", "in_question")
    )


def _reasoned(
    records: pl.DataFrame,
    dialect: Dialect,
    unclosed: pl.Series,
    field_count: int,
    header: HeaderText,
) -> pl.DataFrame:
    """The records in question by `at`: whether they are `blank`, and their `reason`."""
    raw, fields = pl.col("raw"), pl.col("fields")
    unquoted = (
        pl.when("quoted").then(raw.str.replace_all(dialect.grammar.quoted_text, "")).otherwise(raw)
    )
    undecodable = Reason.READ_NOT_UTF8 if dialect.is_utf8 else Reason.READ_UNDECODABLE
    # If lines end with CR alone, CR and LF were swapped on input; in quotes either breaks a line.
    lone, lone_reason = raw.str.contains(LONE_CR), Reason.READ_LONE_CR
    if dialect.ends_with_cr:
        lone, lone_reason = unquoted.str.contains("\r", literal=True), Reason.READ_LONE_LF
    surplus = (
        ~raw.str.ends_with(dialect.delimiter) if dialect.trailing_delimiter else pl.lit(value=False)
    )
    legal = (
        pl.when("quoted").then(raw).str.contains(dialect.grammar.legal_text)
    )  # of others nobody asks
    stray = stray_escapes(raw, dialect) if dialect.escape else pl.lit(value=False)
    reason = (
        pl.when("blank").then(None)
        .when("undecoded").then(pl.lit(undecodable.value))
        .when(raw.str.len_bytes() > LONGEST_RECORD).then(pl.lit(Reason.READ_TOO_LONG.value))
        .when(pl.col("line").is_in(unclosed)).then(pl.lit(Reason.READ_UNCLOSED_QUOTE.value))
        .when(pl.col("quoted") & ~legal & header.is_repeated_in(raw)).then(pl.lit(Reason.READ_REPEATED_HEADER.value))
        .when(pl.col("quoted") & ~legal).then(pl.lit(Reason.READ_STRAY_QUOTE.value))
        .when(stray).then(pl.lit(Reason.READ_STRAY_ESCAPE.value))
        .when(raw.str.contains(CONTROL)).then(pl.lit(Reason.READ_CONTROL_CHARACTER.value))
        .when(lone).then(pl.lit(lone_reason.value))
        .when(fields < field_count).then(pl.lit(Reason.READ_TOO_FEW_FIELDS.value))
        .when((fields > field_count) | surplus).then(pl.lit(Reason.READ_TOO_MANY_FIELDS.value))
        .when(header.is_repeated_in(raw)).then(pl.lit(Reason.READ_REPEATED_HEADER.value))
    )  # fmt: skip
    return (
        records.with_columns(
            blank=blank_line(raw, dialect) & ~pl.col("undecoded"),
            fields=unquoted.str.count_matches(dialect.delimiter, literal=True) + 1,
        )
        .with_columns(reason=reason)
        .select("at", "blank", "reason")
    )
