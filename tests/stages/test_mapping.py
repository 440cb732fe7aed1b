"""A supplier's columns become ours exactly as the layout declares; what it does not cover is rejected, never guessed."""

import csv
import re
from collections import Counter
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from pipeline.domain.column_mapping import Layout, canonical_layout
from pipeline.domain.currency import NO_CODE, NO_CURRENCY, known
from pipeline.domain.currency_signs import customary_signs
from pipeline.transforming.mapping import count_absent, map_columns
from pipeline.transforming.normalize import Defaults, normalize
from pipeline.transforming.source_totals import ControlTotals
from pipeline.transforming.validation import validate

CASES = Path(__file__).parents[1] / "cases"


def layout(**fields: Any) -> Layout:
    return Layout.model_validate({"external_reference": "ID", **fields})


def records(*rows: dict[str, str | None]) -> pl.DataFrame:
    """Records as sources yield them; each has an ID of its own where it says none."""
    columns = list(dict.fromkeys(["ID", *(column for row in rows for column in row)]))
    return pl.DataFrame(
        {"row_id": [f"f.csv:{n + 2}" for n in range(len(rows))]}
        | {
            f"given.{column}": [{"ID": f"a-{n}", **row}.get(column) for n, row in enumerate(rows)]
            for column in columns
        },
        schema={"row_id": pl.String, **{f"given.{column}": pl.String for column in columns}},
    )


def customers(declared: Layout, *rows: dict[str, str | None]) -> pl.DataFrame:
    table = normalize(map_columns(records(*rows), declared), declared, Defaults())
    return table.with_columns(reasons=validate(table).reasons)


def test_fields_come_from_the_columns_that_are_named_and_from_no_others():
    declared = layout(name="FULL NAME", email="e-mail")

    table = customers(
        declared, {"FULL NAME": " Ann ", "e-mail": "ann@example.com", "name": "Zoe", "phone": "1"}
    )

    assert table.select("external_reference", "name", "email", "phone").row(0) == (
        "a-0",
        "Ann",
        "ann@example.com",
        None,
    )


@pytest.mark.parametrize(
    ("first", "last", "expected"),
    [
        ("Ann", "Lee", "Ann Lee"),
        (" Ann ", " Lee", "Ann Lee"),
        ("", "Lee", "Lee"),
        ("Ann", None, "Ann"),
        ("", " ", None),
    ],
)
def test_joined_columns_leave_out_what_is_absent(first, last, expected):
    declared = layout(name={"columns": ["FIRST", "LAST"]})

    assert customers(declared, {"FIRST": first, "LAST": last})["name"].to_list() == [expected]


def test_joined_columns_use_the_declared_order_and_separator():
    declared = layout(name={"columns": ["LAST", "FIRST"], "separator": ", "})

    assert customers(declared, {"FIRST": "Ann", "LAST": "Lee"})["name"].to_list() == ["Lee, Ann"]


def test_a_constant_fills_every_row_and_a_default_fills_absent_cells():
    declared = layout(
        currency={"column": "CUR", "default": "ZAR"}, metadata={"source": {"value": "legacy"}}
    )

    table = customers(declared, {"CUR": "USD"}, {"CUR": ""}, {"CUR": None})

    assert table["currency"].to_list() == ["USD", "ZAR", "ZAR"]
    assert table["metadata.source"].to_list() == ["legacy"] * 3


def test_a_value_map_accepts_its_entries_and_rejects_the_rest_by_text():
    declared = layout(
        currency={"column": "CUR", "values": {"R": "ZAR", "$": "USD"}},
        balance={"column": "B", "unit": "minor"},
    )

    table = customers(
        declared, {"CUR": " R ", "B": "1"}, {"CUR": "r", "B": "1"}, {"CUR": "ZAR", "B": "1"}
    )

    assert table["currency"].to_list() == ["ZAR", None, None]
    assert table["reasons"].to_list() == [
        [],
        ["MAP.VALUE_UNLISTED:currency"],
        ["MAP.VALUE_UNLISTED:currency"],
    ]


def test_a_value_map_may_keep_what_it_does_not_list():
    declared = layout(currency={"column": "CUR", "values": {"R": "ZAR"}, "unlisted": "keep"})

    assert customers(declared, {"CUR": "R"}, {"CUR": "USD"})["currency"].to_list() == ["ZAR", "USD"]


