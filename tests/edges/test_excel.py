"""Workbooks as records: what a person saw in a cell, exactly, or a reason why that cannot be told."""

import datetime as dt
import zipfile
from pathlib import Path

import openpyxl
import pytest
import xlsxwriter

from pipeline.domain.column_mapping import Layout
from pipeline.errors import SourceError
from pipeline.sources import BATCH_BYTES, Declared, Lines, in_order, read

HEADER = ["external_reference", "name", "balance"]


def written(
    path: Path, rows: list[list], formats: dict | None = None, sheet: str = "Debtors"
) -> Path:
    """A workbook of these rows; `formats`: (row, column) -> number format, counted from 0."""
    with xlsxwriter.Workbook(
        path, {"strings_to_numbers": False, "nan_inf_to_errors": True}
    ) as book:
        page = book.add_worksheet(sheet)
        for at, cells in enumerate(rows):
            for column, cell in enumerate(cells):
                code = (formats or {}).get((at, column))
                if cell is not None:
                    page.write(
                        at, column, cell, book.add_format({"num_format": code}) if code else None
                    )
    return path


def read_all(path, declared=None, layout=None, *, any_columns=False, batch_bytes=BATCH_BYTES):
    files = in_order([path], declared, layout, any_columns=any_columns)
    records = [row for _, batch in read(files, batch_bytes) for row in batch.records.to_dicts()]
    (file,) = files
    assert (
        file.lines.physical
        == file.lines.header + file.lines.skipped + file.lines.blank + file.lines.records
    )
    return file, records


def cells(record: dict) -> list[str]:
    return [text for name, text in record.items() if name.startswith("given.")]


@pytest.mark.parametrize("batch_bytes", [1, BATCH_BYTES])
def test_a_sheet_is_read_row_by_row_with_the_numbers_of_its_rows(tmp_path, batch_bytes):
    rows = [
        HEADER,
        ["a-1", "Ann", 24000],
        [],
        [None, "Ben", 240.1],
        ["00123", "  Cleo\nC _x000D_", "00240"],
        [123, True, dt.date(2026, 11, 22)],
    ]
    path = written(
        tmp_path / "book.xlsx", rows, {(3, 2): "0.00", (5, 0): "00000", (5, 2): "dd/mm/yy"}
    )

    file, records = read_all(path, batch_bytes=batch_bytes)

    assert [(r["row_id"], r["line"], cells(r)) for r in records] == [
        ("book.xlsx!Debtors:2", 2, ["a-1", "Ann", "24000"]),
        ("book.xlsx!Debtors:4", 4, ["", "Ben", "240.10"]),
        ("book.xlsx!Debtors:5", 5, ["00123", "  Cleo\nC _x000D_", "00240"]),
        ("book.xlsx!Debtors:6", 6, ["00123", "TRUE", "2026-11-22"]),
    ]
    assert file.lines == Lines(physical=6, header=1, blank=1, records=4)
    assert file.written == {"sheet": "Debtors", "found": "sheet"}


def test_a_workbook_of_another_program_is_read_alike(tmp_path):
    book = openpyxl.Workbook()
    page = book.active
    page.title = "Debtors"
    for row in (HEADER, ["a-1", "José 😀 <&>", 240.1], ["b-1", "B_x", 7]):
        page.append(row)
    page["C2"].number_format = "0.00"
    page.row_dimensions[3].hidden = True
    book.save(tmp_path / "b.xlsx")

    file, records = read_all(tmp_path / "b.xlsx")

    assert [cells(r) for r in records] == [["a-1", "José 😀 <&>", "240.10"], ["b-1", "B_x", "7"]]
    assert file.written["hidden_rows"] == "1"


def test_a_cell_without_a_certain_text_sets_its_row_aside_if_its_column_is_sent(tmp_path):
    path = tmp_path / "b.xlsx"
    with xlsxwriter.Workbook(path) as book:
        page = book.add_worksheet()
        percent = book.add_format({"num_format": "0%"})
        page.write_row(0, 0, [*HEADER, "remark"])
        page.write_row(1, 0, ["a-1", "Ann", 1])
        page.write_row(2, 0, ["b-1", "Ben"])
        page.write_number(2, 2, 0.12, percent)
        page.write_row(3, 0, ["c-1", "Cleo"])
        page.write_formula(3, 2, "=NA()", None, "#N/A")
        page.write_row(4, 0, ["d-1", "Dan", 1])
        page.write_formula(4, 3, "=NA()", None, "#N/A")
        page.write_row(5, 0, ["e-1", "Eve"])
        page.write_formula(5, 2, "=1+1", None, 2)
        page.write_row(6, 0, ["f-1", "Fay", 1, "x", "one more"])

    _, records = read_all(path)

    assert [r["reason"] for r in records] == [
        None, "READ.CELL_FORMAT:balance", "READ.CELL_ERROR:balance", None, None, "READ.TOO_MANY_FIELDS",
    ]  # fmt: skip
    assert cells(records[3])[2:] == ["1", "[an error such as #N/A]"]
    assert cells(records[4])[2] == "2"


def test_a_formula_without_its_value_is_no_empty_cell(tmp_path):
    book = openpyxl.Workbook()
    for row in (HEADER, ["a-1", "Ann", "=1+1"], ["b-1", "Ben", 2]):
        book.active.append(row)
    book.save(tmp_path / "b.xlsx")

    _, records = read_all(tmp_path / "b.xlsx")

    assert [r["reason"] for r in records] == ["READ.FORMULA_WITHOUT_VALUE:balance", None]


