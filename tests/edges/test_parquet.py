"""Parquet files through `in_order` and `read`: every row one record, every value exact text, or a refusal that says why."""

import datetime as dt
import hashlib
import os
import struct
from decimal import Decimal
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from pipeline.domain.column_mapping import Layout
from pipeline.domain.file_issues import FileIssue
from pipeline.errors import SourceError
from pipeline.sources import BATCH_BYTES, Lines, ParquetFile, SourceFile, in_order, read
from pipeline.sources.int96 import exact_moments

MIB = 1 << 20
TABLE = {
    "external_reference": ["a-1", "b-1", "c-1"],
    "name": ["Ann", None, ""],
    "note": ["x", "y,z", 'say "hi"'],
}
LAYOUT = Layout.model_validate(
    {
        "external_reference": "id",
        "name": "who",
        "balance": {"column": "owed", "unit": "major"},
        "billing_id": "theirs",
        "metadata": {"plan": "tariff"},
    }
)


def parquet_of(folder: Path, columns: dict, name: str = "customers.parquet", **options) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(pa.table(columns), path, **options)
    return path


def records_of(*paths: Path, batch_bytes: int = BATCH_BYTES, layout: Layout | None = None):
    files = in_order(list(paths), layout=layout)
    return files, [row for _, batch in read(files, batch_bytes) for row in batch.records.to_dicts()]


def texts_of(
    folder: Path, values: pa.Array, column: str = "metadata.x", **options
) -> list[str | None]:
    references = [f"a-{n}" for n in range(len(values))]
    _, records = records_of(
        parquet_of(folder, {"external_reference": references, column: values}, **options)
    )
    return [record[f"given.{column}"] for record in records]


def cells(record: dict) -> list[str | None]:
    return [text for column, text in record.items() if column.startswith("given.")]


def refusal_of(*paths: Path, layout: Layout | None = None) -> str:
    with pytest.raises(SourceError) as refused:
        records_of(*paths, layout=layout)
    return str(refused.value)


# -- records ----------------------------------------------------------------------------------------------------------


def test_every_row_is_a_record_named_by_its_number_and_absent_values_stay_absent(tmp_path):
    (file,), records = records_of(parquet_of(tmp_path, TABLE))

    assert [(r["position"], r["row_id"], r["line"], r["line_count"]) for r in records] == [
        (0, "customers.parquet#1", 1, 1),
        (1, "customers.parquet#2", 2, 1),
        (2, "customers.parquet#3", 3, 1),
    ]
    assert [cells(r) for r in records] == [
        ["a-1", "Ann", "x"],
        ["b-1", None, "y,z"],
        ["c-1", "", 'say "hi"'],
    ]
    assert [(r["reason"], r["text"]) for r in records] == [(None, None)] * 3
    assert file.lines == Lines(physical=3, header=0, blank=0, records=3)


def test_a_parquet_file_that_was_read_is_described_by_its_size_and_hash(tmp_path):
    path = parquet_of(tmp_path, TABLE)

    (file,), _ = records_of(path)

    assert (file.format, file.header) == ("parquet", ("external_reference", "name", "note"))
    assert file.size == path.stat().st_size
    assert file.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("batch_bytes", [1, 50, 1000])
@pytest.mark.parametrize("row_group_size", [1, 7, 1000])
def test_batches_and_row_groups_change_nothing_that_is_read(tmp_path, batch_bytes, row_group_size):
    columns = {
        "external_reference": [f"a-{n}" for n in range(50)],
        "name": pa.array([f"name {n % 3}" for n in range(50)]).dictionary_encode(),
        "balance": pa.array([Decimal(n) / 4 for n in range(50)], pa.decimal128(9, 2)),
        "note": [None if n % 4 else "\0" * (n % 8) for n in range(50)],
    }
    path = parquet_of(tmp_path, columns, row_group_size=row_group_size)

    (file,), records = records_of(path, batch_bytes=batch_bytes)

    whole = records_of(path)
    assert records == whole[1]
    assert file.lines == whole[0][0].lines == Lines(physical=50, records=50)


def test_small_batches_are_small(tmp_path):
    path = parquet_of(tmp_path, {"external_reference": [f"a-{n}" for n in range(100)]})

    heights = [batch.records.height for _, batch in read(in_order([path]), batch_bytes=1)]

    assert heights == [1] * 100


def test_every_batch_has_the_columns_and_types_that_those_of_a_csv_file_have(tmp_path):
    csv = tmp_path / "customers.csv"
    csv.write_text("external_reference,name,note\na-1,Ann,x\n")
    paths = [csv, parquet_of(tmp_path, {**TABLE, "note": ["\0", None, "x"]})]

    schemas = {
        tuple(batch.records.schema.items()) for _, batch in read(in_order(paths), batch_bytes=1)
    }

    assert len(schemas) == 1
    assert {dtype for column, dtype in next(iter(schemas)) if column.startswith("given.")} == {
        pl.String
    }


