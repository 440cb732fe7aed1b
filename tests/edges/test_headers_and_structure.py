"""Headers and the structure of CSV files: names, unnamed columns, blank lines, quotes, escapes, ends, and files without a header."""

import gzip
import json
import re
import shutil
import time
from dataclasses import asdict
from pathlib import Path

import pytest

from pipeline.config import load_config
from pipeline.domain.column_mapping import Layout
from pipeline.domain.plan_file import LineCounts
from pipeline.domain.reason_help import EXPLANATIONS
from pipeline.domain.reasons import Reason
from pipeline.errors import ConfigError, NoHeader, SourceError
from pipeline.sources import CsvFile, Declared
from pipeline.sources.limits import MOST_COLUMNS
from pipeline.sources.names import is_repeated_header, take_names
from pipeline.verifier.source_lines import Lines as LinesOfTheVerifier
from tests.conftest import REPOSITORY
from tests.sample_plans import an_input

OUTSIDE = REPOSITORY / "tests" / "cases" / "outside"
HEADER = b"external_reference,name,note\n"


def read(path: Path, declared: Declared | None = None, layout: Layout | None = None, **how):
    """The file and its records; every line is accounted for, and the verifier finds the same in it."""
    declared = declared or Declared()
    file = CsvFile(path, path.name, declared, layout, **how)
    records = [record for batch in file.batches() for record in batch.records.to_dicts()]
    lines = file.lines
    assert lines.physical == lines.header + lines.skipped + lines.blank + lines.records
    assert [fault for fault in verified(file, declared, records) if fault] == []
    return file, records


def verified(file: CsvFile, declared: Declared, records: list[dict]):
    described = an_input(
        name=file.name,
        dialect=file.written,
        columns=file.columns,
        lines=LineCounts(**asdict(file.lines)),
    )
    lines = LinesOfTheVerifier.of(file.path, described, declared.skip_lines, declared.footer_lines)
    for record in records:
        yield lines.skip_to(record["line"])
        yield lines.take_record(
            [record[f"given.{name}"] for name in file.columns], record["text"] or ""
        )
    yield lines.finish(described)


def cells(records: list[dict]) -> list:
    """The cells of each record, or why it could not be read."""
    return [
        r["reason"] or [text for name, text in r.items() if name.startswith("given.")]
        for r in records
    ]


def read_bytes(folder: Path, content: bytes, declared: Declared | None = None, **how):
    path = folder / "c.csv"
    path.write_bytes(content)
    return read(path, declared, **how)


def codes(file: CsvFile) -> list[str]:
    return [finding.issue.value for finding in file.findings]


def planned(inside, case):
    shutil.copy(OUTSIDE / case / "c.csv", inside.folder / "c.csv")
    result = inside("plan", "c.csv", "--sandbox")
    return result, json.loads(
        (inside.newest() / "plan.json").read_text()
    ) if result.returncode < 2 else None


# -- the outside cases ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", ["r_quoted", "r_bom"])
def test_r_quoted_and_r_bom_a_repeated_header_in_another_spelling_is_no_customer(case):
    _, records = read(OUTSIDE / case / "c.csv")

    assert cells(records) == [["Ann", "A-1"], "READ.REPEATED_HEADER", ["Ben", "A-2"]]


def test_shifted_header_is_refused_and_names_the_key_to_declare():
    path = OUTSIDE / "shifted_header" / "c.csv"

    with pytest.raises(
        SourceError, match=r"columns may be shifted.*source\.trailing_delimiter: true"
    ):
        read(path)

    _, records = read(path, Declared(trailing_delimiter=True))
    assert cells(records)[0] == ["A-1", "Ann", "Lee", "ann@example.com"]


def test_h_space_names_are_trimmed_and_reported_in_plan_and_inspect(inside):
    result, plan = planned(inside, "h_space")

    assert result.returncode == 0
    assert (
        "DOUBT.COLUMN_NAMES_CHANGED: c.csv: 2 of 3 names were changed, now 'name', 'email'"
        in result.stdout
    )
    assert plan["columns"] == ["external_reference", "name", "email"]
    assert plan["inputs"][0]["dialect"]["names_changed"] == "2, 3"
    assert "DOUBT.COLUMN_NAMES_CHANGED" in inside("inspect", "c.csv").stdout


def test_h_trail_empty3_columns_without_name_and_content_are_ignored_and_reported(inside):
    result, plan = planned(inside, "h_trail_empty3")

    assert result.returncode == 0
    assert plan["columns"] == ["external_reference", "name"]
    assert "ignored as empty and without a name: column 3, 4, 5" in result.stdout
    assert "ignored as empty" in inside("inspect", "c.csv").stdout


