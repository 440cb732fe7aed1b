"""`pipeline inspect`: what was found of a file and why, its columns without what they say, its unreadable lines."""

import csv
import json

import pytest

CONTENT = (
    'id;naam;"e-mail";tel;bedrag\r\n'
    'a-1;"Nkosi; Thandi";thandi@example.com;082 555 0101;1.234,50\r\n'
    "\r\n"
    'b-1;"Ünal\r\n""Ö""";;0825550102;-7,00\r\n'
    "c-1;short\r\n"
    "d-1;Dan;dan@example.com;;0,10\r\n"
)


def asked(pipeline, *args, exit_code=0):
    result = pipeline("inspect", *args)
    assert result.returncode == exit_code, result.stderr
    return result


def inspected(pipeline, *args, exit_code=0):
    return json.loads(asked(pipeline, *args, "--json", exit_code=exit_code).stdout)


def test_inspect_shows_a_file_without_a_job_with_findings_and_reasons(pipeline, tmp_path):
    file = tmp_path / "klanten.csv"
    file.write_bytes(CONTENT.encode())

    found = inspected(pipeline, file, exit_code=1)

    assert found["dialect"] == {
        "delimiter": ";", "encoding": "utf-8", "line_end": "LF or CRLF", "found": "encoding delimiter",
    }  # fmt: skip
    assert "the same number of fields" in found["why"]["delimiter"]
    assert found["lines"] == {"physical": 7, "header": 1, "skipped": 0, "blank": 1, "records": 5}
    assert (found["records"], found["unreadable"]) == (4, 1)
    assert found["unreadable_lines"] == [
        {"row_id": "klanten.csv:6", "line": 6, "line_count": 1, "reason": "READ.TOO_FEW_FIELDS"}
    ]
    columns = {column["name"]: column for column in found["columns"]}
    assert columns["e-mail"]["filled"] == 2
    assert columns["e-mail"]["fill_rate"] == pytest.approx(2 / 3, abs=1e-6)
    assert columns["bedrag"]["may_be"]["decimal comma"] == 3
    assert columns["tel"]["shapes"] == {"999 999 9999": 1, "9999999999": 1}


def test_personal_data_is_not_shown(pipeline, tmp_path):
    file = tmp_path / "klanten.csv"
    file.write_bytes(CONTENT.encode())

    for args in ((), ("--json",)):
        result = asked(pipeline, file, *args, exit_code=1)
        shown = result.stdout + result.stderr
        assert [
            word for word in ("Nkosi", "thandi@", "0101", "Dan", "short", "Ünal") if word in shown
        ] == []


def test_the_table_is_written_as_it_was_read_text_by_text(pipeline, tmp_path):
    file, output = tmp_path / "klanten.csv", tmp_path / "out.csv"
    file.write_bytes(CONTENT.encode("cp1252"))

    inspected(pipeline, file, "--encoding", "cp1252", "--output", output, exit_code=1)

    with output.open(newline="", encoding="utf-8") as written:
        assert list(csv.reader(written, strict=True)) == [
            ["id", "naam", "e-mail", "tel", "bedrag"],
            ["a-1", "Nkosi; Thandi", "thandi@example.com", "082 555 0101", "1.234,50"],
            ["b-1", 'Ünal\r\n"Ö"', "", "0825550102", "-7,00"],
            ["d-1", "Dan", "dan@example.com", "", "0,10"],
        ]
    assert output.stat().st_mode & 0o777 == 0o600


def test_a_file_of_windows_is_refused_with_exactly_the_line_to_add(pipeline, tmp_path):
    file = tmp_path / "klanten.csv"
    file.write_bytes(CONTENT.replace("Dan", "Zoë").encode("cp1252"))

    result = asked(pipeline, file, exit_code=4)

    assert "source.encoding: cp1252" in result.stderr


def test_the_table_is_never_written_over_the_file_that_is_read(pipeline, tmp_path):
    file = tmp_path / "klanten.csv"
    file.write_bytes(CONTENT.encode())

    result = asked(pipeline, file, "--output", file, exit_code=4)

    assert "the input file" in result.stderr
    assert file.read_bytes() == CONTENT.encode()


def test_with_a_config_the_file_must_have_the_columns_that_it_maps(pipeline, tmp_path):
    file, config = tmp_path / "klanten.csv", tmp_path / "job.yaml"
    file.write_bytes(CONTENT.encode())
    config.write_text(
        "environment: test\nmerchant: m\nmode: test\nmapping: {external_reference: id, name: naam2}\n"
    )

    result = asked(pipeline, file, "--config", config, exit_code=4)

    assert "did you mean 'naam'" in result.stderr


def test_lines_around_the_table_are_skipped_where_declared(pipeline, tmp_path):
    file = tmp_path / "report.csv"
    file.write_bytes(b"Debtors\nof November\nid,naam\na-1,Ann\nTotal,1\n")

    found = inspected(pipeline, file, "--skip-lines", "2", "--footer-lines", "1")

    assert found["lines"] == {"physical": 5, "header": 1, "skipped": 3, "blank": 0, "records": 1}


def test_titles_above_a_table_are_advised_to_be_skipped(pipeline):
    header = "ACCOUNT_NO;FIRSTNAME;LASTNAME;EMAIL;DEBIT;REMARK\n"
    remarks = ('"moved\nto Paarl"', "", "paid")
    table = header + "".join(f"00{n};Ann;Nkosi;;{n},50;{remarks[n % 3]}\n" for n in range(20))
    for titles in ("Debtors\n", "Debtors of November\nall branches\n", "Debtors\n\n\n"):
        path = pipeline.folder / "f.csv"
        path.write_text(titles + table)
        skip = titles.count("\n")
        for command in ("inspect", "init"):
            refused = pipeline(command, path)
            assert refused.returncode == 4
            assert f"Line {skip + 1} looks more like the header" in refused.stderr
            assert (
                f"source.skip_lines: {skip} in the config (inspect and init: --skip-lines {skip})"
                in refused.stderr
            )
        assert pipeline("inspect", path, "--skip-lines", str(skip)).returncode == 0
