"""In which fields a held row differs: by the plan's tables, whatever columns are called."""

import duckdb
import polars as pl
import pytest

from pipeline.domain.customer import payload_bytes
from pipeline.domain.reasons import Reason
from pipeline.planning import created_otherwise, find_differing
from tests.conftest import hold

TWINS, CREATED, KNOWN = (
    reason.value
    for reason in (
        Reason.MATCH_SAME_REFERENCE_OTHER_CONTENT,
        Reason.PLAN_CREATED_BEFORE_DIFFERENT,
        Reason.MATCH_KNOWN_DIFFERENT,
    )
)
FIELDS = ("external_reference", "name", "email", "phone", "billing_id", "currency", "balance")
ODD = [
    "due date",
    "*",
    "^.*$",
    "a.b",
    'a"b',
    "[1-9]",
    "{}",
    "x|y",
    "\\",
    "'",
    "%s",
    "é",
    "Ａ",
    "k" * 40,
]


def differing(rows, *, known=(), stated=(), created=(), metadata="plan"):
    """Row number -> fields. A row: reason, and values in the order of FIELDS, then one of metadata."""
    names = [*FIELDS, f"metadata.{metadata}"]
    values = [[*row[1:], *[None] * (len(names) + 1 - len(row))] for row in rows]
    records = pl.DataFrame(
        values,
        schema={name: pl.Int64 if name == "balance" else pl.String for name in names},
        orient="row",
    )
    judged = pl.DataFrame(
        {"position": range(len(rows)), "reason": [row[0] for row in rows]},
        schema_overrides={"position": pl.Int64},
    )
    customers = [[*one, *[None] * (len(FIELDS) - len(one))] for one in known]
    with duckdb.connect() as workbench:
        hold(workbench, "records", records.with_row_index("position").cast({"position": pl.Int64}))
        hold(workbench, "judged", judged)
        hold(
            workbench,
            "known",
            pl.DataFrame(
                customers, schema={name: records.schema[name] for name in FIELDS}, orient="row"
            ),
        )
        hold(
            workbench,
            "known_fields",
            pl.DataFrame({"field": list(stated)}, schema={"field": pl.String}),
        )
        asked = created_otherwise(workbench)
        found = find_differing(
            workbench,
            [(name, payload_bytes(one).decode()) for name, one in created if name in asked],
        )
    return dict(found.rows())


@pytest.mark.parametrize("key", ODD)
def test_rows_of_one_reference_name_every_differing_field(key):
    rows = [
        (TWINS, "A", "Ann", None, None, None, "ZAR", 1, "x"),
        (TWINS, "A", "Ann", "a@b.co", None, None, "ZAR", 1, "y"),
        (TWINS, "A", "Ann", "a@b.co", None, None, "ZAR", 1, "y"),
        (TWINS, "B", "Bo", None, None, None, "ZAR", 5, "x"),
        (TWINS, "B", "Bo", None, None, None, "ZAR", None, "x"),
    ]

    found = differing(rows, metadata=key)

    assert found == {
        **{at: ["email", f"metadata.{key}"] for at in range(3)},
        3: ["balance"],
        4: ["balance"],
    }


@pytest.mark.parametrize("key", ODD)
def test_a_row_with_any_field_names_is_compared_with_the_ledger(key):
    rows = [
        (CREATED, "A", "Ann", None, None, None, "ZAR", 1, "x"),
        (CREATED, "B", "Bo", None, None, None, None, None, None),
    ]
    created = [
        (
            "A",
            {
                "external_reference": "A",
                "name": "Ann",
                "currency": "ZAR",
                "balance": 2,
                "metadata": {key: "z", "gone": "1"},
            },
        ),
        ("B", {"external_reference": "B", "name": "Bob", "email": "b@b.co"}),
    ]

    assert differing(rows, created=created, metadata=key) == {
        0: ["balance", f"metadata.{key}"],
        1: ["name", "email"],
    }


def test_known_customers_are_compared_in_the_fields_that_they_state():
    rows = [
        (KNOWN, "A", "Ann", "a@b.co", None, None, "ZAR", 1),
        (KNOWN, "B", "Bo", None, None, "b-1", "ZAR", 1),
    ]
    known = [
        ("A", "Anna", "other@b.co"),
        ("B", "Bo", None, None, "b-1"),
        ("B", "Bo", None, None, "b-2"),
    ]

    found = differing(rows, known=known, stated=("name", "billing_id"))

    assert found == {0: ["name"], 1: ["billing_id"]}


def test_rows_that_are_not_held_have_no_differing_field():
    assert differing([("", "A", "Ann")]) == {}
