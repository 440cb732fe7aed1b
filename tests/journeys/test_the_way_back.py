"""Rejected rows that come back: mended by a person, damaged by a spreadsheet, counted once, and linked to what they were."""

import contextlib
import csv
import io
import json
import shutil
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import openpyxl
import pytest

from tests.conftest import HEADER, KEY, Inside

pytestmark = [
    pytest.mark.usefixtures("without_pages"),
    pytest.mark.xdist_group("the way back"),
]  # one worker, so that the first runs are made once

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
        row["email"].replace("@example", "@example.com")
        if row["email"].endswith("@example")
        else row["email"]
    )
    row["balance"] = "1250" if row["balance"] == "12.50" else row["balance"]


def written(rows, delimiter=","):
    text = io.StringIO()
    table = csv.DictWriter(text, rows[0].keys(), delimiter=delimiter)
    table.writeheader()
    table.writerows(rows)
    return text.getvalue()


def created(there, name="created"):
    with (there.newest() / f"{name}.csv").open(newline="", encoding="utf-8") as file:
        return {row["external_reference"]: row for row in csv.DictReader(file)}


def test_the_list_is_the_suppliers_columns_first_and_says_which_row_of_which_run_each_was(there):
    _, rows = rejected(there)

    assert list(rows[0])[:7] == HEADER.split(",")
    assert list(rows[0])[-1] == "_import_run_id"
    assert {row["_import_run_id"] for row in rows} == {there.newest().name}


def test_corrected_rows_are_linked_to_their_originals_and_counted_once(there):
    path, rows = rejected(there)
    first = there.newest().name
    for row in rows:
        mend(row)
    path.with_name("mended.csv").write_text(written(rows), encoding="utf-8")

    assert there("run", path.with_name("mended.csv"), "--sandbox", "--yes").returncode == 0
    assert set(created(there)) == {"00101", "00102", "00103"}
    assert not (there.newest() / "rejected.xlsx").exists()  # no workbook is written of nothing
    status = json.loads(there("status", first, "--json").stdout)
    assert (status["resubmitted"], status["overall"]) == (3, {"created": 4})
    assert "3 records were resubmitted; totals now: 4 created" in there("status", first).stdout
    assert (
        there("run", path.with_name("mended.csv"), "--sandbox", "--yes").returncode == 0
    )  # once more changes nothing
    assert json.loads(there("status", first, "--json").stdout)["overall"] == {"created": 4}