def test_xp_hdrbreak_csv_a_header_is_framed_like_a_record():
    file, records = read(OUTSIDE / "xp_hdrbreak_csv" / "c.csv")

    assert file.columns == ["external_reference", "name", "Re- mark"]
    assert cells(records) == [["A-1", "Ann", "x"], ["A-2", "Ben", "y"]]
    assert (file.lines.header, codes(file)) == (2, ["DOUBT.COLUMN_NAMES_CHANGED"])


def test_commas_lines_of_delimiters_only_are_blank_lines():
    file, records = read(OUTSIDE / "commas" / "c.csv")

    assert cells(records) == [["A-1", "Ann", "", ""]]
    assert file.lines.blank == 1247


def test_hdt_a_file_without_header_is_named_as_one_and_read_by_position(inside):
    result, _ = planned(inside, "hdt")

    assert result.returncode == 4
    assert "source.header: none" in result.stderr
    assert "skip_lines" not in result.stderr
    assert [
        cell
        for cell in ("KWIKWATER", "000123", "20261101", "Lee A", "Nkosi")
        if cell in result.stderr
    ] == []
    assert inside("inspect", "c.csv").returncode == 4
    assert "column_6" in inside("inspect", "c.csv", "--header", "none").stdout
    file, records = read(OUTSIDE / "hdt" / "c.csv", Declared(header="none"), any_columns=True)
    assert file.columns == [f"column_{n}" for n in range(1, 7)]
    assert [type(found).__name__ for found in cells(records)] == ["str", "list", "list", "str"]
    assert file.lines.header == 0


# -- names ------------------------------------------------------------------------------------------------------------


def test_names_are_trimmed_of_invisible_characters():
    seen = (
        "\u00a0 \t\u200b\ufeff\u00ad\u200e\u202e\u2066\u3000\u2028\u3164name\u2060\u180e\u00a0\r\n"
    )

    names = take_names([seen, "a\u00a0b", " x\n\n y ", ""])

    assert names.used == ("name", "a\u00a0b", "x y", "column_4")
    assert (names.changed, names.unnamed) == ((1, 3), (4,))


def test_a_job_may_name_a_column_as_the_file_writes_it_or_trimmed(tmp_path):
    for written, name in (("name ", "name "), ("name ", "name")):
        layout = Layout.model_validate({"external_reference": "ref", "name": name})
        file, _ = read_bytes(tmp_path, f"ref,{written}\nA-1,Ann\n".encode(), layout=layout)

        assert file.columns == ["ref", name]


def test_names_that_are_equal_after_trimming_and_case_folding_are_refused_all_at_once(tmp_path):
    header = 'external_reference,Name, name\u00a0,"Stra\u00dfe",STRASSE,"No\nte",no te,\u00e9,e\u0301,Name\u200b\n'

    for how in ({}, {"any_columns": True}):
        with pytest.raises(SourceError) as refused:
            read_bytes(tmp_path, header.encode(), **how)

        for numbers in ("2, 3 and 10", "4 and 5", "6 and 7", "8 and 9"):
            assert f"columns {numbers} have the same name but for case and spaces" in str(
                refused.value
            )


def test_an_unnamed_column_is_kept_where_one_record_anywhere_fills_it(tmp_path):
    rows = b"".join(b"A-%d,Ann,,,x\n" % n for n in range(9_000))
    content = b"external_reference,name,,\xc2\xa0,column_3\n" + rows

    empty, _ = read_bytes(tmp_path, content)
    filled, records = read_bytes(tmp_path, content + b"Z-1,Zoe,last,,x\n")

    assert (empty.columns, codes(empty)) == (["external_reference", "name", "column_3"], [])
    assert empty.written["columns_ignored"] == "3, 4"
    assert filled.columns == ["external_reference", "name", "column_3_2", "column_3"]
    assert records[-1]["given.column_3_2"] == "last"
    assert codes(filled) == ["DOUBT.COLUMNS_WITHOUT_NAME"]


def test_a_repeated_header_is_recognized_in_any_spelling_and_a_similar_record_is_not_one(
    tmp_path,
):
    header = "external_reference, Full Name ,\u00dcber\n"
    spellings = [
        "external_reference, Full Name ,\u00dcber", '"external_reference","Full Name","\u00dcber"', "\ufeffEXTERNAL_REFERENCE,full name,\u00fcber",
        "external_reference\u00a0,\u200bFULL NAME,\u00dcBER\u00ad", ' external_reference ,full name,"\u00fcber "', "external_reference,Full Name,\u00dcber\r",
    ]  # fmt: skip
    others = [
        "external_reference,Full Name,",
        "external_reference,Full Names,\u00dcber",
        "A-1,Full Name,\u00dcber",
    ]

    _, records = read_bytes(
        tmp_path, "\n".join([header.strip("\n"), *spellings, *others, ""]).encode()
    )

    assert [r["reason"] for r in records] == ["READ.REPEATED_HEADER"] * 6 + [None] * 3