def test_the_sheet_is_declared_or_the_only_one_that_is_not_hidden(tmp_path):
    path = tmp_path / "b.xlsx"
    with xlsxwriter.Workbook(path) as book:
        for name in ("Cover", "Debtors", "Old"):
            page = book.add_worksheet(name)
            page.write_row(0, 0, HEADER)
            page.write_row(1, 0, [name, "Ann", 1])
        page.hide()

    with pytest.raises(
        SourceError,
        match=r"2 sheets.*source\.sheet in the config; one of 'Cover', 'Debtors', 'Old'",
    ):
        read_all(path)
    with pytest.raises(SourceError, match="no sheet 'debtors'; there are: 'Cover'"):
        read_all(path, Declared(sheet="debtors"))
    for name in ("Debtors", "Old"):
        assert cells(read_all(path, Declared(sheet=name))[1][0])[0] == name


def test_rows_around_the_table_are_skipped_where_declared(tmp_path):
    rows = [["Debtors of November"], [], HEADER, ["a-1", "Ann", 1], [], ["Total", None, 1], []]
    path = written(tmp_path / "b.xlsx", rows)

    with pytest.raises(SourceError, match="no column 'external_reference'"):
        read_all(path)
    file, records = read_all(path, Declared(skip_lines=2, footer_lines=1))

    assert [cells(r) for r in records] == [["a-1", "Ann", "1"]]
    assert file.lines == Lines(physical=6, header=1, skipped=3, blank=1, records=1)


def test_merged_cells_among_the_records_are_refused(tmp_path):
    path = tmp_path / "b.xlsx"
    with xlsxwriter.Workbook(path) as book:
        page = book.add_worksheet()
        page.write_row(0, 0, HEADER)
        page.write_row(1, 0, ["a-1", "Ann", 1])
        page.merge_range("B3:B4", "Ben")
        page.write(2, 0, "b-1")
        page.write(3, 0, "c-1")

    with pytest.raises(SourceError, match="rows 3 to 4 are merged"):
        read_all(path)


def test_a_mapped_column_that_the_sheet_lacks_is_named_with_the_nearest(tmp_path):
    path = written(tmp_path / "b.xlsx", [["Acount", "naam"], ["a-1", "Ann"]])
    layout = Layout.model_validate({"external_reference": "Account", "name": "naam"})

    with pytest.raises(SourceError, match="did you mean 'Acount'"):
        read_all(path, layout=layout)


def rewritten(path: Path, part: str, old: str, new: str) -> Path:
    with zipfile.ZipFile(path) as book:
        parts = {name: book.read(name) for name in book.namelist()}
    assert old.encode() in parts[part]
    parts[part] = parts[part].replace(old.encode(), new.encode())
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as book:
        for name, content in parts.items():
            book.writestr(name, content)
    return path


HOSTILE = {
    "entities": (
        "xl/sharedStrings.xml",
        "<sst",
        '<!DOCTYPE a [<!ENTITY b "c">]><sst',
        "document type",
    ),
    "a row far away": (
        "xl/worksheets/sheet1.xml",
        '<row r="2"',
        '<row r="99999999"',
        "row 99999999",
    ),
    "rows out of order": (
        "xl/worksheets/sheet1.xml",
        '<row r="2"',
        '<row r="1"',
        "row 1 follows row 1",
    ),
    "a column far away": ("xl/worksheets/sheet1.xml", 'r="A2"', 'r="ZZZ2"', "out of order"),
    "an invalid cell reference": (
        "xl/worksheets/sheet1.xml",
        'r="A2"',
        'r="2A"',
        "invalid cell reference",
    ),
    "a text that is not there": (
        "xl/worksheets/sheet1.xml",
        '<c r="A2" t="s"><v>',
        '<c r="A2" t="s"><v>99',
        "damaged",
    ),
    "broken XML": ("xl/worksheets/sheet1.xml", "</sheetData>", "<sheetData>", "damaged"),
}


@pytest.mark.parametrize(("part", "old", "new", "said"), HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_workbook_is_refused_with_a_message(tmp_path, part, old, new, said):
    path = rewritten(written(tmp_path / "b.xlsx", [HEADER, ["a-1", "Ann", 1]]), part, old, new)

    with pytest.raises(SourceError, match=said):
        read_all(path)


def test_a_part_that_unpacks_to_far_more_than_its_size_is_refused_before_it_is_unpacked(tmp_path):
    path = written(tmp_path / "b.xlsx", [HEADER, ["a-1", "Ann", 1]])
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as book:
        book.writestr("xl/media/bomb.xml", b" " * (65 << 20))

    with pytest.raises(SourceError, match="far more than its size"):
        read_all(path)


def test_a_workbook_cut_at_any_byte_is_refused(tmp_path):
    whole = written(
        tmp_path / "b.xlsx", [HEADER, *([f"a-{n}", "Ann", n] for n in range(50))]
    ).read_bytes()
    path = tmp_path / "cut.xlsx"

    for end in range(4, len(whole) - 1, max(1, len(whole) // 25)):
        path.write_bytes(whole[:end])
        with pytest.raises(SourceError, match="damaged"):
            read_all(path)


def test_zip_files_that_are_not_workbooks_are_named_by_their_kind(tmp_path):
    for name, said in (
        ("readme.txt", "ZIP file and no workbook"),
        ("mimetype", "OpenDocument"),
        ("xl/workbook.bin", "xlsb"),
    ):
        path = tmp_path / "x.csv"
        with zipfile.ZipFile(path, "w") as file:
            file.writestr(name, "x")
        with pytest.raises(SourceError, match=said):
            read_all(path)
