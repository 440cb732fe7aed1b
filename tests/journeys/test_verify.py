"""`pipeline verify`: passes on every run that we make, and names what was changed, also where the hashes were made to fit."""

import csv
import gzip
import hashlib
import json
import re
import shutil
from pathlib import Path

import polars as pl
import pytest

from pipeline.text_sheet import write_text_sheet
from tests.conftest import REPOSITORY, customers_csv

SAMPLES = REPOSITORY / "sample_data"


def run(pipeline, name, *options):
    """A run of a file in the sandbox, and its folder."""
    result = pipeline("run", name, "--sandbox", "--yes", *options)
    assert result.returncode in {0, 1}, result.stderr
    return pipeline.newest()


def verify(pipeline, folder):
    """The exit code of `verify`, and its checks that do not hold."""
    result = pipeline("verify", folder, "--json")
    content = json.loads(result.stdout)
    return result.returncode, {check["what"]: check["found"] for check in content["checks"] if check["holds"] is False}


def open_checks(pipeline, folder):
    content = json.loads(pipeline("verify", folder, "--json").stdout)
    return [check["what"] for check in content["checks"] if check["holds"] is None]


def reseal(folder):
    """Make all hashes fit the files as they are now, as somebody would who knows how."""
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"] = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in manifest["files"]}
    manifest["seal"] = "0" * 64
    text = json.dumps(manifest, indent=2, ensure_ascii=False) + "\n"
    seal = hashlib.sha256(text.encode()).hexdigest()
    (folder / "manifest.json").write_text(text.replace(f'"seal": "{"0" * 64}"', f'"seal": "{seal}"'))


@pytest.fixture(scope="module")
def sample_run(tmp_path_factory):
    """A run of the sample data that nobody changes: tests take copies."""
    from tests.conftest import Inside

    pipeline = Inside(tmp_path_factory.mktemp("verify"))
    shutil.copy(SAMPLES / "customers.csv", pipeline.folder)
    return pipeline, run(pipeline, "customers.csv")


@pytest.fixture
def copied(sample_run, tmp_path):
    """The same run, in a folder that may be changed, with an input of its own."""
    pipeline, folder = sample_run
    mine = tmp_path / folder.name
    shutil.copytree(folder, mine)
    shutil.copy(pipeline.folder / "customers.csv", tmp_path / "customers.csv")
    manifest = json.loads((mine / "manifest.json").read_text())
    manifest["inputs"][0]["path"] = str(tmp_path / "customers.csv")
    (mine / "manifest.json").write_text(json.dumps(manifest))
    reseal(mine)
    return pipeline, mine


@pytest.mark.parametrize(
    ("file", "config"),
    [
        ("customers.csv", None),
        ("merchant_billing/za_kwikwater_dailyfile_2026-11-22.csv", "merchant_billing.yaml"),
        ("legacy_migration/debtors_export.csv", "legacy_migration.yaml"),
        ("nightly/new_customers_2026-11-22.csv", "nightly.yaml"),
    ],
)
def test_a_run_of_each_sample_holds(pipeline, file, config):
    folder = run(pipeline, SAMPLES / file, *(("--config", REPOSITORY / "configs" / config) if config else ()))

    assert verify(pipeline, folder) == (0, {})


def test_a_plan_of_which_nothing_was_sent_holds_too(pipeline):
    pipeline("plan", SAMPLES / "customers.csv")

    assert verify(pipeline, pipeline.newest()) == (0, {})


@pytest.mark.parametrize(
    "written",
    [
        lambda text: text.replace("\n", "\r\n").encode(),
        lambda text: b"\xef\xbb\xbf" + text.encode(),
        lambda text: text.encode("utf-16"),
        lambda text: text.replace("\n", "\r").encode(),
        lambda text: gzip.compress(text.encode()),
        lambda text: text.replace("\n", "\n\n").encode(),
        lambda text: text.removesuffix("\n").encode(),
        lambda text: text.replace("\n", ",\n").encode(),
        lambda text: text.replace("C-3,Cy", "C-3,C\udce9".replace("\udce9", "\xe9")).encode("utf-8"),
    ],
    ids=[
        "crlf",
        "mark",
        "utf-16",
        "cr",
        "gzip",
        "blank lines",
        "no last line end",
        "trailing delimiter",
        "beyond ascii",
    ],
)
def test_a_file_holds_however_it_is_written(pipeline, written):
    text = (
        'external_reference,name,currency,balance\nC-1,"Ann\nof two lines",ZAR,100\nC-2,"Bo ""B""",ZAR,-250\n'
        "C-3,Cy,ZAR,7\nC-3,Cy,ZAR,7\nC-4,Di,ZAR,1.5\n"
    )
    (pipeline.folder / "customers.csv").write_bytes(written(text))

    folder = run(pipeline, "customers.csv")

    assert verify(pipeline, folder) == (0, {})
    assert open_checks(pipeline, folder) == []