@pytest.mark.parametrize(
    ("encoding", "delimiter"),
    [
        ("cp1252", ";"), ("utf-16", "\t"),
        pytest.param("utf-8-sig", ";", marks=pytest.mark.long), pytest.param("utf-8", ",", marks=pytest.mark.long),
    ],
)  # fmt: skip
def test_a_list_that_a_spreadsheet_has_damaged_is_restored_cell_by_cell(there, encoding, delimiter):
    path, rows = rejected(there)
    for row in rows:
        mend(row)
        row.update({name: DAMAGED.get(text, text) for name, text in row.items()})
    path.with_name("mended.csv").write_bytes(
        written(rows, delimiter).encode(encoding, errors="replace")
    )

    result = there("run", path.with_name("mended.csv"), "--sandbox", "--yes")

    assert result.returncode == 0, result.stdout + result.stderr
    assert {
        key: (row["name"], row["phone"], row["metadata.plan"])
        for key, row in created(there).items()
    } == {
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


def test_a_corrected_cell_known_only_as_displayed_sets_its_row_aside(there):
    (there.folder / "phones.csv").write_text(
        f"{HEADER}\nA,Ann,a@example.com,no number,ZAR,5,gold\n"
    )
    there("plan", "phones.csv", "--sandbox")
    path, rows = rejected(there)
    rows[0]["phone"] = "8.3E+08"  # somebody typed a number, and the spreadsheet shows it so
    path.with_name("mended.csv").write_text(written(rows), encoding="utf-8")

    assert there("plan", path.with_name("mended.csv"), "--sandbox").returncode == 1
    _, again = rejected(there)
    assert [row["_import_reasons"] for row in again] == ["READ.CELL_DAMAGED:phone"]
    assert "RETURN.CELLS_LOST" in {finding["code"] for finding in there.summary()["findings"]}


def test_a_cell_to_be_corrected_is_taken_unchanged_and_named(there):
    path, rows = rejected(there)
    for row in rows:
        mend(row)
    rows[2]["balance"] = "12.5"  # 12.50 was refused; is this a mending, or a spreadsheet's work?
    path.with_name("mended.csv").write_text(written(rows), encoding="utf-8")

    assert there("plan", path.with_name("mended.csv"), "--sandbox").returncode == 1
    assert {finding["code"] for finding in there.summary()["findings"]} == {"RETURN.CELLS_KEPT"}


def test_a_corrected_cell_is_not_named_where_its_column_keeps_a_similar_text(there):
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


def test_rows_of_a_missing_run_are_taken_unchanged_and_reported(there):
    path, rows = rejected(there)
    there.folder.joinpath("mended.csv").write_text(written(rows), encoding="utf-8")
    shutil.rmtree(path.parent)

    assert there("plan", "mended.csv", "--sandbox").returncode == 1
    assert {finding["code"] for finding in there.summary()["findings"]} == {
        "RETURN.ORIGINALS_UNKNOWN"
    }


def test_the_workbook_holds_texts_alone_and_is_read_back_as_it_is(there):
    path, rows = rejected(there)
    book = openpyxl.load_workbook(path.with_suffix(".xlsx"))
    sheet = book["rejected"]
    header, *table = [[cell.value or "" for cell in row] for row in sheet.iter_rows()]
    assert [dict(zip(header, row, strict=True)) for row in table] == rows
    assert {
        cell.data_type for row in sheet.iter_rows() for cell in row if cell.value is not None
    } == {"s"}
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
    assert (status["resubmitted"], status["overall"]) == (3, {"created": 4})


def test_amounts_of_a_workbook_are_read_alike_when_resubmitted(tmp_path):
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
    place = ["--config", "job.yaml", "--sandbox"]

    assert there("plan", "book.xlsx", *place).returncode == 1
    for verb, name, email in (
        (["plan"], "once.csv", "still no"),
        (["run", "--yes"], "twice.csv", "a@example.com"),
    ):
        _, rows = rejected(there)
        assert [row["balance"] for row in rows] == ["R 240.00", "Ksh 25.50"]
        assert {row["_import_reasons"] for row in rows} == {"VALIDATE.EMAIL_MALFORMED:email"}
        (tmp_path / name).write_text(
            written([{**row, "email": email} for row in rows]), encoding="utf-8"
        )
        code = there(*verb, name, *place).returncode
    assert code == 0
    assert [there.summary()["sums"][code]["created"] for code in ("ZAR", "KES")] == [24000, 2550]
    assert there("verify", there.newest().name).returncode == 0


# Lists that are not believed (attacks 3 and 22). Before, each of these was taken, restored by its row id, with exit code 0.

PAYERS = [
    "261000000000001,Ann,ann@example,,ZAR,100,gold",
    "261000000000002,Ben,ben@example,,ZAR,200,gold",
    "261000000000003,Cem,cem@example,,ZAR,300,gold",
]
MISMATCH = "RETURN.ROW_MISMATCH"


@pytest.fixture(scope="module")
def payers_run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("payers")
    (folder / "payers.csv").write_text("\n".join([HEADER, *PAYERS]) + "\n", encoding="utf-8")
    assert Inside(folder)("plan", "payers.csv", "--sandbox").returncode == 1
    return folder


@pytest.fixture
def payers(payers_run, tmp_path):
    """The folder of a plan that rejected three customers for their email addresses, and nothing else about them."""
    shutil.copytree(payers_run, tmp_path / "payers")
    return Inside(tmp_path / "payers")


def theirs(row):
    return {name: text for name, text in row.items() if not name.startswith("_import_")}


def ours(row):
    return {name: text for name, text in row.items() if name.startswith("_import_")}


def sent_back(there, rows):
    """What a plan makes of these rows: external reference -> name, email and balance of those to create; reasons of the rejected."""
    for row in rows:
        mend(row)
    (there.folder / "mended.csv").write_text(written(rows), encoding="utf-8")
    there("plan", "mended.csv", "--sandbox")
    to_create = created(there, "unprocessed")
    made = {key: (row["name"], row["email"], row["balance"]) for key, row in to_create.items()}
    return made, [row["_import_reasons"].split()[0] for row in rejected(there)[1]]


def test_our_columns_sorted_apart_from_the_suppliers_restore_nothing(payers):
    """Attack 3. Before: three created, each under the reference of another. After: none, three rejected."""
    _, rows = rejected(payers)
    moved = [
        {**theirs(rows[at]), **ours(row), "external_reference": "2.61E+14"}
        for at, row in zip((1, 2, 0), rows, strict=True)
    ]

    made, reasons = sent_back(payers, moved)

    assert made == {}
    assert reasons == [f"{MISMATCH}:name"] * 3
    with (payers.newest() / "returned.csv").open(newline="") as file:
        assert [(row["column"], row["verdict"]) for row in csv.DictReader(file)] == [
            ("name", "mismatch"), ("balance", "mismatch")
        ] * 3  # fmt: skip
    assert payers("verify", payers.newest().name).returncode == 0


def test_a_reference_is_not_restored_where_two_records_of_the_list_differ_in_nothing_else(tmp_path):
    """Attack 3. Before: the two balances, mended, were created under each other's reference. After: both are rejected."""
    there = Inside(tmp_path)
    rows = ("261000000000001,,,,ZAR,1.001,", "261000000000002,,,,ZAR,2.001,")
    (tmp_path / "twins.csv").write_text("\n".join([HEADER, *rows]) + "\n")
    there("plan", "twins.csv", "--sandbox")
    _, (first, second) = rejected(there)
    moved = [
        {**one, "external_reference": "2.61E+14", "balance": balance}
        for one, balance in ((first, "200"), (second, "100"))
    ]

    assert sent_back(there, moved) == ({}, [f"{MISMATCH}:external_reference"] * 2)
    typed = [{**one, "balance": balance} for one, balance in ((first, "100"), (second, "200"))]
    assert sent_back(there, typed)[0] == {
        "261000000000001": ("", "", "100"),
        "261000000000002": ("", "", "200"),
    }


def test_a_foreign_row_that_names_a_record_of_another_run_is_rejected(payers):
    """Attack 3. Before: the stranger was created with the reference of the record that it names. After: it is rejected."""
    _, rows = rejected(payers)
    stranger = {
        **rows[0], "external_reference": "2.61E+14", "name": "Zoe", "email": "zoe@example.com", "balance": "9",
    }  # fmt: skip

    assert sent_back(payers, [stranger]) == ({}, [f"{MISMATCH}:name"])


def test_our_columns_copied_to_another_row_are_rejected_and_their_own_row_is_accepted(
    payers,
):
    """Attack 3. Before: Ben was created as 261000000000001. After: only Ann is."""
    _, rows = rejected(payers)
    copied = {**theirs(rows[1]), **ours(rows[0]), "external_reference": "2.61E+14"}

    made, reasons = sent_back(payers, [{**rows[0], "external_reference": "2.61E+14"}, copied])

    assert made == {"261000000000001": ("Ann", "ann@example.com", "100")}
    assert reasons == [f"{MISMATCH}:name"]


@pytest.mark.parametrize("column", ["_import_check", "_import_row_id", "_import_run_id"])
def test_an_origin_that_was_edited_is_rejected(payers, column):
    """Before: there was no check. After: a row whose origin and check do not belong together is rejected."""
    _, rows = rejected(payers)
    rows[0][column] = rows[0][column][:-1] + ("1" if rows[0][column][-1] != "1" else "2")

    made, reasons = sent_back(payers, rows)

    assert set(made) == {"261000000000002", "261000000000003"}
    assert reasons == [MISMATCH]


def test_a_row_copied_from_another_record_is_rejected_again_and_accepted_in_a_new_file(
    payers,
):
    _, rows = rejected(payers)
    assert sent_back(payers, [{**rows[0], "name": "Anna"}]) == ({}, [f"{MISMATCH}:name"])
    _, again = rejected(payers)

    assert sent_back(payers, [dict(row) for row in again]) == ({}, [MISMATCH])
    assert set(sent_back(payers, [theirs(row) for row in again])[0]) == {"261000000000001"}
    assert payers.summary()["findings"] == []


@pytest.mark.parametrize("lacks", ["a check", "the home"])
def test_a_list_whose_check_cannot_be_tested_is_new_records_and_reported(payers, lacks):
    """A list of an older version, or of another home. Before: restored by its row ids. After: taken as it stands, with a warning."""
    first = payers.newest().name
    _, rows = rejected(payers)
    if lacks == "a check":
        rows = [
            {name: text for name, text in row.items() if name != "_import_check"} for row in rows
        ]
    else:
        (payers.folder / ".pipeline" / "token.key").unlink()
    made, reasons = sent_back(
        payers, [{**row, "external_reference": f"B{at}"} for at, row in enumerate(rows)]
    )

    assert (set(made), reasons) == ({"B0", "B1", "B2"}, [])
    [finding] = payers.summary()["findings"]
    assert (finding["code"], finding["what"], finding["stops"]) == (
        "RETURN.CHECK_UNTESTABLE",
        "3 rows",
        False,
    )
    assert json.loads(payers("status", first, "--json").stdout)["resubmitted"] == 0


def test_deleted_or_sorted_rows_and_added_columns_are_not_rejected(payers):
    _, rows = rejected(payers)
    some = [
        {"remark": "checked", **rows[2], "external_reference": "2.61E+14"},
        {"remark": "", **rows[0]},
    ]

    made, reasons = sent_back(payers, some)

    assert reasons == []
    assert made == {
        "261000000000003": ("Cem", "cem@example.com", "300"), "261000000000001": ("Ann", "ann@example.com", "100"),
    }  # fmt: skip


def test_a_row_id_whose_file_name_a_spreadsheet_read_in_another_encoding_is_found(tmp_path):
    there = Inside(tmp_path)
    (tmp_path / "Clientès.csv").write_text("\n".join([HEADER, *PAYERS]) + "\n", encoding="utf-8")
    there("plan", "Clientès.csv", "--sandbox")
    _, rows = rejected(there)
    for row in rows:
        row["external_reference"] = "2.61E+14"
        row["_import_row_id"] = row["_import_row_id"].encode().decode("cp1252")

    made, reasons = sent_back(there, rows)

    assert (len(made), reasons) == (3, [])


class Refusing(BaseHTTPRequestHandler):
    """Billing that knows nobody, and refuses each customer in words with control characters."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self._answer(404, "no such customer")

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self._answer(422, "bad\x00\x1b[31m name\r\nsee\x85 \x7f below\r")

    def _answer(self, status, detail):
        problem = {"type": "about:blank", "title": "Refused", "status": status, "detail": detail}
        body = json.dumps(problem).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/problem+json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def refusing_billing():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Refusing)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_list_with_texts_of_billing_can_be_read_again_with_any_characters(inside):
    """Attack 22. Before: every row came back as READ.CONTROL_CHARACTER. After: the mended row is read and linked."""
    (inside.folder / "c.csv").write_text(f"{HEADER}\nA-1,Ann,ann@example.com,,ZAR,5,gold\n")
    with refusing_billing() as url:
        place = ("--base-url", url, "--yes")
        assert inside("run", "c.csv", *place, environment={"BILLING_API_KEY": KEY}).returncode in {
            1,
            3,
        }
    first = inside.newest().name
    _, (row,) = rejected(inside)
    assert row["_import_reasons"] == "SUBMIT.REFUSED"
    assert (
        row["_import_billing_said"]
        == r"Refused: bad\x00\x1b[31m name\x0d\x0asee\x85 \x7f below\x0d"
    )

    made, reasons = sent_back(inside, [{**row, "name": "Anna"}])

    assert (made, reasons) == ({"A-1": ("Anna", "ann@example.com", "5")}, [])
    rows = json.loads(inside("trace", "A-1", "--json").stdout)
    assert first in json.dumps(rows)


@pytest.mark.parametrize("name", ["rejected.xlsx", "rejected.csv"])
def test_a_list_is_resubmitted_unchanged_to_a_job_with_titles_a_total_and_a_named_sheet(
    inside, name
):
    book = openpyxl.Workbook()
    book.active.title = "Debtors"
    for row in (
        ["OldTel"],
        [],
        ["ref", "mail"],
        ["A-1", "a@example.com"],
        ["A-2", "none"],
        ["Total", 2],
    ):
        book.active.append(row)
    book.create_sheet("Notes")
    book.save(inside.folder / "debtors.xlsx")
    (inside.folder / "job.yaml").write_text(
        "environment: sandbox\nmerchant: m\naddress: sandbox\n"
        "source: {sheet: Debtors, skip_lines: 2, footer_lines: 1}\nmapping: {external_reference: ref, email: mail}\n"
    )
    words = ("--config", "job.yaml", "--sandbox", "--yes")
    assert inside("run", "debtors.xlsx", *words).returncode == 1
    first = inside.newest()

    again = inside("run", first / name, *words)

    assert again.returncode == 1, again.stderr
    assert inside.summary()["records"]["read"] == 1
    assert "1 record was resubmitted" in inside("status", first.name).stdout
