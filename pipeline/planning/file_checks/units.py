"""Warn if amounts declared as major units may be cents: some are whole, some have decimals."""

import re
from collections.abc import Iterator, Mapping

import duckdb

from pipeline.domain.amount import Amount
from pipeline.domain.column_mapping import Layout
from pipeline.domain.currency import exponents
from pipeline.domain.customer import METADATA_PREFIX
from pipeline.domain.file_issues import FileIssue, Finding
from pipeline.domain.sql import CELLS, cells_in, columns_of, identifier, literal

_GIVEN = "given."
_FEWEST, _SHARE = 2, 0.1  #: of either form; fewer are exceptions
_MOST_TEXTS, _CLEAR = 8, 0.9  #: of a column that separates the forms
_MOST_FLAGS = 200  #: columns; only the first of a very wide file
#: Whether the texts of a column separate the two forms; texts that occur once are ignored.
_PURITY = """
    WITH counted AS (SELECT trim({column}) AS text, is_whole, count(*) AS times FROM ({forms}) GROUP BY ALL),
    sides AS (
        SELECT text, max(times) AS clear, arg_max(is_whole, times) AS is_whole FROM counted GROUP BY text HAVING sum(times) > 1
    )
    SELECT count(*) > 0 AND count(DISTINCT is_whole) = 2
        AND (SELECT count(DISTINCT text) FROM counted) <= {most}
        AND sum(clear) >= {clear} * (SELECT sum(times) FROM counted)
    FROM sides
"""


def find_mixed_units(workbench: duckdb.DuckDBPyConnection, layout: Layout | None) -> list[Finding]:
    """Warn if whole and decimal amounts mix under `unit: major`; name the column of the unit."""
    balance = layout.balance if layout else None
    if layout is None or balance is None or balance.unit.value != "major":
        return []
    known = columns_of(workbench, CELLS)
    query = (
        "SELECT count(*) FILTER (is_whole), count(*) FILTER (NOT is_whole)"
        f" FROM ({_forms(workbench, balance, known)})"
    )
    whole, decimal = workbench.execute(query).fetchall()[0]
    if min(whole, decimal) < max(_FEWEST, _SHARE * (whole + decimal)):
        return []
    flag = next(iter(_flags(workbench, layout, balance, known)), None)
    counts = f"{whole:,} whole amounts beside {decimal:,} with decimals"
    return [
        Finding(
            FileIssue.UNITS_MIXED, f"{counts}; column {flag} tells them apart" if flag else counts
        )
    ]


def _flags(
    workbench: duckdb.DuckDBPyConnection, layout: Layout, balance: Amount, known: Mapping[str, str]
) -> Iterator[str]:
    """The columns that separate whole from decimal amounts, in the order of the file."""
    mapped = {column for field, column in layout.sources() if not field.startswith(METADATA_PREFIX)}
    cells = (name.removeprefix(_GIVEN) for name in known if name.startswith(_GIVEN))
    others = [name for name in cells if name not in mapped][:_MOST_FLAGS]
    if not others:
        return
    texts = ", ".join(
        f"approx_count_distinct({identifier(known[_GIVEN + name])})" for name in others
    )
    counts = workbench.execute(
        f"SELECT {texts} FROM ({_forms(workbench, balance, known, *others)})"
    ).fetchall()[0]
    for name in (
        name for name, count in zip(others, counts, strict=True) if count <= 2 * _MOST_TEXTS
    ):
        parts = {
            "column": identifier(known[_GIVEN + name]),
            "forms": _forms(workbench, balance, known, name),
        }
        if workbench.execute(_PURITY.format(**parts, most=_MOST_TEXTS, clear=_CLEAR)).fetchall()[0][
            0
        ]:
            yield name


def _forms(
    workbench: duckdb.DuckDBPyConnection, balance: Amount, known: Mapping[str, str], *others: str
) -> str:
    """SQL: nonzero amounts in currencies with decimals: whether each is whole, other cells."""
    kept = "".join(f", {identifier(known[_GIVEN + name])}" for name in others)
    decimals = ", ".join(literal(code) for code, exponent in exponents().items() if exponent)
    # The point in `Rs. 500` and `Rs.500` is part of a word.
    has_decimals = literal(rf"(^|[^\pL\pM]){re.escape(balance.decimal_mark)}[0-9]")
    parts = [
        f"SELECT NOT regexp_matches({amount}, {has_decimals}) AS is_whole{kept} FROM {cells_in(workbench)}"
        f" WHERE fate IS NULL AND currency IN ({decimals}) AND regexp_matches({amount}, '[1-9]')"
        for amount in (identifier(known[_GIVEN + name]) for name in balance.sources)
    ]
    return " UNION ALL ".join(parts)
