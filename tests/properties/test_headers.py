"""Laws of headers: a file is refused with all faults of its names, or read with every line accounted for and nothing lost."""

import csv
import io
import re
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.domain.characters import BLANK
from pipeline.errors import SourceError
from pipeline.sources import CsvFile, Declared

UNSEEN = " \t\u00a0\u200b\ufeff\u00ad\u200e\u3000\n"
unseen = st.text(UNSEEN, max_size=2)
words = st.sampled_from(
    [
        "name",
        "Name",
        "NAME",
        "e-mail",
        'say "hi"',
        "a,b",
        "a;b",
        "ref",
        "Stra\u00dfe",
        "STRASSE",
        "\u00e9",
        "column_3",
        "line\nbreak",
        "line break",
        "",
    ]
)
names = st.builds("{}{}{}".format, unseen, words, unseen)
headers = st.lists(names, min_size=1, max_size=5)
texts = st.sampled_from(["", "", "", " ", "x", "A-1", "\u00fc", 'q"', "a,b", "a;b", "two\nlines"])


@st.composite
def files(draw) -> tuple[list[str], list[list[str]], str, bytes]:
    """Names and rows, and how a writer of CSV files writes them."""
    header = draw(headers)
    rows = draw(st.lists(st.lists(texts, min_size=len(header), max_size=len(header)), max_size=6))
    if draw(st.booleans()):
        rows.insert(
            draw(st.integers(0, len(rows))),
            [draw(unseen.filter(str.isprintable)) + name.upper() for name in header],
        )
    delimiter = draw(st.sampled_from(",;"))
    text = io.StringIO(newline="")
    quoting = draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]))
    csv.writer(text, delimiter=delimiter, quoting=quoting, lineterminator="\n").writerows(
        [header, *rows]
    )
    end = draw(st.sampled_from(["\n", "\r\n"]))
    written = re.sub("\r?\n", end, text.getvalue())
    mark = b"\xef\xbb\xbf" if draw(st.booleans()) else b""
    return header, rows, delimiter, mark + written.encode()


# -- a reader of four functions that shares nothing with ours -----------------------------------------------------------


def plain(name: str) -> str:
    return re.sub("[ \t]*[\r\n]+[ \t]*", " ", name).strip(UNSEEN)


def expected_of(
    content: bytes, delimiter: str
) -> tuple[list[str], list[list[str] | None], list[list[int]]]:
    """The names, the cells of each record (None: it repeats the header), and the positions of equal names."""
    rows = list(
        csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""), delimiter=delimiter)
    )
    while rows and not any(cell.strip(BLANK) for cell in rows[0]):
        rows.pop(0)
    if not rows:
        return [], [], []
    header = [plain(name) for name in rows[0]]
    folded = [name.casefold() for name in header]
    equal = [
        [at + 1 for at, other in enumerate(folded) if other == name]
        for name in dict.fromkeys(folded)
        if name
    ]
    records = [row for row in rows[1:] if any(cell.strip(BLANK) for cell in row)]
    repeats = [[plain(cell).casefold() for cell in row] == folded for row in records]
    good = [row for row, is_repeated in zip(records, repeats, strict=True) if not is_repeated]
    kept = [at for at, name in enumerate(header) if name or any(row[at].strip() for row in good)]
    named = {at: header[at] or numbered(at + 1, folded) for at in kept}
    cells = [
        None if repeat else [row[at] for at in kept]
        for row, repeat in zip(records, repeats, strict=True)
    ]
    return list(named.values()), cells, [positions for positions in equal if len(positions) > 1]


def numbered(position: int, taken: list[str]) -> str:
    free = (f"column_{position}{more}" for more in ("", "_2", "_3"))
    return next(name for name in free if name not in taken)


@settings(max_examples=35, deadline=None)
@given(files())
def test_a_header_is_refused_with_all_equal_names_or_its_file_is_read_as_by_a_plain_reader(file):
    _, _, delimiter, content = file
    columns, cells, equal = expected_of(content, delimiter)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "f.csv")
        path.write_bytes(content)
        reading = CsvFile(path, "f.csv", Declared(delimiter, header="first_line"), any_columns=True)
        if equal:
            with pytest.raises(SourceError) as refused:
                list(reading.batches())
            told = re.findall(r"columns ([0-9, and]+) have the same name", str(refused.value))
            assert [[int(number) for number in re.findall("[0-9]+", one)] for one in told] == equal
            return
        records = [record for batch in reading.batches() for record in batch.records.to_dicts()]

    assert reading.columns == columns
    assert [
        None if r["reason"] else [r[f"given.{name}"] for name in columns] for r in records
    ] == cells
    assert {r["reason"] for r in records} <= {None, "READ.REPEATED_HEADER"}
    lines = reading.lines
    assert (
        lines.physical
        == lines.header + lines.skipped + lines.blank + lines.records
        == content.count(b"\n")
    )


@settings(max_examples=35, deadline=None)
@given(files(), st.integers(0, 3), st.booleans())
def test_an_empty_field_more_in_each_record_is_refused_unless_the_header_or_the_job_has_it_too(
    file, blank, is_declared
):
    header, _, delimiter, _ = file
    names = ["external_reference", *(f"col {at}" for at in range(1, len(header)))]
    rows = [[f"A-{at}", *["x"] * (len(names) - 1), ""] for at in range(3)]
    lines = [names, *rows[:1], *([[""] * len(names)] * blank), *rows[1:]]
    content = "".join(delimiter.join(line) + "\n" for line in lines)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "f.csv")
        path.write_text(content)
        reading = CsvFile(
            path, "f.csv", Declared(delimiter, trailing_delimiter=is_declared or None)
        )
        if not is_declared:
            with pytest.raises(SourceError, match="shifted"):
                list(reading.batches())
            path.write_text(content.replace("\n", delimiter + "\n", 1))
            reading = CsvFile(path, "f.csv", Declared(delimiter))
        records = [record for batch in reading.batches() for record in batch.records.to_dicts()]

    assert [[r[f"given.{name}"] for name in reading.columns] for r in records] == [
        row[:-1] for row in rows
    ]
    assert reading.columns == names
