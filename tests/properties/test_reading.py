"""Laws of reading: no line is lost or counted twice, no cell altered, and the size of a batch means nothing."""

import csv
import io
import re
import tempfile
from dataclasses import replace
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from pipeline.errors import SourceError
from pipeline.sources import BATCH_BYTES, CsvFile, Declared, Lines, csv_file, in_order, read
from tests.conftest import RFC_4180

HEADER = b"external_reference,name\n"
PIECES = [
    b'"', b'"', b'""', b",", b",", b"\n", b"\n", b"\r\n", b"\r", b" ", b"\t", b"a", b"b-1,Ben\n", b'"x\ny"', b',"', b'",',
    b"\xff", b"\xc3", "é".encode(), "😀".encode(), b"\xef\xbb\xbf", b"\x00", b"\x1a", "\u0085".encode(), "\u2028".encode(),
]  # fmt: skip
hostile_bytes = st.lists(st.sampled_from(PIECES) | st.binary(max_size=3), max_size=24).map(b"".join)


def read_bytes(
    content: bytes, batch_bytes: int = BATCH_BYTES, declared: Declared = RFC_4180
) -> tuple[Lines, list[dict]]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "f.csv")
        path.write_bytes(content)
        file = CsvFile(path, "f.csv", declared)
        records = [
            row
            for batch in file.batches(batch_bytes=batch_bytes)
            for row in batch.records.to_dicts()
        ]
    return file.lines, records


_NOTHING = rb"(?:[ \t]|\xef\xbb\xbf|\xe2\x80\xa8)*"  #: spaces and invisible characters
#: All fields of the line are empty.
BLANK = re.compile(rb'(?:%b|"%b")(?:,(?:%b|"%b"))*\r?' % ((_NOTHING,) * 4))


def holds_something(row: list[str]) -> bool:
    return any(cell.strip(" \t") for cell in row)


def physical_lines(content: bytes) -> list[bytes]:
    lines = content.split(b"\n")
    return lines if lines[-1] else lines[:-1]


def taken(records: list[dict]) -> list[int]:
    return [line for r in records for line in range(r["line"], r["line"] + r["line_count"])]


# -- any bytes --------------------------------------------------------------------------------------------------------


@settings(max_examples=10, deadline=None)
@given(hostile_bytes)
@example(b'a,"b\nc\n"d,"e\n')
@example(b'"\n"\n"\n')
@example(b'a,"x\n\n\ny",b\n')
@example(b"\xef\xbb\xbf")
@example(b"a,b\r")
def test_every_line_after_a_header_is_blank_or_in_exactly_one_record(body):
    content = HEADER + body

    lines, records = read_bytes(content)

    physical = physical_lines(
        content.rstrip(b"\x1a")
    )  # Ctrl-Z at the end is a mark, and part of no line
    in_records = taken(records)
    left = set(range(2, len(physical) + 1)) - set(in_records)
    assert len(in_records) == len(set(in_records))
    assert set(in_records) <= set(range(2, len(physical) + 1))
    assert [physical[line - 1] for line in left if not BLANK.fullmatch(physical[line - 1])] == []
    assert lines == Lines(
        physical=len(physical), header=1, blank=len(left), records=len(in_records)
    )
    assert in_records == sorted(in_records)


@settings(max_examples=10, deadline=None)
@given(hostile_bytes)
def test_a_readable_record_equals_that_of_a_strict_csv_reader(body):
    content = HEADER + body

    _, records = read_bytes(content)

    physical = physical_lines(content)
    for record in (r for r in records if r["reason"] is None):
        first = record["line"] - 1
        raw = b"\n".join(physical[first : first + record["line_count"]]).decode().removesuffix("\r")
        seen = list(csv.reader(io.StringIO(raw, newline=""), strict=True))
        assert seen == [[record["given.external_reference"], record["given.name"]]]


@settings(max_examples=10, deadline=None)
@given(hostile_bytes, st.sampled_from([1, 2, 3, 5, 8, 13, 40]))
@example(b"\xef\xbb\xbf", 1)
@example(b"\xef\xbb\xbfa,b\n", 1)
@example(b"\xef\xbb\xbf\n", 1)
@example(b'x,"y\r\nz"\r\n', 1)
@example(b'a,"b\nc,d\ne,"f\n', 1)
def test_the_size_of_a_batch_changes_nothing_that_is_read(body, batch_bytes):
    content = HEADER + body

    assert read_bytes(content, batch_bytes) == read_bytes(content)


