"""Finding out how a CSV file is written, from its first bytes: nothing here is silent, and what is declared is not asked.

The columns that a job expects are the strongest evidence for a delimiter: the header must name them. Without them the
delimiter is the one by which the lines have as many fields as the header. Encodings are never found out, only suggested.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.customer import FIELDS, is_import_column
from pipeline.layout import BILLING_ID, Layout
from pipeline.sources.byte_stream import HEAD_BYTES
from pipeline.sources.dialect import DELIMITERS, Declared, Dialect
from pipeline.sources.grammar import grammar

_LINES_LOOKED_AT = 1_000
_WHERE_HEADERS_STAND = 50  #: lines; preambles are shorter
_QUOTED = re.compile(r'"(?:[^"]|"")*"')


@dataclass(frozen=True, slots=True)
class Findings:
    """How a file is written, and what its first lines look like; line numbers are 0-based from the first that is not skipped."""

    dialect: Dialect
    header_seems_at: int | None = None  #: a line below the first that looks more like the header than that does


def find_dialect(head: bytes, marked: str | None, declared: Declared, layout: Layout | None) -> Findings:
    """What the first bytes of a file say; `marked` is the encoding that its byte order mark names."""
    why: dict[str, str] = {}
    encoding = declared.encoding or marked or "utf-8"
    if not declared.encoding:
        why["encoding"] = "a byte order mark says so" if marked else "every line that is read is UTF-8"
    text = head.decode(Dialect(encoding=encoding).codec, errors="replace")
    line_end = "CR" if _ends_with_cr(text) else "LF or CRLF"
    if line_end == "CR":
        why["line_end"] = "no line feed stands outside quotes, and carriage returns do"
        text = text.replace("\r", "\n")
    lines = [line.removesuffix("\r") for line in text.split("\n")]
    if len(lines) > 1 and len(head) >= HEAD_BYTES // 2:
        lines.pop()  # the head ends somewhere within it
    lines = lines[declared.skip_lines :][:_LINES_LOOKED_AT]
    expected = _expected(layout)
    delimiter = declared.delimiter or ""
    if not delimiter:
        delimiter, why["delimiter"] = _delimiter(lines, expected)
    trailing = declared.trailing_delimiter
    if trailing is None and (trailing := _has_trailing_delimiter(lines, delimiter)):
        why["trailing_delimiter"] = "every record that was looked at ends with one that parts nothing"
    dialect = Dialect(delimiter, encoding, bool(trailing), line_end, why)
    return Findings(dialect, _better_header(lines, delimiter, expected))


def field_count(line: str, delimiter: str) -> int:
    """How many fields a line has by itself; 0 where it is no legal record."""
    patterns = grammar(delimiter)
    if patterns.legal.match(line) is None:
        return 0
    return sum(1 for _ in patterns.one_field.finditer(delimiter + line))


def names_in(line: str, delimiter: str) -> list[str]:
    """The cells of a line as column names; none of what is no legal record."""
    patterns = grammar(delimiter)
    if patterns.legal.match(line) is None:
        return []
    fields = [field[1:] for field in patterns.one_field.findall(delimiter + line)]
    return [field[1:-1].replace('""', '"') if field.startswith('"') else field for field in fields]


def _expected(layout: Layout | None) -> frozenset[str]:
    return layout.columns if layout else frozenset({*FIELDS, BILLING_ID})


def _ends_with_cr(text: str) -> bool:
    outside = _QUOTED.sub("", text)
    return "\n" not in outside and "\r" in outside


def _named(line: str, delimiter: str, expected: frozenset[str]) -> int:
    """How many of its cells are columns that are expected, or ours."""
    return sum(1 for name in names_in(line, delimiter) if name in expected or is_import_column(name))


def _delimiter(lines: Sequence[str], expected: frozenset[str]) -> tuple[str, str]:
    """What parts the fields, and why it must."""
    header = _first_of(lines)
    near = [line for line in lines[:_WHERE_HEADERS_STAND] if line.strip()]
    for candidates in ([header], near):
        named = {mark: max((_named(line, mark, expected) for line in candidates), default=0) for mark in DELIMITERS}
        best = max(named.values())
        if best and list(named.values()).count(best) == 1:
            return max(named, key=lambda mark: named[mark]), f"by it the header names {best} of the columns we look for"
    shares = {mark: _agreement(lines, mark) for mark in DELIMITERS}
    found = max(DELIMITERS, key=lambda mark: (shares[mark], -DELIMITERS.index(mark)))
    return found, f"by it {shares[found]:.0%} of the first lines have equally many fields, and more than one"


def _agreement(lines: Sequence[str], delimiter: str) -> float:
    """The share of lines that have the most frequent number of fields; 0 where that is one."""
    counts = Counter(field_count(line, delimiter) for line in lines if line.strip())
    (most, times) = counts.most_common(1)[0] if counts else (0, 0)
    return times / counts.total() if most > 1 else 0.0


def _has_trailing_delimiter(lines: Sequence[str], delimiter: str) -> bool:
    """Whether every record ends with a delimiter that parts nothing, so that the last column is one in name only."""
    given = [line for line in lines if line.strip()]
    if len(given) < 2 or not delimiter.strip(" "):
        return False
    header, records = given[0], given[1:]
    width = field_count(header, delimiter)
    counts = Counter(field_count(line, delimiter) for line in records)
    if header.endswith(delimiter) and width > 1:
        whole = [line for line in records if field_count(line, delimiter) == width]
        return bool(whole) and all(line.endswith(delimiter) for line in whole)
    wider = [line for line in records if field_count(line, delimiter) == width + 1]
    return width > 0 and len(wider) > 1 and not counts[width] and all(line.endswith(delimiter) for line in wider)


def _better_header(lines: Sequence[str], delimiter: str, expected: frozenset[str]) -> int | None:
    """The line that names more of the expected columns than the first does, or, where none does, is the first of the table."""
    near = lines[:_WHERE_HEADERS_STAND]
    first = next((index for index, line in enumerate(near) if line.strip()), None)
    if first is None:
        return None
    named = [_named(line, delimiter, expected) for line in near]
    if max(named) > max(named[first], 1) or (max(named) and not named[first]):
        return named.index(max(named))
    counts = [field_count(line, delimiter) for line in lines if line.strip()]
    usual = Counter(count for count in counts if count > 1).most_common(1)
    if max(named) or not usual or usual[0][1] * 2 < len(counts) or field_count(near[first], delimiter) == usual[0][0]:
        return None
    return next((index for index, line in enumerate(near) if field_count(line, delimiter) == usual[0][0]), None)


def _first_of(lines: Sequence[str]) -> str:
    return next((line for line in lines if line.strip()), "")