def test_unreadable_records_of_one_line_and_of_several_hold(pipeline):
    lines = [
        b"external_reference,name,currency,balance",
        b"C-1,Ann,ZAR,100",
        b"C-2,B\xe9,ZAR,100",
        b"C-3,Cy,ZAR",
        b'C-4,"Di,ZAR,1',
        b"C-5,E\x00d,ZAR,1",
        b'C-6,"F\x01',
        b'g",ZAR,1',
        b"C-7,Hy,ZAR,5",
    ]
    (pipeline.folder / "customers.csv").write_bytes(b"\n".join(lines) + b"\n")

    folder = run(pipeline, "customers.csv")

    assert json.loads((folder / "summary.json").read_text())["fates"]["unreadable"] == 5
    assert verify(pipeline, folder) == (0, {})


def test_parquet_and_workbooks_hold_and_what_is_not_read_again_is_said(pipeline):
    rows = {"external_reference": ["P-1", "P-2"], "currency": ["ZAR", "ZAR"], "balance": ["100", "-5"]}
    pl.DataFrame(rows).write_parquet(pipeline.folder / "customers.parquet")
    write_text_sheet(
        pipeline.folder / "customers.xlsx",
        "customers",
        list(rows),
        pl.DataFrame(rows).rows(),
        ours=[False] * 3,
        too_long="…",
    )

    for name in ("customers.parquet", "customers.xlsx"):
        folder = run(pipeline, name)
        assert verify(pipeline, folder) == (0, {})
        assert any(name.rpartition(".")[2].replace("xlsx", "excel") in what for what in open_checks(pipeline, folder))


