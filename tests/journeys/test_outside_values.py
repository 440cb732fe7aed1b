"""Values of outside cases come to their right result, and to a hint that names what was seen, through the command line."""

import csv
import json
import shutil
from pathlib import Path

import polars as pl
import pytest
from openpyxl import Workbook

pytestmark = pytest.mark.usefixtures("without_pages")

OUTSIDE = Path(__file__).parents[1] / "cases" / "outside"
JOB = "environment: sandbox\nmerchant: acme\naddress: sandbox\nmapping: "


def planned(inside, file: Path | str, mapping: str | None = None) -> pl.DataFrame:
    """The staged records of a plan; `mapping` is that of a job."""
    if mapping is not None:
        (inside.folder / "job.yaml").write_text(JOB + mapping, encoding="utf-8")
    where = ("--sandbox",) if mapping is None else ("--config", "job.yaml")
    result = inside("plan", file, *where)
    assert result.returncode in {0, 1}, result.stdout + result.stderr
    return pl.read_parquet(inside.newest() / "staged" / "records-*.parquet")


def rejected(inside) -> dict[str, dict[str, str]]:
    """Row id -> its line in rejected.csv."""
    with (inside.newest() / "rejected.csv").open(newline="", encoding="utf-8") as file:
        return {row["_import_row_id"]: row for row in csv.DictReader(file)}


def warnings(inside) -> dict[str, str]:
    findings = inside.summary()["findings"]
    assert not any(finding["stops"] for finding in findings)
    return {finding["code"]: finding["what"] for finding in findings}


def written(inside, text: str) -> Path:
    path = inside.folder / "c.csv"
    path.write_text(text, encoding="utf-8", newline="")
    return path


# -- amounts ----------------------------------------------------------------------------------------------------------

KONTO = '{external_reference: Konto, currency: Whg, balance: {column: Saldo, unit: major, decimal_mark: ",", thousands: " ", parentheses: true%s}}'  # fmt: skip


def test_currency_signs_are_read_where_the_job_declares_them(inside):
    text = (OUTSIDE / "currency_signs" / "c.csv").read_text(encoding="utf-8")
    file = written(inside, text.replace("$(0.01)", "$(0,01)") + "A8;ZAR;'-4,00\n")

    records = planned(
        inside, file, KONTO % ', leading_apostrophe: true, currency_sign: [R, "€", "$"]'
    )

    assert records["balance"].to_list() == [1153556, 50, -500, 123456, -1, -10000, -1200, -400]
    assert records["fate"].null_count() == 8
    verified = inside("verify", inside.newest().name)
    assert verified.returncode == 0, verified.stdout


def test_currency_signs_that_no_job_declares_are_named_in_the_hint_with_the_key_that_reads_them(
    inside,
):
    planned(inside, OUTSIDE / "currency_signs" / "c.csv", KONTO % "")

    rows = rejected(inside)
    assert set(rows) == {
        f"c.csv:{line}" for line in range(2, 8)
    }  # the minus sign U+2212 is understood
    assert {row["_import_reasons"] for row in rows.values()} == {
        "VALIDATE.BALANCE_WITH_WORDS:balance"
    }
    assert 'holds “R”, a sign of ZAR; to read it, declare balance.currency_sign: {ZAR: "R"}' in rows["c.csv:2"]["_import_hint"]  # fmt: skip
    assert "“€”, a sign of EUR" in rows["c.csv:5"]["_import_hint"]


def test_a_hint_beside_an_amount_minds_the_signs_that_the_job_declares(inside):
    texts = ["R 5,00 R", "ZAR 5,00", "R 5,00 MIO", "5,00 zar"]
    file = written(
        inside, "Konto;Whg;Saldo\n" + "".join(f"A{n};ZAR;{text}\n" for n, text in enumerate(texts))
    )

    planned(inside, file, KONTO % ', currency_sign: {ZAR: R, EUR: "€"}')

    hints = [row["_import_hint"] for row in rejected(inside).values()]
    assert "“R”, a declared sign of ZAR, twice or where no sign may stand." in hints[0]
    assert (
        "to read it, declare balance.currency_sign: {ZAR: [R, ZAR]} beside the signs of other currencies"
        in hints[1]
    )
    assert "“MIO”, which is no sign of ZAR" in hints[2]
    assert "{ZAR: [R, zar]}" in hints[3]


def test_a_mark_of_debit_or_credit_is_never_advised_as_a_sign_of_the_currency(inside):
    file = written(inside, "Konto;Whg;Saldo\nA;ZAR;5,00 CR\nB;ZAR;R 5,00 Dr\nC;ZAR;R 5,00\n")

    planned(inside, file, KONTO % ", currency_sign: R")

    hints = [row["_import_hint"] for row in rejected(inside).values()]
    assert [
        "which may mark a debit or a credit; declare its meaning in balance.marks" in one
        for one in hints
    ] == [
        True,
        True,
    ]