@settings(max_examples=10, deadline=None)
@given(hostile_bytes, st.integers(1, 200))
def test_bytes_without_a_header_of_ours_are_refused_or_counted(body, batch_bytes):
    try:
        lines, records = read_bytes(body, batch_bytes)
    except SourceError:
        return

    bare = _without_bom(body).rstrip(b"\x1a")
    assert lines.physical == lines.header + lines.blank + lines.records
    # Where no line feed ends a line, carriage returns may.
    assert lines.physical in {
        len(physical_lines(bare)),
        len(physical_lines(bare.translate(CR_FOR_LF))),
    }
    assert len(taken(records)) == lines.records


CR_FOR_LF = bytes.maketrans(b"\r\n", b"\n\r")


def _without_bom(content: bytes) -> bytes:
    return content.removeprefix(b"\xef\xbb\xbf")


# -- clean files ------------------------------------------------------------------------------------------------------

# No control characters: those make a record unreadable, which is another law.
letters = st.characters(exclude_categories=("Cs", "Cc")) | st.sampled_from('",";|\t \\')
cell = st.lists(
    letters | st.sampled_from(["\n", "\r\n", '"', '""', ",", '","', '\n"']), max_size=8
).map("".join)
tables = st.integers(1, 4).flatmap(
    lambda width: st.lists(st.lists(cell, min_size=width, max_size=width), max_size=12)
)


@settings(max_examples=10, deadline=None)
@given(
    tables,
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    st.sampled_from(["\n", "\r\n"]),
    st.booleans(),
)
def test_a_table_that_csv_writer_wrote_is_read_back_cell_for_cell(table, quoting, end, with_bom):
    table = [row for row in table if holds_something(row)]  # a line of empty fields is a blank one
    width = len(table[0]) if table else 1
    text = io.StringIO(newline="")
    writer = csv.writer(text, quoting=quoting, lineterminator=end)
    writer.writerows([["external_reference", *(f"column {n}" for n in range(1, width))], *table])
    content = b"\xef\xbb\xbf" * with_bom + text.getvalue().encode()

    lines, records = read_bytes(content)

    assert [
        [text for name, text in r.items() if name.startswith("given.")] for r in records
    ] == table
    assert [r["reason"] for r in records] == [None] * len(table)
    assert lines == Lines(content.count(b"\n"), header=1, blank=0, records=content.count(b"\n") - 1)


# -- the same table, written otherwise -----------------------------------------------------------------------------------


def written(table: list[list[str]], delimiter: str, **how) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter, **how)
    writer.writerows(
        [["external_reference", *(f"column {n}" for n in range(1, len(table[0])))], *table]
    )
    return text.getvalue().encode()


def given_of(records: list[dict]) -> list[list[str]]:
    return [[text for name, text in r.items() if name.startswith("given.")] for r in records]


wide_tables = st.integers(2, 4).flatmap(
    lambda width: st.lists(st.lists(cell, min_size=width, max_size=width), min_size=1, max_size=12)
)


@settings(max_examples=10, deadline=None)
@given(
    wide_tables,
    st.sampled_from(";\t|"),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    st.booleans(),
)
@example([["", ""], [" ", "\t"]], "\t", csv.QUOTE_MINIMAL, False)
def test_a_table_with_another_delimiter_is_read_cell_by_cell_as_with_commas(
    table, delimiter, quoting, is_split
):
    batch_bytes = 40 if is_split else BATCH_BYTES

    _, expected = read_bytes(written(table, ",", quoting=quoting))
    lines, records = read_bytes(
        written(table, delimiter, quoting=quoting),
        batch_bytes,
        replace(RFC_4180, delimiter=delimiter),
    )

    assert records == expected
    assert given_of(records) == [row for row in table if holds_something(row)]
    assert lines.physical == lines.header + lines.blank + lines.records