def test_a_parquet_file_without_rows_has_a_header_and_no_records(tmp_path):
    (file,), records = records_of(
        parquet_of(tmp_path, {"external_reference": pa.array([], pa.string())})
    )

    assert records == []
    assert (file.header, file.lines) == (("external_reference",), Lines())


def test_columns_that_an_earlier_run_added_are_dropped_for_every_type(tmp_path):
    table = {
        "_import_row_id": [[1.5], None, []],
        **TABLE,
        "_import_text": ["\0", b"\xff".decode("latin-1"), None],
    }

    (file,), records = records_of(parquet_of(tmp_path, table))

    assert file.columns == list(TABLE)
    assert cells(records[1]) == ["b-1", None, "y,z"]


def test_csv_and_parquet_may_be_mixed_in_one_run(tmp_path):
    csv = tmp_path / "b.csv"
    csv.write_text("external_reference,name,note\nd-1,Dan,x\nbroken\n")
    before, after = (
        parquet_of(tmp_path, TABLE, "a.parquet"),
        parquet_of(tmp_path, TABLE, "c.parquet"),
    )

    files, records = records_of(after, csv, before)

    assert [file.format for file in files] == ["parquet", "csv", "parquet"]
    assert [r["row_id"] for r in records] == [
        *(f"a.parquet#{n}" for n in (1, 2, 3)), "b.csv:2", "b.csv:3", *(f"c.parquet#{n}" for n in (1, 2, 3)),
    ]  # fmt: skip
    assert [r["position"] for r in records] == list(range(8))


def test_a_parquet_file_with_other_columns_than_the_csv_file_beside_it_is_refused(tmp_path):
    csv = tmp_path / "a.csv"
    csv.write_text("external_reference,note,name\n")

    assert "share one header" in refusal_of(csv, parquet_of(tmp_path, TABLE, "b.parquet"))


def test_all_readers_keep_the_contract_of_a_source_file(tmp_path):
    csv = tmp_path / "a.csv"
    csv.write_text("external_reference\n")
    files: list[SourceFile] = [*in_order([csv, parquet_of(tmp_path, TABLE)])]

    promised = {
        name
        for name in [*SourceFile.__annotations__, *vars(SourceFile)]
        if not name.startswith("_")
    }

    assert promised == {
        "path",
        "name",
        "lines",
        "sha256",
        "size",
        "header",
        "findings",
        "footer",
        "format",
        "written",
        "why",
        "unsendable",
        "columns",
        "batches",
    }
    assert [name for file in files for name in promised if not hasattr(file, name)] == []


def test_an_invalid_time_of_day_refuses_its_column_and_never_becomes_text(tmp_path):
    times = pa.array([-13_899_000, 0], pa.int32()).view(pa.time32("ms"))
    path = parquet_of(tmp_path, {"external_reference": ["a", "b"], "at": times})

    with pytest.raises(SourceError, match="column 'at'"):
        records_of(path)


# -- values as text ---------------------------------------------------------------------------------------------------

UTC = dt.UTC
D = Decimal
EXACT = {
    "text": (pa.array(["00123", "=1+1", "é😀", "", None, "a\nb\tc"]), ["00123", "=1+1", "é😀", "", None, "a\nb\tc"]),
    "large text": (pa.array(["00123", None], pa.large_string()), ["00123", None]),
    "text in views": (pa.array(["short", "longer than twelve", None], pa.string_view()), ["short", "longer than twelve", None]),
    "text in a dictionary": (pa.array(["gold", None, "gold"]).dictionary_encode(), ["gold", None, "gold"]),
    "integers": (pa.array([0, -5, 2**63 - 1, None]), ["0", "-5", "9223372036854775807", None]),
    "unsigned integers": (pa.array([2**64 - 1], pa.uint64()), ["18446744073709551615"]),
    "small integers": (pa.array([-128, 127], pa.int8()), ["-128", "127"]),
    "integers in a dictionary": (pa.array([7, None, 7]).dictionary_encode(), ["7", None, "7"]),
    "decimals": (pa.array([D("240"), D("-0.01"), D("0"), None], pa.decimal128(10, 2)), ["240.00", "-0.01", "0.00", None]),
    "decimals of 76 digits": (pa.array([D("9" * 74 + ".25")], pa.decimal256(76, 2)), ["9" * 74 + ".25"]),
    "decimals without a scale": (pa.array([D("1E+3")], pa.decimal128(38, 0)), ["1000"]),
    "decimals of six places": (pa.array([D("0.000001"), D(0)], pa.decimal128(9, 6)), ["0.000001", "0.000000"]),
    "decimals of many places": (
        pa.array([D("0.00000001"), D("-0.00000001"), D(0), D("12.5"), None], pa.decimal128(12, 8)),
        ["0.00000001", "-0.00000001", "0.00000000", "12.50000000", None],
    ),
    "wide decimals of many places": (pa.array([D("-1.5E-10")], pa.decimal256(60, 11)), ["-0.00000000015"]),
    "days": (pa.array([dt.date(2026, 3, 1), dt.date(1, 1, 1), None]), ["2026-03-01", "0001-01-01", None]),
    "days in milliseconds": (pa.array([dt.date(2026, 3, 1)], pa.date64()), ["2026-03-01"]),
    "Booleans": (pa.array([True, False, None]), ["true", "false", None]),
    "times as on a wall": (
        pa.array([dt.datetime(2026, 3, 1, 12, 30), dt.datetime(2026, 3, 1, 0, 0, 0, 250000)]),  # noqa: DTZ001
        ["2026-03-01T12:30:00", "2026-03-01T00:00:00.250000"],
    ),
    "moments": (
        pa.array([dt.datetime(2026, 3, 1, 12, 30, tzinfo=UTC), None], pa.timestamp("ms", "Africa/Johannesburg")),
        ["2026-03-01T12:30:00Z", None],
    ),
    "nanoseconds": (pa.array([1], pa.int64()).view(pa.timestamp("ns")), ["1970-01-01T00:00:00.000000001"]),
    "times of day": (pa.array([dt.time(8, 5), None], pa.time32("s")), ["08:05:00", None]),
    "nothing at all": (pa.array([None, None]), [None, None]),
}  # fmt: skip


