"""Find damaged texts and placeholders in every text column that would be sent.

Damaged texts are UTF-8 that was read as cp1252, Mac Roman or an old DOS code page, U+FFFD, and HTML
entities.
"""

import html.entities
from collections.abc import Iterator

import duckdb

from pipeline.domain.customer import METADATA_PREFIX
from pipeline.domain.file_issues import FileIssue, Finding
from pipeline.domain.sql import columns_of, identifier, literal

_NAMED = 10  #: rows
_FIELDS = ("external_reference", "name")


def _rest_as(encoding: str, without: str = "") -> str:
    """How an encoding shows the bytes 80 to BF, the continuation bytes of UTF-8."""
    shown = bytes(range(0x80, 0xC0)).decode(encoding, errors="ignore")
    return "[" + "".join(rf"\x{{{ord(one):X}}}" for one in shown if one not in without) + "]"


def _as_cp1252(text: str) -> str:
    """The first two bytes of a UTF-8 text, decoded as cp1252."""
    return text.encode()[:2].decode("cp1252")


_BOXES = "".join(map(chr, range(0x2500, 0x25A0)))  #: box-drawing characters
_REST = _rest_as("cp1252")
# Without quotes and dashes, which may end a correct word.
_REST_IN_A_WORD = _rest_as("cp1252", without="\u2019\u201d\u2013\u2014")
_MISREAD = (
    r"\x{FFFD}",
    rf"\x{{C3}}{_REST}",  # the letters of Latin-1
    r"\x{C2}[\x{A0}-\x{BF}]",  # its signs: a no-break space, a degree, a registered trade mark
    rf"[\x{{C4}}\x{{C5}}]{_REST_IN_A_WORD}",  # Latin Extended-A, of Polish, Czech, Turkish
    r"\x{C8}[\x{2DC}\x{2122}\x{161}\x{203A}]",  # letters with a comma below, of Romanian
    *map(
        _as_cp1252, "\u2019\u20ac\u2122\ufeff\ufffd\U0001f600"
    ),  # quotes, the euro, a trade mark, emoji
    rf"(?:[\x{{CE}}-\x{{D1}}\x{{D7}}-\x{{D9}}]{_REST}){{2}}",  # Greek, Cyrillic, Hebrew, Arabic
    rf"\x{{E1}}[\x{{BA}}\x{{BB}}]{_REST}",  # Vietnamese
    rf"(?:[\x{{E0}}-\x{{EF}}]{_REST}{{2}}){{2}}",  # scripts of India, Thai, Chinese, Korean
    rf"[\x{{AC}}\x{{192}}\x{{2206}}\x{{221A}}\x{{2248}}]{_rest_as('mac_roman')}",  # Latin letters as Mac Roman
    rf"[\x{{251C}}\x{{252C}}\x{{253C}}]{_rest_as('cp850')}",  # and as cp850
    rf"\x{{2500}}{_rest_as('cp850', without=_BOXES)}",
)
_ENTITIES = sorted({name.rstrip(";") for name in html.entities.name2codepoint} | {"apos"})
_IS_ENTITY = f"&(?:{'|'.join(_ENTITIES)}|#[0-9]{{1,7}}|#[xX][0-9a-fA-F]{{1,6}});"

#: In capitals; the text is compared as a whole.
_PLACEHOLDERS = (
    "NULL", "<NULL>", "(NULL)", "[NULL]", "NONE", "<NONE>", "NIL", "NAN", "<NAN>", "<NA>", "N/A", "#N/A", "N.A.", "#NULL!",
    "#REF!", "#NAME?", "#VALUE!", "#DIV/0!", "#NUM!", "UNDEFINED",
)  # fmt: skip


def find_text_doubts(workbench: duckdb.DuckDBPyConnection) -> list[Finding]:
    """Damaged texts and placeholders of accepted rows, column by column."""
    columns = {
        name: column
        for name, column in columns_of(workbench, "records").items()
        if name in _FIELDS or name.startswith(METADATA_PREFIX)
    }
    return [
        finding
        for name, column in columns.items()
        for finding in _of_column(workbench, name, column)
    ]


_KINDS = (
    (FileIssue.TEXTS_MISREAD, "look damaged (wrong encoding, U+FFFD or HTML entities)"),
    (FileIssue.TEXTS_PLACEHOLDERS, "look like placeholders (NULL, N/A, - and the like)"),
)


def _of_column(workbench: duckdb.DuckDBPyConnection, name: str, column: str) -> Iterator[Finding]:
    """One query per column, because planning time grows faster than the number of columns."""
    filled, *of_kinds = workbench.execute(_query(identifier(column))).fetchall()[0]
    for (issue, what), count, rows in zip(_KINDS, of_kinds[::2], of_kinds[1::2], strict=True):
        if count:
            yield Finding(
                issue, f"{name}: {count:,} of {filled:,} texts {what}: {first_rows(rows, count)}"
            )


def _query(text: str) -> str:
    """SQL: the texts of a column, and for each kind the count and the first rows."""
    return f"""
        SELECT count(text),
            count(*) FILTER (misread), min_by(row_id, position, {_NAMED}) FILTER (misread),
            count(*) FILTER (placeholder), min_by(row_id, position, {_NAMED}) FILTER (placeholder)
        FROM (
            SELECT row_id, position, {text} AS text, {_looks_misread(text)} AS misread,
                {_is_placeholder(text)} AS placeholder
            FROM records WHERE fate IS NULL
        )
    """


def _looks_misread(text: str) -> str:
    """SQL: tests only texts beyond ASCII and texts with an ampersand, which are few."""
    misread, entity = literal("|".join(_MISREAD)), literal(_IS_ENTITY)
    return (
        f"CASE WHEN strlen({text}) <> length({text}) THEN regexp_matches({text}, {misread}) ELSE false END"
        f" OR CASE WHEN contains({text}, '&') THEN regexp_matches({text}, {entity}) ELSE false END"
    )


def _is_placeholder(text: str) -> str:
    listed = ", ".join(literal(one) for one in _PLACEHOLDERS)
    return (
        f"strlen({text}) <= 11 AND (upper({text}) IN ({listed}) OR {text} = 'NA'"
        rf" OR regexp_full_match({text}, '[-?.]{{1,3}}|\\+N|[\x{{2013}}\x{{2014}}]'))"
        f" OR CASE WHEN left({text}, 2) IN ('--', '==', '__') THEN regexp_full_match({text}, '[-=_]+') ELSE false END"
    )


def first_rows(rows: list[str], count: int) -> str:
    """The ids of the first of `count` rows, with an ellipsis if there are more."""
    return ", ".join(rows) + (" …" if count > len(rows) else "")
