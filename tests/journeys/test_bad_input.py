"""Both tables of what people deliver, row by row: a file for each, and what becomes of it.

The details of each row have tests of their own (test_sources.py, test_excel.py, test_validating.py …); this is the walk
through all of them, as a person would see it: exit code, reasons, message.
"""

import gzip
import os
import re

import polars as pl
import pytest

from tests.conftest import HEADER

pytestmark = pytest.mark.usefixtures("without_pages")

ROW = "A-1,Ann,ann@example.com,+27821234567,ZAR,100,gold"
TWO = "A-2,Ben,ben@example.com,+27827654321,ZAR,200,gold"
PLAIN = f"{HEADER}\n{ROW}\n{TWO}\n"
MINE = "environment: sandbox\nmerchant: acme\naddress: sandbox\n"


def table(*rows):
    return "\n".join([HEADER, *rows]) + "\n"


def planned(inside, content, *options, name="c.csv", job=""):
    """Exit code, reason -> rows, and everything that was said."""
    (inside.folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    more = []
    if job:
        (inside.folder / "job.yaml").write_text(MINE + job)
        more = ["--config", "job.yaml"]
    result = inside("plan", name, *(more or ["--sandbox"]), *options)
    reasons = {}
    if result.returncode in {0, 1, 3}:
        rows = pl.read_parquet(inside.newest() / "rows.parquet")
        for row_id, codes in rows.select("row_id", "reasons").iter_rows():
            for code in codes:
                reasons.setdefault(code.partition(":")[0], []).append(
                    int(re.split("[:#]", row_id)[-1])
                )
        reasons.pop("SUBMIT.NOT_ATTEMPTED", None)
        assert inside.summary()["accounting"]["holds"]
    return result.returncode, reasons, result.stdout + result.stderr


#: content, options, job -> exit code, reasons with their physical lines, what is said
FILES = {
    "UTF-8 with a mark": (("\ufeff" + PLAIN).encode(), "", 0, {}, ""),
    "UTF-16 with a mark": (PLAIN.encode("utf-16"), "", 0, {}, "utf-16"),
    "not UTF-8, no mark": (PLAIN.replace("Ann", "Zoë").replace("Ben", "Renée").encode("cp1252"), "", 4, {}, "source.encoding: cp1252"),
    "one row with invalid bytes": (PLAIN.encode().replace(b"Ben", b"B\xe9n"), "", 1, {"READ.NOT_UTF8": [3]}, ""),
    "NUL in a field": (PLAIN.encode().replace(b"Ben", b"B\x00n"), "", 1, {"READ.CONTROL_CHARACTER": [3]}, ""),
    "too few fields": (table(ROW, "A-2,Ben"), "", 1, {"READ.TOO_FEW_FIELDS": [3]}, ""),
    "too many fields, the last empty": (table(ROW, TWO + ","), "", 1, {"READ.TOO_MANY_FIELDS": [3]}, ""),
    "a quote that never closes": (table(ROW, TWO.replace("Ben", '"Ben'), ROW.replace("A-1", "A-3")), "", 1, {"READ.UNCLOSED_QUOTE": [3]}, ""),
    "a quote inside an unquoted field": (table(ROW, TWO.replace("Ben", 'B"e"n')), "", 1, {"READ.STRAY_QUOTE": [3]}, ""),
    "a newline inside quotes": (table(ROW.replace("Ann", '"An\nn"'), TWO.replace("+27827654321", "x")), "", 1, {"VALIDATE.PHONE_UNREADABLE": [4]}, ""),
    "LF and CRLF mixed": (PLAIN.replace("gold\nA-2", "gold\r\nA-2"), "", 0, {}, ""),
    "CR throughout": (PLAIN.replace("\n", "\r"), "", 0, {}, "CR"),
    "a lone CR": (table(ROW, TWO.replace("Ben", "B\ren")), "", 1, {"READ.LONE_CR": [3]}, ""),
    "duplicate header names": (PLAIN.replace("phone", "email"), "", 4, {}, "columns 3 and 4 have the same name: 'email'"),
    "case-variant header names": (PLAIN.replace("phone", "Email"), "", 4, {}, "columns 3 and 4 have the same name but for case and spaces: 'email', 'Email'"),
    "blank header name": (PLAIN.replace("phone", ""), "", 0, {}, "DOUBT.COLUMNS_WITHOUT_NAME: c.csv: column_4"),
    "spaces around header names": (PLAIN.replace(",name", ", name\u00a0"), "", 0, {}, "1 of 7 names were changed, now 'name'"),
    "a line break in a header name": (PLAIN.replace("name", '"na\nme"', 1), "", 0, {}, "now 'na me'"),
    "lines of delimiters only": (table(ROW, ",,,,,,", ' ,"",,,,,', TWO), "", 0, {}, ""),
    "no header": (PLAIN.removeprefix(HEADER + "\n"), "", 4, {}, "source.header: none"),
    "a last line without its line end": (PLAIN.removesuffix("\n"), "", 0, {}, "DOUBT.LAST_LINE_UNENDED: c.csv: line 3"),
    "Ctrl-Z at the end": (PLAIN + "\x1a", "", 0, {}, "ends with Ctrl-Z"),
    "a mapped column is missing": (PLAIN.replace("external_reference", "externl_reference"), "", 4, {}, "did you mean 'externl_reference'"),
    "unknown columns": (PLAIN.replace("phone", "fone"), "", 0, {}, "column 'fone' is kept in the lists and not sent (did you mean 'phone'?)"),
    "a trailing delimiter on every record": (PLAIN.replace("\n", ",\n"), "", 0, {}, "ignored as empty and without a name: column 8"),
    "a trailing delimiter on every record, declared": (PLAIN.replace("\n", ",\n").replace(",\n", "\n", 1), "source: {trailing_delimiter: true}", 0, {}, ""),
    "a trailing delimiter that the header lacks": (PLAIN.replace("\n", ",\n").replace(",\n", "\n", 1), "", 4, {}, "source.trailing_delimiter: true"),
    "preamble lines": ("Report of Monday\n\n" + PLAIN, "", 4, {}, "source.skip_lines: 2"),
    "preamble lines, declared": ("Report of Monday\n\n" + PLAIN, "source: {skip_lines: 2}", 0, {}, ""),
    "two header lines": (table(HEADER, ROW), "", 1, {"READ.REPEATED_HEADER": [2]}, ""),
    "a footer": (PLAIN + "Total: 300\n", "", 1, {"READ.TOO_FEW_FIELDS": [4]}, ""),
    "a footer, declared": (PLAIN + "Total: 300\n", "source: {footer_lines: 1}", 0, {}, ""),
    "semicolons": (PLAIN.replace(",", ";"), "", 0, {}, "semicolons"),
    "tabs": (PLAIN.replace(",", "\t"), "", 0, {}, "tabs"),
    "vertical bars": (PLAIN.replace(",", "|"), "", 0, {}, "vertical bars"),
    "an empty file": ("", "", 4, {}, "empty"),
    "a header only": (HEADER + "\n", "", 4, {}, "0 records"),
    "only blank lines": ("\n\n\n", "", 4, {}, "empty"),
    "a record over 1 MiB": (table(ROW, TWO.replace("Ben", "B" * (1 << 20))), "", 1, {"READ.TOO_LONG": [3]}, ""),
    "packed": (gzip.compress(PLAIN.encode()), "", 0, {}, ""),
    "packed a thousand times over": (gzip.compress(table(*[ROW.replace("Ann", "A" * 1000)] * 20_000).encode()), "", 4, {}, "100"),
    "a ZIP called .csv": (b"PK\x03\x04 and so on", "", 4, {}, "workbook"),
    "a PDF called .csv": (b"%PDF-1.7", "", 4, {}, "a PDF"),
}  # fmt: skip


#: What differs from another of these in its form alone; test_sources.py and test_headers_and_structure.py have each of them.
VARIANTS = {
    "UTF-8 with a mark", "NUL in a field", "a quote inside an unquoted field", "CR throughout", "a lone CR",
    "spaces around header names", "a line break in a header name", "a last line without its line end", "Ctrl-Z at the end",
    "unknown columns", "a trailing delimiter on every record, declared", "preamble lines, declared", "a footer, declared",
    "semicolons", "tabs", "vertical bars", "a record over 1 MiB",
}  # fmt: skip


@pytest.mark.parametrize(
    "what",
    [pytest.param(what, marks=pytest.mark.long) if what in VARIANTS else what for what in FILES],
)
def test_a_file(inside, what):
    content, job, code, reasons, said = FILES[what]

    result = planned(inside, content, job=job)

    assert result[:2] == (code, reasons), result[2]
    assert said in result[2]


def test_a_file_name_that_contradicts_the_content(inside):
    frame = pl.DataFrame({"external_reference": ["A-1"], "name": ["Ann"]})
    frame.write_parquet(inside.folder / "frame.parquet")
    as_csv = (inside.folder / "frame.parquet").read_bytes()

    assert planned(inside, as_csv, name="really.csv")[0] == 0
    code, _, said = planned(inside, PLAIN, name="text.parquet")
    assert (code, "no Parquet file" in said) == (4, True)
    code, _, said = planned(inside, as_csv[: len(as_csv) // 2], name="cut.parquet")
    assert (code, "Parquet" in said) == (4, True)


def test_parquet_floats_for_money_and_references_are_refused_by_column_and_type(inside):
    pl.DataFrame(
        {"external_reference": [1.0], "currency": ["ZAR"], "balance": [1.5]}
    ).write_parquet(inside.folder / "f.parquet")

    result = inside("plan", "f.parquet", "--sandbox")

    assert result.returncode == 4
    assert "external_reference" in result.stderr
    assert "balance" in result.stderr
    assert "double" in result.stderr.lower() or "float" in result.stderr.lower()


def test_names_that_are_no_regular_files_are_refused_and_never_interpreted(inside):
    (inside.folder / "c*.csv").write_text(PLAIN)
    os.mkfifo(inside.folder / "pipe.csv")
    (inside.folder / "folder.csv").mkdir()
    (inside.folder / "link.csv").symlink_to("c*.csv")

    assert inside("plan", "c*.csv", "--sandbox").returncode == 0
    for name in ("pipe.csv", "folder.csv", "link.csv"):
        assert inside("plan", name, "--sandbox").returncode == 4, name


def value(column, text):
    cells = dict(zip(HEADER.split(","), ROW.split(","), strict=True)) | {column: text}
    return ",".join('"' + cell.replace('"', '""') + '"' for cell in cells.values())


#: column, text -> the reasons of its row, or what billing would get
VALUES = {
    "leading zeros": ("external_reference", "00123", "00123"),
    "a reference like a number": ("external_reference", "1", "1"),
    "a reference like a truth": ("external_reference", "TRUE", "TRUE"),
    "a reference with a point": ("external_reference", "1.0", ["VALIDATE.REFERENCE_CHARACTERS"]),
    "a reference that a spreadsheet damaged": ("external_reference", "8.5E+12", ["VALIDATE.REFERENCE_CHARACTERS", "VALIDATE.REFERENCE_DAMAGED"]),
    "a reference with a slash": ("external_reference", "A/1", ["VALIDATE.REFERENCE_CHARACTERS"]),
    "a zero-width space in a reference": ("external_reference", "A\u200b1", ["VALIDATE.REFERENCE_CHARACTERS"]),
    "a name in two pieces per letter": ("name", "Rene\u0301e\u00a0", "Renée"),
    "a bidirectional override in a name": ("name", "\u202ennA", "nnA"),
    "a national number": ("phone", "082 123 4567", "+27821234567"),
    "possible, not valid": ("phone", "000 000 0000", ["VALIDATE.PHONE_NOT_VALID"]),
    "an extension": ("phone", "0821234567 x5", ["VALIDATE.PHONE_HAS_EXTENSION"]),
    "two numbers": ("phone", "0821234567/0831234567", ["VALIDATE.PHONE_SEVERAL"]),
    "an email's domain": ("email", "Ann.B@EXAMPLE.com", "Ann.B@example.com"),
    "no email": ("email", "ann@", ["VALIDATE.EMAIL_MALFORMED"]),
    "digits of another script": ("balance", "١٢٣", ["VALIDATE.BALANCE_NOT_A_NUMBER"]),
    "a decimal in minor units": ("balance", "1.50", ["VALIDATE.BALANCE_NOT_WHOLE"]),
    "an undeclared grouping": ("balance", "1,234", ["VALIDATE.BALANCE_NOT_WHOLE"]),
    "undeclared parentheses": ("balance", "(123)", ["VALIDATE.BALANCE_NOT_A_NUMBER"]),
    "an undeclared mark": ("balance", "100 CR", ["VALIDATE.BALANCE_WITH_WORDS"]),
    "minus zero": ("balance", "-0", 0),
    "beyond 2^53": ("balance", "9007199254740992", ["VALIDATE.BALANCE_TOO_LARGE"]),
    "a withdrawn currency": ("currency", "BGN", ["VALIDATE.CURRENCY_WITHDRAWN"]),
    "a balance without currency": ("currency", "", ["VALIDATE.BALANCE_NEEDS_CURRENCY"]),
    "NULL is a text unless declared": ("name", "NULL", "NULL"),
    "a formula": ("name", "=1+1", "=1+1"),
    "a full-width formula": ("name", "\uff1d1+1", "\uff1d1+1"),
    "long metadata": ("metadata.plan", "x" * 501, ["VALIDATE.METADATA_TOO_LONG"]),
}  # fmt: skip


def test_every_value_ends_as_its_row_of_the_table_states(inside):
    rows = []
    for number, (column, text, _) in enumerate(VALUES.values()):
        cells = value(column, text)
        rows.append(
            cells if column == "external_reference" else cells.replace('"A-1"', f'"V-{number}"', 1)
        )

    code, _, _ = planned(inside, table(*rows))

    assert code == 1
    fates = pl.read_parquet(inside.newest() / "rows.parquet")["reasons"].to_list()
    columns = sorted({column for column, _, _ in VALUES.values()})
    staged = pl.concat(
        pl.read_parquet(path, columns=columns)
        for path in (inside.newest() / "staged").glob("records-*")
    )
    for (what, (column, _, expected)), reasons, customer in zip(
        VALUES.items(), fates, staged.to_dicts(), strict=True
    ):
        found = [reason.partition(":")[0] for reason in reasons if reason != "SUBMIT.NOT_ATTEMPTED"]
        if isinstance(expected, list):
            assert found == expected, what
        else:
            assert (found, customer[column]) == ([], expected), what


def test_the_same_reference_twice(inside):
    other = ROW.replace("Ann", "Anne")

    equal = planned(inside, table(ROW, ROW))
    different = planned(inside, table(ROW, other, TWO), name="d.csv")

    assert equal[:2] == (0, {"MATCH.REPEATS_EARLIER_ROW": [3]})
    assert different[:2] == (1, {"MATCH.SAME_REFERENCE_OTHER_CONTENT": [2, 3]})


def test_a_withdrawn_currency_names_its_successor_and_date(inside):
    planned(inside, table(value("currency", "BGN")))

    assert "BGN was replaced by EUR on 2026-01-01" in (inside.newest() / "rejected.csv").read_text()


def test_only_texts_that_the_job_lists_are_absent_and_they_are_counted(inside):
    job = "mapping: {external_reference: external_reference, name: name, absent: ['NULL', '-']}"

    planned(inside, table(value("name", "NULL"), value("name", '""')), job=job)

    assert inside.summary()["absent_texts"] == {"NULL": 1}