@pytest.mark.parametrize(("values", "expected"), EXACT.values(), ids=EXACT.keys())
@pytest.mark.parametrize(
    "options", [{}, {"store_schema": False}, {"use_dictionary": False, "data_page_version": "2.0"}]
)
def test_a_sent_value_has_one_canonical_text(tmp_path, values, expected, options):
    assert texts_of(tmp_path, values, **options) == expected


INT96 = {"use_deprecated_int96_timestamps": True}
#: Moments around 1970, the ends of what nanoseconds in 64 bits reach, and far outside of that.
SECONDS = [(dt.datetime(year, 1, 1) - dt.datetime(1970, 1, 1)) // dt.timedelta(seconds=1) + second  # noqa: DTZ001
           for year in (1, 1066, 1582, 1676, 1677, 1678, 1899, 1969, 1970, 1971, 2026, 2262, 2263, 2900, 9999)
           for second in (-1, 0, 1, 86_399) if (year, second) != (1, -1)]  # fmt: skip
MOMENTS = [(seconds, micro) for seconds in SECONDS for micro in (0, 1, 250_000, 999_999)]


def written(seconds: int, fraction: str) -> str:
    moment = dt.datetime(1970, 1, 1) + dt.timedelta(seconds=seconds)  # noqa: DTZ001
    return moment.isoformat() + fraction * (fraction.strip(".0") != "")


def test_int96_moments_of_all_years_are_read_with_the_right_date_and_fraction(tmp_path):
    micros = [seconds * 10**6 + micro for seconds, micro in MOMENTS]
    values = pa.array([*micros, None], pa.int64()).view(pa.timestamp("us"))

    texts = texts_of(tmp_path, values, row_group_size=100, **INT96)

    assert texts == [*(written(seconds, f".{micro:06}000") for seconds, micro in MOMENTS), None]


@given(st.lists(st.tuples(st.sampled_from(SECONDS), st.integers(0, 10**9 - 1)), min_size=1))
@settings(max_examples=18, deadline=None)
def test_nanoseconds_that_wrapped_around_still_give_the_exact_fraction(moments):
    wrapped = [(seconds * 10**9 + nano + 2**63) % 2**64 - 2**63 for seconds, nano in moments]

    texts = exact_moments(
        pa.array([seconds for seconds, _ in moments], pa.timestamp("s")),
        pa.array(wrapped, pa.timestamp("ns")),
    )

    assert texts.to_pylist() == [written(seconds, f".{nano:09}") for seconds, nano in moments]


def test_int96_columns_are_read_beside_other_columns_and_in_any_batches(tmp_path):
    days = pa.array(
        [day * 86_400 * 10**6 for day in range(-200_000, 180_000, 40)], pa.timestamp("us")
    )
    columns = {
        "when": days,
        "external_reference": [str(n) for n in range(len(days))],
        "metadata.x": days,
        "z": days,
    }
    path = parquet_of(tmp_path, columns, row_group_size=3_000, **INT96)

    records = [
        cells(row)
        for _, batch in read(in_order([path]), 1 << 14)
        for row in batch.records.to_dicts()
    ]

    first = dt.date(1970, 1, 1)
    dates = [f"{first + dt.timedelta(days=day)}T00:00:00" for day in range(-200_000, 180_000, 40)]
    assert records == [[date, str(n), date, date] for n, date in enumerate(dates)]


