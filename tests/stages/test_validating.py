"""Every row that breaks the contract has all its reasons, by field and with the text as given; every other row has none."""

import csv
import re
from pathlib import Path

import polars as pl
import pytest

from pipeline.domain.column_mapping import canonical_layout
from pipeline.domain.reasons import Reason
from pipeline.transforming.mapping import map_columns
from pipeline.transforming.normalize import Defaults, normalize
from pipeline.transforming.validation import validate

CASES = Path(__file__).parents[1] / "cases"
MOST = 2**53 - 1


def cases(name: str) -> list[dict[str, str]]:
    with (CASES / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return [
            {column: shown(text) for column, text in row.items()} for row in csv.DictReader(file)
        ]


def shown(text: str) -> str:
    r"""Characters that an eye cannot see are written \uXXXX in the case files."""
    return re.sub(r"\\u([0-9a-f]{4})", lambda found: chr(int(found[1], 16)), text)


def customers(*rows: dict[str, str], region: str = "ZA") -> pl.DataFrame:
    """Normalized customers; what a row does not say is absent, but for its reference."""
    columns = list(
        dict.fromkeys(["external_reference", *(column for row in rows for column in row)])
    )
    cells = [{"external_reference": f"ref-{n}", **row} for n, row in enumerate(rows)]
    records = pl.DataFrame(
        {"row_id": [f"f.csv:{n + 2}" for n in range(len(rows))]}
        | {f"given.{column}": [row.get(column) for row in cells] for column in columns},
        schema={"row_id": pl.String, **{f"given.{column}": pl.String for column in columns}},
    )
    layout = canonical_layout(columns)
    return normalize(map_columns(records, layout), layout, Defaults(region=region))


def reasons(row: dict[str, str], region: str = "ZA") -> list[str]:
    return sorted(validate(customers(row, region=region)).reasons[0])


# -- the case files ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "field", "beside"),
    [
        ("phones", "phone", {}),
        ("money", "balance", {"currency": "ZAR"}),
        ("emails", "email", {}),
        ("currencies", "currency", {"balance": "1"}),
    ],
)
def test_a_value_has_the_reason_of_its_case(name, field, beside):
    """All cases of a region are one column, which `test_normalizing` compares with each case alone."""
    by_region: dict[str, list[dict[str, str]]] = {}
    for case in cases(name):
        by_region.setdefault(case.get("region", "ZA"), []).append(case)

    wrong = {}
    for region, some in by_region.items():
        rows = [{field: case["given"], **beside} for case in some]
        found = validate(customers(*rows, region=region)).reasons
        for case, reasons_of_case in zip(some, found, strict=True):
            expected = [f"{case['reason']}:{field}"] if case["reason"] else []
            if sorted(reasons_of_case) != expected:
                wrong[region, case["given"]] = (expected, sorted(reasons_of_case))

    assert wrong == {}


# -- reasons ----------------------------------------------------------------------------------------------------------

BROKEN_ROWS = {
    Reason.VALIDATE_REFERENCE_MISSING: ({"external_reference": " "}, "external_reference"),
    Reason.VALIDATE_REFERENCE_CHARACTERS: ({"external_reference": "a/1"}, "external_reference"),
    Reason.VALIDATE_REFERENCE_TOO_LONG: ({"external_reference": "a" * 256}, "external_reference"),
    Reason.VALIDATE_REFERENCE_DAMAGED: ({"external_reference": "8.5E+12"}, "external_reference"),
    Reason.VALIDATE_NAME_TOO_LONG: ({"name": "a" * 256}, "name"),
    Reason.VALIDATE_EMAIL_MALFORMED: ({"email": "ann@"}, "email"),
    Reason.VALIDATE_PHONE_UNREADABLE: ({"phone": "n/a"}, "phone"),
    Reason.VALIDATE_PHONE_DAMAGED: ({"phone": "+27821234567.0"}, "phone"),
    Reason.VALIDATE_PHONE_NOT_POSSIBLE: ({"phone": "0111"}, "phone"),
    Reason.VALIDATE_PHONE_NOT_VALID: ({"phone": "000 000 0000"}, "phone"),
    Reason.VALIDATE_PHONE_HAS_EXTENSION: ({"phone": "0821234567 x5"}, "phone"),
    Reason.VALIDATE_PHONE_SEVERAL: ({"phone": "0821234567/0831234567"}, "phone"),
    Reason.VALIDATE_CURRENCY_UNKNOWN: ({"currency": "RAND"}, "currency"),
    Reason.VALIDATE_CURRENCY_WITHDRAWN: ({"currency": "HRK"}, "currency"),
    Reason.VALIDATE_CURRENCY_WITHOUT_MINOR_UNIT: ({"currency": "XAU", "balance": "1"}, "currency"),
    Reason.VALIDATE_BALANCE_NOT_A_NUMBER: ({"balance": "ten", "currency": "ZAR"}, "balance"),
    Reason.VALIDATE_BALANCE_WITH_WORDS: ({"balance": "R 100", "currency": "ZAR"}, "balance"),
    Reason.VALIDATE_BALANCE_NOT_WHOLE: ({"balance": "1.50", "currency": "ZAR"}, "balance"),
    Reason.VALIDATE_BALANCE_TOO_LARGE: ({"balance": str(MOST + 1), "currency": "ZAR"}, "balance"),
    Reason.VALIDATE_BALANCE_NEEDS_CURRENCY: ({"balance": "1"}, "currency"),
    Reason.VALIDATE_METADATA_TOO_LONG: ({"metadata.plan": "a" * 501}, "metadata.plan"),
    Reason.VALIDATE_METADATA_TOO_MANY: ({f"metadata.{n}": "x" for n in range(11)}, "metadata"),
}
#: Normalizing never lets these through to the contract; they stand guard behind it.
GUARDS = {Reason.VALIDATE_EMAIL_TOO_LONG, Reason.VALIDATE_PHONE_FORMAT}
#: Only a mapping leads to these: test_mapping.py has their rows.
OF_MAPPINGS = {
    Reason.VALIDATE_BALANCE_TOO_MANY_DECIMALS,
    Reason.VALIDATE_PHONE_REGION_UNKNOWN,
    Reason.VALIDATE_METADATA_SENSITIVE,
    Reason.VALIDATE_PHONE_UNUSUAL_LENGTH,
}
#: And to these: test_identities.py has them.
OF_IDENTITIES = {
    Reason.VALIDATE_IDENTITY_NOT_13_DIGITS,
    Reason.VALIDATE_IDENTITY_DATE,
    Reason.VALIDATE_IDENTITY_CHECK_DIGIT,
    Reason.VALIDATE_PASSPORT_MALFORMED,
    Reason.VALIDATE_IDENTITY_MISSING,
}


