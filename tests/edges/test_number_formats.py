"""What a number format shows of a value: by hand, and against a second implementation (SheetJS SSF)."""

import csv
import re
from collections import Counter
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.sources.cell import Number, Trouble, shown_text
from pipeline.sources.cell_format import CellFormat, exact_number
from pipeline.sources.number_text import number_writer, text_writer

#: Made by tests/prove/number_formats/make_table.mjs.
TABLE = Path(__file__).parents[1] / "cases" / "number_formats.csv"
ACCOUNTING = '_-* #,##0.00_-;-* #,##0.00_-;_-* "-"??_-;_-@_-'

SHOWN = [
    ("General", "240.1", "240.1"),
    ("General", "123", "123"),
    ("General", "-0", "0"),
    ("General", "0.30000000000000004", "0.3"),
    ("General", "1.1E-7", "0.00000011"),
    ("General", "123456789012345", "123456789012345"),
    ("General", "8.21E+20", "8.21000000000000E+20"),
    ("GENERAL", "100", "100"),
    ("@", "123", "123"),
    ("00000", "123", "00123"),
    ("00000", "-123", "-00123"),
    ("00000", "123456", "123456"),
    ("0.00", "240.1", "240.10"),
    ("0.00", "240.105", "240.105"),  # more than is shown: never rounded
    ("0", "240.1", "240.1"),
    ("#,##0.00", "1234567.5", "1234567.50"),
    ("#,##0.000", "1.2345", "1.2345"),
    ('"ACC"0000', "12345", "ACC12345"),
    ('"ACC-"00000', "123", "ACC-00123"),
    ('"Ksh" #,##0.00', "1234.5", "Ksh 1234.50"),
    ('"R" #,##0.00', "1234.5", "R 1234.50"),
    ('"R" #,##0.00', "-1234.5", "-R 1234.50"),
    ("[$R-1C09] #,##0.00;[Red]-[$R-1C09] #,##0.00", "-7", "-R 7.00"),
    ("#,##0.00_);(#,##0.00)", "-7.5", "(7.50)"),
    ("#,##0.00 [$€-407]", "12.3", "12.30 €"),
    (r"000\-00\-0000", "12345", "000-01-2345"),
    (r"000\-00\-0000", "12345.6", None),  # no place for the decimals
    ("0.00_", "5", "5.00"),
    (r"0\.00", "12345", "123.45"),
    ('0"."00', "12345", "123.45"),
    ('00"."00', "12345", "123.45"),
    ('"R"0"."00', "12345", "R123.45"),
    ('0"."0', "12345", "1234.5"),
    ('0"0"0', "12345", "123405"),
    (r"0\,00", "12345", "123,45"),
    ('"."00', "5", ".05"),
    ("0,", "1234567", "1234.567"),
    ('0.0,,"M"', "1500000", "1.5M"),
    ("0%", "0.125", "12.5%"),
    ("0.00E+00", "1234567", "1.234567E+06"),
    ("# ?/?", "1.5", "1 1/2"),
    ("# ?/?", "0.3", None),  # 2/7 would be rounded
    ("0.00;0.00", "-5", "5.00"),
    ("[>=100]0.0;0.00", "150", "150.0"),
    ("[>=100]0.0;0.00", "50", "50.00"),
    ("[>=100]0.0;0.00", "-5", None),  # programs disagree about the sign
    ("[>=100]0.0", "5", None),  # shown as ####
    ('0;-0;"nil"', "0", "nil"),
    ("0;-0;", "0", ""),
    (";;;", "12345", None),  # a value that nobody sees
    ("[$-2000000]0", "5", None),  # in Arabic digits
    ("0.0.0", "5", None),
    ("yyyy-mm-dd", "46348", "2026-11-22"),
    ("dd/mm/yyyy", "46348", "2026-11-22"),
    ("m/d/yy h:mm", "46348.5", "2026-11-22T12:00:00"),
    (r"yyyy\-mm\-dd\ hh:mm:ss.000", "46348.500001157407", "2026-11-22T12:00:00.100"),
    ("d mmm yyyy", "1", "1900-01-01"),
    ("d mmm yyyy", "60", None),  # 29 February 1900 never was
    ("d mmm yyyy", "61", "1900-03-01"),
    ("d mmm yyyy", "0", None),  # shown as day 0 of January 1900
    ("h:mm", "0.25", "06:00:00"),
    ("[h]:mm", "0.25", "06:00:00"),
    ("[h]:mm", "1.5", "36:00:00"),
    ("yyyy", "-1", None),
    ("yyyy", "2958466", None),  # after the year 9999
    ("Standard", "5", None),
    ("[foo]0", "5", None),
    ("0;0;0;0;0", "5", None),
    ("0" * 300, "5", "5".zfill(300)),
]  # fmt: skip


