"""Rejected rows that come back: mended by a person, damaged by a spreadsheet, counted once, and linked to what they were."""

import csv
import io
import json
import shutil

import openpyxl
import pytest

from tests.conftest import HEADER, Inside

ROWS = [
    "00101,Zoë Łukasz,zoe@example,+27825550101,ZAR,24000,gold",
    "00102,José,jose@example,+27825550102,ZAR,-500,2026-11-05",
    "00103,Ann,ann@example.com,+27825550103,ZAR,12.50,gold",
    "00104,Ben,ben@example.com,+27825550104,ZAR,700,gold",
]
#: What a spreadsheet makes of the cells of the three that are rejected.
DAMAGED = {
    "00101": "101", "00102": "102", "00103": "103", "+27825550101": "27825550101", "+27825550102": "2.78256E+10",
    "+27825550103": "27825550103", "2026-11-05": "05/11/2026",
}  # fmt: skip


@pytest.fixture(scope="module")
def first_run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("first")
    (folder / "customers.csv").write_text("\n".join([HEADER, *ROWS]) + "\n", encoding="utf-8")
    assert Inside(folder)("run", "customers.csv", "--sandbox", "--yes").returncode == 1
    return folder


@pytest.fixture
def there(first_run, tmp_path):
    """The folder of a run that rejected three of its four rows."""
    shutil.copytree(first_run, tmp_path / "there")
    return Inside(tmp_path / "there")


def rejected(there):
    path = there.newest() / "rejected.csv"
    with path.open(newline="", encoding="utf-8") as file:
        return path, list(csv.DictReader(file))


def mend(row):
    """What the reasons ask for."""
    row["email"] = (
        row["email"].replace("@example", "@example.com") if row["email"].endswith("@example") else row["email"]
    )
    row["balance"] = "1250" if row["balance"] == "12.50" else row["balance"]


def written(rows, delimiter=","):
    text = io.StringIO()
    table = csv.DictWriter(text, rows[0].keys(), delimiter=delimiter)
    table.writeheader()
    table.writerows(rows)
    return text.getvalue()


def created(there):
    with (there.newest() / "created.csv").open(newline="", encoding="utf-8") as file:
        return {row["external_reference"]: row for row in csv.DictReader(file)}


def test_the_list_is_the_suppliers_columns_first_and_says_which_row_of_which_run_each_was(there):
    _, rows = rejected(there)

    assert list(rows[0])[:7] == HEADER.split(",")
    assert list(rows[0])[-1] == "_import_run_id"
    assert {row["_import_run_id"] for row in rows} == {there.newest().name}


def test_mended_rows_are_linked_to_what_they_were_and_counted_once(there):
    path, rows = rejected(there)
    first = there.newest().name
    for row in rows:
        mend(row)
    path.with_name("mended.csv").write_text(written(rows), encoding="utf-8")

    assert there("run", path.with_name("mended.csv"), "--sandbox", "--yes").returncode == 0
    assert set(created(there)) == {"00101", "00102", "00103"}
    status = json.loads(there("status", first, "--json").stdout)
    assert (status["came_back"], status["overall"]) == (3, {"created": 4})
    assert "3 records came back since; all together: 4 created" in there("status", first).stdout
    assert there("run", path.with_name("mended.csv"), "--sandbox", "--yes").returncode == 0  # once more changes nothing
    assert json.loads(there("status", first, "--json").stdout)["overall"] == {"created": 4}


@pytest.mark.parametrize(
    ("encoding", "delimiter"), [("cp1252", ";"), ("utf-8-sig", ";"), ("utf-8", ","), ("utf-16", "\t")]
)
def test_a_list_that_a_spreadsheet_has_damaged_is_restored_cell_by_cell(there, encoding, delimiter):
    path, rows = rejected(there)
    for row in rows:
        mend(row)
        row.update({name: DAMAGED.get(text, text) for name, text in row.items()})
    path.with_name("mended.csv").write_bytes(written(rows, delimiter).encode(encoding, errors="replace"))

    result = there("run", path.with_name("mended.csv"), "--sandbox", "--yes")

    assert result.returncode == 0, result.stdout + result.stderr
    assert {key: (row["name"], row["phone"], row["metadata.plan"]) for key, row in created(there).items()} == {
        "00101": ("Zoë Łukasz", "+27825550101", "gold"),
        "00102": ("José", "+27825550102", "2026-11-05"),
        "00103": ("Ann", "+27825550103", "gold"),
    }
    with (there.newest() / "returned.csv").open(newline="", encoding="utf-8") as file:
        cells = [(row["column"], row["damage"], row["verdict"]) for row in csv.DictReader(file)]
    lost_letters = [("name", "encoding", "restored")] * (encoding == "cp1252")
    assert sorted(cells) == sorted(
        [
            *[("external_reference", "zeros", "restored")] * 3, *[("phone", "plus", "restored")] * 2,
            ("phone", "exponent", "restored"), ("metadata.plan", "date", "restored"), *lost_letters,
        ]
    )  # fmt: skip
    assert "RETURN.CELLS_RESTORED" in result.stdout


def test_a_cell_of_which_only_a_display_is_left_sets_its_row_aside(there):
    path, rows = rejected(there)
    for row in rows:
        mend(row)
    rows[0]["phone"] = "8.3E+08"  # somebody typed another number, and the spreadsheet shows it so
    path.with_name("mended.csv").write_text(written(rows), encoding="utf-8")

    assert there("run", path.with_name("mended.csv"), "--sandbox", "--yes").returncode == 1
    _, again = rejected(there)
    assert [row["_import_reasons"] for row in again] == ["READ.CELL_DAMAGED:phone"]
    assert "RETURN.CELLS_LOST" in {finding["code"] for finding in there.summary()["findings"]}