def test_every_reason_of_validation_has_a_row_here():
    assert {r for r in Reason if r.startswith("VALIDATE.")} == {
        *BROKEN_ROWS,
        *GUARDS,
        *OF_MAPPINGS,
        *OF_IDENTITIES,
    }


@pytest.mark.parametrize("reason", BROKEN_ROWS)
def test_a_row_with_this_fault_has_this_reason_and_its_neighbours_have_none(reason):
    row, field = BROKEN_ROWS[reason]

    verdict = validate(customers({"name": "Ann"}, row, {"name": "Ben"}))

    assert f"{reason}:{field}" in verdict.reasons[1].to_list()
    assert [verdict.reasons[0].to_list(), verdict.reasons[2].to_list()] == [[], []]
    assert set(verdict.rejections["row_id"]) == {"f.csv:3"}


@pytest.mark.parametrize(
    ("column", "text", "reason"),
    [
        ("email", "a" * 244 + "@example.com", Reason.VALIDATE_EMAIL_TOO_LONG),
        ("phone", "0821234567", Reason.VALIDATE_PHONE_FORMAT),
        ("phone", "+0821234567", Reason.VALIDATE_PHONE_FORMAT),
        ("phone", "+1", Reason.VALIDATE_PHONE_FORMAT),
        ("phone", "+1234567890123456", Reason.VALIDATE_PHONE_FORMAT),
        ("phone", "+27821234567\n", Reason.VALIDATE_PHONE_FORMAT),
    ],
)
def test_the_contract_stops_impossible_normalized_values(column, text, reason):
    table = customers({"name": "Ann"}).with_columns(pl.lit(text).alias(column))

    assert validate(table).reasons[0].to_list() == [f"{reason}:{column}"]


def test_a_row_has_all_its_reasons_at_once_with_the_text_as_given():
    row = {
        "external_reference": f" 8.5E+{'1' * 255} ",
        "name": "é" * 256,
        "email": " ann@ ",
        "phone": "0111",
        "currency": " hrk",
        "balance": "1,50 ",
        "metadata.a": "b" * 501,
        "metadata.b": "ok",
    }

    verdict = validate(customers({"name": "Ann"}, row))

    assert verdict.reasons[0].to_list() == []
    assert sorted(verdict.reasons[1]) == [
        "VALIDATE.BALANCE_NOT_WHOLE:balance",
        "VALIDATE.CURRENCY_WITHDRAWN:currency",
        "VALIDATE.EMAIL_MALFORMED:email",
        "VALIDATE.METADATA_TOO_LONG:metadata.a",
        "VALIDATE.NAME_TOO_LONG:name",
        "VALIDATE.PHONE_NOT_POSSIBLE:phone",
        "VALIDATE.REFERENCE_CHARACTERS:external_reference",
        "VALIDATE.REFERENCE_DAMAGED:external_reference",
        "VALIDATE.REFERENCE_TOO_LONG:external_reference",
    ]
    assert {(field, given) for _, field, _, given in verdict.rejections.rows()} == {
        (field, row[field].strip()) for field in row if field != "metadata.b"
    }
    assert verdict.rejections.height == 9