@pytest.mark.parametrize(("code", "stored", "text"), SHOWN)
def test_a_number_is_the_text_that_its_format_shows_and_never_rounded(code, stored, text):
    cell = CellFormat(code).number(stored)

    assert (cell.shown if isinstance(cell, Number) else cell) == (
        Trouble.FORMAT if text is None else text
    )


AMOUNTS = [
    ("General", "-5", "-5"),
    ("#,##0.00", "1234.5", "1234.50"),
    ("(0.00)", "5", None),
    ('"-"0.00', "5", None),
    ('0.00"-"', "5", None),
    ("0.00;0.00", "-5", None),
    ("0.00;0.00", "5", "5.00"),
    (r"\-#,##0.00;#,##0.00", "99", None),
    (r"\(#,##0.00\);#,##0.00", "1234.5", None),
    ("#,##0.00;(#,##0.00)", "-5", "-5.00"),
    ("#,##0.00_);(#,##0.00)", "-5", "-5.00"),
    ("#,##0.00_);[Red](#,##0.00)", "-5", "-5.00"),
    ("0.00;0.00-", "-5", "-5.00"),
    ("+0.00;-0.00", "5", "5.00"),
    ("+0.00", "-5", "-5.00"),
    (ACCOUNTING, "0", "0.00"),
    (ACCOUNTING, "-5", "-5.00"),
    (ACCOUNTING, "5", "5.00"),
    ("#,##0.00;-#,##0.00;", "0", "0.00"),
    ("#", "0", "0"),
    ("#.##", "0.5", "0.5"),
    ("#.##", "5", "5"),
    (";;;", "5", None),
    ('"Ksh" #,##0.00', "1234.5", "Ksh 1234.50"),
    ('"N$"#,##0.00', "-5", "-N$5.00"),
    ('0.00" USD"', "-3", "-3.00 USD"),
    ('"R"\\ #,##0.00;[Red]"R"\\ \\-#,##0.00', "-5", "-R 5.00"),
    ('"R" #,##0.00;("R" #,##0.00)', "-5", "-R 5.00"),
    ('#,##0.00" CR"', "5", "5.00 CR"),
    ('"Rs."0', "1234", "Rs.1234"),
    ('"Rs."#.00', "0.5", "Rs.0.50"),
    (r"[>=10000000]##\,##\,##\,##0.00;[>=100000]##\,##\,##0.00;##,##0.00", "12345678.5", "12345678.50"),
    ("#'##0.00", "1234.5", "1234.50"),
    (r"#\,###\,##0", "1234567", "1234567"),
    (r"#\ ##0.00", "1234.5", "1234.50"),
    (r"0\.00", "12345", None),
    ('0"."00', "12345", None),
    ('00"."00', "7", None),
    ('"R"0"."00', "12345", None),
    ('0"."0', "12345", None),
    ('0"."000', "1234567", None),
    ('"."00', "12345", None),
    ('","00', "12345", None),
    (r"0\,00", "12345", None),
    ('0","00', "12345", None),
    (r"0\ 00", "12345", None),
    ('#" "00', "12345", None),
    (r"0\'00", "12345", None),
    (r"0\,000", "1234567", None),  # 1234,567 has three decimals
    (r"0\,000", "5", None),
    ('0".0"', "12.5", None),
    ("0%", "0.5", None),
    ("0%", "0", None),
    ("0,", "5000", None),
    ('0.0,,"MIO"', "1500000", None),
    ('0.0"TSD"', "5", "5.0TSD"),
    ("0.00E+00", "1200", None),
    ("# ?/?", "0.5", None),
    ("00-00", "1234", None),
    ('"2"0', "5", None),
    ('"paid"', "5", None),
    ("dd/mm/yyyy", "46348", "2026-11-22"),  # no amount, and refused as one
]  # fmt: skip


@pytest.mark.parametrize(("code", "stored", "text"), AMOUNTS)
def test_an_amount_is_shown_with_its_own_value_and_sign_or_refused(code, stored, text):
    cell = CellFormat(code).number(stored)

    amount = cell.amount if isinstance(cell, Number) else cell
    assert (None if amount in {Trouble.FORMAT, Trouble.AMOUNT} else amount) == text


def test_an_amount_that_fifteen_digits_change_is_refused_and_binary_noise_is_not():
    changed = ["90071992547409.92", "-123456789012345.67"]
    noise = {
        "0.30000000000000004": "0.30",
        "240.09999999999999": "240.10",
        "123456789012.34001": "123456789012.34",
    }

    for code in ("General", "0.00", "#,##0.00", '"R" #,##0.00'):
        assert [CellFormat(code).number(stored).amount for stored in changed] == [
            Trouble.DIGITS
        ] * len(changed)
    for stored, text in noise.items():
        assert CellFormat("0.00").number(stored) == text