@pytest.mark.parametrize("field", ["external_reference", "name", "email", "phone", "metadata.plan"])
def test_an_unlisted_text_has_one_reason_in_every_field(field):
    text = {"column": "X", "values": {"a": "b"}}
    declared = (
        layout(metadata={"plan": text}) if field == "metadata.plan" else layout(**{field: text})
    )

    table = customers(declared, {"X": "c"})

    assert table["reasons"].to_list() == [[f"MAP.VALUE_UNLISTED:{field}"]]
    assert table[field].to_list() == [None]


def test_texts_that_mean_absent_are_absent_in_every_mapped_column_and_are_counted():
    declared = layout(
        name="N", email="E", balance={"column": "B", "unit": "minor"}, absent=["NULL", "-"]
    )
    rows = [
        {"N": "NULL", "E": " - ", "B": "-", "OTHER": "NULL"},
        {"N": "null", "E": "", "B": "-1", "OTHER": "-"},
    ]

    table = customers(declared, *rows)

    assert table.select("name", "email", "balance").rows() == [
        (None, None, None),
        ("null", None, -1),
    ]
    assert count_absent(records(*rows), declared) == {"NULL": 1, "-": 2}


def test_the_region_of_a_phone_comes_from_its_column_else_from_the_default():
    declared = layout(phone="P", region="COUNTRY")
    rows = [
        ("0821234567", "ZA"),
        ("0821234567", ""),
        ("020 7946 0958", " gb "),
        ("+27821234567", "XX"),
        ("0821234567", "XX"),
    ]

    table = customers(declared, *({"P": phone, "COUNTRY": region} for phone, region in rows))

    assert table["phone"].to_list() == [
        "+27821234567",
        "+27821234567",
        "+442079460958",
        "+27821234567",
        None,
    ]
    assert table["reasons"].to_list() == [[], [], [], [], ["VALIDATE.PHONE_REGION_UNKNOWN:phone"]]


# -- amounts ----------------------------------------------------------------------------------------------------------


def amount_cases() -> list[dict[str, str]]:
    with (CASES / "amounts.csv").open(encoding="utf-8", newline="") as file:
        return [
            {
                name: re.sub(r"\\u([0-9a-f]{4})", lambda found: chr(int(found[1], 16)), text)
                for name, text in row.items()
            }
            for row in csv.DictReader(file)
        ]


def test_an_amount_is_converted_to_exact_minor_units_or_rejected():
    by_declaration: dict[tuple[str, ...], list[dict[str, str]]] = {}
    for case in amount_cases():
        declared = ("unit", "decimal_mark", "thousands", "surplus_zeros", "currency")
        by_declaration.setdefault(tuple(case[name] for name in declared), []).append(case)

    wrong = {}
    for (unit, mark, thousands, surplus_zeros, currency), some in by_declaration.items():
        written = {
            "column": "B",
            "unit": unit,
            "decimal_mark": mark,
            "thousands": thousands or None,
            "surplus_zeros": bool(surplus_zeros),
        }
        declared = layout(currency={"value": currency}, balance=written)
        table = customers(declared, *({"B": case["given"]} for case in some))
        for case, balance, reasons in zip(some, table["balance"], table["reasons"], strict=True):
            expected = int(case["expected"]) if case["expected"] else None
            causes = [f"{case['reason']}:balance"] if case["reason"] else []
            if (balance, list(reasons)) != (expected, causes):
                wrong[tuple(case.values())] = (balance, list(reasons))

    assert wrong == {}


SIDES = {"debit": "D", "credit": "K", "unit": "major"}


@pytest.mark.parametrize(
    ("debit", "credit", "expected", "reason"),
    [
        ("5.00", "", 500, None),
        ("", "5.00", -500, None),
        ("0.00", "5.00", -500, None),
        ("5.00", "0", 500, None),
        ("0", "0.00", 0, None),
        (" ", "5", -500, None),
        ("", "", None, None),
        ("", "0", 0, None),
        ("5", "5", None, "MAP.DEBIT_AND_CREDIT"),
        ("5", "x", None, "MAP.DEBIT_AND_CREDIT"),
        ("-5", "", None, "MAP.SIGN_IN_DEBIT_OR_CREDIT"),
        ("", "-5", None, "MAP.SIGN_IN_DEBIT_OR_CREDIT"),
        ("+5", "0", None, "MAP.SIGN_IN_DEBIT_OR_CREDIT"),
        ("5-", "0", None, "MAP.SIGN_IN_DEBIT_OR_CREDIT"),
        ("x", "", None, "VALIDATE.BALANCE_NOT_A_NUMBER"),
        ("1.234", "0", None, "VALIDATE.BALANCE_TOO_MANY_DECIMALS"),
    ],
)
def test_debits_are_owed_credits_are_owing_and_the_sign_is_never_guessed(
    debit, credit, expected, reason
):
    declared = layout(currency={"value": "ZAR"}, balance=SIDES)

    table = customers(declared, {"D": debit, "K": credit})

    assert table["balance"].to_list() == [expected]
    assert table["reasons"].to_list() == [[f"{reason}:balance"] if reason else []]


