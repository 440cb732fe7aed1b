"""A list that a spreadsheet opened and saved: every cell that it changed is restored or named, and no other is."""

import codecs
from datetime import date

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.transforming.resubmission import compare, siblings_of
from pipeline.transforming.resubmission.spreadsheet_damage import damage, marks, marks_when_shown

COLUMNS = ("reference", "phone", "amount", "due", "name", "note")
SOURCES = {"external_reference": frozenset({"reference"}), "balance": frozenset({"amount"})}

digits = st.text("0123456789", min_size=1, max_size=18)
#: Words that are numbers, days or truth values to a spreadsheet, or to Python, are none of these.
names = st.text(st.characters(categories=["L"], max_codepoint=0x24F), min_size=1, max_size=12).map(
    "Q".__add__
)
ROWS = st.fixed_dictionaries(
    {
        "reference": st.one_of(
            digits,
            digits.map(lambda text: "00" + text),
            st.just("MAR-1"),
            st.just("12E5"),
            st.just("3-11"),
        ),
        "phone": st.one_of(
            st.integers(10**10, 10**12).map("+{}".format),
            st.integers(10**8, 10**9 - 1).map("0{}".format),
        ),
        "amount": st.one_of(
            st.decimals(-99_999, 99_999, places=2).map(str),
            st.just("240.00"),
            st.just("(12.50)"),
            st.just("1,234.50"),
        ),
        "due": st.dates(min_value=date(1990, 1, 1), max_value=date(2089, 1, 1)).map(str),
        "name": names,
        "note": st.sampled_from(
            ["", "=1+1", "true", "@sum", "plain words", "José", "Łukasz", "0,5 l", "A-100"]
        ),
    }
)
#: What somebody types into a cell on purpose. (A number for a formula would be told as what that came to.)
EDITS = ("mended by hand", "Ann Other", "+27 82 555 0123", "x-77")
MENDED = "name"  #: the column that the reason names


def saved(text, choice):
    """What a spreadsheet shows of a text, by rules of its own and not by those that are on trial."""
    if not text:
        return text
    if text.startswith("="):
        return "2"
    if text in {"true", "@sum"}:
        return {"true": "TRUE", "@sum": "#NAME?"}[text]
    if text == "MAR-1":
        return ("01-Mar", "Mar-01")[choice % 2]
    if text == "3-11":
        return ("03-Nov", "11-Mar")[choice % 2]
    if len(text) == 10 and text[4] == "-":
        year, month, day = text.split("-")
        return (
            f"{day}/{month}/{year}",
            f"{int(month)}/{int(day)}/{year}",
            f"{year}/{month}/{day}",
        )[choice % 3]
    number = text.replace(",", "").replace("(", "-").replace(")", "")
    try:
        value = float(number)
    except ValueError:
        return (
            text.encode("cp1252", "replace").decode("cp1252")
            if choice % 2
            else text.encode().decode("cp1252", "as_c1")
        )
    return general(value)


def general(value):
    """A number in the format "General": eleven digits, else an exponent."""
    if value and abs(value) >= 1e11:
        mantissa, exponent = f"{value:.5e}".split("e")
        return f"{mantissa.rstrip('0').rstrip('.')}E+{int(exponent):02}"
    return f"{value:.10g}" if value != int(value) else str(int(value))


def _c1(error):
    return "".join(map(chr, error.object[error.start : error.end])), error.end


codecs.register_error("as_c1", _c1)


@settings(max_examples=70)
@given(
    rows=st.lists(ROWS, min_size=1, max_size=6, unique_by=lambda row: row["reference"]),
    touched=st.lists(
        st.sampled_from(["leave", "leave", "spreadsheet", "edit"]), min_size=36, max_size=36
    ),
    choices=st.lists(st.integers(0, 5), min_size=36, max_size=36),
    is_edited=st.booleans(),
)
def test_each_damaged_cell_is_restored_or_its_row_rejected(rows, touched, choices, is_edited):
    now, damaged, edited = [dict(row) for row in rows], set(), set()
    for at, row in enumerate(rows):
        for number, column in enumerate(COLUMNS):
            what = touched[at * len(COLUMNS) + number]
            choice = choices[at * len(COLUMNS) + number]
            if what == "edit" and (is_edited or column == MENDED):
                now[at][column] = EDITS[choice % 4]
                edited |= {at} if column != MENDED else set()
            elif what == "spreadsheet" and column != MENDED:
                now[at][column] = saved(row[column], choice)
                damaged |= (
                    {(f"f.csv:{at + 2}", column)} if now[at][column] != row[column] else set()
                )

    returned = came_back(rows, now)

    restored = {
        (row["row_id"], row["column"])
        for row in returned.cells.to_dicts()
        if row["verdict"] == "restored"
    }
    assert restored <= damaged
    for at, (record, row) in enumerate(zip(returned.records.to_dicts(), rows, strict=True)):
        if record["mismatch"]:
            assert record["origin_run"] is None
            assert [record[f"given.{column}"] for column in COLUMNS] == [
                now[at][column] for column in COLUMNS
            ]
            continue
        assert at not in edited
        texts = {column: record[f"given.{column}"] for column in COLUMNS if column != MENDED}
        assert texts == {column: row[column] for column in texts}
        assert record[f"given.{MENDED}"] == now[at][MENDED]