def test_an_int96_moment_that_has_no_text_is_refused_by_the_name_of_its_column(tmp_path):
    year_40_000 = pa.array([1_200_000_000_000 * 10**6], pa.timestamp("us"))

    message = refusal_of(
        parquet_of(tmp_path, {"external_reference": ["a-1"], "metadata.x": year_40_000}, **INT96)
    )

    assert message == (
        f"{tmp_path}/customers.parquet: column 'metadata.x' holds a timestamp[ns] that cannot be written as text; "
        "nothing was sent. Write the column as text"
    )


@pytest.mark.parametrize("day", [-25_567, 0, 20_787, 84_005])
def test_an_int96_moment_that_may_be_a_time_of_day_below_zero_is_refused(tmp_path, day):
    """Arrow takes the nanoseconds of the day for unsigned, and so finds a moment 584 years later."""
    path = parquet_of(tmp_path, {"external_reference": ["a-1"], "metadata.x": pa.array([0], pa.timestamp("us"))}, compression="none", use_dictionary=False, **INT96)  # fmt: skip
    stored = struct.pack("<qI", 0, 2_440_588)
    content = path.read_bytes()
    assert content.count(stored)
    path.write_bytes(content.replace(stored, struct.pack("<qI", -1, 2_440_588 + day)))

    assert "column 'metadata.x' holds a timestamp[ns] that cannot be written as text" in refusal_of(
        path
    )


def test_a_footer_that_states_other_rows_than_its_row_groups_is_refused(tmp_path):
    path = parquet_of(tmp_path, {"external_reference": [f"a-{n}" for n in range(47)]})
    content = path.read_bytes()
    # A compact field of 64 bits is zigzag: 47 is 94. The first in the footer is the number of all rows.
    at = content.index(b"\x16\x5e\x19")
    path.write_bytes(content[:at] + b"\x16\x00" + content[at + 2 :])

    assert "its footer states 0 rows, and its row groups 47; nothing was sent" in refusal_of(path)


def test_a_row_group_of_which_one_column_holds_fewer_values_than_it_states_is_refused(tmp_path):
    columns = {
        "external_reference": [f"a-{n}" for n in range(5)],
        "balance": pa.array(range(5), pa.int64()),
    }
    path = parquet_of(
        tmp_path, columns, compression="none", use_dictionary=False, write_statistics=False
    )
    content = path.read_bytes()
    # The header of the last page: a data page of 5 values, which zigzag makes 10. Arrow ends all columns with the shortest.
    at = content.rindex(b"\x2c\x15\x0a\x15\x00")
    path.write_bytes(content[:at] + b"\x2c\x15\x00\x15\x00" + content[at + 5 :])

    assert (
        "row group 1 states 5 rows, and 0 can be read: a column ends before the others"
        in refusal_of(path)
    )


KEPT = {
    "floats": (pa.array([0.1, 240.0, None]), ["0.1", "240.0", None]),
    "small floats": (pa.array([0.1], pa.float32()), ["0.1"]),
    "bytes that are UTF-8": (pa.array(["Zoë".encode(), None, b""]), ["Zoë", None, ""]),
    "bytes of a fixed size": (pa.array([b"ab"], pa.binary(2)), ["ab"]),
    "durations": (pa.array([5], pa.duration("ms")), ["5ms"]),
}


@pytest.mark.parametrize(("values", "expected"), KEPT.values(), ids=KEPT.keys())
def test_a_column_that_is_not_sent_may_be_of_any_type_and_is_kept_as_text(
    tmp_path, values, expected
):
    texts = texts_of(tmp_path, values, column="note")

    assert texts == expected


# -- types that are refused -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [pa.float64(), pa.float32(), pa.float16()])
def test_floats_for_money_or_references_are_refused_by_name_and_type_all_at_once(tmp_path, dtype):
    values = pa.array([1.0]).cast(dtype)
    columns = {
        "external_reference": values,
        "name": values,
        "balance": values,
        "billing_id": values,
        "note": values,
    }

    message = refusal_of(parquet_of(tmp_path, columns))

    assert message == (
        f"{tmp_path}/customers.parquet: its columns cannot be used: "
        f"column 'external_reference' is {dtype}: floats cannot hold references exactly; write it as decimal or text; "
        f"column 'name' is {dtype}: the text of a float is not exact; write it as decimal or text; "
        f"column 'balance' is {dtype}: floats cannot hold money exactly; write it as decimal or text; "
        f"column 'billing_id' is {dtype}: floats cannot hold references exactly; write it as decimal or text. "
        "Found: external_reference, name, balance, billing_id, note"
    )


