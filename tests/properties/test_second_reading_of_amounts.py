"""`verify` reads amounts with code of its own, row by row and as columns; all three readings agree."""

import csv

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.domain.amount import Amount
from pipeline.domain.column_mapping import Layout
from pipeline.transforming.mapping import map_columns
from pipeline.transforming.normalize import Defaults, normalize
from pipeline.verifier.amount_columns import AmountColumns
from pipeline.verifier.amounts import declared
from pipeline.verifier.declared_job import MappingRules
from pipeline.verifier.list_columns import ListColumns
from pipeline.verifier.recomputed import Recomputed

COLUMNS = ("reference", "currency", "balance", "debit", "credit", "unit", "side")
UNITS = {"column": "unit", "values": {"rand": "major", "cents": "minor"}}
SIGNS = (
    "R",
    ["R", "€"],
    {"ZAR": ["R", "ZAR"], "*": ["$"]},
    ["kr", "kr.", "Kr"],
    ["C$", "$"],
)
MARKS = (
    {"debit": ["DR", ""], "credit": ["CR"]},
    {"debit": ["Dr."], "credit": ["Cr.", "C R"]},
    {"debit": ["D"], "credit": ["C"], "column": "side"},
)
SPACES = st.sampled_from(["", "", "", " ", "\u00a0"])


@st.composite
def forms(draw):
    """A valid declaration of amounts."""
    decimal_mark = draw(st.sampled_from(".,"))
    form = {
        "unit": draw(st.sampled_from(["major", "minor", UNITS])),
        "decimal_mark": decimal_mark,
        "thousands": draw(st.sampled_from([None, *(one for one in ".,' " if one != decimal_mark)])),
        "surplus_zeros": draw(st.booleans()),
        "leading_apostrophe": draw(st.booleans()),
        "currency_sign": draw(st.sampled_from([{}, *SIGNS])),
    }
    sides = draw(st.sampled_from(["columns", "marks", "signs", "signs"]))
    if sides == "columns":
        return Amount(**form, debit="debit", credit="credit")
    if sides == "marks":
        return Amount(**form, column="balance", marks=draw(st.sampled_from(MARKS)))
    return Amount(
        **form,
        column="balance",
        parentheses=draw(st.booleans()),
        trailing_minus=draw(st.booleans()),
        positive_means=draw(st.sampled_from(["debit", "credit"])),
    )


@st.composite
def cells(draw):
    """An amount in some form, or a text that is none."""
    if draw(st.integers(0, 9)) == 0:
        return draw(st.sampled_from(["", "0", "0.00", "-0", "0,00", "none", "NULL", "-1", "(0)"]))
    digits = draw(st.text("0123456789", min_size=1, max_size=draw(st.sampled_from([3, 6, 19]))))
    if separator := draw(st.sampled_from(["", "", ",", ".", "'", " ", "\u00a0"])):
        head = len(digits) % 3
        groups = [digits[:head], *(digits[at : at + 3] for at in range(head, len(digits), 3))]
        digits = separator.join(group for group in groups if group)
    decimals = draw(st.sampled_from(["", "", ".5", ".50", ",50", ",500", ".000", "."]))
    sign = draw(st.sampled_from(["", "", "", "R", "€", "$", "C$", "kr", "kr.", "ZAR", "zar"]))
    mark = draw(st.sampled_from(["", "", "", "CR", "DR", "cr", "Cr.", "Dr.", "C R", "XX"]))
    text = draw(
        st.sampled_from(
            [
                f"{sign}{draw(SPACES)}{digits}{decimals}{draw(SPACES)}{mark}",
                f"{digits}{decimals}{draw(SPACES)}{sign}{draw(SPACES)}{mark}",
            ]
        )
    )
    around = draw(
        st.sampled_from(["{}", "{}", "{}", "({})", "-{}", "+{}", "{}-", "\u2212{}", "'{}"])
    )
    return around.format(text)


@st.composite
def rows(draw):
    """A row of an input."""
    return {
        "reference": "A",
        "currency": draw(st.sampled_from(["ZAR", "ZAR", "EUR", "zar", "KWD", "JPY", "", "RAND"])),
        "balance": draw(cells()),
        "debit": draw(st.one_of(st.sampled_from(["", "0"]), cells())),
        "credit": draw(st.one_of(st.sampled_from(["", "0"]), cells())),
        "unit": draw(st.sampled_from(["rand", "cents", "", "else"])),
        "side": draw(st.sampled_from(["D", "C", "c", "", "else"])),
    }


def first_reading(layout, given_rows):
    """The minor units of each row as the plan reads them; None without a usable amount."""
    records = pl.DataFrame({f"given.{name}": [row[name] for row in given_rows] for name in COLUMNS})
    table = normalize(map_columns(records, layout), layout, Defaults())
    return [
        balance if fault is None and kind == "ok" else None
        for fault, kind, balance in table.select("fault.balance", "kind.balance", "balance").rows()
    ]


@given(forms(), st.lists(rows(), min_size=1, max_size=30), st.booleans())
@settings(max_examples=60, deadline=None)
def test_amounts_are_read_twice_with_one_result(tmp_path_factory, form, given_rows, in_workbook):
    layout = Layout(
        external_reference="reference", currency="currency", balance=form, absent=("NULL", "-1")
    )
    amounts = declared(MappingRules.model_validate(layout.model_dump(mode="json")), COLUMNS)
    planned = layout.of_workbook() if in_workbook else layout

    by_row = [amounts.of(row, in_workbook=in_workbook) for row in given_rows]

    assert [one[1] if isinstance(one, tuple) else None for one in by_row] == first_reading(
        planned, given_rows
    )
    one_by_one, at_once = Recomputed(), Recomputed()
    for amount in by_row:
        one_by_one.add_amount("created", amount, waits=False)
    listed = listed_rows(tmp_path_factory.mktemp("list"), given_rows)
    nobody_waits = listed.our("waits").cast("bool")
    AmountColumns(amounts, COLUMNS, in_workbook=in_workbook).add(listed, nobody_waits, at_once)
    assert at_once == one_by_one


def listed_rows(folder, given_rows):
    """A list with these rows, read as columns."""
    header = [*COLUMNS, "_import_fate", "_import_waits"]
    with (folder / "created.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows([*row.values(), "created", "false"] for row in given_rows)
    return ListColumns(folder, "created", COLUMNS).take(len(given_rows))