def test_a_sign_of_another_currency_than_the_record_s_is_rejected(inside):
    file = written(
        inside,
        "Konto;Whg;Saldo\nA;ZAR;€ 5,00\nB;EUR;5,00 R\nC;ZAR;R 5,00\nD;LSL;R 5,00\nE;USD;USD 5,00\n",
    )

    planned(inside, file, KONTO % ', currency_sign: {"*": [R, "€"], LSL: R}')

    rows = rejected(inside)
    assert {row_id: row["_import_reasons"] for row_id, row in rows.items()} == {
        "c.csv:2": "MAP.SIGN_OF_ANOTHER_CURRENCY:balance",
        "c.csv:3": "MAP.SIGN_OF_ANOTHER_CURRENCY:balance",
        "c.csv:6": "VALIDATE.BALANCE_WITH_WORDS:balance",
    }
    assert (
        "“€”, a sign of EUR; the currency of the record is ZAR" in rows["c.csv:2"]["_import_hint"]
    )


def test_dashes_and_apostrophes_before_amounts_are_named_in_the_hint(inside):
    file = written(
        inside, "Konto;Whg;Saldo\nA;ZAR;–5,00\nB;ZAR;'5,00\nC;ZAR;5\u200b0\nD;ZAR;5 MIO\n"
    )

    planned(inside, file, KONTO % "")

    hints = [row["_import_hint"] for row in rejected(inside).values()]
    assert "U+2013 EN DASH, which is no minus sign" in hints[0]
    assert (
        "begins with an apostrophe (U+0027 APOSTROPHE); balance.leading_apostrophe: true drops it"
        in hints[1]
    )
    assert "U+200B ZERO WIDTH SPACE" in hints[2]
    assert "“MIO”, which is no sign of ZAR" in hints[3]


def workbook(path: Path, rows: list[list[str]]) -> Path:
    book = Workbook()
    for row in rows:
        book.active.append(row)
    book.save(path)
    return path


def test_in_a_workbook_only_words_of_its_own_currency_may_surround_an_amount(
    inside,
):
    amounts = [
        ("KES", "Ksh 1234.50", 123450), ("USD", "1234.50 USD", 123450), ("NAD", "N$1234.50", 123450), ("CZK", "1234 Kč", 123400),
        ("USD", "US$ 1.00", 100), ("ZAR", "R 5.00 ZAR", 500), ("ZAR", "-R5.00", -500), ("EUR", "\u22125.00\u00a0€", -500),
        ("ZAR", "5 USD", None), ("ZAR", "€5", None), ("ZAR", "5 MIO", None), ("ZAR", "5 TSD", None), ("ZAR", "5k", None),
        ("ZAR", "5%", None), ("ZAR", "R5R", None), ("ZMW", "5 K", None), ("ZAR", "5.00", 500),
    ]  # fmt: skip
    rows = [
        ["id", "code", "amount"],
        *([f"A-{n}", code, text] for n, (code, text, _) in enumerate(amounts)),
    ]
    path = workbook(inside.folder / "c.xlsx", rows)
    mapping = "{external_reference: id, currency: code, balance: {column: amount, unit: major}}"

    records = planned(inside, path, mapping)

    assert dict(zip(records["given.amount"], records["balance"], strict=True)) == {
        text: cents for _, text, cents in amounts
    }
    hints = {row["amount"]: row["_import_hint"] for row in rejected(inside).values()}
    assert "“USD”, a sign of USD; the currency of the record is ZAR" in hints["5 USD"]
    for text, word in (("5 MIO", "MIO"), ("5 TSD", "TSD"), ("5k", "k"), ("5%", "%")):
        assert f"“{word}”" in hints[text]
    assert inside("run", path, "--config", "job.yaml", "--yes").returncode == 1
    verified = inside("verify", inside.newest().name)
    assert verified.returncode == 0, verified.stdout


def test_a_csv_file_beside_a_workbook_is_read_by_its_own_rules(inside):
    book = workbook(inside.folder / "a.xlsx", [["id", "code", "amount"], ["A-1", "ZAR", "R 5.00"]])
    text = inside.folder / "b.csv"
    text.write_text("id,code,amount\nB-1,ZAR,R 5.00\n")
    (inside.folder / "job.yaml").write_text(
        JOB + "{external_reference: id, currency: code, balance: {column: amount, unit: major}}"
    )

    assert inside("plan", book, text, "--config", "job.yaml").returncode == 1

    assert list(rejected(inside)) == ["b.csv:2"]
    assert inside.summary()["debits"]["ZAR"]["not_attempted"] == 500