def test_cents_and_units_may_be_mixed_where_a_column_marks_them():
    unit = {"column": "FLAG", "values": {"C": "minor", "R": "major"}}
    declared = layout(currency={"value": "ZAR"}, balance={"column": "B", "unit": unit})
    rows = [("24000", "C"), ("240.00", " R"), ("240.00", "C"), ("1", "?"), ("", "?"), ("1", "")]

    table = customers(declared, *({"B": amount, "FLAG": flag} for amount, flag in rows))

    assert table["balance"].to_list() == [24000, 24000, None, None, None, None]
    assert [" ".join(reasons) for reasons in table["reasons"]] == [
        "",
        "",
        "VALIDATE.BALANCE_NOT_WHOLE:balance",
        "MAP.VALUE_UNLISTED:FLAG",
        "",
        "MAP.VALUE_UNLISTED:FLAG",
    ]


def test_a_mark_in_a_column_of_its_own_is_named_by_that_column_and_one_in_the_amount_by_the_amount():
    marks = {"debit": ["D"], "credit": ["C"]}
    apart = layout(
        currency={"value": "ZAR"},
        balance={"column": "B", "unit": "minor", "marks": {**marks, "column": "a: b"}},
    )
    within = layout(
        currency={"value": "ZAR"}, balance={"column": "B", "unit": "minor", "marks": marks}
    )

    assert customers(apart, {"B": "1", "a: b": "X"})["reasons"].to_list() == [
        ["MAP.VALUE_UNLISTED:a: b"]
    ]
    assert customers(within, {"B": "1 X"})["reasons"].to_list() == [["MAP.VALUE_UNLISTED:balance"]]


@pytest.mark.parametrize(
    ("currency", "reason"),
    [("RAND", "UNKNOWN"), ("HRK", "WITHDRAWN"), ("XAU", "WITHOUT_MINOR_UNIT")],
)
def test_major_units_of_an_unknown_currency_are_not_converted(currency, reason):
    declared = layout(currency="C", balance={"column": "B", "unit": "major"})

    table = customers(declared, {"C": currency, "B": "1.50"})

    assert table["balance"].to_list() == [None]
    assert table["reasons"].to_list() == [[f"VALIDATE.CURRENCY_{reason}:currency"]]


# -- laws -------------------------------------------------------------------------------------------------------------