def test_with_a_layout_the_mapped_columns_are_the_ones_that_may_not_be_floats(tmp_path):
    ones = pa.array([1.0])
    columns = {
        "id": ones,
        "who": ["Ann"],
        "owed": ones,
        "theirs": ["b"],
        "tariff": ones,
        "balance": ones,
    }

    message = refusal_of(parquet_of(tmp_path, columns), layout=LAYOUT)

    assert (
        "column 'id' (mapped to external_reference) is double: floats cannot hold references exactly"
        in message
    )
    assert (
        "column 'owed' (mapped to balance) is double: floats cannot hold money exactly" in message
    )
    assert (
        "column 'tariff' (mapped to metadata.plan) is double: the text of a float is not exact"
        in message
    )
    assert "'balance' is" not in message


def test_floats_inside_a_dictionary_are_floats(tmp_path):
    columns = {"external_reference": ["a"], "balance": pa.array([1.5]).dictionary_encode()}

    assert "floats cannot hold money exactly" in refusal_of(parquet_of(tmp_path, columns))


@pytest.mark.parametrize(
    "values",
    [[["Ann"]], [{"first": "Ann"}], pa.array([5], pa.duration("ms"))],
    ids=["list", "struct", "duration"],
)
def test_a_mapped_column_of_a_type_that_has_no_text_is_refused_naming_the_type(tmp_path, values):
    path = parquet_of(tmp_path, {"external_reference": ["a"], "name": pa.array(values)})

    message = refusal_of(path)

    assert (
        f"column 'name' is {parquet.read_schema(path).field('name').type}: a text, a number or a date is expected"
        in message
    )


def test_one_message_names_faults_of_names_and_types(tmp_path):
    columns = {
        "id": pa.array([1.0]),
        "Who": ["Ann"],
        "owing": ["1"],
        " note": ["x"],
        "Theirs": ["x"],
    }

    message = refusal_of(parquet_of(tmp_path, columns), layout=LAYOUT)

    said = [
        "no column 'who' (mapped to name; did you mean 'Who'?)", "no column 'owed' (mapped to balance", "no column 'tariff'",
        "column 'id' (mapped to external_reference) is double", "Found: id, Who",
    ]  # fmt: skip
    assert [part for part in said if part not in message] == []


# -- names of columns -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["external_reference", "name", "name"], "columns 2 and 3 have the same name: 'name'"),
        (["external_reference", "Name", "name"], "columns 2 and 3 have the same name but for case"),
        (["external_reference", "Email"], "'Email' must be written 'email'"),
        (["external_reference", "na\x01me"], "control character stands in the name of column 2"),
        (
            ["external_referense"],
            "no column 'external_reference' (did you mean 'external_referense'?)",
        ),
        (["_import_row_id"], "no column 'external_reference'"),
        ([], "no column 'external_reference'"),
    ],
)
def test_names_that_cannot_be_trusted_are_refused_as_in_a_csv_file(tmp_path, names, said):
    table = pa.Table.from_arrays([pa.array(["x"])] * len(names), names=names)
    path = tmp_path / "customers.parquet"
    parquet.write_table(table, path)

    assert said in refusal_of(path)


def test_names_that_look_like_personal_data_are_not_repeated(tmp_path):
    message = refusal_of(
        parquet_of(
            tmp_path, {"a-1": ["b-1"], "Ann Secret": ["Ben"], "ann@example.com": ["b@example.com"]}
        )
    )

    assert "looks like a record" in message
    assert [word for word in ("Secret", "ann@") if word in message] == []


def test_a_dot_in_a_name_does_not_lead_into_another_column(tmp_path):
    columns = {
        "external_reference": ["a"],
        "metadata": [{"plan": "nested"}],
        "metadata.plan": ["flat"],
        "a": ["x"],
        "a.b": ["y"],
    }

    (file,), records = records_of(parquet_of(tmp_path, columns))

    assert cells(records[0]) == ["a", "flat", "x", "y"]
    assert file.columns == ["external_reference", "metadata.plan", "a", "a.b"]


@pytest.mark.parametrize("second", ["", " ", "\u200b"])
@pytest.mark.parametrize("first", ["", "\ufeff", "\t"])
def test_unnamed_columns_get_a_name_by_position_and_are_ignored_if_empty(tmp_path, first, second):
    values = [
        ["a-1", "b-1"],
        ["x", None],
        ["Ann", "Ben"],
        [" ", None],
        [1, 2],
        pa.array([None, None]),
    ]
    names = ["external_reference", first, "name", second, first, second]
    path = tmp_path / "customers.parquet"
    parquet.write_table(
        pa.Table.from_arrays([pa.array(column) for column in values], names=names), path
    )

    (file,), records = records_of(path)

    assert file.columns == ["external_reference", "column_2", "name", "column_5"]
    assert [cells(row) for row in records] == [["a-1", "x", "Ann", "1"], ["b-1", None, "Ben", "2"]]
    assert file.written == {"columns_ignored": "4, 6", "columns_without_name": "column_2, column_5"}
    assert [finding.what for finding in file.findings] == ["customers.parquet: column_2, column_5"]