def test_a_hint_quotes_no_word_of_a_cell_in_an_evidence_bundle(inside):
    file = written(inside, "id,code,amount\nA-1,ZAR,Nkosi 12\nA-2,ZAR,5.00\n")
    mapping = "{external_reference: id, currency: code, balance: {column: amount, unit: major}}"
    (inside.folder / "job.yaml").write_text(JOB + mapping, encoding="utf-8")

    assert inside("run", file, "--config", "job.yaml", "--yes").returncode == 1
    assert "“Nkosi”" in rejected(inside)["c.csv:2"]["_import_hint"]
    made = inside("bundle", inside.newest().name, "--output", "b.zip")

    assert made.returncode in {0, 1}, made.stderr
    unpacked = inside.folder / "unpacked"
    shutil.unpack_archive(inside.folder / "b.zip", unpacked)
    texts = [path.read_bytes() for path in unpacked.rglob("*") if path.is_file()]
    assert not any(b"Nkosi" in text for text in texts)
    assert any("“…”".encode() in text for text in texts)


# -- phones -----------------------------------------------------------------------------------------------------------

UNUSUAL = {
    "c.csv:2",
    "c.csv:3",
    "c.csv:4",
    "c.csv:8",
    "c.csv:15",
}  #: 5 to 8 national digits, and 10


def test_zaphones_that_have_not_nine_digits_are_warned_about_with_their_rows(inside):
    records = planned(inside, OUTSIDE / "zaphones" / "c.csv")

    told = warnings(inside)["DOUBT.PHONES_UNUSUAL"]
    assert told.startswith("5 of 8 phone numbers: ")
    assert set(told.partition(": ")[2].split(", ")) == UNUSUAL
    accepted = records.filter(pl.col("fate").is_null() & ~pl.col("row_id").is_in(list(UNUSUAL)))[
        "phone"
    ].to_list()
    assert accepted == ["+27821234567", "+27115551234", "+27601234567"]


def test_zaphones_without_nine_digits_are_rejected_where_configured(inside):
    planned(inside, OUTSIDE / "zaphones" / "c.csv", "{external_reference: external_reference, phone: phone, unusual_phones: reject}")  # fmt: skip

    unusual = {
        row_id
        for row_id, row in rejected(inside).items()
        if "PHONE_UNUSUAL_LENGTH:phone" in row["_import_reasons"]
    }
    assert unusual == UNUSUAL
    assert warnings(inside) == {}


def test_de_float_is_rejected_as_damaged_by_a_spreadsheet(inside):
    shutil.copy(OUTSIDE / "de_float" / "job.yaml", inside.folder)
    assert inside("plan", OUTSIDE / "de_float" / "c.csv", "--config", "job.yaml").returncode == 1

    rows = rejected(inside)
    assert {row_id: row["_import_reasons"] for row_id, row in rows.items()} == dict.fromkeys(
        ("c.csv:2", "c.csv:3", "c.csv:4"), "VALIDATE.PHONE_DAMAGED:phone"
    )
    assert all(
        "A spreadsheet turned it into a decimal number" in row["_import_hint"]
        for row in rows.values()
    )


def test_an_apostrophe_before_a_phone_is_dropped_where_the_job_declares_it_and_named_elsewhere(
    inside,
):
    file = written(inside, "id,tel\nA-1,'0821234567\n'00123,\n")

    planned(inside, file, "{external_reference: id, phone: tel}")
    hints = [row["_import_hint"] for row in rejected(inside).values()]
    assert (
        "The phone begins with an apostrophe (U+0027 APOSTROPHE); phone.leading_apostrophe: true drops it."
        in hints[0]
    )
    assert "The external_reference begins with an apostrophe (U+0027 APOSTROPHE)." in hints[1]

    declared = planned(
        inside, file, "{external_reference: id, phone: {column: tel, leading_apostrophe: true}}"
    )
    assert declared["phone"].to_list() == ["+27821234567", None]


# -- texts ------------------------------------------------------------------------------------------------------------


def test_mojibake_and_placeholders_are_warned_about_with_their_share_and_rows(inside):
    planned(inside, OUTSIDE / "mojibake" / "c.csv")

    told = warnings(inside)
    assert "3 of 8 texts" in told["DOUBT.TEXTS_MISREAD"]
    assert told["DOUBT.TEXTS_MISREAD"].endswith(": c.csv:2, c.csv:3, c.csv:4")
    assert "4 of 8 texts" in told["DOUBT.PLACEHOLDERS"]
    assert told["DOUBT.PLACEHOLDERS"].endswith(": c.csv:5, c.csv:6, c.csv:7, c.csv:8")
    assert "Zo" not in json.dumps(told)