amounts = st.one_of(
    st.decimals(-(10**6), 10**6, places=3).map(str),
    st.integers(-(10**19), 10**19).map(str),
    st.from_regex(r"\A ?[+-]?[0-9]{0,4}([.,' ][0-9]{3}){0,2}([.,][0-9]{0,4})? ?\Z"),
    st.tuples(
        st.sampled_from(["12.50", "1,234.00", "7", "-3", "0"]),
        st.sampled_from(
            [
                "{} CR",
                "{}cr",
                "{} DR",
                "({})",
                "( {} )",
                "{}-",
                "({}",
                "-({})",
                "({})-",
                "{} C R",
                "{}\u00a0Cr",
            ]
        ),
    ).map(lambda pair: pair[1].format(pair[0])),
    st.builds(
        "{}{}{}{}{}{}{}".format,
        st.sampled_from(["", "", "'", "\u200b", "\u00a0", "' "]),
        st.sampled_from(["", "", "-", "\u2212", "(", "+", "- ", "R"]),
        st.sampled_from(
            [
                "",
                "R",
                "R ",
                "K\u00a0",
                "R$",
                "Fr.",
                "Fr. ",
                "\u20ac\u202f",
                "ZAR ",
                "KD",
                "R-",
                "$",
                "Rs",
            ]
        ),
        st.sampled_from(["0", "0.00", "12.50", "1 234,50", "7", ".50", "-3", "(4)"]),
        st.sampled_from(["", "", " R", "\u20ac", " Fr.", "\u00a0KD", "$", " MIO", "%", " ZAR"]),
        st.sampled_from(["", "", ")", "-", " CR", "CR", " dr"]),
        st.sampled_from(["", "", "\u2060", "\n"]),
    ),
    st.sampled_from(
        [
            "",
            "0",
            "0.00",
            "0,0",
            "-0",
            "NULL",
            "-",
            "x",
            ".5",
            "5.",
            "+",
            "99999999999999999.9",
            "1e3",
        ]
    ),
)
cells = st.tuples(amounts, amounts, st.sampled_from(["R", "K", "ZAR", "kwd", "JPY", "", "NULL", "x y", "HRK", "XAU"]), st.sampled_from(["C", "R", "", "?"]))  # fmt: skip
CUSTOMARY = {"currency_sign": {code: sorted(signs) for code, signs in customary_signs().items()}}
SIGNS = (
    {}, {"parentheses": True}, {"trailing_minus": True}, {"parentheses": True, "trailing_minus": True}, {"positive_means": "credit"},
    {"positive_means": "credit", "parentheses": True}, {"marks": {"debit": ["DR", ""], "credit": ["CR"]}},
    {"marks": {"debit": ["dr"], "credit": ["Cr", "C R"]}}, {"marks": {"column": "U", "debit": ["R"], "credit": ["C"]}},
)  # fmt: skip
balances = st.builds(
    lambda where, unit, marks, surplus, apostrophe, signs: {
        **where, "unit": unit, **marks, "surplus_zeros": surplus, **apostrophe,
        **(CUSTOMARY if signs == "customary" else signs),
    },
    st.sampled_from([*({"column": "D", **signs} for signs in SIGNS), {"debit": "D", "credit": "K"}]),
    st.sampled_from(["major", "minor", {"column": "U", "values": {"C": "minor", "R": "major"}}]),
    st.sampled_from([{}, {"decimal_mark": ","}, {"thousands": ","}, {"decimal_mark": ",", "thousands": "."}, {"thousands": " "}]),
    st.booleans(),
    st.sampled_from([{}, {}, {"leading_apostrophe": True}]),
    st.sampled_from([
        {}, {}, {"currency_sign": "R"}, {"currency_sign": ["R", "Fr.", "$", "\u20ac"]},
        {"currency_sign": {"ZAR": ["R", "Rs"], "KWD": ["KD", "K"], "JPY": "$"}}, "customary",
    ]),
)  # fmt: skip
currencies = st.sampled_from(
    [
        {"value": "ZAR"},
        "C",
        {"column": "C", "default": "KWD"},
        {"column": "C", "values": {"R": "ZAR", "K": "KWD"}},
        {"column": "C", "values": {"R": "ZAR"}, "unlisted": "keep", "default": "JPY"},
        None,
    ]
)


@settings(max_examples=12, deadline=None)
@given(
    st.lists(cells, min_size=1, max_size=12),
    balances,
    currencies,
    st.sampled_from([[], ["NULL", "-"]]),
)
def test_sums_of_the_source_text_equal_sums_of_the_balances(rows, balance, currency, absent):
    declared = layout(currency=currency, balance=balance, absent=absent)
    given_records = records(*({"D": d, "K": k, "C": c, "U": u} for d, k, c, u in rows))
    totals = ControlTotals()

    totals.add(given_records, declared)
    table = customers(declared, *({"D": d, "K": k, "C": c, "U": u} for d, k, c, u in rows))

    debits, credits = Counter(), Counter()
    for code, cents in table.select("currency", "balance").iter_rows():
        name = NO_CURRENCY if code is None else code if code in known() else NO_CODE
        (debits if (cents or 0) > 0 else credits)[name] += cents or 0
    assert (+totals.debits, -totals.credits) == (+debits, -credits)


def test_a_declared_mark_may_hold_a_space():
    declared = layout(
        currency={"value": "ZAR"},
        balance={"column": "D", "marks": {"debit": ["DR"], "credit": ["C R"]}, "unit": "major"},
    )

    table = customers(declared, {"D": "7.50 C R"}, {"D": "7.50 dr"}, {"D": "7.50 XC R"})

    assert table["balance"].to_list() == [-750, 750, None]