def test_a_cell_that_was_to_be_mended_is_taken_as_it_came_and_named(there):
    path, rows = rejected(there)
    for row in rows:
        mend(row)
    rows[2]["balance"] = "12.5"  # 12.50 was refused; is this a mending, or a spreadsheet's work?
    path.with_name("mended.csv").write_text(written(rows), encoding="utf-8")

    assert there("plan", path.with_name("mended.csv"), "--sandbox").returncode == 1
    assert {finding["code"] for finding in there.summary()["findings"]} == {"RETURN.CELLS_KEPT"}


def test_a_mended_cell_is_not_named_where_a_text_like_it_came_back_as_it_was_in_its_column(there):
    (there.folder / "yen.csv").write_text(
        "external_reference,email,currency,balance\nA,a@b.org,JPY,500.00\nB,b@b.org,JPY,700.00\n"
    )
    there("plan", "yen.csv", "--sandbox")
    path, rows = rejected(there)
    rows[0]["balance"] = "500"
    mended = path.with_name("mended.csv")
    found = []
    for second in ("700.00", "700"):
        rows[1]["balance"] = second
        mended.write_text(written(rows), encoding="utf-8")
        there("plan", mended, "--sandbox")
        found.append([finding["what"] for finding in there.summary()["findings"]])

    assert found[0] == []
    assert found[1][0].startswith("2 cells (columns: balance")


def test_rows_whose_run_is_gone_are_taken_as_they_come_and_told(there):
    path, rows = rejected(there)
    there.folder.joinpath("mended.csv").write_text(written(rows), encoding="utf-8")
    shutil.rmtree(path.parent)

    assert there("plan", "mended.csv", "--sandbox").returncode == 1
    assert {finding["code"] for finding in there.summary()["findings"]} == {"RETURN.ORIGINALS_UNKNOWN"}


def test_the_workbook_holds_texts_alone_and_is_read_back_as_it_is(there):
    path, rows = rejected(there)
    book = openpyxl.load_workbook(path.with_suffix(".xlsx"))
    sheet = book["rejected"]
    header, *table = [[cell.value or "" for cell in row] for row in sheet.iter_rows()]
    assert [dict(zip(header, row, strict=True)) for row in table] == rows
    assert {cell.data_type for row in sheet.iter_rows() for cell in row if cell.value is not None} == {"s"}
    for row in sheet.iter_rows(min_row=2):
        cells = dict(zip(header, row, strict=True))
        mended = {name: cell.value or "" for name, cell in cells.items()}
        mend(mended)
        for name, cell in cells.items():
            cell.value = mended[name] or None
    book.save(there.folder / "mended.xlsx")

    assert there("run", "mended.xlsx", "--sandbox", "--yes").returncode == 0
    assert set(created(there)) == {"00101", "00102", "00103"}
    assert there.summary()["findings"] == []


def test_no_workbook_is_written_of_nothing(inside):
    (inside.folder / "c.csv").write_text(f"{HEADER}\nA-1,Ann,,,,,\n")

    assert inside("run", "c.csv", "--sandbox", "--yes").returncode == 0
    assert not (inside.newest() / "rejected.xlsx").exists()


def test_the_names_of_folders_are_never_patterns(inside):
    (inside.folder / "c.csv").write_text("\n".join([HEADER, *ROWS]) + "\n", encoding="utf-8")
    reports = ("--reports", "re[1]p*rt?")
    inside("run", "c.csv", "--sandbox", "--yes", *reports)
    (first,) = (inside.folder / "re[1]p*rt?").iterdir()
    with (first / "rejected.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        mend(row)
    (inside.folder / "mended.csv").write_text(written(rows), encoding="utf-8")

    assert inside("run", "mended.csv", "--sandbox", "--yes", *reports).returncode == 0
    status = json.loads(inside("status", first.name, "--json", *reports).stdout)
    assert (status["came_back"], status["overall"]) == (3, {"created": 4})


def test_amounts_of_a_workbook_are_read_alike_when_their_rows_come_back(tmp_path):
    there, names = Inside(tmp_path), ["external_reference", "email", "currency", "balance"]
    fields = "".join(f"  {name}: {name}\n" for name in names[:3])
    (tmp_path / "job.yaml").write_text(
        "environment: sandbox\nmerchant: m\naddress: sandbox\nmapping:\n"
        f"{fields}  balance: {{column: balance, unit: major}}\n"
    )
    book = openpyxl.Workbook()
    for at, row in enumerate([names, ["A-1", "no", "ZAR", 240], ["A-2", "no", "KES", 25.5]]):
        book.active.append(row)
        book.active.cell(at + 1, 4).number_format = ("@", '"R" 0.00', '"Ksh" 0.00')[at]
    book.save(tmp_path / "book.xlsx")
    place = ["--config", "job.yaml", "--sandbox", "--yes"]

    assert there("run", "book.xlsx", *place).returncode == 1
    for name, email in (("once.csv", "still no"), ("twice.csv", "a@example.com")):
        _, rows = rejected(there)
        assert [row["balance"] for row in rows] == ["R 240.00", "Ksh 25.50"]
        assert {row["_import_reasons"] for row in rows} == {"VALIDATE.EMAIL_MALFORMED:email"}
        (tmp_path / name).write_text(written([{**row, "email": email} for row in rows]), encoding="utf-8")
        code = there("run", name, *place).returncode
    assert code == 0
    assert [there.summary()["sums"][code]["created"] for code in ("ZAR", "KES")] == [24000, 2550]
    assert there("verify", there.newest().name).returncode == 0