@settings(max_examples=10, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=24).map(b"".join), st.sampled_from(";|"))
def test_hostile_bytes_are_judged_alike_for_every_declared_delimiter(body, delimiter):
    swapped = (HEADER + body).replace(b",", delimiter.encode())

    lines, expected = read_bytes(HEADER + body)
    found = read_bytes(swapped, declared=replace(RFC_4180, delimiter=delimiter))

    what = ("row_id", "line_count", "reason", "given.external_reference")
    assert found[0] == lines
    assert [
        [
            str(r[name]).replace(",", delimiter) if name.startswith("given.") else r[name]
            for name in what
        ]
        for r in expected
    ] == [
        [str(r[name]) if name.startswith("given.") else r[name] for name in what] for r in found[1]
    ]


@settings(max_examples=10, deadline=None)
@given(
    hostile_bytes,
    st.sampled_from(["cp1252", "koi8-r", "shift_jis", "gb18030", "big5"]),
    st.integers(1, 60),
)
def test_no_line_is_lost_in_any_encoding_and_the_size_of_a_batch_changes_nothing(
    body, encoding, batch_bytes
):
    declared = replace(RFC_4180, encoding=encoding)

    lines, records = read_bytes(HEADER + body, declared=declared)

    assert read_bytes(HEADER + body, batch_bytes, declared) == (lines, records)
    physical = physical_lines(
        (HEADER + body).rstrip(b"\x1a")
    )  # Ctrl-Z at the end is a mark, and part of no line
    assert lines.physical == lines.header + lines.blank + lines.records == len(physical)
    assert len(taken(records)) == len(set(taken(records))) == lines.records


@settings(max_examples=10, deadline=None)
@given(
    st.lists(st.tuples(*[st.text(alphabet='aé€–Ž",\n ', max_size=5)] * 2), min_size=1, max_size=8),
    st.integers(1, 60),
)
def test_a_table_in_an_encoding_of_windows_is_read_as_its_twin_in_utf8(rows, batch_bytes):
    content = written([list(row) for row in rows], ",")

    twin = read_bytes(content)

    assert (
        read_bytes(
            content.decode().encode("cp1252"), batch_bytes, replace(RFC_4180, encoding="cp1252")
        )
        == twin
    )


@settings(max_examples=10, deadline=None)
@given(
    wide_tables,
    st.sampled_from([1, 64, BATCH_BYTES]),
    st.sampled_from([pa.string(), pa.large_string()]),
    st.booleans(),
)
def test_the_same_table_as_csv_and_as_parquet_gives_the_same_cells(
    table, batch_bytes, dtype, in_dictionary
):
    names = ["external_reference", *(f"column {n}" for n in range(1, len(table[0])))]
    columns = [pa.array(column, dtype) for column in zip(*table, strict=True)]
    if in_dictionary:
        columns = [column.dictionary_encode() for column in columns]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "f.parquet")
        parquet.write_table(pa.table(columns, names=names), path, row_group_size=5)
        records = [
            row
            for _, batch in read(in_order([path]), batch_bytes)
            for row in batch.records.to_dicts()
        ]

    _, expected = read_bytes(written(table, ","))

    assert given_of(records) == table
    assert given_of(expected) == [row for row in table if holds_something(row)]


# -- damage -----------------------------------------------------------------------------------------------------------

line_cells = st.text(alphabet='ab,"é ', max_size=5)
clean_rows = st.lists(st.tuples(line_cells, line_cells), min_size=1, max_size=8)
multi_line_rows = st.lists(
    st.tuples(*[st.text(alphabet='ab,"\né', max_size=6)] * 2), min_size=1, max_size=6
)


@st.composite
def damaged(draw, rows) -> tuple[bytes, bytes, int]:
    """A clean file, the same file with one character of one line added or removed, and that line's number."""
    text = io.StringIO(newline="")
    csv.writer(
        text, lineterminator="\n", quoting=draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]))
    ).writerows([["external_reference", "name"], *draw(rows)])
    lines = text.getvalue().removesuffix("\n").split("\n")
    number = draw(st.integers(2, len(lines)))
    line = lines[number - 1]
    mark = draw(st.sampled_from('",'))
    places = [at for at, character in enumerate(line) if character == mark]
    if places and draw(st.booleans()):
        at = draw(st.sampled_from(places))
        broken = line[:at] + line[at + 1 :]
    else:
        at = draw(st.integers(0, len(line)))
        broken = line[:at] + mark + line[at:]
    after = [*lines[: number - 1], broken, *lines[number:]]
    return "\n".join(lines).encode(), "\n".join(after).encode(), number