def test_a_rejection_shows_the_original_text_not_the_normalized_one():
    verdict = validate(customers({"currency": " rand ", "balance": "\t9007199254740992"}))

    assert {(field, given) for _, field, _, given in verdict.rejections.rows()} == {
        ("currency", "rand"),
        ("balance", "9007199254740992"),
    }


def test_a_balance_that_cannot_be_read_still_wants_its_currency():
    assert reasons({"balance": "ten"}) == [
        "VALIDATE.BALANCE_NEEDS_CURRENCY:currency",
        "VALIDATE.BALANCE_NOT_A_NUMBER:balance",
    ]


# -- borders ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("letter", ["a", "é", "日", "😀"])
def test_a_name_may_have_255_characters_of_any_byte_length(letter):
    assert reasons({"name": letter * 255}) == []
    assert reasons({"name": letter * 256}) == ["VALIDATE.NAME_TOO_LONG:name"]


def test_a_name_is_measured_after_it_was_composed_and_trimmed():
    assert reasons({"name": "  " + "e\u0301" * 255 + "  "}) == []


def test_a_reference_may_have_255_characters():
    assert reasons({"external_reference": "a" * 255}) == []
    assert reasons({"external_reference": "a" * 256}) == [
        "VALIDATE.REFERENCE_TOO_LONG:external_reference"
    ]


@pytest.mark.parametrize("letter", ["a", "é", "😀"])
def test_a_metadata_value_may_have_500_characters(letter):
    assert reasons({"metadata.plan": letter * 500}) == []
    assert reasons({"metadata.plan": letter * 501}) == ["VALIDATE.METADATA_TOO_LONG:metadata.plan"]


def test_a_customer_may_have_ten_metadata_values_from_any_number_of_columns():
    columns = [f"metadata.key {n}" for n in range(14)]

    ten = reasons(dict.fromkeys(columns[:10], "x") | dict.fromkeys(columns[10:], " "))
    eleven = reasons(dict.fromkeys(columns[:11], "x") | dict.fromkeys(columns[11:], ""))

    assert ten == []
    assert eleven == ["VALIDATE.METADATA_TOO_MANY:metadata"]


@pytest.mark.parametrize("sign", ["", "-"])
def test_a_balance_may_be_2_to_the_53_minus_1(sign):
    assert reasons({"balance": f"{sign}{MOST}", "currency": "ZAR"}) == []
    assert reasons({"balance": f"{sign}{MOST + 1}", "currency": "ZAR"}) == [
        "VALIDATE.BALANCE_TOO_LARGE:balance"
    ]


@pytest.mark.parametrize(
    "reference", ["a", "_", "-", "0", "Az09_-", "00123", "8E12", "1E5", "TRUE"]
)
def test_a_reference_of_ascii_letters_digits_underscores_and_dashes_is_accepted(reference):
    assert reasons({"external_reference": reference}) == []


@pytest.mark.parametrize(
    "reference",
    ["a b", "a.b", "é", "\u0430", "a\nb", "a\u200bb", "\uff11", "a/b", "a\u00a0b", "'a", "=a"],
)
def test_a_reference_with_any_other_character_is_rejected(reference):
    assert reasons({"external_reference": reference}) == [
        "VALIDATE.REFERENCE_CHARACTERS:external_reference"
    ]


@pytest.mark.parametrize("reference", ["8.5E+12", "8E+12", "8.5e+12", "1.23456789012E+15"])
def test_a_reference_that_a_spreadsheet_damaged_is_named_as_such(reference):
    assert "VALIDATE.REFERENCE_DAMAGED:external_reference" in reasons(
        {"external_reference": reference}
    )


def test_absent_values_break_no_rule():
    fields = ["name", "email", "phone", "currency", "balance", "metadata.plan"]

    verdict = validate(customers(dict.fromkeys(fields, ""), dict.fromkeys(fields, " \t"), {}))

    assert verdict.reasons.to_list() == [[], [], []]
    assert verdict.rejections.height == 0


def test_a_currency_without_a_balance_is_accepted():
    assert reasons({"currency": "ZAR"}) == []


def test_no_rows_have_no_reasons():
    verdict = validate(customers({"name": "Ann"}).clear())

    assert (verdict.reasons.len(), verdict.reasons.dtype) == (0, pl.List(pl.String))
    assert verdict.rejections.columns == ["row_id", "field", "reason", "given"]


def test_the_order_and_number_of_the_rows_stay():
    table = customers(
        *({"email": "bad@"} if n % 3 else {"email": "ok@example.com"} for n in range(1000))
    )

    verdict = validate(table)

    assert [bool(codes) for codes in verdict.reasons.to_list()] == [
        bool(n % 3) for n in range(1000)
    ]
    assert verdict.rejections["row_id"].to_list() == [
        f"f.csv:{n + 2}" for n in range(1000) if n % 3
    ]
