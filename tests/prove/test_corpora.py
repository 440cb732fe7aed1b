"""The short form of `corpora`: files of our own instead of those of public projects."""

import datetime as dt
import json
import time
import zipfile
from decimal import Decimal
from pathlib import Path

import openpyxl
import polars as pl
import pyarrow as pa
import pytest
import xlsxwriter

from pipeline.sources import Declared
from tests.prove import corpora
from tests.prove.limited import Ended, kind_of_message, limited
from tests.prove.same_text import Rule, of_parquet, of_workbook
from tests.prove.second_readers import compare

REPOSITORY = Path(__file__).parents[2]
OUTSIDE = REPOSITORY / "tests/cases/outside"
OWN_FILES = (
    *sorted((REPOSITORY / "sample_data").rglob("*.csv")),
    *(OUTSIDE / case / "c.csv" for case in ("mojibake", "mixed_units", "almost_all_rejected")),
    *(OUTSIDE / case / "c.xlsx" for case in ("e2e_sign", "sp_xlsx")),
)
DECLARED = {"debtors_export.csv": Declared(encoding="cp1252")}


@pytest.fixture
def parquet(tmp_path):
    """A table with a column of each kind."""
    table = pl.DataFrame(
        {
            "text": ["Ann", None],
            "number": [7, -1],
            "amount": [Decimal("240.10"), Decimal("-0.05")],
            "day": [dt.date(2026, 11, 22), None],
            "at": [dt.datetime(2026, 11, 22, 5, 30, 0, 120), dt.datetime(2026, 11, 22)],  # noqa: DTZ001
            "share": [0.1, float("nan")],
            "tags": [["a"], []],
        }
    )
    table.write_parquet(tmp_path / "c.parquet")
    return tmp_path / "c.parquet"


def test_a_second_reader_agrees_on_our_own_files(parquet):
    found = {path: compare(path, DECLARED.get(path.name)) for path in (*OWN_FILES, parquet)}

    assert {path.name: one.unexplained for path, one in found.items() if one.unexplained} == {}
    assert sum(one.equal for one in found.values()) > 15_000
    # A nested column that nobody maps is left out, so nothing of `tags` is compared.
    assert found[parquet].rules == {"DATE": 3, "FLOAT": 1}


def test_records_behind_an_open_quote_are_compared_alone(tmp_path):
    path = tmp_path / "c.csv"
    path.write_text('a,b\n1,"open\n2,x\n3,y\n', encoding="utf-8")

    found = compare(path)

    assert found.unexplained == []
    assert found.rules == {"ALONE": 4}
    assert found.unreadable == {"READ.UNCLOSED_QUOTE": 1}


def test_an_inline_text_that_is_stored_as_a_value_has_a_rule(tmp_path):
    with xlsxwriter.Workbook(tmp_path / "a.xlsx", {"constant_memory": True}) as book:
        sheet = book.add_worksheet()
        for at, row in enumerate((["external_reference", "name"], ["a-1", "Ann"])):
            sheet.write_row(at, 0, row)
    with (
        zipfile.ZipFile(tmp_path / "a.xlsx") as old,
        zipfile.ZipFile(tmp_path / "b.xlsx", "w") as new,
    ):
        for name in old.namelist():
            new.writestr(name, old.read(name).replace(b"<is><t>Ann</t></is>", b"<v>Ann</v>"))

    found = compare(tmp_path / "b.xlsx")

    assert (found.rules, found.unexplained) == ({"INLINE": 1}, [])


@pytest.mark.parametrize(
    ("ours", "value"),
    [("(1,234.50)", 1234.5), ("1234.50", -1234.5), ("123", "00123"), ("46000", dt.datetime(2025, 12, 9)), ("", 0), ("x", None), ("1", True)],  # noqa: DTZ001
)  # fmt: skip
def test_another_text_than_the_workbook_holds_is_unexplained(ours, value):
    assert of_workbook(ours, value) is False


@pytest.mark.parametrize(
    ("ours", "value", "verdict"),
    [
        ("0012", 12, Rule.NUMBER), ("0.3", 0.30000000000000004, Rule.NUMBER), ("TRUE", True, True), ("", None, True),
        ("[an error]", "#N/A", Rule.NO_TEXT), ("2025-12-09", dt.datetime(2025, 12, 9), Rule.DATE),  # noqa: DTZ001
        ("two\r\nlines", "two_x000d_\nlines", Rule.ESCAPED), ("27:00:01", dt.timedelta(hours=27, seconds=1), Rule.DATE),
    ],
)  # fmt: skip
def test_another_text_of_the_same_value_has_a_rule(ours, value, verdict):
    assert of_workbook(ours, value) is verdict