def test_rows_that_came_back_hold_where_a_spreadsheet_has_changed_their_cells(pipeline):
    (pipeline.folder / "customers.csv").write_text(
        "external_reference,name,phone,currency,balance\n00123,Ann,0821234567,ZAR,1.5\n00124,Bo,0821234568,ZAR,2.5\n"
    )
    first = run(pipeline, "customers.csv")
    with (first / "rejected.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:  # zeros gone, balance mended
        row |= {
            "external_reference": row["external_reference"].lstrip("0"),
            "balance": "150",
            "phone": row["phone"][1:],
        }
    with (pipeline.folder / "mended.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)

    second = run(pipeline, "mended.csv")

    assert json.loads((second / "summary.json").read_text())["fates"]["created"] == 2
    assert verify(pipeline, second) == (0, {})


def test_one_character_changed_in_any_file_is_named(copied):
    pipeline, folder = copied
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()] + [folder.parent / "customers.csv"]

    for path in files:
        whole = path.read_bytes()
        at = len(whole) // 2
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        code, wrong = verify(pipeline, folder)
        path.write_bytes(whole)

        assert code == 7, path
        assert any(path.name in found for found in wrong.values()), (path.name, wrong)
    assert verify(pipeline, folder) == (0, {})


def test_one_line_removed_from_any_file_is_named(copied):
    pipeline, folder = copied
    texts = [path for path in sorted(folder.iterdir()) if path.suffix in {".csv", ".json", ".html"}]

    for path in [*texts, folder.parent / "customers.csv"]:
        whole = path.read_bytes()
        lines = whole.splitlines(keepends=True)
        path.write_bytes(b"".join([*lines[: len(lines) // 2], *lines[len(lines) // 2 + 1 :]]))
        code, wrong = verify(pipeline, folder)
        path.write_bytes(whole)

        assert code == 7, path
        assert any(path.name in found for found in wrong.values()), (path.name, wrong)


def test_a_file_that_was_added_or_removed_is_named(copied):
    pipeline, folder = copied
    (folder / "created-2.csv").write_text("x\n")
    (folder / "held.csv").unlink()

    code, wrong = verify(pipeline, folder)

    told = wrong["every file of the run is the one that was written"]
    assert code == 7
    assert "held.csv is missing" in told
    assert "created-2.csv is not in the manifest" in told


def edited(path, old, new):
    text = path.read_text()
    assert re.search(old, text), (path, old)
    path.write_text(re.sub(old, new, text, count=1))


def without_a_row(folder):
    edited(folder / "skipped.csv", r"(?<=\n)[^\n]+\n", "")


def of_another_fate(folder):
    edited(folder / "skipped.csv", "duplicate_in_file", "already_exists_same")


def in_two_lists(folder):
    row = (folder / "held.csv").read_text().splitlines()[1]
    (folder / "held.csv").write_text((folder / "held.csv").read_text() + row + "\n")


def with_another_amount(folder):
    edited(folder / "created.csv", r",ZAR,(\d+),", r",ZAR,1\1,")


def with_another_count(folder):
    edited(folder / "summary.json", r'"created": (\d+)', r'"created": 1')


def with_another_sum(folder):
    summary = json.loads((folder / "summary.json").read_text())
    summary["debits"]["ZAR"]["created"] += 1
    (folder / "summary.json").write_text(json.dumps(summary))


def with_another_billing_id(folder):
    edited(folder / "created.csv", "bcus_[A-Za-z0-9]+", "bcus_other")


def with_another_key(folder):
    rows = pl.read_parquet(folder / "rows.parquet")
    key = rows["idempotency_key"].drop_nulls()[0]
    other = "00000000-0000-5000-8000-000000000000"
    rows.with_columns(pl.col("idempotency_key").replace(key, other)).write_parquet(folder / "rows.parquet")
    edited(folder / "created.csv", key, other)


def with_another_text(folder):
    edited(folder / "rejected.csv", r"(?<=,)(\w)(\w+),VALIDATE|(?<=,invalid)", "")


@pytest.mark.parametrize(
    ("lie", "broken"),
    [
        (without_a_row, "every line of the inputs"),
        (of_another_fate, "rows.parquet says"),
        (in_two_lists, "every record stands in one list"),
        (with_another_amount, "every line of the inputs"),
        (with_another_count, "records read = sum over fates"),
        (with_another_sum, "the sums of balances"),
        (with_another_billing_id, "rows.parquet says"),
        (with_another_key, "every idempotency key"),
    ],
)
def test_a_lie_whose_hashes_were_made_to_fit_is_found_by_what_it_says(copied, lie, broken):
    pipeline, folder = copied
    lie(folder)
    reseal(folder)

    code, wrong = verify(pipeline, folder)

    assert code == 7
    assert any(what.startswith(broken) for what in wrong), wrong


def test_an_input_line_that_no_list_has_is_named_by_its_number(copied):
    pipeline, folder = copied
    source = folder.parent / "customers.csv"
    source.write_bytes(source.read_bytes() + b"EXTRA-1,Eve,,,ZAR,5,,,\n")
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["inputs"][0]["sha256"] = hashlib.sha256(source.read_bytes()).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(manifest))
    reseal(folder)

    code, wrong = verify(pipeline, folder)

    assert code == 7
    assert any("customers.csv: line 1371" in found for found in wrong.values()), wrong


def test_what_fell_under_retention_is_said_and_no_fault(copied):
    pipeline, folder = copied
    shutil.rmtree(folder / "staged")

    code, wrong = verify(pipeline, folder)

    assert (code, wrong) == (0, {})
    assert "the staged files are those that were written" in open_checks(pipeline, folder)


def test_an_input_that_is_gone_is_named(copied):
    pipeline, folder = copied
    (folder.parent / "customers.csv").unlink()

    code, wrong = verify(pipeline, folder)

    assert code == 7
    assert "customers.csv is the file that was read" in wrong


def test_verify_prints_each_check_and_what_it_comes_to(sample_run):
    pipeline, folder = sample_run

    result = pipeline("verify", folder.name)

    assert result.returncode == 0
    assert result.stdout.splitlines()[-1].startswith(f"{folder.name}: 1200 records")
    assert Path(folder).is_dir()


def test_a_carriage_return_put_into_the_middle_of_a_line_is_named_and_no_fault_of_ours(pipeline):
    source = customers_csv(pipeline.folder / "customers.csv", 3)
    folder = run(pipeline, "customers.csv")
    source.write_text(source.read_text().replace("Person 1", "Person\r1"), newline="")

    code, wrong = verify(pipeline, folder)

    assert code == 7
    assert any("line 3" in found for found in wrong.values()), wrong


@pytest.mark.parametrize("at", [0, 1, -5, -9])
def test_a_table_that_is_none_any_more_is_named_and_no_fault_of_ours(pipeline, at):
    customers_csv(pipeline.folder / "customers.csv", 3)
    folder = run(pipeline, "customers.csv")
    path = folder / "rows.parquet"
    content = bytearray(path.read_bytes())
    content[at] ^= 0x40
    path.write_bytes(content)

    code, wrong = verify(pipeline, folder)

    assert code == 7
    assert any("rows.parquet was changed" in found for found in wrong.values()), wrong