def test_an_amount_in_any_common_format_is_the_number_of_the_cell():
    numbers = ["0", "5", "-5", "1234.5", "-1234.5", "0.25", "-0.01", "123456789012.34"]
    wrong = []
    for row in _rows():
        for stored in numbers:
            cell = CellFormat(row["format"]).number(stored)
            amount = cell.amount if isinstance(cell, Number) else cell
            if isinstance(amount, Trouble) or re.search(
                "[0-9]-[0-9]|:", amount
            ):  # dates and times are no amounts
                continue
            found = re.findall(r"[0-9]+(?:\.[0-9]+)?", amount)
            sign = "-" if amount.startswith("-") else ""
            if len(found) != 1 or Decimal(sign + found[0]) != Decimal(stored):
                wrong.append((row["format"], stored, amount))

    assert wrong == []


PIECES = st.sampled_from(
    ["0", "#", "?", ",", ".", "%", "E+", "e-", "/", "/8", ";", "@", "General", "_)", "* ", '"x"', '"-"', '" USD"', "\\-", ")", "(", "[Red]",
     "[>=100]", "[<0]", "[$R-1C09]", "[h]", "yyyy", "mm", "s", "-", "+", " ", "$", "k", '"', "\\", "_", "*", "[", "]", "9", "00", "#,##0.00"]
)  # fmt: skip
NUMBERS = st.decimals(-(10**14), 10**14, allow_nan=False, places=2).map(str)


@given(st.lists(PIECES, min_size=1, max_size=9).map("".join), NUMBERS)
@settings(max_examples=300)
def test_an_amount_in_any_format_is_the_number_of_the_cell_or_refused(code, stored):
    cell = CellFormat(code).number(stored)
    amount = cell.amount if isinstance(cell, Number) else cell

    if isinstance(amount, str) and not re.search("[0-9]-[0-9]|:", amount):
        found = re.findall(r"[0-9]+(?:\.[0-9]+)?", amount)
        assert len(found) == 1
        assert Decimal(("-" if amount.startswith("-") else "") + found[0]) == exact_number(stored)


@pytest.mark.parametrize(
    ("code", "text", "shown"),
    [
        ("0;-0;0;@", "Ann", "Ann"),
        ("General", " Ann ", " Ann "),
        (ACCOUNTING, " Ann ", " Ann "),
        ('0;-0;0;"Ref: "@', "A1", "Ref: A1"),
        ('"<"@">"', "A1", "<A1>"),
        ('0;0;0;"hidden"', "A1", "hidden"),
        (";;;", "A1", Trouble.FORMAT),
        (";;;", "", ""),
    ],
)
def test_a_text_is_what_the_section_of_texts_shows(code, text, shown):
    assert CellFormat(code).text(text) == shown


def test_dates_of_a_workbook_that_counts_from_1904_are_those_that_it_shows():
    assert CellFormat("yyyy-mm-dd", from_1904=True).number("44886") == "2026-11-22"
    assert CellFormat("yyyy-mm-dd", from_1904=True).number("0") == "1904-01-01"


@pytest.mark.parametrize(
    "stored",
    ["1_000", "١٢٣", "１２", "0x10", "1,5", "--1", "1e", "e5", "NaN", "nan", "INF", "Infinity", "1e999", "1e-999",
     "1e9999999999", "1 2", "²", "1" * 500, ".", "+", "-", "1.2.3", "\u00a05", "5\u00a0", "½", "0b1", "1e5_0", "5f", "5d", "$5"],
)  # fmt: skip
def test_a_stored_number_that_no_spreadsheet_writes_is_malformed(stored):
    for code in ("General", "0.00", '"R" 0.00', "yyyy-mm-dd", "# ?/?"):
        assert CellFormat(code).number(stored) is Trouble.MALFORMED


#: Formats in which SSF does not show what Excel does, each with its reason.
SSF_DIFFERS = {
    "the minus of a format with one section follows a text": (
        '"No. "General',
        "#'##0.00",
        r"##\,##\,##0",
        r"\(0\)",
    ),
    "a text after General is dropped": ('General" pcs"',),
    "a minus after digits is dropped in the first of two sections": ("0.00-;0.00",),
    "a language without a sign is taken for a dollar": ("[$-409]#,##0.00", "[$-1C09]0.00"),
    "a character that fills the column is shown once": ("*-0", "0*-"),
    "a small e is taken for a date": ("0.00e+00",),
    "the exponent is not a multiple of the places": ("##0E+0", "#0.0E+0", "00.0E+0"),
    "# is taken for 0 in a mantissa": ("0.###E+0",),
    "zero is blank where the denominator is fixed": (
        "# ?/2",
        "# ?/4",
        "# ?/8",
        "# ??/16",
        "# ?/10",
        "# ??/100",
    ),
    "a year of an era that is no year": ("E",),
}
_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]+)?|\.[0-9]+")