def test_a_repeated_header_with_spaces_outside_its_quotes_is_one_and_a_record_written_so_has_a_stray_quote(
    tmp_path,
):
    lines = [b'"external_reference" ,"name"', b'external_reference, "NAME"', b'"A-1" ,"Ann"']

    _, records = read_bytes(tmp_path, b"external_reference,name\n" + b"\n".join(lines))

    assert cells(records) == ["READ.REPEATED_HEADER", "READ.REPEATED_HEADER", "READ.STRAY_QUOTE"]


def test_a_header_with_an_open_quote_is_refused_at_once_for_any_length(tmp_path):
    """Matching each of so many lines with all those before it takes minutes."""
    began = time.process_time()

    with pytest.raises(SourceError, match="the header is not a legal CSV record"):
        read_bytes(
            tmp_path,
            b'external_reference,name,"note\n'
            + b"A-1,Ann,a note of fifty characters and some more\n" * 40_000,
        )

    assert time.process_time() - began < 5


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("Report of May,,\nKonto,Name,Ort\n", 2, "is one text above several columns"),
        (
            "Report of May,,\nas of today,,\nKonto,Name,Ort\n",
            3,
            "is one text above several columns",
        ),
        ("Report, of May\nexternal_reference,name\n", 2, "does not name the columns"),
        ("Report, of May\nKonto,Name,Ort\n", 2, "does not name the columns"),
    ],
)
def test_a_title_with_the_delimiter_gets_the_advice_to_skip_it(tmp_path, text, line, what):
    rows = "".join(f"A-{n},Ann Lee{',4711' * text.count('Ort')}\n" for n in range(4))
    where = rf"line 1: this line {what}\. Line {line} looks more like the header.*--skip-lines {line - 1}"

    with pytest.raises(SourceError, match=where) as refused:
        read_bytes(tmp_path, (text + rows).encode(), any_columns=True)

    assert "source.header" not in str(refused.value)


def test_a_record_with_one_column_name_is_not_a_header(tmp_path):
    file, records = read_bytes(
        tmp_path, b"Konto,Kanal\nA-1,email\nA-2,fax\nA-3,\n", any_columns=True
    )

    assert (file.columns, len(records)) == (["Konto", "Kanal"], 3)


def test_the_fast_path_finds_repeated_headers_too(tmp_path):
    rows = [b"A-%d,Ann %d,x" % (n, n) for n in range(9_000)]
    for repeated in (b"EXTERNAL_REFERENCE,Name , note", b"external_reference,name,note"):
        _, records = read_bytes(tmp_path, HEADER + b"\n".join([*rows, repeated, *rows, b""]))

        assert [r["line"] for r in records if r["reason"]] == [9_002]


def test_workbooks_compare_names_without_quotes_case_and_spaces():
    names = take_names(["name", "", "E-Mail"])
    for cells_of in (["\ufeffNAME ", "", "e-mail\u00a0"], ['"Name"', " column_2", '"E-MAIL"']):
        assert is_repeated_header(cells_of, names)
    for cells_of in (
        ["name"],
        ["name", "x", "e-mail"],
        ["name", "", "mail"],
        ["name", "", "e-mail", "x"],
    ):
        assert not is_repeated_header(cells_of, names)


def test_a_header_is_repeated_also_where_it_has_our_names_of_its_columns_without_one(tmp_path):
    rows = [b"A-%d,Ann,,a@example.com," % n for n in range(3_000)]
    repeated = [
        b"external_reference,name,column_3,email,",
        b"EXTERNAL_REFERENCE,name,,email,column_5",
    ]

    for block in (rows[:1], rows):
        for line in repeated:
            content = b"\n".join(
                [
                    b"external_reference,name,,email,",
                    *block,
                    line,
                    *block,
                    b"x,name,column_3,email,",
                    b"",
                ]
            )
            _, records = read_bytes(tmp_path, content)

            assert [r["line"] for r in records if r["reason"] == "READ.REPEATED_HEADER"] == [
                len(block) + 2
            ]


# -- trailing delimiters, blank lines ---------------------------------------------------------------------------------