def test_an_unnamed_column_is_ignored_only_where_all_row_groups_are_empty(tmp_path):
    rest = [""] * 9
    for column, expected in (
        ([*rest, "x"], ["external_reference", "column_2"]),
        ([*rest, ""], ["external_reference"]),
    ):
        path = parquet_of(
            tmp_path, {"external_reference": list("abcdefghij"), "": column}, row_group_size=3
        )
        (file,), records = records_of(path)
        assert (file.columns, len(records)) == (expected, 10)


def test_nested_columns_without_a_name_are_left_out_beside_others(tmp_path):
    columns = [["a-1"], [{"x": 1, "y": [2]}], ["x"], [[1]]]
    table = pa.Table.from_arrays(
        [pa.array(column) for column in columns], ["external_reference", "", "", ""]
    )
    parquet.write_table(table, tmp_path / "customers.parquet")

    (file,), records = records_of(tmp_path / "customers.parquet")

    assert (file.columns, cells(records[0])) == (["external_reference", "column_3"], ["a-1", "x"])
    assert file.unsendable == {
        "column_2": "struct<x: int64, y: list<element: int64>>: not a text, a number or a date",
        "column_4": "list<element: int64>: not a text, a number or a date",
    }


@pytest.mark.parametrize(
    "name", [" balance", "balance ", "\ufeffbalance", "balance\u00a0", "\nbalance"]
)
def test_floats_are_refused_by_the_trimmed_name_of_their_column(tmp_path, name):
    message = refusal_of(parquet_of(tmp_path, {"external_reference": ["a"], name: pa.array([1.5])}))

    assert "column 'balance' is double: floats cannot hold money exactly" in message


def test_a_mapped_column_with_spaces_around_its_name_is_judged_by_its_type(tmp_path):
    columns = {
        " id ": ["a"],
        "who": ["Ann"],
        "owed\u00a0": pa.array([1.5]),
        "theirs": ["b"],
        " tariff": [["x"]],
    }

    message = refusal_of(parquet_of(tmp_path, columns), layout=LAYOUT)

    assert "column 'owed' (mapped to balance) is double" in message
    assert "column 'tariff' (mapped to metadata.plan) is list" in message


@pytest.mark.parametrize("columns", [{"s": [{"a": 1}]}, {"": ["", None]}, {"s": [[1]], "": [None]}])
def test_a_file_without_any_column_of_text_is_refused(tmp_path, columns):
    (file,) = in_order([parquet_of(tmp_path, columns)], any_columns=True)

    with pytest.raises(
        SourceError, match="no column of it holds texts, numbers or dates; nothing was sent"
    ):
        list(file.batches())


# -- columns that are no text -----------------------------------------------------------------------------------------

NO_TEXT = {
    "lists": pa.array([[1, None], []]),
    "structs": pa.array([{"plan": "gold", "raw": b"x"}, None]),
    "lists of structs": pa.array([[{"a": [1]}], None]),
    "maps": pa.array([[("a", 1)], None], pa.map_(pa.string(), pa.int32())),
    "bytes that are not UTF-8": pa.array([b"Ann", b"\xff"]),
    "bytes that hold control characters": pa.array([b"Ann", b"\x00\x01"]),
    "fixed bytes that are not UTF-8": pa.array([b"ab", b"\xff\xfe"], pa.binary(2)),
}


@pytest.mark.parametrize("values", NO_TEXT.values(), ids=NO_TEXT.keys())
@pytest.mark.parametrize("column", ["note", "a.b", "^.*$"])
def test_an_unmapped_column_that_is_not_text_is_left_out_and_named(tmp_path, values, column):
    path = parquet_of(
        tmp_path, {"external_reference": ["a", "b"], column: values, "name": ["Ann", "Ben"]}
    )

    (file,), records = records_of(path)

    assert file.columns == ["external_reference", "name"]
    assert [cells(record) for record in records] == [["a", "Ann"], ["b", "Ben"]]
    (finding,) = file.findings
    assert finding.issue is FileIssue.COLUMNS_NOT_KEPT
    assert finding.is_warning
    assert f"{column!r} ({parquet.read_schema(path).field(column).type})" in finding.what


@pytest.mark.parametrize("values", NO_TEXT.values(), ids=NO_TEXT.keys())
def test_a_column_that_is_no_text_is_refused_by_name_and_type_where_it_is_mapped(tmp_path, values):
    path = parquet_of(tmp_path, {"external_reference": ["a", "b"], "metadata.x": values})

    assert (
        f"column 'metadata.x' is {parquet.read_schema(path).field('metadata.x').type}"
        in refusal_of(path)
    )