def test_formats_show_what_a_second_implementation_shows_but_for_rules_that_have_names():
    rows = _rows()
    rules = [(row, *_rule(row)) for row in rows]
    counts = Counter(rule for _, rule, _ in rules)
    different = [
        (row["format"], row["value"], row["text"], ours)
        for row, rule, ours in rules
        if rule == "different"
    ]
    ordinary = [
        rule
        for row, rule, _ in rules
        if row["group"]
        in {
            "built-in",
            "general",
            "digits",
            "accounting",
            "currency",
            "literals",
            "scaled",
            "percent",
            "powers",
        }
    ]

    print({rule: f"{count / len(rows):.1%}" for rule, count in counts.most_common()})

    assert different == []
    assert len({row["format"] for row in rows}) >= 500
    assert ordinary.count("refused") <= 0.01 * len(ordinary)
    assert counts["refused"] <= 0.1 * len(rows)
    assert counts["equal"] + counts["layout"] + counts["grouping"] >= 0.55 * len(rows)


def test_an_amount_in_any_common_format_equals_a_second_implementation():
    group = re.compile(r"(?<=[0-9])[,' ](?=(?:[0-9]{2,3}[,' ])*[0-9]{3}(?![0-9]))")
    wrong, compared = [], 0
    for row in _rows():
        cell = CellFormat(row["format"]).number(row["value"])
        amount = cell.amount if isinstance(cell, Number) else cell
        if (
            isinstance(amount, Trouble)
            or re.search("[0-9]-[0-9]|:", amount)
            or not (theirs := _NUMBER.findall(group.sub("", row["text"])))
        ):
            continue
        compared += 1
        ours = _NUMBER.findall(amount)
        if "E+11" not in row["text"] and (
            len(ours) != len(theirs) or not all(map(_rounds_to, ours, theirs))
        ):
            wrong.append((row["format"], row["value"], row["text"], amount))

    assert wrong == []
    assert compared > 500


def _rows():
    with TABLE.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _rule(row):
    """The rule under which our text is that of SSF, and our text."""
    ours = _ours(row)
    bare, theirs = re.sub(r"\s", "", ours or ""), re.sub(r"\s", "", row["text"])
    ungrouped = re.sub(r"(?<=[0-9]),(?=[0-9])", "", theirs)
    found = {
        "refused": ours is None,
        "SSF refuses": row["text"] == "!refused",
        "equal": ours == row["text"],
        "dates in ISO 8601": bool(row["iso"]) and ours == row["iso"].replace(".000", ""),
        "layout": bare == theirs,
        "grouping": bare == ungrouped,
        "nothing is rounded": _is_rounded(bare, ungrouped),
        "SSF differs from Excel": any(row["format"] in formats for formats in SSF_DIFFERS.values()),
    }
    return next((rule for rule, holds in found.items() if holds), "different"), ours


def _ours(row):
    if row["value"].startswith("'"):
        text = row["value"][1:]
        write = text_writer(row["format"])
        return text if write is None else write(text)
    shown = shown_text(CellFormat(row["format"]).number(row["value"]))
    assert number_writer(row["format"])(exact_number(row["value"])) == (
        None if isinstance(shown, Trouble) else shown
    )
    return None if isinstance(shown, Trouble) else shown


def _is_rounded(ours, theirs):
    """Whether the texts are alike but for decimals that one of them leaves out; General has 6 of them at most."""
    if theirs in {"", "-"}:
        return abs(Decimal(ours)) < 1 if _NUMBER.fullmatch(ours.lstrip("-")) else False
    if "E+11" in theirs:
        ours, theirs = ours.removesuffix("123456789012"), theirs.removesuffix("1.23457E+11")
    stored, shown = _NUMBER.findall(ours), _NUMBER.findall(theirs)
    around = [_NUMBER.sub("", text).lstrip("-") for text in (ours, theirs)]
    return (
        around[0] == around[1] and len(stored) == len(shown) and all(map(_rounds_to, stored, shown))
    )


def _rounds_to(stored, shown):
    unit = Decimal(1).scaleb(-len(shown.partition(".")[2]))
    return 2 * abs(Decimal(stored) - Decimal(shown)) <= unit