def test_a_header_that_ends_with_the_delimiter_too_has_one_column_without_a_name(tmp_path):
    file, records = read_bytes(tmp_path, b'external_reference;name;\nA-1;Ann;\n"A-2";"B;en";""\n')

    assert cells(records) == [["A-1", "Ann"], ["A-2", "B;en"]]
    assert (file.columns, file.written["columns_ignored"]) == (["external_reference", "name"], "3")


def test_shifted_columns_are_refused_with_one_record_or_a_thousand_and_kept_where_one_record_is_whole(
    tmp_path,
):
    for rows in (b"A-1,Ann,x,\n", b'A-1,Ann,x,""\n' * 1_000, b"A-1,Ann,x, \n,,,,\n"):
        with pytest.raises(SourceError, match="shifted"):
            read_bytes(tmp_path, HEADER + rows)

    _, records = read_bytes(tmp_path, HEADER + b"A-1,Ann,x,\nA-2,Ben,y\n")
    assert cells(records) == ["READ.TOO_MANY_FIELDS", ["A-2", "Ben", "y"]]
    _, records = read_bytes(tmp_path, HEADER + b"A-1,Ann,x,\n", Declared(trailing_delimiter=False))
    assert cells(records) == ["READ.TOO_MANY_FIELDS"]


@pytest.mark.parametrize("delimiter", list(",;\t|"))
def test_lines_whose_fields_are_all_empty_are_blank_and_others_are_not(tmp_path, delimiter):
    blank = [
        "",
        " ",
        ",,",
        ",",
        ",,,,,",
        " , ,",
        '"","",""',
        '"  ",,""',
        ",, ",
        "\u00a0,\u200b,",
        ",,\u00a0",
        "\ufeff",
        '"\u2007",\u3164,',
    ]
    filled = [
        '"",x,',
        ',"',
        '"" ,,',
        ",,\x01",
        "\u00a0,\x0b,",
        *(['",",,'] if delimiter != "\t" else []),
    ]
    spaced = [line.replace(",", delimiter) for line in (*blank, *filled)]

    file, records = read_bytes(
        tmp_path,
        "\n".join([HEADER.decode().strip().replace(",", delimiter), *spaced, ""]).encode(),
        Declared(delimiter),
    )

    assert file.lines.blank == len(blank)
    assert [r["line"] for r in records] == [2 + len(blank) + n for n in range(len(filled))]


# -- no header --------------------------------------------------------------------------------------------------------


def test_the_fast_path_finds_blank_lines_of_invisible_characters_too(
    tmp_path,
):
    rows = [b"A-%d,Ann %d,x" % (n, n) for n in range(9_000)]

    file, records = read_bytes(
        tmp_path, HEADER + b"\n".join([*rows, "\u00a0,\u200b,".encode(), *rows, b""])
    )

    assert (file.lines.blank, len(records)) == (1, 18_000)


def test_a_file_without_header_is_read_by_position_where_declared(inside):
    rows = "".join(f"A-{n};Person {n};p{n}@example.com\n" for n in range(30))
    (inside.folder / "c.csv").write_text(rows)
    (inside.folder / "job.yaml").write_text(
        "environment: sandbox\nmerchant: acme\naddress: sandbox\nsource: {header: none}\n"
        "mapping: {external_reference: column_1, name: column_2, email: column_3}\n"
    )

    result = inside("run", "c.csv", "--config", "job.yaml", "--yes")

    assert result.returncode == 0, result.stderr
    assert inside.summary()["fates"]["created"] == 30
    assert inside("verify", inside.newest()).returncode == 0
    assert "no header" in inside("inspect", "c.csv", "--header", "none").stdout


def test_a_column_that_a_file_without_header_does_not_have_is_named(tmp_path):
    layout = Layout.model_validate({"external_reference": "column_9"})

    with pytest.raises(SourceError, match="no column 'column_9'"):
        read_bytes(tmp_path, b"A-1,Ann\n", Declared(header="none"), layout=layout)


def test_a_line_declared_as_header_is_one_whatever_its_content(tmp_path):
    content = b"20261101,20261102\nx,y\n"

    with pytest.raises(NoHeader):
        read_bytes(tmp_path, content, any_columns=True)

    file, _ = read_bytes(tmp_path, content, Declared(header="first_line"), any_columns=True)
    assert file.columns == ["20261101", "20261102"]