def test_a_text_that_its_format_shows_has_a_rule_where_its_digits_are_those_of_the_number():
    for ours, value, code in (
        ("ACC00123", 123, '"ACC"00000'),
        ("(12.5%)", -0.125, "0%;(0.0%)"),
        ("1.5M", 1500000, '0.0,,"M"'),
        ("1 1/2", 1.5, "# ?/?"),
    ):
        assert of_workbook(ours, value, code) is Rule.SHOWN
    for ours, value, code in (
        ("ACC00124", 123, '"ACC"00000'),
        ("12%", 0.125, "0%"),
        ("1 1/3", 1.5, "# ?/?"),
        ("R 5", 5, "General"),
    ):
        assert of_workbook(ours, value, code) is False


def test_a_moment_of_the_old_annotation_alone_is_in_utc():
    value, dtype = dt.datetime(2026, 11, 22, 5, 30), pa.timestamp("us", "UTC")  # noqa: DTZ001

    assert of_parquet("2026-11-22T05:30:00Z", value, dtype, is_converted=True) is Rule.CONVERTED
    assert of_parquet("2026-11-22T05:30:00", value, dtype, is_converted=True) is False
    assert of_parquet("2026-11-22T05:30:00Z", value, dtype) is False


@pytest.mark.parametrize(
    ("ours", "value"),
    [("2.4E+2", Decimal(240)), ("0.10000001", 0.1), ("ff", b"\xfe"), ("[", ["a"]), ("2026-11-22T05:30:01", dt.datetime(2026, 11, 22, 5, 30)), ("5s", dt.timedelta(seconds=6))],  # noqa: DTZ001
)  # fmt: skip
def test_another_text_than_parquet_holds_is_unexplained(ours, value):
    assert of_parquet(ours, value, pa.scalar(value).type) is False


@pytest.mark.long
def test_every_command_runs_on_a_file_of_a_folder_and_the_table_counts_them(tmp_path):
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "customers.csv").write_text("Konto;Betrag\nA-1;5\nA-2;7\n", encoding="utf-8")
    (folder / "same.csv").write_text("Konto;Betrag\nA-1;5\nA-2;7\n", encoding="utf-8")
    (folder / "old.xls").write_bytes(b"\xd0\xcf\x11\xe0")
    book = openpyxl.Workbook()
    for row in (["Konto", "Name"], ["A-1", "Ann"]):
        book["Sheet"].append(row)
    book.create_sheet("Notes", 0)
    book.save(folder / "sheets.xlsx")
    results = tmp_path / "results.jsonl"

    for _ in range(2):
        corpora.run_folders([folder], results, 5, 1, 60)

    lines = [json.loads(line) for line in results.read_text().splitlines()]
    assert [line["file"] for line in lines] == ["customers.csv", "old.xls", "sheets.xlsx"]
    assert {step: one["exit_code"] for step, one in lines[0]["commands"].items()} == {"inspect": 0, "init": 0, "fill": 0, "plan": 0}  # fmt: skip
    assert [one["exit_code"] for one in lines[2]["commands"].values()] == [
        0
    ] * 5  # the first sheet with a filled row is read
    assert list(corpora.broken(lines)) == []
    assert "| project | csv | 1 | 1 | 0 | 1 | 0 | 0 | 0 |" in corpora.table(lines)
    assert "| project | workbook | 2 | 1 | 1 | 1 | 0 | 0 | 0 |" in corpora.table(lines)


def test_a_process_ends_at_its_limit_and_the_limit_is_named(tmp_path):
    assert limited(_spin, (), tmp_path, cpu=1).limit == "cpu"
    assert limited(_fill_memory, (), tmp_path, peak=500).limit == "memory"
    assert limited(_fail, (), tmp_path) == Ended(70, pytest.approx(0, abs=5), pytest.approx(300, abs=300), "", "RuntimeError: N", "tests/x.py:3 f RuntimeError:")  # fmt: skip


def test_what_is_open_in_a_config_is_filled_by_a_fixed_rule():
    draft = {"mapping": {"external_reference": {}, "name": "a", "currency": {}, "balance": {"column": "b", "unit": {}}, "metadata": {"c": "b"}}}  # fmt: skip

    mapping = corpora.filled(draft, ["a", "b"])["mapping"]

    assert mapping == {"external_reference": "b", "name": "a", "currency": {"value": "ZAR"}, "balance": {"column": "b", "unit": "major"}, "metadata": {}}  # fmt: skip


def test_messages_of_one_kind_are_one_class():
    one = "Error: /a/b.csv: line 7: column 'x' has no name; column 'y' too. Found: x, y"

    assert kind_of_message(one) == "Error: line N: column … has no name"


def _spin(_arguments: object) -> int:
    while True:
        time.monotonic()


def _fill_memory(_arguments: object) -> int:
    held = [bytearray(50 << 20) for _ in range(20)]
    time.sleep(1)
    return len(held)


def _fail(_arguments: object) -> int:
    import sys

    sys.stderr.write('  File "/x/tests/x.py", line 3, in f\nRuntimeError: 5\n')
    return 70
