"""A plan warns where amounts declared as major units are whole and decimal side by side, and names the column that tells them apart."""

import duckdb
import polars as pl
import pytest

from pipeline.domain.column_mapping import Layout
from pipeline.planning.file_checks import find_mixed_units
from tests.conftest import hold

WHOLE, DECIMAL = "18564", "185,64"


def doubts(rows, *, unit="major", flag="FLAG", sides=("DEBIT", "CREDIT"), **amount):
    """What is found in accepted rows of amount, text of the flag column and currency."""
    table = {
        "fate": [None for _ in rows],
        "currency": [row[2] if len(row) > 2 else "ZAR" for row in rows],
        "given.DEBIT": [row[0] for row in rows],
        "given.CREDIT": ["0,00" for _ in rows],
        "given.NAME": [f"Ann {n}" for n, _ in enumerate(rows)],
        f"given.{flag}": [row[1] for row in rows],
    }
    columns = {"column": "DEBIT"} if len(sides) == 1 else {"debit": "DEBIT", "credit": "CREDIT"}
    balance = {**columns, "unit": unit, "decimal_mark": ",", **amount}
    layout = Layout.model_validate(
        {"external_reference": "NAME", "balance": balance, "metadata": {"flag": flag}}
    )
    with duckdb.connect() as workbench:
        hold(workbench, "cells", pl.DataFrame(table, schema_overrides={"fate": pl.String}))
        return [finding.what for finding in find_mixed_units(workbench, layout)]


def mixed(count, texts=("C", "R")):
    return [(WHOLE, texts[0]) if n % 2 else (DECIMAL, texts[1]) for n in range(count)]


@pytest.mark.parametrize(
    "flag", ["FLAG", "FL AG", 'a "b"', "given.x", "*", "^.*$", "{x}", "'; DROP TABLE forms", "Ünit"]
)
def test_the_distinguishing_column_is_named_under_any_name(flag):
    assert doubts(mixed(4), flag=flag) == [
        f"2 whole amounts beside 2 with decimals; column {flag} tells them apart"
    ]


@pytest.mark.parametrize(
    "rows",
    [
        [*mixed(30), (WHOLE, "R"), (DECIMAL, "C")],  # almost
        [*mixed(30), (DECIMAL, "typo")],
        mixed(30, ("", "R")),
        mixed(30, ("cents", "")),
        [(WHOLE, "C"), (WHOLE, "c"), (WHOLE, "C"), (WHOLE, "c"), (DECIMAL, "R"), (DECIMAL, "R"), (DECIMAL, "Rand"), (DECIMAL, "Rand")],
    ],
)  # fmt: skip
def test_a_few_strays_and_empty_cells_leave_it_a_flag(rows):
    assert doubts(rows)[0].endswith("column FLAG tells them apart")


@pytest.mark.parametrize(
    "rows",
    [
        mixed(4, ("R", "R")),
        [(amount, f"text {n}") for n, (amount, _) in enumerate(mixed(30))],
        [(amount, "CR"[n // 2 % 2]) for n, (amount, _) in enumerate(mixed(30))],
    ],
)
def test_without_such_a_column_the_mix_alone_is_the_warning(rows):
    assert doubts(rows) == [f"{len(rows) // 2} whole amounts beside {len(rows) // 2} with decimals"]


def test_the_point_of_a_word_is_not_a_decimal_mark():
    whole = [("Rs. 500", "R"), ("Rs.500", "R"), ("kr. 12", "R"), ("500 Fr.", "R")]
    decimal = [("Rs. 5.50", "R"), ("Rs.5.50", "R"), (".50", "R"), ("-.50", "R")]

    assert doubts(whole, decimal_mark=".", sides=("DEBIT",)) == []
    assert doubts(whole + decimal, decimal_mark=".", sides=("DEBIT",)) == [
        "4 whole amounts beside 4 with decimals"
    ]


@pytest.mark.parametrize(
    "rows",
    [
        [(DECIMAL, "R")] * 30,
        [(WHOLE, "C")] * 30,
        [(WHOLE, "C"), *[(DECIMAL, "R")] * 30],
        [*[(DECIMAL, "R")] * 30, ("0", "C"), ("0", "C"), ("", "C"), ("-", "C"), ("-", "C")],
        [*[(DECIMAL, "R")] * 30, *[(WHOLE, "C", "JPY")] * 30],
        [],
    ],
)
def test_strays_zeros_and_currencies_without_decimals_are_no_mix(rows):
    assert doubts(rows) == []


def test_a_declared_unit_of_each_record_or_minor_units_are_never_doubted():
    assert doubts(mixed(30), unit={"column": "FLAG", "values": {"C": "minor", "R": "major"}}) == []
    assert doubts(mixed(30), unit="minor") == []
    assert find_mixed_units(duckdb.connect(), None) == []


def test_groups_of_thousands_are_no_decimals():
    rows = [("1.234,50", "R"), ("1.234", "C"), ("12.345,00", "R"), ("12.345", "C")]

    assert doubts(rows, sides=("DEBIT",), thousands=".") == [
        "2 whole amounts beside 2 with decimals; column FLAG tells them apart"
    ]