SECRETS = [
    "Thandi",
    "Nkosi",
    "Oosthuizen",
    "thandi@",
    "0821234567",
    "82123",
    "8001015009087",
    "Kerk",
    "1985-02-03",
    "KWIK-77",
]
PERSON = [
    "KWIK-77",
    "Thandi",
    "Nkosi",
    "thandi@example.com",
    "0821234567",
    "8001015009087",
    "12 Kerk Street",
    "1985-02-03",
    "15000",
    "ZAR",
    "Oosthuizen",
    "email",
]
OTHER = [
    "KWIK-78",
    "Ben",
    "Lee",
    "ben@example.org",
    "0837654321",
    "9001015009087",
    "9 Main Road",
    "1990-11-30",
    "2200",
    "ZAR",
    "Botha",
    "phone",
]


def headerless_files():
    """Files without a header, with preambles, trailers and odd first lines, all of which hold a person's cells."""
    choices = [
        [0, 1, 3], [3, 1], [4, 1], [1, 2, 10], [0, 5, 8], [1, 6], [7, 1, 2], [1, 4, 9, 8], [3], [1, 2], [*range(12)], [2, 8],
        [1, 2, 11], [0, 1, 11],
    ]  # fmt: skip
    befores = [
        "",
        "H;20261101;KWIKWATER\n",
        "Export of 2026-11-30\n\n",
        "\ufeff",
        ";;;\n",
        '"Report\nof ""Monday"""\n',
        "Customers of today\n",
    ]
    for number, columns in enumerate(choices):
        for before in befores:
            for mark in ",;":
                rows = [
                    mark.join(row[at] for at in columns)
                    for row in (PERSON, OTHER, *([PERSON, OTHER] * (number % 3)))
                ]
                yield (
                    before.replace(";", mark)
                    + "\n".join(rows)
                    + "\n"
                    + f"T{mark}2\n" * (number % 2)
                )


def test_no_message_about_a_file_without_a_header_repeats_a_cell_or_advises_to_skip_a_record(
    tmp_path,
):
    files = list(headerless_files())
    leaks: list[tuple[str, str]] = []
    for content in files:
        path = tmp_path / "c.csv"
        path.write_text(content, encoding="utf-8")
        for layout, how in (
            (None, {"any_columns": True}),
            (None, {}),
            (Layout.model_validate({"external_reference": "Nr", "name": "Thand"}), {}),
        ):
            file = CsvFile(path, "c.csv", None, layout, **how)
            said = ""
            try:
                list(file.batches())
            except SourceError as refused:
                said = str(refused)
            shown = (
                f"{said} {file.header} {[finding.what for finding in file.findings]}".removeprefix(
                    str(path)
                )
            )
            leaks += [
                (content, shown) for secret in SECRETS if secret in shown.replace("'Thand'", "")
            ]
            leaks += [(content, shown)] if "skip_lines" in shown and "Line" in shown else []

    assert len(files) >= 100
    assert leaks == []


def test_the_commands_print_no_cell_of_a_file_without_a_header(inside):
    for content in list(headerless_files())[::20]:
        (inside.folder / "c.csv").write_text(content, encoding="utf-8")
        for command in (("inspect", "c.csv"), ("init", "c.csv"), ("plan", "c.csv", "--sandbox")):
            result = inside(*command)

            assert result.returncode == 4 or command[0] == "init"
            assert [secret for secret in SECRETS if secret in result.stdout + result.stderr] == []


def test_honest_headers_are_read_even_with_unexpected_names(tmp_path):
    headers = [
        "a,b",
        "Kundennr.;Ort",
        "species,island,width",
        "Customer Name,Street",
        "x1,x2,x3",
        "klant_nr|saldo",
        "Total 2026-11-30,Customer,Name",
    ]
    for header in headers:
        mark = next(mark for mark in ";|," if mark in header)
        row = mark.join(str(1000 + n) for n in range(header.count(mark) + 1))

        file, records = read_bytes(
            tmp_path,
            f"{header}\n{row}\nA-2{mark}{row.split(mark, 1)[1]}\n".encode(),
            any_columns=True,
        )

        assert (file.columns, len(records)) == (header.split(mark), 2)


# -- quotes and escapes -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("quote", ["'", "`", "^", "]", "$", "%", "\\"])
def test_another_quote_is_as_strict_as_the_usual_one(tmp_path, quote):
    usual = HEADER + (
        b'A-1,"B, en","x ""y"""\n"A-2","two\nlines",\nA-3,st"ray,x\nA-4,"text"after,x\n"",,\n"external_reference","name","note"\n'
        b"A-5,it's,x\nA-6,\"open,x\n"
    )
    swap = bytes.maketrans(b'"' + quote.encode(), quote.encode() + b'"')

    _, expected = read_bytes(tmp_path, usual)
    _, found = read_bytes(tmp_path, usual.translate(swap), Declared(quote=quote))

    back = str.maketrans('"' + quote, quote + '"')
    assert [(r["line"], r["line_count"]) for r in found] == [
        (r["line"], r["line_count"]) for r in expected
    ]
    assert [
        c if isinstance(c, str) else [text.translate(back) for text in c] for c in cells(found)
    ] == cells(expected)
    assert {"READ.STRAY_QUOTE", "READ.REPEATED_HEADER", "READ.UNCLOSED_QUOTE"} <= {
        r["reason"] for r in found
    }


