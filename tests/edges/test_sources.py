"""Real files through `in_order` and `read`: every physical line in one place, every cell as it stood, or a refusal that helps."""

import csv
import gzip
import hashlib
import os
import random
import tracemalloc
from itertools import pairwise
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest

from pipeline.domain.column_mapping import Layout
from pipeline.errors import ConfigError, SourceError
from pipeline.sources import BATCH_BYTES, CsvFile, Declared, Lines, in_order, read, unknown_columns
from pipeline.sources.byte_stream import ByteStream
from tests.conftest import RFC_4180

HEADER = b"external_reference,name,note\n"
MIB = 1 << 20


def file_of(folder: Path, content: bytes, name: str = "customers.csv") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def records_of(
    *paths: Path,
    batch_bytes: int = BATCH_BYTES,
    dialect: Declared | None = None,
    layout: Layout | None = None,
) -> tuple[list[CsvFile], list[dict]]:
    files = in_order(list(paths), dialect or Declared(), layout)
    return files, [row for _, batch in read(files, batch_bytes) for row in batch.records.to_dicts()]


def read_one(
    path: Path, batch_bytes: int = BATCH_BYTES, dialect: Declared | None = None
) -> tuple[Lines, list[dict]]:
    (file,), records = records_of(path, batch_bytes=batch_bytes, dialect=dialect)
    return file.lines, records


def cells(record: dict) -> list[str | None]:
    return [text for column, text in record.items() if column.startswith("given.")]


# -- lines that cannot be read ----------------------------------------------------------------------------------------

BROKEN = {
    "too short": (b"b-1,Ben", "READ.TOO_FEW_FIELDS", "b-1,Ben"),
    "one field": (b"b-1", "READ.TOO_FEW_FIELDS", "b-1"),
    "too long": (b"b-1,Ben,x,surplus", "READ.TOO_MANY_FIELDS", "b-1,Ben,x,surplus"),
    "too long by an empty field": (b"b-1,Ben,x,", "READ.TOO_MANY_FIELDS", "b-1,Ben,x,"),
    "too long by a quoted empty field": (b'b-1,Ben,x,""', "READ.TOO_MANY_FIELDS", 'b-1,Ben,x,""'),
    "too short, a comma in quotes": (b'b-1,"Ben,x"', "READ.TOO_FEW_FIELDS", 'b-1,"Ben,x"'),
    "a stray quote": (b'b-1,5" pipe,x', "READ.STRAY_QUOTE", 'b-1,5" pipe,x'),
    "two stray quotes": (b'b-1,5" by 6" pipe,x', "READ.STRAY_QUOTE", 'b-1,5" by 6" pipe,x'),
    "text after a closing quote": (b'b-1,"Ben"n,x', "READ.STRAY_QUOTE", 'b-1,"Ben"n,x'),
    "a space after a closing quote": (b'b-1,"Ben" ,x', "READ.STRAY_QUOTE", 'b-1,"Ben" ,x'),
    "a space before an opening quote": (b'b-1, "Ben",x', "READ.STRAY_QUOTE", 'b-1, "Ben",x'),
    "an unclosed quote": (b'b-1,"Ben,x', "READ.UNCLOSED_QUOTE", 'b-1,"Ben,x'),
    "an unclosed quote in the last field": (b'b-1,Ben,"x', "READ.UNCLOSED_QUOTE", 'b-1,Ben,"x'),
    "a quote escaped by a backslash": (rb'b-1,"B\"en",x', "READ.STRAY_QUOTE", r'b-1,"B\"en",x'),
    "bytes that are not UTF-8": (b"b-1,Jos\xe9,x", "READ.NOT_UTF8", r"b-1,Jos\xe9,x"),
    "a surrogate in UTF-8": (b"b-1,\xed\xa0\x80,x", "READ.NOT_UTF8", r"b-1,\xed\xa0\x80,x"),
    "an overlong NUL": (b"b-1,\xc0\x80,x", "READ.NOT_UTF8", r"b-1,\xc0\x80,x"),
    "NUL": (b"b-1,B\x00en,x", "READ.CONTROL_CHARACTER", r"b-1,B\x00en,x"),
    "NUL in quotes": (b'b-1,"B\x00en",x', "READ.CONTROL_CHARACTER", r'b-1,"B\x00en",x'),
    "escape": (b"b-1,B\x1b[1men,x", "READ.CONTROL_CHARACTER", r"b-1,B\x1b[1men,x"),
    "a vertical tab": (b"b-1,B\x0ben,x", "READ.CONTROL_CHARACTER", r"b-1,B\x0ben,x"),
    "delete": (b"b-1,B\x7fen,x", "READ.CONTROL_CHARACTER", r"b-1,B\x7fen,x"),
    "a C1 control": (b"b-1,B\xc2\x85en,x", "READ.CONTROL_CHARACTER", r"b-1,B\x85en,x"),
    "Ctrl-Z before the end": (b"b-1,B\x1aen,x", "READ.CONTROL_CHARACTER", r"b-1,B\x1aen,x"),
    "a lone CR": (b"b-1,B\ren,x", "READ.LONE_CR", r"b-1,B\x0den,x"),
    "a lone CR in quotes": (b'b-1,"B\ren",x', "READ.LONE_CR", r'b-1,"B\x0den",x'),
    "a lone CR before a field's end": (b"b-1,Ben\r,x", "READ.LONE_CR", r"b-1,Ben\x0d,x"),
}


@pytest.mark.parametrize(("line", "reason", "shown"), BROKEN.values(), ids=BROKEN.keys())
@pytest.mark.parametrize("end", [b"\n", b"\r\n"], ids=["LF", "CRLF"])
def test_a_broken_line_is_set_aside_by_its_physical_line_with_its_text(
    tmp_path, line, reason, shown, end
):
    path = file_of(tmp_path, end.join([HEADER.strip(), b"a-1,Ann,x", line, b'c-1,"C, leo",x', b""]))

    lines, records = read_one(path)

    before, broken, after = records
    assert (broken["row_id"], broken["reason"], broken["text"]) == (
        "customers.csv:3",
        reason,
        shown,
    )
    assert cells(broken) == [None, None, None]
    assert cells(before) == ["a-1", "Ann", "x"]
    assert cells(after) == ["c-1", "C, leo", "x"]
    assert (after["row_id"], after["reason"], after["text"]) == ("customers.csv:4", None, None)
    assert lines == Lines(physical=4, header=1, blank=0, records=3)