@settings(max_examples=12, deadline=None)
@given(st.lists(cells, min_size=1, max_size=8), balances, currencies)
def test_a_row_without_reasons_has_the_balance_that_its_text_states(rows, balance, currency):
    declared = layout(currency=currency, balance=balance)

    table = customers(declared, *({"D": d, "K": k, "C": c, "U": u} for d, k, c, u in rows))

    for given_text, cents, reasons in table.select(
        "mapped.balance", "balance", "reasons"
    ).iter_rows():
        assert reasons or (cents is None) == (given_text is None or not given_text.strip())


# -- what migrations need ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "cell", "expected", "reason"),
    [
        ({"split": {"at": ",", "part": 1}}, "Nkosi, Thandi", "Nkosi", None),
        ({"split": {"at": ",", "part": -1}}, "Nkosi, Thandi", "Thandi", None),
        ({"split": {"at": ",", "part": 2}}, "Nkosi", None, "MAP.NO_MATCH:name"),
        ({"split": {"at": ",", "part": 2}, "unmatched": "absent"}, "Nkosi", None, None),
        ({"split": {"at": ",", "part": 2}, "unmatched": "keep"}, "Nkosi", "Nkosi", None),
        (
            {"split": {"at": ",", "part": 2}, "unmatched": "absent", "default": "x"},
            "Nkosi",
            "x",
            None,
        ),
        ({"extract": "^ACC-([0-9]+)$"}, "ACC-0042", "0042", None),
        ({"extract": "[0-9]+"}, "no 42 here", "42", None),
        ({"extract": "^ACC-([0-9]+)$"}, "4711", None, "MAP.NO_MATCH:name"),
        ({"extract": "^ACC-([0-9]+)$"}, "", None, None),
        ({"prefix": "A-", "suffix": "/x"}, " 42 ", "A-42/x", None),
        ({"prefix": "A-"}, "", None, None),
        ({"prefix": "A-", "default": "none"}, "", "none", None),
        ({"values": {"R": "ZAR"}, "otherwise": "USD"}, "?", "USD", None),
        ({"values": {"R": "ZAR"}, "otherwise": "USD"}, "", None, None),
        ({"split": {"at": ":", "part": 1}, "values": {"R": "ZAR"}}, "R:1", "ZAR", None),
        ({"when": {"column": "S", "is_one_of": ["active", "new"]}}, "Ann", "Ann", None),
        ({"when": {"column": "S", "is_none_of": ["active"]}}, "Ann", None, None),
        ({"when": {"column": "S", "is_none_of": ["active"]}, "extract": "^x"}, "Ann", None, None),
        (
            {"when": {"column": "S", "is_one_of": ["closed"]}, "default": "gone"},
            "Ann",
            "gone",
            None,
        ),
    ],
)
def test_a_text_is_taken_apart_and_put_together_as_declared(text, cell, expected, reason):
    declared = layout(name={"column": "N", **text})

    table = customers(declared, {"N": cell, "S": "active"})

    assert table["reasons"].to_list() == [[reason] if reason else []]
    assert table["name"].to_list() == [expected]


def test_the_first_of_several_columns_that_is_present_is_taken():
    declared = layout(phone={"columns": ["CELL", "HOME"], "take": "first"}, absent=["-"])

    table = customers(
        declared,
        {"CELL": "-", "HOME": "0821234567"},
        {"CELL": "0827654321", "HOME": "x"},
        {"CELL": "", "HOME": ""},
    )

    assert table["phone"].to_list() == ["+27821234567", "+27827654321", None]


def test_a_text_without_the_part_is_shown_in_the_list():
    table = map_columns(
        records({"N": "4711"}), layout(name={"column": "N", "extract": "^ACC-([0-9]+)$"})
    )

    assert table["mapped.name"].to_list() == ["4711"]


@settings(max_examples=10)
@given(
    st.text(st.characters(min_codepoint=1, max_codepoint=126), min_size=1, max_size=12),
    st.sampled_from(["_", "-"]),
)
def test_an_escaped_reference_is_accepted_by_billing_and_reversible(reference, mark):
    declared = layout(external_reference={"column": "ID", "escape": mark, "prefix": "old-"})

    made = customers(declared, {"ID": reference})["external_reference"].item()

    trimmed = reference.strip(" \t\n\r\x0b\x0c")
    if not trimmed:
        assert made is None
        return
    assert re.fullmatch("old-[A-Za-z0-9_-]+", made)
    back = re.sub(
        re.escape(mark) + "([0-9A-F]{2})",
        lambda found: chr(int(found[1], 16)),
        made.removeprefix("old-"),
    )
    assert back == trimmed