@settings(max_examples=10, deadline=None)
@given(damaged(clean_rows))
def test_damage_to_one_line_changes_nothing_that_is_read_of_the_others(files):
    clean, broken, number = files

    _, before = read_bytes(clean)
    lines, after = read_bytes(broken)

    assert [_said(r) for r in after if r["line"] != number] == [
        _said(r) for r in before if r["line"] != number
    ]
    assert (
        lines.physical == lines.header + lines.blank + lines.records == len(physical_lines(broken))
    )


@settings(max_examples=10, deadline=None)
@given(damaged(multi_line_rows))
def test_damage_among_records_of_several_lines_loses_no_line_and_leaves_the_records_before_it_alone(
    files,
):
    clean, broken, number = files

    _, before = read_bytes(clean)
    lines, after = read_bytes(broken)

    untouched = [r for r in before if r["line"] + r["line_count"] <= number]
    assert [_said(r) for r in after[: len(untouched)]] == [_said(r) for r in untouched]
    assert (
        lines.physical == lines.header + lines.blank + lines.records == len(physical_lines(broken))
    )
    assert len(taken(after)) == len(set(taken(after))) == lines.records


def _said(record: dict) -> tuple:
    return tuple(value for name, value in record.items() if name != "position")


def test_the_frames_of_a_long_file_do_not_depend_on_where_its_batches_end():
    rows = [
        f'a-{n},"{"é" * (n % 7)}""\r\n{n}"' if n % 3 else f"a-{n},b\ra" if n % 5 else f'a-{n},"b'
        for n in range(1500)
    ]
    content = HEADER + "\r\n".join(rows).encode()

    whole = read_bytes(content)

    assert all(read_bytes(content, size) == whole for size in (997, 4096, 20_000))
    assert pl.DataFrame(whole[1])["position"].to_list() == list(range(len(whole[1])))


# -- the short way ----------------------------------------------------------------------------------------------------

plain_lines = st.one_of(
    st.builds("ref-{},Ann {},x".format, st.integers(0, 99), st.integers(0, 9)),
    st.sampled_from(
        ["a,b,c", "é,ü,\u20ac", "a\tb,c,d", ",,", "a,b", "a,b,c,d", "", "  ", "\t", 'a,"b,b",c', 'a,"b', "a,\x01,c", "a,\x7f,c", "a,\x85,c",
         "a,b\r,c", "a,b,c\r", "external_reference,name,note", "a,\x1f,c", "\u00a0,b,c"]
    ),
)  # fmt: skip


@settings(max_examples=9, deadline=None)
@given(
    st.lists(plain_lines, max_size=14),
    st.sampled_from(["\n", "\r\n"]),
    st.booleans(),
    st.sampled_from([",", ";", "\t"]),
    st.sampled_from(["utf-8", "latin-1"]),
    st.integers(1, 400),
)
def test_the_fast_path_and_the_full_parser_read_the_same(
    lines, end, ended, delimiter, encoding, batch_bytes
):
    text = end.join(["external_reference,name,note", *lines]) + (end if ended else "")
    content = text.replace(",", delimiter).encode(encoding, errors="replace")

    def told(*, short: bool):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(csv_file, "_UP_TO_THE_HEADER", 40)
            if not short:
                patch.setattr(csv_file, "plain_cells", lambda *_: None)
            try:
                return read_bytes(content, batch_bytes, Declared())
            except SourceError as refused:
                return re.sub(r"^\S+", "", str(refused))

    assert told(short=True) == told(short=False)


def test_most_of_a_clean_file_takes_the_fast_path(monkeypatch):
    taken_short = []
    plain = csv_file.plain_cells
    monkeypatch.setattr(
        csv_file, "plain_cells", lambda *given: taken_short.append(plain(*given)) or taken_short[-1]
    )
    rows = "".join(f"ref-{n},Zoë {n},x\n" for n in range(20_000))

    lines, records = read_bytes(f"external_reference,name,note\n{rows}".encode(), 1 << 20)

    assert lines.records == len(records) == 20_000
    assert sum(cells.height for cells in taken_short if cells is not None) > 15_000