def test_the_hint_of_a_stray_quote_names_the_key_of_another_quote():
    told = EXPLANATIONS[Reason.READ_STRAY_QUOTE]

    assert "source.quote" in told.remedy
    assert "source.quote" in told.settings


def test_without_quotes_a_quote_is_a_character(tmp_path):
    file, records = read_bytes(
        tmp_path, HEADER + b'A-1,5" pipe,"\n"A-2","B,x"\n', Declared(quote="none")
    )

    assert cells(records) == [["A-1", '5" pipe', '"'], ['"A-2"', '"B', 'x"']]
    assert file.written["quote"] == "none"


ESCAPED = {
    "a quote": (rb'A-1,"B \"en\"",x', ["A-1", 'B "en"', "x"]),
    "a quote outside quotes": (rb"A-1,5\" pipe,x", ["A-1", '5" pipe', "x"]),
    "an escape": (rb"A-1,C:\\temp,x", ["A-1", "C:\\temp", "x"]),
    "an escape before a closing quote": (rb'A-1,"C:\\",x', ["A-1", "C:\\", "x"]),
    "a delimiter": (rb"A-1,Lee\, Ann,x", ["A-1", "Lee, Ann", "x"]),
    "NULL": (rb'A-1,\N,"\N"', ["A-1", "", ""]),
    "NULL in a text": (rb"A-1,a\N,x", "READ.STRAY_ESCAPE"),
    "a line end": (b"A-1,two\\\nlines,x", ["A-1", "two\nlines", "x"]),
    "a line end of two characters": (b"A-1,two\\\r\nlines,x\r", ["A-1", "two\r\nlines", "x"]),
    "line ends in a row": (b"A-1,two\\\n\\\nlines,x", ["A-1", "two\n\nlines", "x"]),
    "a line end in letters": (rb"A-1,two\r\nlines\tx\n,x", ["A-1", "two\r\nlines\tx\n", "x"]),
    "a doubled quote": (rb'A-1,"B ""en"" \"o\"",x', ["A-1", 'B "en" "o"', "x"]),
    "an apostrophe": (rb"A-1,O\'Brien,x", ["A-1", "O'Brien", "x"]),
    "a letter without a meaning": (rb"A-1,C:\work,x", "READ.STRAY_ESCAPE"),
    "a lone carriage return in letters": (rb"A-1,a\rb,x", "READ.STRAY_ESCAPE"),
    "an escaped quote that does not close": (rb'A-1,"B\",x', "READ.UNCLOSED_QUOTE"),
    "a quoted line end": (b'A-1,"two\nlines \\" here",x', ["A-1", 'two\nlines " here', "x"]),
    "too many fields": (rb"A-1,a,b,c\,d", "READ.TOO_MANY_FIELDS"),
}


@pytest.mark.parametrize(
    "before", [0, pytest.param(9_000, marks=pytest.mark.long)], ids=["first", "beyond_the_head"]
)
@pytest.mark.parametrize(("line", "expected"), ESCAPED.values(), ids=ESCAPED.keys())
def test_escaped_characters_are_unescaped(tmp_path, line, expected, before):
    content = HEADER + b"A-0,Ann,x\n" * before + line + b"\nZ-1,Zoe,x\n"

    _, records = read_bytes(tmp_path, content, Declared(",", escape="\\"))

    assert cells(records)[-2:] == [expected, ["Z-1", "Zoe", "x"]]


def test_an_escape_at_the_very_end_escapes_nothing(tmp_path):
    for end in (b"", b"\n"):
        _, records = read_bytes(tmp_path, HEADER + b"A-1,Ann,x\\" + end, Declared(escape="\\"))

        assert cells(records) == ["READ.STRAY_ESCAPE"]


def test_a_dump_of_mysql_is_read_with_tabs_and_escapes_alone(tmp_path):
    dump = b'external_reference\tname\tnote\nA-1\tO\\\'Brien\t\\N\nA-2\ta\\\tb\\\nc\tsay "hi"\n'

    file, records = read_bytes(tmp_path, dump, Declared(quote="none", escape="\\"))

    assert cells(records) == [["A-1", "O'Brien", ""], ["A-2", "a\tb\nc", 'say "hi"']]
    assert file.lines.physical == 4