def test_a_line_of_dashes_and_a_line_of_totals_are_warned_about(inside):
    planned(
        inside,
        written(inside, "external_reference\n------------------\nA-1\n____\nA--B\n--B\nTotal\n"),
    )

    told = warnings(inside)["DOUBT.PLACEHOLDERS"]
    assert "2 of 6 texts" in told
    assert "c.csv:7" in warnings(inside)["DOUBT.TOTAL_ROW"]
    assert told.endswith(": c.csv:2, c.csv:4")


def test_placeholders_that_the_job_declares_as_absent_are_no_longer_warned_about(inside):
    absent = r"{external_reference: external_reference, name: name, absent: ['NULL', '\\N', '#N/A', nan]}"
    planned(inside, OUTSIDE / "mojibake" / "c.csv", absent)

    assert "DOUBT.PLACEHOLDERS" not in warnings(inside)


def test_same_email_under_several_references_is_warned_about_with_the_count(inside):
    planned(inside, OUTSIDE / "same_email" / "c.csv")

    assert warnings(inside) == {
        "DOUBT.SAME_EMAIL": "1 email address under 3 references; the largest group has 3, such as c.csv:2, c.csv:3, c.csv:4"
    }


def test_same_email_is_counted_by_address_and_not_by_repeated_rows(inside):
    rows = [
        "A,x@example.com",
        "A,x@example.com",
        "B,Y@example.com",
        "C,y@EXAMPLE.com",
        "D,z@example.com",
        "E,",
        "F,",
    ]
    planned(
        inside,
        written(
            inside,
            "\n".join(["external_reference,email", *rows, "G,z@example.com", "H,z@example.com"]),
        ),
    )

    assert warnings(inside)["DOUBT.SAME_EMAIL"] == (
        "2 email addresses under 5 references; the largest group has 3, such as c.csv:6, c.csv:9, c.csv:10"
    )


def test_invisible_characters_are_trimmed_at_the_ends_and_named_inside(inside):
    file = written(
        inside,
        "external_reference,name,email,phone\n"
        "\ufeffA-1\u200b,\u00adAnn\u200e,\u2060ann@example.com\u00a0,\u202a082 123 4567\u202c\n"
        "A\u200b-2,An\u200bn,an\u00adn@example.com,082\u00a0123\u00a04567\n",
    )

    records = planned(inside, file)

    assert records.row(0, named=True)["payload"] == (
        '{"email":"ann@example.com","external_reference":"A-1","name":"Ann","phone":"+27821234567"}'
    )
    row = rejected(inside)["c.csv:3"]
    assert row["_import_reasons"].split() == [
        "VALIDATE.EMAIL_MALFORMED:email", "VALIDATE.PHONE_UNREADABLE:phone", "VALIDATE.REFERENCE_CHARACTERS:external_reference",
    ]  # fmt: skip
    for clue in (
        "The external_reference holds U+200B ZERO WIDTH SPACE.",
        "The email holds U+00AD SOFT HYPHEN.",
        "The phone holds U+00A0 NO-BREAK SPACE.",
    ):
        assert clue in row["_import_hint"]


# -- the normalization version ----------------------------------------------------------------------------------------


def test_a_changed_customer_of_an_earlier_normalization_version_is_held_with_its_own_reason(
    inside,
):
    import sqlite3

    file = written(inside, "external_reference,name\nA-1,Ann\nA-2,Ben\n")
    assert inside("run", file, "--sandbox", "--yes").returncode == 0
    assert json.loads((inside.newest() / "plan.json").read_text())["normalization"] == 2
    raw = sqlite3.connect(inside.folder / ".pipeline" / "sandbox" / "ledger.sqlite")
    kept = raw.execute("SELECT kind, normalization FROM events ORDER BY seq").fetchall()
    assert {pair for pair in kept if pair[0] == "intent"} == {("intent", 2)}
    raw.execute("UPDATE rows SET normalization = 1 WHERE external_reference = 'A-1'")
    raw.commit()
    raw.close()

    written(inside, "external_reference,name\nA-1,Anna\nA-2,Benno\n")
    assert inside("plan", file, "--sandbox").returncode == 1

    with (inside.newest() / "held.csv").open(newline="", encoding="utf-8") as lines:
        held = {row["external_reference"]: row["_import_reasons"] for row in csv.DictReader(lines)}
    assert held == {"A-1": "PLAN.CREATED_BEFORE_OTHER_FORM", "A-2": "PLAN.CREATED_BEFORE_DIFFERENT"}