def test_bytes_that_are_utf_8_are_text_in_every_mapped_column(tmp_path):
    columns = {
        "external_reference": [b"a-1"],
        "name": ["Zoë".encode()],
        "metadata.x": pa.array([b"y"], pa.large_binary()),
    }

    _, records = records_of(parquet_of(tmp_path, columns))

    assert cells(records[0]) == ["a-1", "Zoë", "y"]


def test_bytes_are_judged_over_all_row_groups(tmp_path):
    columns = {"external_reference": [str(n) for n in range(50)], "note": [b"x"] * 49 + [b"\xff"]}

    (file,), _ = records_of(parquet_of(tmp_path, columns, row_group_size=7))

    assert file.columns == ["external_reference"]


# -- files that expand ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("columns", [1, 12])
def test_a_few_bytes_that_expand_to_gigabytes_are_refused_before_expansion(tmp_path, columns):
    values = pa.DictionaryArray.from_arrays(
        pa.array([0] * 5_000, pa.int32()), pa.array(["x" * 200_000])
    )
    table = {
        "external_reference": [str(n) for n in range(5_000)],
        **{f"note{n}": values for n in range(columns)},
    }
    path = parquet_of(tmp_path, table, store_schema=False, compression="zstd")

    assert "expands to more than 100 times its size" in refusal_of(path)


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.binary()])
def test_one_long_text_among_short_ones_is_read_a_few_rows_at_a_time(tmp_path, kind):
    texts = pa.array(["short", "x" * 500_000], pa.string()).cast(kind)
    values = pa.DictionaryArray.from_arrays(pa.array([0] * 900 + [1] * 100, pa.int32()), texts)
    padding = [os.urandom(1000).hex() for _ in range(1000)]
    path = parquet_of(tmp_path, {"external_reference": padding, "note": values}, store_schema=False)
    (file,) = in_order([path])

    sizes = [
        batch.records["given.note"].str.len_bytes().sum()
        for batch in file.batches(batch_bytes=4 * MIB)
    ]

    assert (sum(sizes), max(sizes) <= 8 * MIB) == (900 * 5 + 100 * 500_000, True)


def test_a_column_of_one_text_is_honest_beside_references(tmp_path):
    count = 300_000
    table = pa.table(
        {
            "external_reference": pl.int_range(count, eager=True).cast(pl.String).to_arrow(),
            "currency": ["ZAR"] * count,
        }
    )
    path = tmp_path / "customers.parquet"
    parquet.write_table(table, path, compression="zstd")
    (file,) = in_order([path])

    assert sum(batch.records.height for batch in file.batches()) == count


def test_more_columns_than_a_sheet_has_are_refused(tmp_path):
    columns = {"external_reference": ["a"], **{f"c{n}": ["x"] for n in range(16_384)}}

    assert "16,385 columns; the limit is 16,384" in refusal_of(parquet_of(tmp_path, columns))


# -- records that cannot be read --------------------------------------------------------------------------------------

UNREADABLE = {
    "NUL": ("B\0en", "READ.CONTROL_CHARACTER", r"b-1,B\x00en,x"),
    "escape": ("B\x1b[1men", "READ.CONTROL_CHARACTER", r"b-1,B\x1b[1men,x"),
    "a C1 control": ("B\x85en", "READ.CONTROL_CHARACTER", r"b-1,B\x85en,x"),
    "a lone CR": ("B\ren", "READ.LONE_CR", r'b-1,"B\x0den",x'),
    "a CR at the end": ("Ben\r", "READ.LONE_CR", r'b-1,"Ben\x0d",x'),
    "quotes and line ends around NUL": (
        'B"\0,\r\n',
        "READ.CONTROL_CHARACTER",
        r'b-1,"B""\x00,\x0d\x0a",x',
    ),
}


@pytest.mark.parametrize(("cell", "reason", "shown"), UNREADABLE.values(), ids=UNREADABLE.keys())
def test_a_control_character_makes_its_record_unreadable_and_no_other(
    tmp_path, cell, reason, shown
):
    columns = {
        "external_reference": ["a-1", "b-1", "c-1"],
        "name": ["An\r\nn", cell, None],
        "note": ["x"] * 3,
    }

    (file,), records = records_of(parquet_of(tmp_path, columns))

    assert [(r["reason"], r["text"]) for r in records] == [
        (None, None),
        (reason, shown),
        (None, None),
    ]
    assert [cells(r) for r in records] == [["a-1", "An\r\nn", "x"], [None] * 3, ["c-1", None, "x"]]
    assert file.lines == Lines(physical=3, records=3)