def test_names_of_columns_are_escaped_like_cells(tmp_path):
    file, _ = read_bytes(
        tmp_path, b'external_reference,a\\,b,"c\\"d",e\\\nf\nA-1,1,2,3\n', Declared(escape="\\")
    )

    assert file.columns == ["external_reference", "a,b", 'c"d', "e f"]


def test_quotes_and_escapes_that_cannot_be_read_are_refused_with_their_key():
    for wrong in (
        {"quote": "ab"},
        {"quote": "a"},
        {"quote": ","},
        {"escape": " "},
        {"escape": "é"},
        {"escape": '"'},
    ):
        with pytest.raises(ConfigError, match=r"quote|escape"):
            Declared(**wrong)


def test_a_config_names_the_key_of_a_quote_or_escape_that_cannot_be_read(tmp_path):
    path = tmp_path / "job.yaml"
    wrong = {
        "quote: ab": "source.quote: 'ab' is not supported",
        "escape: x": "source.escape: 'x' is not supported",
        'quote: ","': "source.quote: ',' is not supported",
    }
    for keys, said in {**wrong, "quote: '^', escape: '^'": "quote and escape are both '^'"}.items():
        path.write_text(f"environment: t\nmerchant: m\nsource: {{{keys}}}\n")

        with pytest.raises(ConfigError, match=re.escape(said)):
            load_config(path)

    path.write_text(
        "environment: t\nmerchant: m\nsource: {quote: none, escape: '\\', header: first_line}\n"
    )
    assert load_config(path).job.source.escape == "\\"


def test_a_run_of_a_file_of_many_oddities_is_accounted_for_and_verified(inside):
    rows = [
        ",,,,", "A-1,'O''Brien, Ann',ann@example.com,,", "'A-2','B\\'en\ntwo',ben@example.com,'',filled", ' ,"",,,',
        "'EXTERNAL_REFERENCE', 'Na me' ,'E-Mail','',''", "A-3,Cleo\\, C,cleo@example.com,, ", "A-4,C:\\work,x,,",
    ]  # fmt: skip
    content = "external_reference,' Na\nme ',E-Mail\u00a0,,''\n" + "\n".join(rows) + "\n\x1a"
    (inside.folder / "c.csv").write_text(content)
    (inside.folder / "job.yaml").write_text(
        "environment: sandbox\nmerchant: acme\naddress: sandbox\nsource: {quote: \"'\", escape: '\\'}\n"
        "mapping: {external_reference: external_reference, name: Na me, email: E-Mail}\n"
    )

    result = inside("run", "c.csv", "--config", "job.yaml", "--yes")

    assert result.returncode == 1, result.stderr
    assert inside.summary()["fates"]["created"] == 3
    assert inside.summary()["inputs"][0]["lines"] == {
        "physical": 10,
        "header": 2,
        "skipped": 0,
        "blank": 1,
        "records": 7,
    }
    assert inside.summary()["inputs"][0]["columns"] == [
        "external_reference",
        "Na me",
        "E-Mail",
        "column_5",
    ]
    assert inside("verify", inside.newest()).returncode == 0


def test_the_verifier_notices_text_in_a_column_declared_empty(tmp_path):
    file, records = read_bytes(tmp_path, b"external_reference,\nA-1,\n")
    file.path.write_bytes(b"external_reference,\nA-1,x\n")

    assert any("should be empty" in (fault or "") for fault in verified(file, Declared(), records))


# -- the end of a file ------------------------------------------------------------------------------------------------