@settings(max_examples=105)
@given(
    rows=st.lists(ROWS, min_size=2, max_size=6, unique_by=lambda row: row["reference"]),
    alike=st.booleans(),
    choices=st.lists(st.integers(0, 5), min_size=36, max_size=36),
    dice=st.randoms(use_true_random=False),
)
def test_no_order_of_our_columns_beside_the_suppliers_restores_a_cell_from_another_record(
    rows, alike, choices, dice
):
    """Also where rows differ in the reference alone, and a spreadsheet shows all of those as 2.61E+14."""
    if alike:
        rows = [{**rows[0], "reference": f"{261 * 10**12 + at}"} for at in range(len(rows))]
    order = dice.sample(range(len(rows)), dice.randint(1, len(rows)))
    places = dice.sample(range(len(rows)), len(order))
    shown = [
        {
            column: saved(text, choices[at * len(COLUMNS) + number])
            for number, (column, text) in enumerate(rows[at].items())
        }
        for at in range(len(rows))
    ]

    returned = came_back(rows, [{**shown[at], MENDED: f"mended {at}"} for at in order], places)

    for at, record in zip(order, returned.records.to_dicts(), strict=True):
        for column in COLUMNS:
            if column != MENDED:
                assert record[f"given.{column}"] in {shown[at][column], rows[at][column]}


@settings(max_examples=175)
@given(row=ROWS, choice=st.integers(0, 5), other=ROWS)
def test_a_damaged_text_has_a_mark_of_its_original(row, choice, other):
    for column, text in row.items():
        for came_back in (saved(text, choice), other[column], text):
            if came_back == text or damage(text, came_back) is not None:
                assert marks(text) & marks_when_shown(came_back)


def came_back(rows, now, places=None):
    """What `compare` makes of these cells beside the rows of a list at these places, each rejected for its name."""
    originals = table(rows).with_columns(
        list=pl.lit("rejected"),
        reasons=pl.Series([["VALIDATE.NAME_TOO_LONG:name"]] * len(rows)),
        differs=pl.lit(None, pl.List(pl.String)),
        columns=pl.lit(list(COLUMNS), pl.List(pl.String)),
    )
    return compare(
        table(now, places),
        originals,
        COLUMNS,
        SOURCES,
        lambda _run, _list: siblings_of(originals, COLUMNS, SOURCES),
    )


def table(rows, places=None):
    places = range(len(rows)) if places is None else places
    return pl.DataFrame(
        {
            "row_id": [f"f.csv:{at + 2}" for at in range(len(rows))],
            "reason": [None] * len(rows),
            "mismatch": [None] * len(rows),
            "text": [None] * len(rows),
            "origin_run": ["run"] * len(rows),
            "origin_row": [f"f.csv:{at + 2}" for at in places],
            **{f"given.{column}": [row[column] for row in rows] for column in COLUMNS},
        },
        schema_overrides={"reason": pl.String, "mismatch": pl.String, "text": pl.String},
    )


@pytest.mark.parametrize(
    ("original", "came_back", "kind"),
    [
        ("00123", "123", "zeros"),
        ("0821234567", "821234567", "zeros"),
        ("0821234567", "8.21E+08", "exponent"),
        ("+27821234567", "27821234567", "plus"),
        ("+27821234567", "2.78212E+10", "exponent"),
        ("8412345678901234", "8412345678901230", "digits"),
        ("240.10", "240.1", "number"),
        ("1.234,50", "1234,5", "number"),
        ("(123.45)", "-123.45", "number"),
        ("10%", "0.1", "number"),
        ("2026-11-05", "05/11/2026", "date"),
        ("05/11/2026", "11/05/2026", "date"),
        ("2026-11-05", "46331", "date"),
        ("MAR1", "01-Mar", "date"),
        ("SEPT2", "02-Sep", "date"),
        ("1/2", "02-Jan", "date"),
        ("true", "TRUE", "boolean"),
        ("=A1", "0", "formula"),
        ("-Ann", "#NAME?", "formula"),
        ("José", "JosÃ©", "encoding"),
        ("Łukasz", "?ukasz", "encoding"),
        ("Łukasz", "Lukasz", "encoding"),
        ("a\r\nb", "a\nb", "line_end"),
        ("0821234567", "0829999999", None),
        ("00123", "124", None),
        ("240.10", "241", None),
        ("2026-11-05", "2026-11-06", None),
        ("José", "Jose", None),
        ("Ann", "ANN", None),
        ("", "123", None),
    ],
)
def test_changes_of_a_spreadsheet_are_distinguished_from_those_of_a_person(
    original, came_back, kind
):
    assert damage(original, came_back) == kind
