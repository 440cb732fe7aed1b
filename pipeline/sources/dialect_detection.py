"""Detect the dialect of a CSV file from its first bytes; everything detected is reported.

The expected columns are the best evidence for a delimiter: the header must name them. Without them,
the delimiter is the one with equally many fields in header and lines. Encodings are only suggested.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.domain.characters import BLANK, clean_name
from pipeline.domain.column_mapping import BILLING_ID, Layout
from pipeline.domain.customer import FIELDS, is_import_column
from pipeline.sources.byte_stream import HEAD_BYTES
from pipeline.sources.csv_grammar import Grammar, grammar
from pipeline.sources.dialect import DELIMITERS, NO_QUOTE, Declared, Dialect, without_end_mark
from pipeline.sources.escapes import hidden_text
from pipeline.sources.likeness import Likeness, likeness_of

_LINES_LOOKED_AT = 1_000
_WHERE_HEADERS_STAND = 50  #: lines; preambles are shorter
_LONGEST_HEADER = 50  #: lines of a header whose names hold line breaks
_SAMPLE = 100  #: records for comparison with the first line
_NOTHING = BLANK + "\r" + "".join(DELIMITERS)  #: the characters of a blank line, with any delimiter


@dataclass(frozen=True, slots=True)
class Findings:
    """The detected dialect and first lines; line numbers are 0-based after skipped lines."""

    dialect: Dialect
    header_seems_at: int | None = None  #: a later line that looks more like the header
    is_title: bool = (
        False  #: the first line is a title: one text, or no expected name, above a better line
    )
    sample: tuple[tuple[str, ...], ...] = ()  #: cells of some records below the first line
    usual_width: int = 0  #: the usual number of fields; 0 if the head ends within the first record
    is_shifted: bool = False  #: each record has one more, empty field than the header


@dataclass(frozen=True, slots=True)
class _Head:
    """The first records as texts, the whole header, and the first line of each."""

    texts: list[str]
    starts: list[int]
    is_part_of_a_line: bool = False

    @property
    def filled(self) -> list[int]:
        """The records that are not blank."""
        return [at for at, text in enumerate(self.texts) if not _is_blank(text)]


def find_dialect(
    head: bytes, marked: str | None, declared: Declared, layout: Layout | None
) -> Findings:
    """Detect the dialect; `marked` is the encoding of the byte order mark."""
    why: dict[str, str] = {}
    encoding = declared.encoding or marked or "utf-8"
    if not declared.encoding:
        why["encoding"] = (
            "a byte order mark says so" if marked else "every line that is read is UTF-8"
        )
    quote = "" if declared.quote == NO_QUOTE else declared.quote
    text = without_end_mark(head).decode(Dialect(encoding=encoding).codec, errors="replace")
    line_end = "CR" if _ends_with_cr(text, quote) else "LF or CRLF"
    if line_end == "CR":
        why["line_end"] = "no line feed stands outside quotes, and carriage returns do"
        text = text.replace("\r", "\n")
    first = _head_of(text, declared, quote, is_cut=len(head) >= HEAD_BYTES // 2)
    expected = _expected(layout)
    delimiter = declared.delimiter or ""
    if not delimiter:
        delimiter, why["delimiter"] = _delimiter(first, quote, expected)
    dialect = Dialect(
        delimiter,
        encoding,
        bool(declared.trailing_delimiter),
        quote,
        declared.escape or "",
        declared.header,
        line_end,
        why,
    )
    return _findings(first, dialect, expected, has_trailing=declared.trailing_delimiter)


def _head_of(text: str, declared: Declared, quote: str, *, is_cut: bool) -> _Head:
    """The first lines of the table; without the last one if the text is truncated."""
    lines = text.split("\n")
    is_part_of_a_line = is_cut and len(lines) == 1
    if is_cut and not is_part_of_a_line:
        lines.pop()
    kept = "\n".join(lines[declared.skip_lines :][:_LINES_LOOKED_AT])
    lines = [
        line.removesuffix("\r") for line in hidden_text(kept, declared.escape or "").split("\n")
    ]
    first = next((at for at, line in enumerate(lines) if not _is_blank(line)), 0)
    end = first + _height_of_header(lines[first:], quote)
    starts = [*range(first + 1), *range(end, len(lines))]
    return _Head(
        [*lines[:first], "\n".join(lines[first:end]), *lines[end:]], starts, is_part_of_a_line
    )


def _height_of_header(lines: Sequence[str], quote: str) -> int:
    """The number of lines of the first record with any delimiter; one if never legal."""
    if not quote or lines[0].count(quote) % 2 == 0:
        return 1
    odd = (at for at, line in enumerate(lines[1:_LONGEST_HEADER], start=2) if line.count(quote) % 2)
    height = next(odd, 1)
    whole = "\n".join(lines[:height])
    return height if any(grammar(mark, quote).is_legal(whole) for mark in DELIMITERS) else 1


def _findings(
    first: _Head, dialect: Dialect, expected: frozenset[str], *, has_trailing: bool | None
) -> Findings:
    patterns = dialect.grammar
    filled = first.filled
    widths = Counter(width for at in filled if (width := patterns.width(first.texts[at])))
    usual = widths.most_common(1)[0][0] if widths and not first.is_part_of_a_line else 0
    better = _better_header(first, patterns, expected)
    return Findings(
        dialect,
        better,
        better is not None and _is_title(first, patterns, expected),
        _cells_below(first, filled[0], patterns) if filled else (),
        usual - (dialect.trailing_delimiter and usual > 1),
        has_trailing is None and _is_shifted([first.texts[at] for at in filled], patterns),
    )


def _expected(layout: Layout | None) -> frozenset[str]:
    return layout.columns if layout else frozenset({*FIELDS, BILLING_ID})


def _ends_with_cr(text: str, quote: str) -> bool:
    outside = grammar(",", quote).quoted.sub("", text)
    return "\n" not in outside and "\r" in outside


def _is_blank(text: str) -> bool:
    return not text.strip(_NOTHING)


def _named(text: str, patterns: Grammar, expected: frozenset[str]) -> int:
    """How many cells are expected columns or our own."""
    return sum(
        1
        for name in map(clean_name, patterns.cells(text))
        if name in expected or is_import_column(name)
    )


def _delimiter(first: _Head, quote: str, expected: frozenset[str]) -> tuple[str, str]:
    """The delimiter and the reason for it."""
    filled = [first.texts[at] for at in first.filled]
    grammars = {mark: grammar(mark, quote) for mark in DELIMITERS}
    for candidates in (filled[:1], filled[:_WHERE_HEADERS_STAND]):
        named = {
            mark: max((_named(text, patterns, expected) for text in candidates), default=0)
            for mark, patterns in grammars.items()
        }
        best = max(named.values())
        if best and list(named.values()).count(best) == 1:
            return max(
                named, key=lambda mark: named[mark]
            ), f"by it the header names {best} of the columns we look for"
    shares = {mark: _agreement(filled, patterns) for mark, patterns in grammars.items()}
    found = max(DELIMITERS, key=lambda mark: (shares[mark], -DELIMITERS.index(mark)))
    if not shares[found]:
        return found, "no delimiter separates fields in the first lines"
    return found, f"{shares[found]:.0%} of the first lines have the same number of fields"


def _agreement(texts: Sequence[str], patterns: Grammar) -> float:
    """The share of texts with the most frequent number of fields; 0 if that is one."""
    counts = Counter(map(patterns.width, texts))
    (most, times) = counts.most_common(1)[0] if counts else (0, 0)
    return times / counts.total() if most > 1 else 0.0


def _is_shifted(texts: Sequence[str], patterns: Grammar) -> bool:
    """Whether each record has an extra empty field, so that all columns may be shifted."""
    if len(texts) < 2 or not (names := patterns.cells(texts[0])) or not names[-1].strip():
        return False
    records = [patterns.cells(text) for text in texts[1:]]
    whole = [cells for cells in records if cells]
    return bool(whole) and all(
        len(cells) == len(names) + 1 and not cells[-1].strip() for cells in whole
    )


def _cells_below(first: _Head, at: int, patterns: Grammar) -> tuple[tuple[str, ...], ...]:
    """The cells of some records below a line."""
    below = (
        tuple(patterns.cells(text))
        for text in first.texts[at + 1 : at + 1 + _SAMPLE]
        if not _is_blank(text)
    )
    return tuple(cells for cells in below if cells)


def _better_header(first: _Head, patterns: Grammar, expected: frozenset[str]) -> int | None:
    """The line with more expected columns than the first; else the first line of usual width.

    A line that looks like a record never counts.
    """
    filled = [at for at in first.filled if at < _WHERE_HEADERS_STAND]
    if not filled:
        return None
    named = {at: _named(first.texts[at], patterns, expected) for at in filled}
    most = max(named.values())
    begin = filled[0]
    begin_cells = patterns.cells(first.texts[begin])
    candidates: list[int] = []
    if most > max(named[begin], 1) or (most and not named[begin]):
        candidates = [at for at in filled if named[at] == most]
    elif not most:
        # Lines within a record of several lines have no width.
        widths = {at: width for at in first.filled if (width := patterns.width(first.texts[at]))}
        usual = Counter(width for width in widths.values() if width > 1).most_common(1)
        if (
            usual
            and 2 * usual[0][1] >= len(widths)
            and (widths.get(begin) != usual[0][0] or _is_one_text(begin_cells))
        ):
            wide = (at for at in filled if widths.get(at) == usual[0][0])
            candidates = [at for at in wide if not _is_one_text(patterns.cells(first.texts[at]))][
                :1
            ]
    return next(
        (first.starts[at] for at in candidates if _is_header(first, at, patterns, expected)), None
    )


def _is_title(first: _Head, patterns: Grammar, expected: frozenset[str]) -> bool:
    """Whether the first line is not the header while another seems to be.

    It is one text, or names no expected column while another line names several (one may be a
    cell).
    """
    begin, *others = (first.texts[at] for at in first.filled if at < _WHERE_HEADERS_STAND)
    if _is_one_text(patterns.cells(begin)):
        return True
    return not _named(begin, patterns, expected) and any(
        _named(text, patterns, expected) > 1 for text in others
    )


def _is_one_text(cells: Sequence[str]) -> bool:
    return sum(bool(clean_name(cell)) for cell in cells) == 1


def _is_header(first: _Head, at: int, patterns: Grammar, expected: frozenset[str]) -> bool:
    cells = [clean_name(cell) for cell in patterns.cells(first.texts[at])]
    return likeness_of(cells, _cells_below(first, at, patterns), expected) is Likeness.HEADER