def test_ctrl_z_at_the_end_is_a_mark_and_elsewhere_a_control_character(tmp_path):
    ends = {b"A-1,Ann,x\r\n\x1a": 2, b"A-1,Ann,x\x1a": 2, b"A-1,Ann,x\n\x1a\x1a\x1a": 2}
    ends |= {
        b"A-1,Ann,x\r\n\x1a\r\n": 2,
        b"A-1,Ann,x\n\x1a\n": 2,
        b"A-1,Ann,x\x1a\n": 2,
        b"A-1,Ann,x\n\x1a\x1a\n": 2,
    }
    for rows, physical in ends.items():
        file, records = read_bytes(tmp_path, HEADER + rows)

        assert (cells(records), file.lines.physical) == ([["A-1", "Ann", "x"]], physical)
        assert (file.written["end_mark"], codes(file)) == ("Ctrl-Z", [])

    _, records = read_bytes(tmp_path, HEADER + b"A-1,Ann\x1a,x\n\x1aA-2,Ben,x\n\x1a\n\n")
    assert cells(records) == ["READ.CONTROL_CHARACTER"] * 3
    path = tmp_path / "c.csv"
    for content in (HEADER + b"A-1,Ann,x\n\x1a\n" * 3, HEADER + b"A-1,Ann,x\r\n\x1a\r\n" * 3):
        path.write_bytes(content)
        for size in (1, 4, 7, 13):
            batches = CsvFile(path, "c.csv").batches(batch_bytes=size)
            found = [r["reason"] for batch in batches for r in batch.records.to_dicts()]
            assert found == [None, "READ.CONTROL_CHARACTER"] * 2 + [None]


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gz"])
def test_a_last_line_without_its_line_end_is_a_warning_where_the_others_have_one(tmp_path, pack):
    rows = {
        b"A-1,Ann,x\nA-2,Ben,199": True, b"A-1,Ann,x\r\nA-2,Ben,199": True, b"A-1,Ann,199": True, b"": False, b"A-1,Ann,x\nA-2,Ben,199\n": False,
        b"A-1,Ann,x\nA-2,Ben,x\n  ": False, b'A-1,Ann,x\nA-2,"B\nen",x': True, b"A-1,Ann,x\nA-2,Ben,199\x1a": False,
    }  # fmt: skip
    for content, is_unended in rows.items():
        file, _ = read_bytes(tmp_path, pack(HEADER + content))

        assert codes(file) == ["DOUBT.LAST_LINE_UNENDED"] * is_unended

    file, _ = read_bytes(tmp_path, pack((HEADER + b"A-1,Ann,x\nA-2,Ben,199").replace(b"\n", b"\r")))
    assert codes(file) == ["DOUBT.LAST_LINE_UNENDED"]


def test_nuls_that_fill_up_fields_or_blocks_are_no_sign_of_utf_16(tmp_path):
    padded = [
        HEADER + b"A-1,Ann,x\n\x1a" + bytes(60),
        HEADER + b"A-1" + bytes(17) + b",Ann" + bytes(16) + b",x\n",
    ]

    for content in padded:
        _, records = read_bytes(tmp_path, content)

        assert cells(records)[-1] == "READ.CONTROL_CHARACTER"

    for order in ("utf-16-le", "utf-16-be"):
        with pytest.raises(
            SourceError, match=f"looks like UTF-16 without a byte order mark.*: {order}"
        ):
            read_bytes(tmp_path, HEADER.decode().encode(order))


def test_a_header_with_a_stray_quote_is_refused_with_a_remedy_and_json_is_recognized(tmp_path):
    refused = {
        b'"external_reference", "name"\nA-1,Ann\n': r"without spaces around them; .* source.quote: none",
        b'[{"external_reference": "A-1"}]': "looks like JSON; export the table as CSV",
        b'{"external_reference": "A-1", "name": "Ann"}\n': "looks like JSON",
    }

    for content, message in refused.items():
        with pytest.raises(SourceError, match=message):
            read_bytes(tmp_path, content)


def test_of_very_many_columns_that_are_not_sent_a_plan_names_some_and_those_like_ours(inside):
    names = [f"x{n}" for n in range(300)] + ["fone"]
    (inside.folder / "c.csv").write_text(f"external_reference,{','.join(names)}\nA-1{',' * 301}\n")

    shown = inside("plan", "c.csv").stdout

    assert "column 'fone' is kept in the lists and not sent (did you mean 'phone'?)" in shown
    assert "261 more columns are kept in the lists and not sent" in shown
    assert len(shown.splitlines()) < 70
    assert len(inside.summary()["columns_not_sent"]) == 301


# -- limits -----------------------------------------------------------------------------------------------------------


def wide(count: int, mark: bytes) -> bytes:
    names = mark.join([b"external_reference", *(b"c%d" % n for n in range(1, count))])
    return names + b"\n" + (b"A-1" + mark * (count - 1) + b"\n") * 3


def test_more_columns_than_a_sheet_has_are_refused_and_as_many_are_read(tmp_path):
    path = tmp_path / "c.csv"
    path.write_bytes(wide(MOST_COLUMNS, b","))
    assert [batch.records.height for batch in CsvFile(path, "c.csv").batches()] == [3]

    for content in (
        wide(MOST_COLUMNS + 1, b";"),
        wide(20_000, b","),
        gzip.compress(wide(20_000, b"|")),
    ):
        with pytest.raises(SourceError, match=r"(16,385|20,000) columns; the limit is 16,384"):
            read_bytes(tmp_path, content)
    with pytest.raises(SourceError, match=r"20,000 columns; the limit is 16,384"):
        read_bytes(tmp_path, wide(20_000, b","), Declared(header="none"), any_columns=True)