@pytest.mark.parametrize("in_dictionary", [False, True])
def test_bytes_in_a_text_column_that_are_not_utf8_make_their_record_unreadable_and_no_other(
    tmp_path, in_dictionary
):
    names = pa.array([b"Ann", b"Jos\xe9", None, b"Jos\xc3\xa9"]).view(pa.string())
    columns = {
        "external_reference": ["a", "b", "c", "d"],
        "name": names.dictionary_encode() if in_dictionary else names,
    }

    _, records = records_of(parquet_of(tmp_path, columns))

    assert [(r["reason"], r["text"], r["given.name"]) for r in records] == [
        (None, None, "Ann"),
        ("READ.NOT_UTF8", r"b,Jos\xe9", None),
        (None, None, None),
        (None, None, "José"),
    ]


def test_a_record_of_exactly_1_mib_is_read_and_one_byte_more_is_unreadable(tmp_path):
    long = "é" * (MIB // 2 - 1)
    columns = {"external_reference": ["a", "b", "c"], "note": [long, long + "x", None]}

    _, records = records_of(parquet_of(tmp_path, columns))

    assert [r["reason"] for r in records] == [None, "READ.TOO_LONG", None]
    assert records[1]["text"] == f"b,{long}x"


# -- what is no Parquet file, or none any more ------------------------------------------------------------------------


def test_a_parquet_file_is_recognized_by_content_not_by_name(tmp_path):
    (file,), records = records_of(parquet_of(tmp_path, TABLE, "customers.csv"))

    assert isinstance(file, ParquetFile)
    assert [r["row_id"] for r in records] == [f"customers.csv#{n}" for n in (1, 2, 3)]


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"external_reference\na-1\n", "text of some kind"),
        (b"PK\x03\x04\x14\x00", "ZIP or Excel"),
        (b"PARE\x00\x00", "encrypted Parquet"),
        (b"", "empty file"),
    ],
)
@pytest.mark.parametrize("name", ["customers.parquet", "customers.PARQUET"])
def test_a_file_named_parquet_of_another_kind_is_refused_by_its_kind(tmp_path, content, what, name):
    path = tmp_path / name
    path.write_bytes(content)

    message = refusal_of(path)

    assert f"{path}: this is no Parquet file" in message
    assert what in message


@pytest.mark.parametrize("kept", [4, 5, 11, 0.5, -1, -4, -9])
def test_a_truncated_parquet_file_is_refused_as_damaged(tmp_path, kept):
    path = parquet_of(tmp_path, {"external_reference": [f"a-{n}" for n in range(1000)]})
    content = path.read_bytes()
    path.write_bytes(content[: kept if isinstance(kept, int) else int(len(content) * kept)])

    message = refusal_of(path)

    assert str(path) in message
    assert "damaged" in message


def test_a_parquet_file_with_damaged_pages_is_refused_after_the_whole_ones(tmp_path):
    path = parquet_of(
        tmp_path,
        {"external_reference": [f"a-{n}" for n in range(10_000)]},
        row_group_size=5000,
        compression="none",
        write_page_checksum=True,
    )
    content = bytearray(path.read_bytes())
    offset = parquet.read_metadata(path).row_group(1).column(0).dictionary_page_offset
    content[offset + 200] ^= 1
    path.write_bytes(content)
    batches = read(in_order([path]), batch_bytes=1000)

    _, first = next(batches)

    assert first.records["given.external_reference"][0] == "a-0"
    with pytest.raises(SourceError, match="damaged"):
        list(batches)


def test_damage_of_any_byte_never_shows_as_our_bug(tmp_path):
    path = parquet_of(tmp_path, TABLE, write_page_checksum=True)
    whole = path.read_bytes()
    for at in range(4, len(whole), 3):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x55]) + whole[at + 1 :])

        try:
            (file,), records = records_of(path)
        except SourceError:
            continue

        assert len(records) == file.lines.records


@pytest.mark.parametrize(
    "change",
    [
        lambda path: path.write_bytes(path.read_bytes() + b"x"),
        lambda path: path.write_bytes(b"PAR1"),
        lambda path: os.utime(path, ns=(0, path.stat().st_mtime_ns + 1)),
        lambda path: path.unlink(),
    ],
    ids=["grown", "truncated", "touched", "removed"],
)
def test_a_parquet_file_that_changes_while_it_is_read_is_refused(tmp_path, change):
    path = parquet_of(
        tmp_path, {"external_reference": [f"a-{n}" for n in range(5000)]}, row_group_size=100
    )
    batches = read(in_order([path]), batch_bytes=1000)
    next(batches)

    change(path)

    with pytest.raises(SourceError, match="changed while it was read"):
        list(batches)


def test_a_symbolic_link_to_a_parquet_file_is_refused(tmp_path):
    link = tmp_path / "link.parquet"
    link.symlink_to(parquet_of(tmp_path, TABLE))

    assert "link" in refusal_of(link)