@pytest.mark.parametrize(
    ("signs", "text", "cents"),
    [
        ({"parentheses": True}, "(123.45)", -12345),
        ({}, "(123.45)", None),
        ({"trailing_minus": True}, "123.45-", -12345),
        ({}, "123.45-", None),
        ({"marks": {"debit": ["DR", ""], "credit": ["CR"]}}, "100 CR", -10000),
        ({"marks": {"debit": ["DR", ""], "credit": ["CR"]}}, "100cr", -10000),
        ({"marks": {"debit": ["DR", ""], "credit": ["CR"]}}, "100.00 DR", 10000),
        ({"marks": {"debit": ["DR", ""], "credit": ["CR"]}}, "100.00", 10000),
        ({"marks": {"debit": ["DR"], "credit": ["CR"]}}, "100.00", None),
        ({"marks": {"debit": ["DR", ""], "credit": ["CR"]}}, "-100 CR", None),
        ({"marks": {"debit": ["DR", ""], "credit": ["CR"]}}, "100 XR", None),
        ({}, "100 CR", None),
        ({"marks": {"column": "S", "debit": ["D"], "credit": ["C"]}}, "100", -10000),
        ({"positive_means": "credit"}, "100", -10000),
        ({"positive_means": "credit"}, "-100", 10000),
        ({"positive_means": "credit", "parentheses": True}, "(100)", 10000),
        ({"positive_means": "credit"}, "0", 0),
    ],
)
def test_a_sign_is_read_only_where_and_as_it_is_declared(signs, text, cents):
    declared = layout(currency={"value": "ZAR"}, balance={"column": "D", "unit": "major", **signs})

    table = customers(declared, {"D": text, "S": "C"})

    assert table["balance"].to_list() == [cents]
    assert (cents is None) == bool(table["reasons"].to_list()[0])


def test_a_canonical_file_maps_every_column_to_itself():
    names = ["external_reference", "name", "balance", "metadata.plan", "notes", "billing_id"]

    declared = canonical_layout(names)

    assert dict(declared.sources()) == {name: name for name in names if name != "notes"}


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"name": {"column": "A", "value": "x"}}, "say one of column, columns and value"),
        ({"name": {}}, "found: none"),
        (
            {"balance": {"column": "A", "debit": "B", "unit": "major"}},
            "set column, or debit and credit",
        ),
        ({"balance": {"debit": "B", "unit": "major"}}, "debit and credit need each other"),
        ({"balance": {"column": "A"}}, "unit"),
        (
            {"balance": {"column": "A", "unit": {"column": "U"}}},
            "set major, minor, or a column with values",
        ),
        ({"balance": {"column": "A", "unit": "major", "thousands": "."}}, "cannot be the same"),
        (
            {"metadata": {"id": "PASSPORT"}, "never_sent": ["PASSPORT"]},
            "never_sent are mapped: 'PASSPORT'",
        ),
        (
            {"metadata": {"id": "PASSPORT\u00a0"}, "never_sent": [" Passport"]},
            "never_sent are mapped: 'PASSPORT",
        ),
        ({"name": {"column": "A", "extract": "("}}, "is not a supported regular expression"),
        ({"name": {"column": "A", "extract": "(?=x)"}}, "is not a supported regular expression"),
        ({"name": {"column": "A", "extract": "(a)(b)"}}, "has 2 groups"),
        ({"name": {"column": "A", "split": {"at": ",", "part": 0}}}, "parts are counted from 1"),
        ({"name": {"column": "A", "otherwise": "x"}}, "otherwise needs values"),
        ({"name": {"column": "A", "escape": "_"}}, "escape works only for external_reference"),
        ({"name": {"column": "A", "when": {"column": "B"}}}, "set is_one_of or is_none_of"),
        ({"name": {"column": "A", "take": "first"}}, "take needs columns"),
        ({"currency": {"column": "A", "prefix": "Z"}}, "currency allows only values"),
        (
            {"balance": {"debit": "A", "credit": "B", "unit": "major", "parentheses": True}},
            "need column",
        ),
        (
            {
                "balance": {
                    "column": "A",
                    "unit": "major",
                    "marks": {"debit": ["x"], "credit": ["X"]},
                }
            },
            "mean both debit and credit",
        ),
        ({"metadata": {"k" * 41: "A"}}, "at most 40 characters"),
    ],
)
def test_an_impossible_column_mapping_is_refused(fields, told):
    with pytest.raises(ValidationError, match=re.escape(told)):
        layout(**fields)