@pytest.mark.parametrize(("line", "reason", "shown"), BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_line_at_the_end_without_a_newline_is_set_aside_too(tmp_path, line, reason, shown):
    path = file_of(tmp_path, HEADER + b"a-1,Ann,x\n" + line)

    lines, records = read_one(path)

    assert [(r["line"], r["reason"], r["text"]) for r in records] == [
        (2, None, None),
        (3, reason, shown),
    ]
    assert lines == Lines(physical=3, header=1, blank=0, records=2)


def test_the_first_broken_line_of_a_file_does_not_hide_the_others(tmp_path):
    broken = [line for line, _, _ in BROKEN.values()]
    good = [b"a-%d,Ann,x" % n for n in range(len(broken) + 1)]
    # Unclosed quotes stand where no later line can close them into a record of three fields.
    mixed = [line for pair in zip(good, broken, strict=False) for line in pair] + good[-1:]
    path = file_of(tmp_path, HEADER + b"\n".join(mixed) + b"\n")

    lines, records = read_one(path, dialect=RFC_4180)

    assert [(r["line"], r["reason"]) for r in records if r["reason"]] == [
        (3 + 2 * n, reason) for n, (_, reason, _) in enumerate(BROKEN.values())
    ]
    assert [r["given.external_reference"] for r in records if not r["reason"]] == [
        f"a-{n}" for n in range(len(good))
    ]
    assert lines.physical == lines.header + lines.blank + lines.records == 1 + len(mixed)


def test_an_unclosed_quote_before_many_lines_takes_none_of_them_with_it(tmp_path):
    rows = b"".join(b"a-%d,Ann,x\n" % n for n in range(2000))
    path = file_of(tmp_path, HEADER + b'b-1,"Ben,x\n' + rows)

    _, records = read_one(path)

    assert [r["line"] for r in records if r["reason"]] == [2]
    assert [r["given.external_reference"] for r in records[1:]] == [f"a-{n}" for n in range(2000)]


def test_a_quote_that_opens_on_one_line_and_closes_on_a_later_one_is_one_record_only_if_its_fields_fit(
    tmp_path,
):
    path = file_of(tmp_path, HEADER + b'b-1,"Ben,x\na-1,Ann,x\nb-2,Bo",x\n')

    lines, records = read_one(path)

    assert [(r["line"], r["line_count"]) for r in records] == [(2, 3)]
    assert cells(records[0]) == ["b-1", "Ben,x\na-1,Ann,x\nb-2,Bo", "x"]
    assert lines.records == 3


def test_two_unclosed_quotes_do_not_close_each_other(tmp_path):
    path = file_of(tmp_path, HEADER + b'b-1,"Ben,x\na-1,Ann,x\nb-2,"Bo,x\nc-1,Cleo,x\n')

    _, records = read_one(path)

    assert [(r["line"], r["reason"]) for r in records] == [
        (2, "READ.UNCLOSED_QUOTE"), (3, None), (4, "READ.UNCLOSED_QUOTE"), (5, None),
    ]  # fmt: skip


def test_bad_bytes_in_the_second_line_of_a_record_make_the_whole_record_unreadable(tmp_path):
    path = file_of(tmp_path, HEADER + b'b-1,"Ben\nJos\xe9",x\na-1,Ann,x\n')

    lines, records = read_one(path)

    assert [(r["line"], r["line_count"], r["reason"], r["text"]) for r in records] == [
        (2, 2, "READ.NOT_UTF8", r'b-1,"Ben\x0aJos\xe9",x'),
        (4, 1, None, None),
    ]
    assert lines == Lines(physical=4, header=1, blank=0, records=3)


# -- records over 1 MiB -----------------------------------------------------------------------------------------------


def test_a_record_of_exactly_1_mib_is_read_and_one_byte_more_is_unreadable(tmp_path):
    longest = b"b-1,Ben," + b"x" * (MIB - 8)
    path = file_of(tmp_path, HEADER + longest + b"\r\n" + longest + b"x\r\na-1,Ann,x\r\n")

    _, records = read_one(path)

    assert [(r["line"], r["reason"]) for r in records] == [
        (2, None),
        (3, "READ.TOO_LONG"),
        (4, None),
    ]
    assert len(records[0]["given.note"]) == MIB - 8
    assert records[1]["text"] == (longest + b"x").decode()


def test_the_mib_is_counted_in_bytes_not_in_characters(tmp_path):
    path = file_of(tmp_path, HEADER + b"b-1,Ben," + "é".encode() * (MIB // 2) + b"\na-1,Ann,x\n")

    _, records = read_one(path)

    assert [(r["line"], r["reason"]) for r in records] == [(2, "READ.TOO_LONG"), (3, None)]


@pytest.mark.parametrize("letter", ["x", "é"], ids=["ASCII", "two bytes a letter"])
def test_no_line_inside_a_legal_record_over_1_mib_becomes_a_customer(tmp_path, letter):
    note = letter.encode() * (MIB // (2 * len(letter.encode())) + 10)
    path = file_of(
        tmp_path,
        HEADER + b'b-1,Ben,"' + note + b"\nc-9,Not a customer,x\n" + note + b'"\na-1,Ann,x\n',
    )

    lines, records = read_one(path)

    assert [(r["line"], r["line_count"], r["reason"]) for r in records] == [
        (2, 3, "READ.TOO_LONG"),
        (5, 1, None),
    ]
    assert lines.physical == lines.header + lines.blank + lines.records


def test_a_long_quoted_field_is_framed_in_memory_of_its_own_size(tmp_path):
    size = 2 * MIB
    path = file_of(tmp_path, HEADER + b'b-1,Ben,"' + b"line\n" * (size // 5) + b'"\na-1,Ann,x\n')
    tracemalloc.start()

    _, records = read_one(path)

    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [r["reason"] for r in records] == ["READ.TOO_LONG", None]
    assert peak < 60 * size


def test_a_long_line_with_an_unclosed_quote_is_too_long_and_the_next_lines_are_read(tmp_path):
    path = file_of(tmp_path, HEADER + b'b-1,Ben,"' + b"x" * MIB + b"\na-1,Ann,x\n")

    _, records = read_one(path)

    assert [(r["line"], r["reason"]) for r in records] == [(2, "READ.TOO_LONG"), (3, None)]


# -- lines that can be read -------------------------------------------------------------------------------------------

LEGAL = {
    "plain": (b"a-1,Ann,x", ["a-1", "Ann", "x"]),
    "empty fields": (b"a-1,,", ["a-1", "", ""]),
    "quoted empty fields": (b'a-1,"",""', ["a-1", "", ""]),
    "every field quoted": (b'"a-1","Ann","x"', ["a-1", "Ann", "x"]),
    "a comma in quotes": (b'a-1,"Ann, Dr",x', ["a-1", "Ann, Dr", "x"]),
    "escaped quotes": (b'a-1,"say ""hi""",x', ["a-1", 'say "hi"', "x"]),
    "nothing but a quote": (b'a-1,"""",x', ["a-1", '"', "x"]),
    "nothing but two quotes": (b'a-1,"""""",x', ["a-1", '""', "x"]),
    "quotes and commas in a row": (b'a-1,""",""","",""', None),
    "a newline in quotes": (b'a-1,"Ann\nLee",x', ["a-1", "Ann\nLee", "x"]),
    "a CRLF in quotes": (b'a-1,"Ann\r\nLee",x', ["a-1", "Ann\r\nLee", "x"]),
    "newlines in two fields": (b'a-1,"Ann\nLee","x\n\ny"', ["a-1", "Ann\nLee", "x\n\ny"]),
    "a newline first and last": (b'a-1,"\n","\n\n"', ["a-1", "\n", "\n\n"]),
    "a quote before a newline": (b'a-1,"""\n""",x', ["a-1", '"\n"', "x"]),
    "a blank line in quotes": (b'a-1,"Ann\r\n \t\r\nLee",x', ["a-1", "Ann\r\n \t\r\nLee", "x"]),
    "a header in quotes": (
        b'a-1,"\nexternal_reference,name,note\n",x',
        ["a-1", "\n" + HEADER.decode(), "x"],
    ),
    "spaces kept": (b" a-1 , Ann ,\tx ", [" a-1 ", " Ann ", "\tx "]),
    "text that types would change": (b"00123,1.0,TRUE", ["00123", "1.0", "TRUE"]),
    "formulas": (b"=1+1,+27,@x", ["=1+1", "+27", "@x"]),
    "words for nothing": (b"NULL,NA,-", ["NULL", "NA", "-"]),
    "wide characters": ("ä,日本,👩‍👧".encode(), ["ä", "日本", "👩‍👧"]),
    "line ends that Unicode knows": ("a\u2028,b\u2029,c".encode(), ["a\u2028", "b\u2029", "c"]),
    "a BOM inside": ("a,\ufeff,c".encode(), ["a", "\ufeff", "c"]),
    "backslashes": (rb"a\,b\n,c\\", ["a\\", "b\\n", "c\\\\"]),
}


@pytest.mark.parametrize(("record", "expected"), LEGAL.values(), ids=LEGAL.keys())
@pytest.mark.parametrize("end", [b"\n", b"\r\n"], ids=["LF", "CRLF"])
def test_a_legal_record_is_read_cell_by_cell_unchanged(tmp_path, record, expected, end):
    path = file_of(tmp_path, HEADER + record + end + b"z-1,Zoe,x" + end)

    lines, records = read_one(path)

    if expected is None:  # three quotes are one in quotes; then an empty one, and one too many
        assert [r["reason"] for r in records] == ["READ.TOO_MANY_FIELDS", None]
    else:
        assert cells(records[0]) == expected
        assert records[0]["line_count"] == record.count(b"\n") + 1
    assert records[1]["line"] == record.count(b"\n") + 3
    assert cells(records[1]) == ["z-1", "Zoe", "x"]
    assert lines.physical == lines.header + lines.records == record.count(b"\n") + 3


def test_lf_and_crlf_may_be_mixed(tmp_path):
    path = file_of(tmp_path, HEADER.strip() + b"\r\na-1,Ann,x\nb-1,Ben,y\r\nc-1,Cleo,z")

    _, records = read_one(path)

    assert [cells(r) for r in records] == [
        ["a-1", "Ann", "x"],
        ["b-1", "Ben", "y"],
        ["c-1", "Cleo", "z"],
    ]


def test_one_cr_before_the_line_feed_ends_the_line_and_a_second_is_a_lone_cr(tmp_path):
    path = file_of(tmp_path, HEADER + b"a-1,Ann,x\r\nb-1,Ben,x\r\r\n")

    _, records = read_one(path)

    assert [(r["reason"], r["text"]) for r in records] == [
        (None, None),
        ("READ.LONE_CR", r"b-1,Ben,x\x0d"),
    ]


def test_blank_and_whitespace_lines_are_counted_and_the_line_numbers_stay_physical(tmp_path):
    path = file_of(tmp_path, b"\n \t\r\n" + HEADER + b"\r\na-1,Ann,x\n   \n\t\nb-1,Ben,y\n\n")

    lines, records = read_one(path)

    assert [r["row_id"] for r in records] == ["customers.csv:5", "customers.csv:8"]
    assert lines == Lines(physical=9, header=1, blank=6, records=2)


def test_a_file_of_one_column_is_read(tmp_path):
    path = file_of(tmp_path, b'external_reference\na-1\n""\n\n"b\nc"\n')

    lines, records = read_one(path)

    assert [(r["line"], r["given.external_reference"]) for r in records] == [
        (2, "a-1"),
        (5, "b\nc"),
    ]
    assert lines == Lines(physical=6, header=1, blank=2, records=3)


def test_a_bom_is_no_part_of_the_first_column(tmp_path):
    path = file_of(tmp_path, b"\xef\xbb\xbf" + HEADER + b"a-1,Ann,x\n")

    (file,), records = records_of(path)

    assert file.header == ("external_reference", "name", "note")
    assert cells(records[0]) == ["a-1", "Ann", "x"]


@pytest.mark.parametrize("batch_bytes", [3, BATCH_BYTES])
def test_a_last_line_that_is_nothing_but_a_bom_is_a_blank_line(tmp_path, batch_bytes):
    path = file_of(tmp_path, b"external_reference\n\xef\xbb\xbf")

    lines, records = read_one(path, batch_bytes)

    assert records == []
    assert lines == Lines(physical=2, header=1, blank=1, records=0)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", Lines()),
        (b"\xef\xbb\xbf", Lines()),
        (b"\n", Lines(physical=1, blank=1)),
        (b" ", Lines(physical=1, blank=1)),
        (b"\r\n\t\n  ", Lines(physical=3, blank=3)),
        (b"\xef\xbb\xbf\n", Lines(physical=1, blank=1)),
        (HEADER, Lines(physical=1, header=1)),
        (HEADER.strip(), Lines(physical=1, header=1)),
        (b"\xef\xbb\xbf" + HEADER + b"\n", Lines(physical=2, header=1, blank=1)),
    ],
)
def test_the_lines_of_a_file_without_records_are_counted(tmp_path, content, expected):
    path = file_of(tmp_path, content)

    (file,), records = records_of(path)

    assert records == []
    assert file.lines == expected
    assert (file.header is None) is (expected.header == 0)


@pytest.mark.parametrize("batch_bytes", [1, 5, 17, 64])
def test_records_that_lie_across_batches_are_read_as_in_one(tmp_path, batch_bytes):
    rows = (
        b'a-1,"An\r\nn",x\n\nb-1,"Ben,x\nc-1,Jos\xc3\xa9,\xff\nd-1,"D ""D""",\xf0\x9f\x98\x80\r\n'
    )
    path = file_of(tmp_path, HEADER + rows)

    assert read_one(path, batch_bytes) == read_one(path)


# -- headers ----------------------------------------------------------------------------------------------------------

REFUSED_HEADERS = {
    "a duplicate": ("external_reference,name,name", ["columns 2 and 3 have the same name: 'name'"]),
    "case variants": (
        "external_reference,name,Name",
        ["columns 2 and 3 have the same name but for case and spaces: 'name', 'Name'"],
    ),
    "case variants of an unknown column": (
        "external_reference,note,NOTE",
        ["columns 2 and 3 have the same name but for case and spaces: 'note', 'NOTE'"],
    ),
    "case variants of a metadata key": (
        "external_reference,metadata.plan,metadata.Plan",
        [
            "columns 2 and 3 have the same name but for case and spaces: 'metadata.plan', 'metadata.Plan'"
        ],
    ),
    "a known name in another case": (
        "external_reference,Email",
        ["'Email' must be written 'email'"],
    ),
    "billing's own id in another case": (
        "external_reference,Billing_ID",
        ["'Billing_ID' must be written 'billing_id'"],
    ),
    "metadata in another case": ("external_reference,Metadata.plan", ["'Metadata.plan'"]),
    "a near miss": (
        "external_referense,name",
        [
            "no column 'external_reference'",
            "'external_referense'",
            "write a config: pipeline init FILE",
        ],
    ),
    "the reference in capitals": (
        "EXTERNAL_REFERENCE,name",
        ["'EXTERNAL_REFERENCE'", "'external_reference'"],
    ),
    "a metadata key too long": (
        f"external_reference,metadata.{'k' * 41}",
        ["'" + "k" * 41 + "'", "1 to 40"],
    ),
    "a metadata key too short": ("external_reference,metadata.", ["''", "1 to 40"]),
    "a stray quote": ('external_reference,na"me', ["line 1", "quote"]),
    "a name whose quote never closes": ('external_reference,"na\nme', ["line 1", "quote"]),
    "NUL in a name": ("external_reference,na\0me", ["control"]),
    "CR throughout, LF nowhere": ("external_reference,name\ra-1,Ann\rb-1,Ben", ["line 1"]),
    "a lone CR after the header": ("external_reference,name\ra-1,Ann\nb-1,Ben", ["line 1"]),
    "not our file at all": ("<html>\n<body>", ["no column 'external_reference'"]),
    "a preamble": (
        "Report of 2026\nexternal_reference,name",
        ["line 1", "no column 'external_reference'"],
    ),
}


@pytest.mark.parametrize(("header", "said"), REFUSED_HEADERS.values(), ids=REFUSED_HEADERS.keys())
def test_an_untrustworthy_header_is_refused_with_its_faults(tmp_path, header, said):
    path = file_of(tmp_path, f"{header}\n".encode())

    with pytest.raises(SourceError) as refused:
        records_of(path)

    assert str(path) in str(refused.value)
    assert [part for part in said if part not in str(refused.value)] == []


def test_one_message_names_all_faults_of_a_header(tmp_path):
    path = file_of(tmp_path, f"\nname,,name,Email,external_ref,metadata.{'k' * 41}\n".encode())

    with pytest.raises(SourceError) as refused:
        records_of(path)

    message = str(refused.value)
    said = [
        "line 2",
        "no column 'external_reference'",
        "'external_ref'",
        "columns 1 and 3 have the same name: 'name'",
    ]
    assert [
        part
        for part in [*said, "'Email' must be written 'email'", "1 to 40"]
        if part not in message
    ] == []


def test_a_refused_header_that_has_swallowed_records_repeats_nothing_of_them(tmp_path):
    path = file_of(
        tmp_path,
        b"external_reference,name,email\ra-1,Ann Secret,ann@example.com\rb-1,Ben Hidden,\r\n",
    )

    with pytest.raises(SourceError) as refused:
        records_of(path)

    assert [word for word in ("Secret", "Hidden", "ann@") if word in str(refused.value)] == []


def test_a_metadata_key_of_40_characters_is_accepted(tmp_path):
    path = file_of(tmp_path, f"external_reference,metadata.{'é' * 40}\na-1,x\n".encode())

    _, records = read_one(path)

    assert cells(records[0]) == ["a-1", "x"]


def test_a_header_that_is_not_utf8_is_refused(tmp_path):
    path = file_of(tmp_path, b"external_reference,pr\xe9nom\na-1,x\n")

    with pytest.raises(SourceError, match="line 1: the header is not UTF-8"):
        records_of(path)


def test_quoted_column_names_are_read_as_any_other_cell(tmp_path):
    path = file_of(tmp_path, b'"external_reference","na,me","say ""hi"""\r\na-1,Ann,x\r\n')

    (file,), records = records_of(path)

    assert file.columns == ["external_reference", "na,me", 'say "hi"']
    assert cells(records[0]) == ["a-1", "Ann", "x"]


def test_columns_that_an_earlier_run_added_are_dropped_and_the_others_stay_in_their_places(
    tmp_path,
):
    path = file_of(
        tmp_path,
        b'_import_row_id,external_reference,_import_text,name\nx.csv:1,a-1,"old, text",Ann\n',
    )

    (file,), records = records_of(path)

    assert file.columns == ["external_reference", "name"]
    assert cells(records[0]) == ["a-1", "Ann"]
    assert [column for column in records[0] if "_import_" in column] == []


# -- delimiters and encodings that are declared -------------------------------------------------------------------------


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_a_declared_delimiter_parts_the_fields_and_a_comma_is_text(tmp_path, delimiter):
    rows = [
        "external_reference,name,note",
        "a-1,Ann,x",
        'b-1,"B,en",""',
        'c-1,"""C""\r\n,",z',
        ",,",
        "d-1,D",
        "e,1,2,",
    ]
    content = (
        "\r\n".join(rows)
        .replace(",", "\0")
        .replace("B\0en", f"B{delimiter}en")
        .replace("\0", delimiter)
    )
    path = file_of(tmp_path, content.encode() + f"\nf-1{delimiter}F, f{delimiter}".encode())

    lines, records = read_one(path, dialect=Declared(delimiter))

    assert [cells(r) for r in records if r["reason"] is None] == [
        ["a-1", "Ann", "x"],
        ["b-1", f"B{delimiter}en", ""],
        ["c-1", f'"C"\r\n{delimiter}', "z"],
        ["f-1", "F, f", ""],
    ]
    assert [(r["line"], r["reason"]) for r in records if r["reason"]] == [
        (7, "READ.TOO_FEW_FIELDS"),
        (8, "READ.TOO_MANY_FIELDS"),
    ]
    assert lines == Lines(physical=9, header=1, blank=1, records=7)


def test_a_header_with_another_delimiter_than_declared_is_explained(tmp_path):
    with pytest.raises(
        SourceError, match=r"parted by ','; declare it in the config: source\.delimiter"
    ):
        records_of(file_of(tmp_path, HEADER), dialect=Declared(";"))


ENCODED = {
    "cp1252": "José – 10 €",
    "latin-1": "José ½",
    "iso-8859-15": "José €",
    "iso8859_7": "Γιώργος",
    "cp850": "José ½",
    "mac-roman": "José – €",
    "koi8-r": "Ёлка",
    "shift_jis": "山田ソ|表",
    "cp932": "①山田ソ",
    "euc-kr": "홍길동",
    "big5": "許功蓋",
    "gb18030": "张三😀",
    "ascii": "Jose",
    "UTF8": "José 😀",
    "utf-8-sig": "José",
}


#: Byte by byte costs most, so every day only where a character has several bytes, one of which may be a delimiter or a digit.
TWINS = [
    pytest.param(
        encoding, delimiter, size, id=f"{encoding}-{delimiter}-{size}",
        marks=[] if (delimiter, size) in {("|", 7), (",", BATCH_BYTES)} or (encoding, delimiter, size) in {("shift_jis", "|", 1), ("gb18030", ",", 1)} else pytest.mark.long,
    )
    for encoding in ENCODED for delimiter in ",|" for size in (1, 7, BATCH_BYTES)
]  # fmt: skip


@pytest.mark.parametrize(("encoding", "delimiter", "batch_bytes"), TWINS)
def test_a_file_in_its_declared_encoding_is_read_as_its_twin_in_utf8_is(
    tmp_path, encoding, delimiter, batch_bytes
):
    text = ENCODED[encoding]
    rows = f'external_reference,{text.replace("|", "")},note\na-1,"{text}",x\r\n\nb-1,"{text}\n{text}",{text}"\nc,d\n'
    rows = rows.replace(",", delimiter)
    twin = file_of(tmp_path, rows.encode(), "utf8/customers.csv")
    path = file_of(tmp_path, rows.encode(encoding), "other/customers.csv")

    expected = read_one(twin, dialect=Declared(delimiter))
    found = read_one(path, batch_bytes, Declared(delimiter, encoding))

    assert found == expected
    assert next(cells(r)[1] for r in found[1]) == text
    assert [r["reason"] for r in found[1]] == [
        None, "READ.UNCLOSED_QUOTE", "READ.STRAY_QUOTE", "READ.TOO_FEW_FIELDS",
    ]  # fmt: skip


def test_bytes_that_the_declared_encoding_does_not_know_make_their_record_unreadable_and_no_other(
    tmp_path,
):
    path = file_of(tmp_path, HEADER + b"a-1,Jos\xe9,x\nb-1,B\x81en,\xe9\nc-1,Cleo,\x80\n")

    lines, records = read_one(path, dialect=Declared(encoding="cp1252"))

    assert [(r["line"], r["reason"], r["text"]) for r in records] == [
        (2, None, None),
        (3, "READ.UNDECODABLE", r"b-1,B\x81en,é"),
        (4, None, None),
    ]
    assert cells(records[0]) == ["a-1", "José", "x"]
    assert cells(records[2]) == ["c-1", "Cleo", "€"]
    assert lines.physical == lines.header + lines.blank + lines.records


def test_a_character_cut_by_its_line_end_takes_nothing_of_the_next_line(tmp_path):
    path = file_of(tmp_path, HEADER + b"a-1,Ann,\x8f\nb-1,Ben,x\n")

    _, records = read_one(path, dialect=Declared(encoding="shift_jis"))

    assert [(r["line"], r["reason"]) for r in records] == [(2, "READ.UNDECODABLE"), (3, None)]


def test_text_of_windows_read_as_latin_1_shows_by_its_control_characters(tmp_path):
    path = file_of(tmp_path, HEADER + "a-1,Ann – x,x\n".encode("cp1252"))

    _, records = read_one(path, dialect=Declared(encoding="latin-1"))

    assert [(r["reason"], r["text"]) for r in records] == [
        ("READ.CONTROL_CHARACTER", r"a-1,Ann \x96 x,x")
    ]


def test_a_header_that_the_declared_encoding_does_not_know_is_refused(tmp_path):
    path = file_of(tmp_path, b"external_reference,pr\x81nom\na-1,x\n")

    with pytest.raises(SourceError, match="line 1: the header is not cp1252 text"):
        records_of(path, dialect=Declared(encoding="cp1252"))


def test_a_byte_order_mark_of_utf8_in_a_file_that_is_declared_to_be_something_else_is_refused(
    tmp_path,
):
    path = file_of(tmp_path, b"\xef\xbb\xbf" + HEADER)

    with pytest.raises(SourceError, match=r"byte order mark of UTF-8.* cp1252"):
        records_of(path, dialect=Declared(encoding="cp1252"))


@pytest.mark.parametrize("declared", ["utf-16", "utf-16-le", "utf-16-be"])
def test_a_file_that_is_declared_to_be_utf16_and_is_ascii_text_is_refused_for_that(
    tmp_path, declared
):
    path = file_of(tmp_path, HEADER + b"a-1,Ann,x\n")

    with pytest.raises(
        SourceError, match=f"encoding {declared}, the file has neither a line end nor a delimiter"
    ):
        records_of(path, dialect=Declared(encoding=declared))


UNSUITABLE = [
    "utf-32", "utf-32-le", "utf-7", "hz", "iso2022_jp", "iso2022_kr", "cp037", "cp500", "shift_jisx0213",
    "unicode_escape", "raw_unicode_escape", "punycode", "idna", "undefined", "rot13", "base64", "klingon", "", "a\0b",
]  # fmt: skip


@pytest.mark.parametrize("encoding", UNSUITABLE)
def test_an_encoding_without_byte_wise_lines_is_refused_with_the_possible_ones(encoding):
    with pytest.raises(ConfigError) as refused:
        Declared(encoding=encoding)

    assert repr(encoding) in str(refused.value)
    assert "cp1252" in str(refused.value)


@pytest.mark.parametrize("delimiter", ["", ":", ",,", '"', "\n", "a"])
def test_a_delimiter_that_is_not_one_of_four_is_refused_together_with_an_unknown_encoding(
    delimiter,
):
    with pytest.raises(ConfigError) as refused:
        Declared(delimiter, "klingon")

    assert [
        said for said in (repr(delimiter), "';'", "klingon") if said not in str(refused.value)
    ] == []


# -- what nobody declared is found, and shown -----------------------------------------------------------------------------


def found(tmp_path, content, declared=None, layout=None):
    (file,), records = records_of(file_of(tmp_path, content), dialect=declared, layout=layout)
    assert (
        file.lines.physical
        == file.lines.header + file.lines.skipped + file.lines.blank + file.lines.records
    )
    return file, [cells(r) if r["reason"] is None else r["reason"] for r in records]


@pytest.mark.parametrize("delimiter", list(";\t|,"))
@pytest.mark.parametrize("quote", ["", '"'])
def test_the_delimiter_is_the_one_by_which_the_header_names_the_columns_that_are_expected(
    tmp_path, delimiter, quote
):
    header = delimiter.join(
        f"{quote}{name}{quote}" for name in ("external_reference", "name", "note")
    )
    other = "," if delimiter != "," else ";"
    rows = delimiter.join(["a-1", f"Ann{other} B{other} C{other} D", "x"])

    file, read = found(tmp_path, f"{header}\n{rows}\n".encode())

    assert read == [["a-1", f"Ann{other} B{other} C{other} D", "x"]]
    assert file.written["delimiter"] == delimiter
    assert "delimiter" in file.written["found"].split()


def test_a_declared_dialect_is_not_detected(tmp_path):
    file, read = found(
        tmp_path, HEADER + b"a-1,Ann,x\n", Declared(",", "utf-8", trailing_delimiter=False)
    )

    assert read == [["a-1", "Ann", "x"]]
    assert file.written["found"] == ""


def test_a_delimiter_that_was_found_and_does_not_fit_most_of_the_file_refuses_it(tmp_path):
    rows = b"".join(b"a-%d;Ann;x\n" % n for n in range(20)) + b"b-1,Ben,x\n" * 15

    with pytest.raises(SourceError, match=r"20 of 35 records.* 3 fields.* ','.*source\.delimiter"):
        found(tmp_path, HEADER + rows)

    _, read = found(tmp_path, HEADER + rows, Declared(","))
    assert read.count("READ.TOO_FEW_FIELDS") == 20


def test_a_trailing_delimiter_that_the_job_declares_separates_nothing(tmp_path):
    for header in (b"external_reference,name,note,\n", HEADER):
        file, read = found(
            tmp_path, header + b'a-1,Ann,x,\n"b-1","B,en",,\n', Declared(trailing_delimiter=True)
        )

        assert read == [["a-1", "Ann", "x"], ["b-1", "B,en", ""]]
        assert file.columns == ["external_reference", "name", "note"]
        assert file.written["trailing_delimiter"] == "dropped"


def test_where_records_end_with_a_delimiter_one_that_does_not_has_too_few_fields_and_one_with_more_too_many(
    tmp_path,
):
    rows = b"a-1,Ann,x,\nb-1,Ben,x\nc-1,Cleo,x,y\nd-1,Dan,x,,\ne-1,Eve,x,\n"

    _, read = found(
        tmp_path, b"external_reference,name,note,\n" + rows, Declared(trailing_delimiter=True)
    )

    assert read == [
        ["a-1", "Ann", "x"], "READ.TOO_FEW_FIELDS", "READ.TOO_MANY_FIELDS", "READ.TOO_MANY_FIELDS", ["e-1", "Eve", "x"],
    ]  # fmt: skip


def test_one_record_that_ends_with_a_delimiter_has_too_many_fields(tmp_path):
    _, read = found(tmp_path, HEADER + b"a-1,Ann,x\nb-1,Ben,x,\n")

    assert read == [["a-1", "Ann", "x"], "READ.TOO_MANY_FIELDS"]


@pytest.mark.parametrize("batch_bytes", [1, 7, BATCH_BYTES])
def test_lines_that_end_with_a_carriage_return_alone_are_lines(tmp_path, batch_bytes):
    rows = b'a-1,Ann,x\r\rb-1,"Ben\rB",y\rd-1,"D\ne",z\re-1,Eve,x'
    path = file_of(tmp_path, HEADER.replace(b"\n", b"\r") + rows)

    lines, records = read_one(path, batch_bytes)

    assert [(r["line"], cells(r) if r["reason"] is None else r["reason"]) for r in records] == [
        (2, ["a-1", "Ann", "x"]), (4, ["b-1", "Ben\nB", "y"]), (6, ["d-1", "D\ne", "z"]), (7, ["e-1", "Eve", "x"]),
    ]  # fmt: skip
    assert lines == Lines(physical=7, header=1, blank=1, records=5)


def test_where_cr_ends_lines_a_line_feed_below_the_sample_makes_its_record_unreadable(
    tmp_path,
):
    rows = b"a-1,Ann,x\r" * 30_000 + b"b-1,B\nen,x\rc-1,Cleo,x\r"

    _, read = found(tmp_path, HEADER.replace(b"\n", b"\r") + rows)

    assert read[-3:] == [["a-1", "Ann", "x"], "READ.LONE_LF", ["c-1", "Cleo", "x"]]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("batch_bytes", [pytest.param(1, marks=pytest.mark.long), 7, BATCH_BYTES])
def test_utf_16_is_read_as_its_twin_in_utf8_is(tmp_path, encoding, batch_bytes):
    rows = 'external_reference,name,note\r\na-1,"José 😀\n",x\r\n\r\nb-1,Ben\n'
    mark = "\ufeff" if encoding != "utf-16" else ""
    path = file_of(tmp_path, (mark + rows).encode(encoding), "other/customers.csv")

    assert read_one(path, batch_bytes) == read_one(
        file_of(tmp_path, rows.encode(), "utf8/customers.csv")
    )
    bare = file_of(tmp_path, rows.encode(encoding), "bare/customers.csv")
    if mark:
        assert read_one(bare, batch_bytes, Declared(encoding=encoding))[1] == read_one(path)[1]
        with pytest.raises(SourceError, match=encoding):
            read_one(bare)


def test_half_a_character_of_utf_16_makes_its_record_unreadable_and_no_other(tmp_path):
    rows = "external_reference,name,note\na-1,Ann,x\nb-1,B\ud800en,x\nc-1,Cleo,x\nd-1,Dan,é"
    content = b"\xff\xfe" + rows.encode("utf-16-le", "surrogatepass") + b"\x41"

    _, read = found(tmp_path, content, Declared(encoding="utf-16"))

    assert read == [["a-1", "Ann", "x"], "READ.NOT_UTF8", ["c-1", "Cleo", "x"], "READ.NOT_UTF8"]


def test_a_file_that_is_not_utf8_is_refused_with_the_offset_and_the_line_to_add(tmp_path):
    content = HEADER + b"".join(b"a-%d,Jos\xe9 M\xfcller,x\n" % n for n in range(30))

    with pytest.raises(SourceError) as refused:
        found(tmp_path, content)

    said = (
        "30 lines",
        f"byte {content.index(0xE9)}",
        "source.encoding: cp1252",
        "source.encoding: utf-8",
    )
    assert [part for part in said if part not in str(refused.value)] == []
    _, read = found(tmp_path, content, Declared(encoding="cp1252"))
    assert read[7] == ["a-7", "José Müller", "x"]
    _, read = found(tmp_path, content, Declared(encoding="utf-8"))
    assert read == ["READ.NOT_UTF8"] * 30


def test_a_header_that_is_not_utf8_is_refused_with_the_line_to_add(tmp_path):
    with pytest.raises(SourceError, match=r"line 1: .*not UTF-8.*source\.encoding: cp1252"):
        found(tmp_path, "external_reference;größe;straße\na-1;ü;x\n".encode("cp1252"))


SPOKEN = {
    "cp1252": "José Müller – François Løken, Straße €",
    "cp850": "José Müller, François, Straße, García, Peña",
    "mac-roman": "José Müller, François, Straße, García, Peña",
    "cp1251": "Иван Петров, Мария Соколова",
    "koi8-r": "Иван Петров, Мария Соколова",
    "cp1250": "Łukasz Wójcik, Żaneta Śliwa, Dvořák, Škoda, Ćwiąkała",
}


@pytest.mark.parametrize(("encoding", "text"), SPOKEN.items(), ids=SPOKEN.keys())
def test_the_encoding_that_is_suggested_is_a_likely_one(tmp_path, encoding, text):
    lines = [f"a-{n},{word.strip()},x" for n, word in enumerate(text.split(",") * 3)]

    with pytest.raises(SourceError, match=rf"source\.encoding: {encoding}\b"):
        found(tmp_path, HEADER + "\n".join(lines).encode(encoding))


def test_some_bad_bytes_in_a_file_that_is_utf8_are_some_bad_records(tmp_path):
    content = HEADER + "a-1,José,x\nb-1,Zoë,x\n".encode() + b"c-1,C\xff,x\nd-1,D\xe9,x\n"

    _, read = found(tmp_path, content)

    assert read == [["a-1", "José", "x"], ["b-1", "Zoë", "x"], "READ.NOT_UTF8", "READ.NOT_UTF8"]
    _, read = found(tmp_path, HEADER + b"a-1,Ann,x\nc-1,C\xff,x\n")
    assert read == [["a-1", "Ann", "x"], "READ.NOT_UTF8"]


@pytest.mark.parametrize("batch_bytes", [1, 9, BATCH_BYTES])
def test_lines_that_are_declared_to_be_no_part_of_the_table_are_skipped_and_counted(
    tmp_path, batch_bytes
):
    content = (
        b'Report, 2026-11-22\n"\n'
        + HEADER
        + b"a-1,Ann,x\n\nb-1,Ben,y\nTotal:,2,\n\nend of report\n\n"
    )

    lines, records = read_one(
        file_of(tmp_path, content), batch_bytes, Declared(skip_lines=2, footer_lines=2)
    )

    assert [(r["line"], cells(r)) for r in records] == [
        (4, ["a-1", "Ann", "x"]),
        (6, ["b-1", "Ben", "y"]),
    ]
    assert lines == Lines(physical=10, header=1, skipped=6, blank=1, records=2)


def test_a_preamble_is_refused_with_the_option_that_skips_it(tmp_path):
    with pytest.raises(
        SourceError, match=r"Line 4 looks more like the header.*source\.skip_lines: 3"
    ):
        found(tmp_path, b"Report of,2026\nfor Ann\n\n" + HEADER + b"a-1,Ann,x\n")
    with pytest.raises(
        SourceError, match=r"Line 2 looks more like the header.*source\.skip_lines: 1"
    ):
        found(tmp_path, b"Report;of 2026\n" + ";".join(SUPPLIER).encode() + b"\n", layout=LAYOUT)


def test_a_repeated_header_is_not_a_customer(tmp_path):
    _, read = found(tmp_path, HEADER + b"a-1,Ann,x\n" + HEADER + b"b-1,Ben,x\n")

    assert read == [["a-1", "Ann", "x"], "READ.REPEATED_HEADER", ["b-1", "Ben", "x"]]


# -- packed files ---------------------------------------------------------------------------------------------------------

PACKERS = {
    "gzip": gzip.compress,
    "zstd": lambda content: pa.compress(content, codec="zstd", asbytes=True),
}
packers = pytest.mark.parametrize("pack", PACKERS.values(), ids=PACKERS.keys())


@packers
@pytest.mark.parametrize("batch_bytes", [1, 50, BATCH_BYTES])
def test_a_compressed_file_is_read_unpacked_and_hashed_packed(tmp_path, pack, batch_bytes):
    content = HEADER + b'a-1,Ann,x\r\nb-1,"Ben\n",y\nc-1\n'
    packed = file_of(tmp_path, pack(content) + pack(b"d-1,Dan,x\n"), "packed/customers.csv")
    plain = file_of(tmp_path, content + b"d-1,Dan,x\n", "plain/customers.csv")

    (file,), records = records_of(packed, batch_bytes=batch_bytes)

    assert (file.lines, records) == read_one(plain)
    assert file.sha256 == hashlib.sha256(packed.read_bytes()).hexdigest()


@packers
def test_a_packed_file_that_is_cut_or_damaged_is_refused(tmp_path, pack):
    packed = pack(HEADER + b"".join(b"a-%d,Ann,x\n" % n for n in range(2000)))

    for content in (packed[:-1], packed[: len(packed) // 2], packed + b"more", packed[:5]):
        with pytest.raises(SourceError, match="damaged or not wholly written"):
            records_of(file_of(tmp_path, content))


@packers
def test_a_packed_file_that_unpacks_to_far_more_than_itself_is_refused_before_it_fills_the_memory(
    tmp_path, pack
):
    path = file_of(tmp_path, pack(HEADER + b"a-1,Ann,x\n" * 300_000))

    with pytest.raises(SourceError, match="more than 100 times its size"):
        records_of(path)


def test_a_packed_file_beyond_the_absolute_cap_is_refused(tmp_path):
    path = file_of(
        tmp_path, gzip.compress(HEADER + random.Random(3).randbytes(4096).hex().encode())
    )

    with path.open("rb") as file, pytest.raises(SourceError, match="more than 0 MiB"):
        ByteStream(file, path, largest=1000)


def test_a_packed_file_in_a_packed_file_is_refused_by_its_name(tmp_path):
    with pytest.raises(SourceError, match="gzip"):
        records_of(file_of(tmp_path, gzip.compress(gzip.compress(HEADER))))


# -- headers of suppliers -------------------------------------------------------------------------------------------------

LAYOUT = Layout.model_validate(
    {
        "external_reference": "id",
        "name": {"columns": ["first name", "last name"]},
        "email": "mail",
        "balance": {
            "debit": "owed",
            "credit": "paid",
            "unit": {"column": "unit", "values": {"R": "major"}},
        },
        "metadata": {"plan": "tariff", "contact": "mail"},
    }
)
SUPPLIER = ["id", "first name", "last name", "mail", "owed", "paid", "unit", "tariff"]


def test_a_file_with_all_mapped_columns_is_read_in_any_format_with_any_other_columns(
    tmp_path,
):
    names = ["Email", "Metadata.x", *reversed(SUPPLIER), "external_reference", "_import_row_id"]
    path = file_of(
        tmp_path, (",".join(names) + "\n" + ",".join(map(str, range(len(names)))) + "\n").encode()
    )

    (file,), records = records_of(path, layout=LAYOUT)

    assert file.columns == names[:-1]
    assert records[0]["given.id"] == "9"
    assert unknown_columns(file.header, LAYOUT) == {
        "Email": None,
        "Metadata.x": None,
        "external_reference": None,
    }


def test_all_missing_mapped_columns_are_named_at_once_with_their_fields_and_what_is_nearest(
    tmp_path,
):
    path = file_of(tmp_path, b"id,firstname,e-mail,Owed,paid,last-name,zone\n")

    with pytest.raises(SourceError) as refused:
        records_of(path, layout=LAYOUT)

    assert str(refused.value) == (
        f"{path}: line 1: the header cannot be used: "
        "no column 'first name' (mapped to name; did you mean 'firstname'?); "
        "no column 'last name' (mapped to name; did you mean 'last-name'?); "
        "no column 'mail' (mapped to email, metadata.contact; did you mean 'e-mail'?); "
        "no column 'tariff' (mapped to metadata.plan); "
        "no column 'owed' (mapped to balance; did you mean 'Owed'?); "
        "no column 'unit' (mapped to unit of balance). "
        "Found: id, firstname, e-mail, Owed, paid, last-name, zone"
    )


def test_one_message_names_missing_columns_and_faults_of_other_names(tmp_path):
    path = file_of(tmp_path, b"id,note,note,,Note\n")

    with pytest.raises(SourceError) as refused:
        records_of(path, layout=LAYOUT)

    said = [
        "no column 'mail'",
        "columns 2, 3 and 5 have the same name but for case and spaces: 'note', 'Note'",
    ]
    assert [part for part in said if part not in str(refused.value)] == []


def test_a_file_with_another_delimiter_than_declared_is_refused_with_the_right_one(tmp_path):
    path = file_of(tmp_path, ";".join(SUPPLIER).encode())

    with pytest.raises(
        SourceError, match=r"parted by ';'; declare it in the config: source\.delimiter"
    ):
        records_of(path, layout=LAYOUT, dialect=Declared(","))


def test_a_first_line_of_personal_data_is_not_repeated(tmp_path):
    path = file_of(tmp_path, b"a-1,Ann,Secret,ann@example.com,12,0,R,gold\n")

    with pytest.raises(SourceError) as refused:
        records_of(path, layout=LAYOUT)

    assert "looks like a record" in str(refused.value)
    assert [word for word in ("Ann", "Secret", "ann@") if word in str(refused.value)] == []


def test_a_near_match_that_looks_like_personal_data_is_not_repeated(tmp_path):
    path = file_of(
        tmp_path, b"id,mail@example.com,first name,last name,owed,paid,unit,tarif 12345\n"
    )

    with pytest.raises(SourceError) as refused:
        records_of(path, layout=LAYOUT)

    assert "no column 'mail' (mapped to email, metadata.contact)" in str(refused.value)
    assert [word for word in ("mail@", "12345") if word in str(refused.value)] == []


def test_billing_s_own_id_has_a_place_without_a_layout():
    assert unknown_columns(
        ["external_reference", "billing_id", "e-mail", "tariff", "_import_fate"]
    ) == {
        "e-mail": "email",
        "tariff": None,
    }


# -- what is no CSV file ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"PAR1\x15\x04", "Parquet"),
        (b"PK\x03\x04\x14\x00", "workbook"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1", "Excel"),
        (b"7z\xbc\xaf\x27\x1c", "7-Zip"),
        (b"%PDF-1.7", "PDF"),
    ],
)
def test_another_format_called_csv_is_named_by_its_magic_bytes(tmp_path, content, what):
    path = file_of(tmp_path, content)

    with pytest.raises(SourceError, match=what):
        records_of(path)


def test_a_symbolic_link_is_refused(tmp_path):
    link = tmp_path / "link.csv"
    link.symlink_to(file_of(tmp_path, HEADER + b"a-1,Ann,x\n"))

    with pytest.raises(SourceError, match=r"link\.csv"):
        records_of(link)


def test_a_folder_is_refused(tmp_path):
    with pytest.raises(SourceError, match="regular file"):
        records_of(tmp_path)


@pytest.mark.parametrize("door", ["in_order", "batches"])
def test_a_pipe_is_refused_without_waiting_for_a_writer(tmp_path, door):
    pipe = tmp_path / "pipe.csv"
    os.mkfifo(pipe)

    with pytest.raises(SourceError, match="regular file"):
        in_order([pipe]) if door == "in_order" else list(CsvFile(pipe, "pipe.csv").batches())


def test_all_missing_files_are_named_at_once(tmp_path):
    here = file_of(tmp_path, HEADER)

    with pytest.raises(SourceError) as refused:
        in_order([tmp_path / "a.csv", here, tmp_path / "b.csv"])

    assert "a.csv" in str(refused.value)
    assert "b.csv" in str(refused.value)
    assert "customers.csv" not in str(refused.value)


def test_characters_of_a_glob_in_a_name_are_only_characters(tmp_path):
    path = file_of(tmp_path, HEADER + b"a-1,Ann,x\n", "customers[1]*?{2}.csv")
    file_of(tmp_path, HEADER + b"b-1,Ben,x\n", "customers1.csv")

    _, records = records_of(path)

    assert [r["row_id"] for r in records] == ["customers[1]*?{2}.csv:2"]


@pytest.mark.parametrize(
    "change",
    [
        lambda path: path.write_bytes(path.read_bytes() + b"z-1,Zoe,x\n"),
        lambda path: path.write_bytes(path.read_bytes().replace(b"Ann", b"Bob")),
        lambda path: os.utime(path, ns=(0, path.stat().st_mtime_ns + 1)),
        lambda path: path.unlink(),
        lambda path: _replaced(path),  # noqa: PLW0108 - it is defined further down
    ],
    ids=["grown", "rewritten", "touched", "removed", "replaced by its like"],
)
def test_a_file_that_changes_while_it_is_read_is_refused(tmp_path, change):
    path = file_of(tmp_path, HEADER + b"a-1,Ann,x\n" * 100)
    os.utime(path, ns=(10**18, 10**18))
    batches = read(in_order([path]), batch_bytes=50)
    next(batches)

    change(path)

    with pytest.raises(SourceError, match="changed while it was read"):
        list(batches)


def _replaced(path: Path) -> None:
    other = path.with_name("other")
    other.write_bytes(path.read_bytes())
    os.utime(other, ns=(10**18, 10**18))
    other.replace(path)


def test_a_file_that_was_read_is_described_by_its_size_and_hash(tmp_path):
    path = file_of(tmp_path, b"external_reference\na\n")

    (file,), _ = records_of(path, batch_bytes=2)

    assert file.size == 21
    assert file.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


# -- several files ----------------------------------------------------------------------------------------------------


def test_files_are_taken_in_the_order_of_their_names_and_their_records_numbered_through(tmp_path):
    second = file_of(tmp_path, HEADER + b"b-1,Ben,x\nb-2,Bea,x\n", "b.csv")
    first = file_of(tmp_path, HEADER + b"a-1,Ann,x\n\na-2,Amy,x\n", "a.csv")

    _, records = records_of(second, first)

    assert [r["row_id"] for r in records] == ["a.csv:2", "a.csv:4", "b.csv:2", "b.csv:3"]
    assert [r["position"] for r in records] == [0, 1, 2, 3]


def test_files_of_one_name_are_distinguished_by_the_shortest_path_and_ordered_by_content(tmp_path):
    contents = [HEADER + b"a-%d,Ann,x\n" % n for n in range(6)]
    paths = [
        file_of(tmp_path, content, f"day-{n}/in/customers.csv")
        for n, content in enumerate(contents)
    ]

    forward, backward = in_order(paths), in_order(paths[::-1])
    list(read(forward))

    assert [file.name for file in forward] == [file.name for file in backward]
    assert {file.name for file in forward} == {f"day-{n}/in/customers.csv" for n in range(6)}
    assert all(one.sha256 < next_one.sha256 for one, next_one in pairwise(forward))


def test_a_unique_name_stays_short_beside_twins(tmp_path):
    paths = [file_of(tmp_path, HEADER, name) for name in ("x/a.csv", "y/a.csv", "y/b.csv")]

    assert sorted(file.name for file in in_order(paths)) == ["b.csv", "x/a.csv", "y/a.csv"]


@pytest.mark.parametrize("again", ["customers.csv", "folder/../customers.csv"])
def test_a_file_named_twice_is_refused(tmp_path, again):
    path = file_of(tmp_path, HEADER + b"a-1,Ann,x\n")
    (tmp_path / "folder").mkdir()

    with pytest.raises(SourceError, match="twice"):
        in_order([path, tmp_path / again])


@pytest.mark.parametrize(
    "other",
    [
        b"external_reference,note,name\n",
        b"external_reference,name\n",
        b"external_reference,name,note,more\n",
    ],
)
@pytest.mark.parametrize("rows", [b"", b"x,y,z\n"], ids=["header only", "with rows"])
def test_files_of_one_run_share_one_header(tmp_path, other, rows):
    first = file_of(tmp_path, HEADER + b"a-1,Ann,x\n", "a.csv")
    second = file_of(tmp_path, other + rows, "b.csv")

    with pytest.raises(SourceError, match="share one header"):
        records_of(first, second)


def test_a_rejected_list_may_be_imported_beside_the_original_because_our_columns_do_not_count(
    tmp_path,
):
    first = file_of(tmp_path, HEADER + b"a-1,Ann,x\n", "a.csv")
    second = file_of(tmp_path, HEADER.strip() + b",_import_row_id\nb-1,Ben,x,a.csv:9\n", "b.csv")

    _, records = records_of(first, second)

    assert [cells(r) for r in records] == [["a-1", "Ann", "x"], ["b-1", "Ben", "x"]]


def test_every_batch_has_the_same_columns_and_types(tmp_path):
    path = file_of(tmp_path, HEADER + b'a-1,Ann,x\nshort\nb-1,"B\nen",x\n,,\n')

    schemas = {
        tuple(batch.records.schema.items()) for _, batch in read(in_order([path]), batch_bytes=4)
    }

    assert len(schemas) == 1
    assert {dtype for column, dtype in next(iter(schemas)) if column.startswith("given.")} == {
        pl.String
    }


def test_a_file_that_csv_writer_wrote_is_read_as_csv_reader_reads_it(tmp_path):
    rows = [[f"a-{n}", 'q"' * (n % 3), "\n" * (n % 4) + "," * (n % 2)] for n in range(500)]
    path = tmp_path / "customers.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["external_reference", "name", "note"], *rows])

    lines, records = read_one(path, batch_bytes=1000)

    assert [cells(r) for r in records] == rows
    assert lines.physical == lines.header + lines.records == path.read_bytes().count(b"\n")
