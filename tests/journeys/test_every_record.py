"""A file full of broken lines: every record in exactly one list, by its physical line, and mended rows find their way back."""

import csv
import json
from pathlib import Path

import polars as pl

from tests.conftest import HEADER

LISTS = ("created", "skipped", "held", "in_doubt", "rejected", "unprocessed")


def broken_file(path: Path) -> tuple[Path, dict[int, str]]:
    """100 good records with 50 broken lines among them; returns the physical line of each broken record -> its reason."""
    broken = [
        *[(b"bad-%d,short", "READ.TOO_FEW_FIELDS")] * 10,
        *[(b"bad-%d,Long,,,ZAR,1,gold,surplus", "READ.TOO_MANY_FIELDS")] * 5,
        *[(b"bad-%d,Long,,,ZAR,1,gold,", "READ.TOO_MANY_FIELDS")] * 5,
        *[(b'bad-%d,5" pipe,,,ZAR,1,gold', "READ.STRAY_QUOTE")] * 5,
        *[(b'bad-%d,"Ann"e,,,ZAR,1,gold', "READ.STRAY_QUOTE")] * 5,
        *[(b'bad-%d,"Ann,,,ZAR,1,gold', "READ.UNCLOSED_QUOTE")] * 3,
        *[(b"bad-%d,Jos\xe9,,,ZAR,1,gold", "READ.NOT_UTF8")] * 6,
        *[(b"bad-%d,nul\x00,,,ZAR,1,gold", "READ.CONTROL_CHARACTER")] * 3,
        *[(b"bad-%d,c\rr,,,ZAR,1,gold", "READ.LONE_CR")] * 2,
        *[(b"", "")] * 4,
        *[(b"   \t", "")] * 2,
    ]
    lines, expected = [HEADER.encode()], {}
    for number in range(100):
        lines.append(b'good-%d,"Zo\xc3\xab, %d",,,ZAR,%d,gold' % (number, number, number))
        if number % 2:
            text, reason = broken[number // 2]
            lines.append(text % number if b"%d" in text else text)
            if reason:
                expected[len(lines)] = reason
    path.write_bytes(b"\r\n".join(lines))
    return path, expected


def test_every_record_of_a_broken_file_is_in_exactly_one_list_by_its_physical_line(
    pipeline, tmp_path
):
    file, expected = broken_file(tmp_path / "broken.csv")

    result = pipeline("run", file, "--sandbox", "--yes", "--json", "--max-rejected", "100%")

    summary = json.loads(result.stdout)
    lists = {name: _rows(pipeline.newest() / f"{name}.csv") for name in LISTS}
    seen = [row["_import_row_id"] for rows in lists.values() for row in rows]
    records = [
        n for n, line in enumerate(file.read_bytes().split(b"\r\n"), 1) if n > 1 and line.strip()
    ]
    assert sorted(seen) == sorted(f"broken.csv:{n}" for n in records)
    assert len(seen) == len(set(seen)) == 144
    rejected = {
        int(row["_import_row_id"].partition(":")[2]): row["_import_reasons"]
        for row in lists["rejected"]
    }
    assert rejected == expected
    assert all(row["_import_text"].startswith("bad-") for row in lists["rejected"])
    assert len(lists["created"]) == 100
    assert summary["records"] == {"read": 144, "header": 1, "skipped": 0, "blank": 6}
    assert summary["accounting"]["holds"]
    assert pl.read_parquet(pipeline.newest() / "rows.parquet")["row_id"].to_list() == sorted(
        seen, key=_line
    )


def test_two_corrected_rows_of_a_resubmitted_list_create_exactly_two_customers(pipeline, tmp_path):
    file = tmp_path / "customers.csv"
    file.write_text(
        f"{HEADER}\n"
        "a-1,Ann,ann@example.com,,ZAR,100,x\n"
        "a-2,Ben,ben@@example.com,,ZAR,200,x\n"
        "a-3,Cleo,,n/a,ZAR,300,x\n"
        "a-4,Dan,,,RAND,400,x\n"
        "a-5,short\n"
    )
    pipeline("run", file, "--sandbox", "--yes")
    first = pipeline.newest()
    mended = (
        (first / "rejected.csv")
        .read_text()
        .replace("ben@@example.com", "ben@example.com")
        .replace("n/a", "0821234567")
    )
    (tmp_path / "mended.csv").write_text(mended)

    result = pipeline("run", tmp_path / "mended.csv", "--sandbox", "--yes", "--json")

    summary = json.loads(result.stdout)
    assert [row["external_reference"] for row in _rows(pipeline.newest() / "created.csv")] == [
        "a-2",
        "a-3",
    ]
    assert summary["fates"]["created"] == 2
    assert summary["fates"]["invalid"] == 2
    assert summary["records"]["read"] == 4
    assert not any(column.startswith("_import_") for column in summary["columns_not_sent"])


def test_a_name_in_the_currency_column_is_summed_separately_and_shown_only_in_lists(
    pipeline, tmp_path
):
    file = tmp_path / "customers.csv"
    file.write_text(
        "external_reference,currency,balance\na-1,Jane Doe,100\na-2,Ann,200\na-3,ZAR,300\n"
    )

    result = pipeline("run", file, "--sandbox", "--yes", "--json")

    summary = json.loads(result.stdout)
    assert {code: sum(fates.values()) for code, fates in summary["sums"].items()} == {
        "?": 300,
        "ZAR": 300,
    }
    assert summary["accounting"]["holds"]
    for name in ("summary.json", "report.html", "manifest.json"):
        assert "JANE" not in (pipeline.newest() / name).read_text().upper()


def test_the_lists_keep_the_suppliers_columns_order_and_text(pipeline, tmp_path):
    file = tmp_path / "customers.csv"
    file.write_text(
        'phone,external_reference,note to self,name\n 082 123 4567 ,x-1,"say ""hi"", bye", Ann \n'
    )

    pipeline("run", file, "--sandbox", "--yes")

    header, row = _raw(pipeline.newest() / "created.csv")
    assert header[:4] == ["phone", "external_reference", "note to self", "name"]
    assert row[:4] == [" 082 123 4567 ", "x-1", 'say "hi", bye', " Ann "]


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _raw(path: Path) -> list[list[str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def _line(row_id: str) -> int:
    return int(row_id.partition(":")[2])
