"""Whether amounts that are all declared as major units may hold cents: some are whole, others have decimals."""

import duckdb

from pipeline.currency import exponents
from pipeline.customer import METADATA_PREFIX
from pipeline.layout import Amount, Layout
from pipeline.outcomes import Alarm, Finding
from pipeline.sql import identifier, literal

_GIVEN = "given."
_FEWEST, _SHARE = 2, 0.1  #: of either form; less is a stray
_MOST_TEXTS, _CLEAR = 8, 0.9  #: of a column that tells the forms apart
_FLAGS_ASKED = 200  #: columns; the first ones of a very wide file
#: Each text of a column by the form that goes with it; texts that come once are strays.
_PURITY = """
    WITH counted AS (SELECT trim({column}) AS text, is_whole, count(*) AS times FROM forms GROUP BY ALL),
    sides AS (
        SELECT text, max(times) AS clear, arg_max(is_whole, times) AS is_whole FROM counted GROUP BY text HAVING sum(times) > 1
    )
    SELECT count(*) > 0 AND count(DISTINCT is_whole) = 2
        AND (SELECT count(DISTINCT text) FROM counted) <= {most}
        AND sum(clear) >= {clear} * (SELECT sum(times) FROM counted)
    FROM sides
"""


def find_mixed_units(workbench: duckdb.DuckDBPyConnection, layout: Layout | None) -> list[Finding]:
    """A warning where whole and decimal amounts mix under `unit: major`; names the column that tells them apart."""
    balance = layout.balance if layout else None
    if layout is None or balance is None or balance.unit.value != "major":
        return []
    mapped = {column for field, column in layout.sources() if not field.startswith(METADATA_PREFIX)}
    others = [name for name in _columns(workbench) if name not in mapped][:_FLAGS_ASKED]
    workbench.execute(f"CREATE OR REPLACE TEMP TABLE forms AS {_forms(balance, others, amounts_only=True)}")
    whole, decimal = workbench.execute(
        "SELECT count(*) FILTER (is_whole), count(*) FILTER (NOT is_whole) FROM forms"
    ).fetchall()[0]
    if min(whole, decimal) < max(_FEWEST, _SHARE * (whole + decimal)):
        return []
    workbench.execute(f"CREATE OR REPLACE TEMP TABLE forms AS {_forms(balance, others)}")
    flag = next((name for name in others if _is_flag(workbench, name)), None)
    told = f"{whole:,} whole amounts beside {decimal:,} with decimals"
    return [Finding(Alarm.UNITS_MIXED, f"{told}; column {flag} tells them apart" if flag else told)]


def _columns(workbench: duckdb.DuckDBPyConnection) -> list[str]:
    described = workbench.execute("SELECT column_name FROM (DESCRIBE records)").fetchall()
    return [name.removeprefix(_GIVEN) for (name,) in described if name.startswith(_GIVEN)]


def _forms(balance: Amount, others: list[str], *, amounts_only: bool = False) -> str:
    """The amounts that are not zero, in currencies with decimals: whether each is written without, and its other cells."""
    kept = "" if amounts_only else "".join(f", {identifier(_GIVEN + name)}" for name in others)
    decimals = ", ".join(literal(code) for code, exponent in exponents().items() if exponent)
    parts = [
        f"SELECT NOT contains({amount}, {literal(balance.decimal_mark)}) AS is_whole{kept} FROM records"
        f" WHERE fate IS NULL AND currency IN ({decimals}) AND regexp_matches({amount}, '[1-9]')"
        for amount in (identifier(_GIVEN + name) for name in balance.sources)
    ]
    return " UNION ALL ".join(parts)


def _is_flag(workbench: duckdb.DuckDBPyConnection, name: str) -> bool:
    asked = _PURITY.format(column=identifier(_GIVEN + name), most=_MOST_TEXTS, clear=_CLEAR)
    return bool(workbench.execute(asked).fetchall()[0][0])
