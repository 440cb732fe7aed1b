"""`pipeline verify`: passes on every run that we make, and names what was changed, also where the hashes were made to fit."""

import csv
import gzip
import hashlib
import json
import os
import re
import shutil
from datetime import date
from decimal import Decimal

import polars as pl
import pytest
from pyarrow import ArrowException

from pipeline.storage.manifest import sealed_json
from pipeline.storage.xlsx import write_text_sheet
from pipeline.verifier import runs
from pipeline.verifier import verify as verified
from tests.conftest import REPOSITORY, Inside, customers_csv

SAMPLES = REPOSITORY / "sample_data"


def run(pipeline, name, *options):
    """A run of a file in the sandbox, and its folder."""
    result = pipeline("run", name, "--sandbox", "--yes", *options)
    assert result.returncode in {0, 1}, result.stderr
    return pipeline.newest()


def plan(pipeline, name, *options):
    """A plan of a file, and its folder: as much is read of it as of a run."""
    result = pipeline("plan", name, "--sandbox", *options)
    assert result.returncode in {0, 1}, result.stderr
    return pipeline.newest()


def verify(pipeline, folder):
    """The exit code of `verify`, and its checks that do not hold."""
    result = pipeline("verify", folder, "--json")
    content = json.loads(result.stdout)
    return result.returncode, {
        check["what"]: check["found"] for check in content["checks"] if check["holds"] is False
    }


def open_checks(pipeline, folder):
    content = json.loads(pipeline("verify", folder, "--json").stdout)
    return [check["what"] for check in content["checks"] if check["holds"] is None]


def reseal(folder):
    """Make all hashes fit the files as they are now, as somebody would who knows how."""
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"] = {
        name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in manifest["files"]
    }
    manifest["seal"] = "0" * 64
    text = json.dumps(manifest, indent=2, ensure_ascii=False) + "\n"
    seal = hashlib.sha256(text.encode()).hexdigest()
    (folder / "manifest.json").write_text(
        text.replace(f'"seal": "{"0" * 64}"', f'"seal": "{seal}"')
    )


pytestmark = pytest.mark.xdist_group("verify")  # one worker, so that the sample runs once


@pytest.fixture(scope="module")
def sample_run(tmp_path_factory):
    """A run of the first lines of the sample, of which each list has rows; nobody changes it: tests take copies."""
    pipeline = Inside(tmp_path_factory.mktemp("verify"))
    lines = (SAMPLES / "customers.csv").read_bytes().splitlines(keepends=True)
    (pipeline.folder / "customers.csv").write_bytes(b"".join(lines[:150]))
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


def test_a_plan_that_sent_nothing_verifies_too(sample_run, pipeline):
    assert verify(pipeline, plan(pipeline, sample_run[0].folder / "customers.csv")) == (0, {})


@pytest.mark.parametrize(
    "written",
    [
        pytest.param(
            lambda text: text.replace("\n", "\r\n").encode(), id="crlf", marks=pytest.mark.long
        ),
        pytest.param(
            lambda text: b"\xef\xbb\xbf" + text.encode(), id="mark", marks=pytest.mark.long
        ),
        pytest.param(lambda text: text.encode("utf-16"), id="utf-16"),
        pytest.param(
            lambda text: text.replace("\n", "\r").encode(), id="cr", marks=pytest.mark.long
        ),
        pytest.param(lambda text: gzip.compress(text.encode()), id="gzip", marks=pytest.mark.long),
        pytest.param(
            lambda text: text.replace("\n", "\n\n").encode(),
            id="blank lines",
            marks=pytest.mark.long,
        ),
        pytest.param(
            lambda text: text.removesuffix("\n").encode(),
            id="no last line end",
            marks=pytest.mark.long,
        ),
        pytest.param(
            lambda text: text.replace("\n", ",\n").encode(),
            id="trailing delimiter",
            marks=pytest.mark.long,
        ),
        pytest.param(
            lambda text: text.replace("C-3,Cy", "C-3,C\udce9".replace("\udce9", "\xe9")).encode(
                "utf-8"
            ),
            id="beyond ascii",
            marks=pytest.mark.long,
        ),
    ],
)
def test_verify_holds_for_every_file_format(pipeline, written):
    text = (
        'external_reference,name,currency,balance\nC-1,"Ann\nof two lines",ZAR,100\nC-2,"Bo ""B""",ZAR,-250\n'
        "C-3,Cy,ZAR,7\nC-3,Cy,ZAR,7\nC-4,Di,ZAR,1.5\n"
    )
    (pipeline.folder / "customers.csv").write_bytes(written(text))

    folder = run(pipeline, "customers.csv")

    assert verify(pipeline, folder) == (0, {})
    assert open_checks(pipeline, folder) == ["the workbooks agree with the page and the lists"]


def test_unreadable_records_of_one_or_several_lines_verify(pipeline):
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

    folder = plan(pipeline, "customers.csv", "--max-rejected", "100%")

    assert json.loads((folder / "summary.json").read_text())["fates"]["unreadable"] == 5
    assert verify(pipeline, folder) == (0, {})


def test_parquet_and_workbooks_hold_and_the_unread_parts_are_listed(pipeline):
    rows = {
        "external_reference": ["P-1", "P-2"],
        "currency": ["ZAR", "ZAR"],
        "balance": ["100", "-5"],
    }
    pl.DataFrame(rows).write_parquet(pipeline.folder / "customers.parquet")
    write_text_sheet(
        pipeline.folder / "customers.xlsx",
        "customers",
        list(rows),
        pl.DataFrame(rows).rows(),
        ours=[False] * 3,
        too_long="…",
    )

    for name, is_read in (("customers.parquet", True), ("customers.xlsx", False)):
        folder = run(pipeline, name)
        assert verify(pipeline, folder) == (0, {})
        assert (
            "the lists have every cell of the inputs" not in open_checks(pipeline, folder)
        ) == is_read


def test_a_cell_or_a_row_of_a_parquet_file_that_is_not_as_listed_is_named(pipeline):
    when, paid = date(2026, 11, 1), [Decimal("1.50"), None]
    rows = {
        "external_reference": ["P-1", "P-2"],
        "currency": ["ZAR"] * 2,
        "balance": [100, -5],
        "since": [when] * 2,
    }
    table = pl.DataFrame({**rows, "paid": paid, "rate": [0.5, 0.25]})
    table.write_parquet(pipeline.folder / "customers.parquet")
    folder = run(pipeline, "customers.parquet")
    assert verify(pipeline, folder) == (0, {})
    found = json.loads(pipeline("verify", folder, "--json").stdout)["checks"]
    assert any("column rate of customers.parquet" in check["found"] for check in found)

    for other, told in ((table.with_columns(balance=pl.Series([101, -5])), "row 1 differs in column balance"),
                        (table.head(1), "row 2 does not exist")):  # fmt: skip
        other.write_parquet(pipeline.folder / "customers.parquet")
        manifest = json.loads((folder / "manifest.json").read_text())
        for path, file in (
            (folder / name, name) for name in ("manifest.json", "plan.json", "summary.json")
        ):
            content = manifest if file == "manifest.json" else json.loads(path.read_text())
            content["inputs"][0]["sha256"] = hashlib.sha256(
                (pipeline.folder / "customers.parquet").read_bytes()
            ).hexdigest()
            path.write_text(json.dumps(content))
        reseal(folder)
        code, wrong = verify(pipeline, folder)
        assert (code, any(told in text for text in wrong.values())) == (7, True), wrong


@pytest.mark.parametrize(
    ("text", "source"),
    [
        (b"Report\n\nexternal_reference,currency,balance\nC-1,ZAR,5\n", "{skip_lines: 2}"),
        (b"external_reference,currency,balance\nC-1,ZAR,5\nTotal: 5\n\n", "{footer_lines: 1}"),
        (b"Report\nexternal_reference,currency,balance\nC-1,ZAR,5\n\nTotal: 5\n", "{skip_lines: 1, footer_lines: 1}"),
        (b"external_reference,currency,balance\r\nC-1,ZAR,5\r\nC-2,ZAR\r", "{}"),
        ("external_reference,currency,balance\nC-1,ZAR,5\nC-2".encode("utf-16")[:-1], "{}"),
        ("external_reference,name,currency,balance\nC-1,\ud800,ZAR,5\nC-2,Bo,ZAR,5\n".encode("utf-16-le", "surrogatepass"), "{encoding: utf-16-le}"),
    ],
    ids=["blank in the preamble", "blank behind the footer", "both", "cut in its last line end", "half a character", "half a pair"],
)  # fmt: skip
def test_a_file_with_unusual_edges_verifies(pipeline, text, source):
    (pipeline.folder / "customers.csv").write_bytes(text)
    (pipeline.folder / "job.yaml").write_text(
        f"environment: sandbox\nmerchant: m\nsource: {source}\n"
    )

    folder = plan(pipeline, "customers.csv", "--config", "job.yaml")

    assert verify(pipeline, folder) == (0, {})


def test_a_row_known_only_as_displayed_is_held(pipeline):
    (pipeline.folder / "customers.csv").write_text(
        "external_reference,name,phone,currency,balance\nA-1,Ann,0821234567,ZAR,1.5\n"
    )
    first = plan(pipeline, "customers.csv", "--max-rejected", "100%")
    (pipeline.folder / "mended.csv").write_text(
        (first / "rejected.csv").read_text().replace("0821234567", "########")
    )

    second = plan(pipeline, "mended.csv", "--max-rejected", "100%")

    assert json.loads((second / "summary.json").read_text())["reasons"][0]["reason"].startswith(
        "READ.CELL_DAMAGED"
    )
    assert verify(pipeline, second) == (0, {})


def test_resubmitted_rows_are_accounted_for_where_a_spreadsheet_changed_cells(pipeline):
    (pipeline.folder / "customers.csv").write_text(
        "external_reference,name,phone,currency,balance\n00123,Ann,0821234567,ZAR,1.5\n00124,Bo,0821234568,ZAR,2.5\n"
    )
    first = plan(pipeline, "customers.csv", "--max-rejected", "100%")
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
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()] + [
        folder.parent / "customers.csv"
    ]

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


def a_folder(path):
    path.mkdir()


def a_link_to_a_device(path):
    path.symlink_to("/dev/zero")


def broken(folder):
    return " ".join(check.found for check in verified(folder).checks if check.holds is False)


@pytest.mark.parametrize(
    "make", [os.mkfifo, a_link_to_a_device, a_folder], ids=["pipe", "device", "folder"]
)
def test_a_pipe_device_or_folder_in_place_of_any_file_is_named(copied, make):
    _, folder = copied
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]

    for path in files:
        path.rename(folder.parent / "whole")
        make(path)
        found = broken(folder)
        path.rmdir() if path.is_dir() else path.unlink()
        (folder.parent / "whole").rename(path)

        assert "not a regular file" in found, path
        assert path.name in found, (path.name, found)
    assert broken(folder) == ""


def test_a_pipe_that_the_manifest_does_not_name_is_named_also_behind_a_link(copied):
    _, folder = copied
    (folder / "staged").rename(folder.parent / "elsewhere")
    (folder / "staged").symlink_to(folder.parent / "elsewhere")
    os.mkfifo(folder.parent / "elsewhere" / "outcomes-00009.parquet")
    os.mkfifo(folder / "accepted.jsonl")

    assert broken(folder) == (
        "accepted.jsonl is not a regular file; staged/outcomes-00009.parquet is not a regular file"
    )


@pytest.mark.parametrize("name", ["differences.csv", "summary.json", "report.html"])
def test_a_pipe_or_a_folder_among_the_files_of_a_reconciliation_is_named(tmp_path, name):
    files = {
        "summary.json": b'{"kind": "reconciliation"}',
        "differences.csv": b"",
        "report.html": b"",
    }
    manifest = {"id": tmp_path.name, "kind": "reconciliation"}
    manifest["files"] = {
        file: hashlib.sha256(content).hexdigest() for file, content in files.items()
    }
    (tmp_path / "manifest.json").write_bytes(sealed_json(manifest))
    for file, content in files.items():
        (tmp_path / file).write_bytes(content)

    for make in (os.mkfifo, os.mkdir):
        (tmp_path / name).rmdir() if (tmp_path / name).is_dir() else (tmp_path / name).unlink()
        make(tmp_path / name)
        assert f"{name} is not a regular file" in broken(tmp_path)


def test_an_input_that_is_a_pipe_now_is_named(copied):
    _, folder = copied
    (folder.parent / "customers.csv").unlink()
    os.mkfifo(folder.parent / "customers.csv")

    assert f"{folder.parent}/customers.csv is not a regular file" in broken(folder)


@pytest.mark.parametrize(
    "refused",
    [
        MemoryError(),
        ArrowException("Failed to launch worker thread: Resource temporarily unavailable"),
    ],
)
def test_a_limit_of_the_machine_is_not_blamed_on_the_files(copied, monkeypatch, refused):
    pipeline, folder = copied

    def refuse(*_given: object) -> None:
        raise refused

    monkeypatch.setattr(runs, "of_accepted", refuse)

    ended = pipeline("verify", folder.name)

    assert (ended.returncode, "BROKEN" in ended.stdout) == (4, False), ended.stderr


def test_a_file_that_was_added_or_removed_is_named(copied):
    pipeline, folder = copied
    (folder / "created-2.csv").write_text("x\n")
    (folder / "held.csv").unlink()

    code, wrong = verify(pipeline, folder)

    told = wrong["every file of the run is unchanged"]
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
    rows.with_columns(pl.col("idempotency_key").replace(key, other)).write_parquet(
        folder / "rows.parquet"
    )
    edited(folder / "created.csv", key, other)


def a_created_row(folder):
    """The header of created.csv, and its first row as a dictionary."""
    with (folder / "created.csv").open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        rows = list(reader)
    return list(reader.fieldnames), rows


def rewritten(folder, header, rows):
    with (folder / "created.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, header, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def with_a_text_in_the_place_of_its_cells(folder):
    header, rows = a_created_row(folder)
    source = (folder.parent / "customers.csv").read_bytes().decode(errors="replace").splitlines()
    rows[0] |= {
        "_import_text": source[int(rows[0]["_import_row_id"].partition(":")[2]) - 1],
        "balance": "999999",
    }
    rewritten(folder, header, rows)


def with_a_cell_that_never_came_back(folder):
    header, rows = a_created_row(folder)
    (row,) = rows[:1]
    with (folder / "returned.csv").open("a") as file:
        file.write(
            f"{row['_import_row_id']},r,{row['_import_row_id']},balance,999999,{row['balance']},x,restored\n"
        )
    row["balance"] = "424242"
    rewritten(folder, header, rows)


def without_its_billing_id(folder):
    header, rows = a_created_row(folder)
    rows[0]["_import_billing_id"] = ""
    rewritten(folder, header, rows)
    table = pl.read_parquet(folder / "rows.parquet")
    is_it = pl.col("row_id") == rows[0]["_import_row_id"]
    table.with_columns(billing_id=pl.when(~is_it).then("billing_id")).write_parquet(
        folder / "rows.parquet"
    )


def with_the_billing_id_of_another(folder):
    header, rows = a_created_row(folder)
    other = rows[1]["_import_billing_id"]
    rows[0]["_import_billing_id"] = other
    rewritten(folder, header, rows)
    table = pl.read_parquet(folder / "rows.parquet")
    is_it = pl.col("row_id") == rows[0]["_import_row_id"]
    table.with_columns(
        billing_id=pl.when(is_it).then(pl.lit(other)).otherwise("billing_id")
    ).write_parquet(folder / "rows.parquet")


def repeating_another_row(folder):
    edited(folder / "skipped.csv", r"(?<=,)customers\.csv:\d+(?=,bcus_)", "customers.csv:2")


def with_an_unknown_reason(folder):
    edited(folder / "rejected.csv", r"VALIDATE\.[A-Z_]+", "VALIDATE.EMAIL_FINE")


def of_another_run(folder):
    edited(folder / "created.csv", f"{folder.name}\n", "20200101T000000Z-customers-000000\n")


def told(folder, change):
    summary = json.loads((folder / "summary.json").read_text())
    change(summary)
    (folder / "summary.json").write_text(json.dumps(summary))


def with_another_net(folder):
    told(folder, lambda summary: summary["sums"]["ZAR"].update(created=1))


def with_another_reading(folder):
    told(folder, lambda summary: summary["read"]["debits"].update(ZAR=1))


def with_another_count_of_a_reason(folder):
    told(folder, lambda summary: summary["reasons"][0].update(rows=1))


def with_another_kind_of_balance(folder):
    told(folder, lambda summary: summary["balances"]["created"].update(zero=0, absent=0))


def with_another_step_of_the_bridge(folder):
    told(folder, lambda summary: summary["bridge"][1]["figures"]["ZAR"].update(sum=-1))


def with_a_clean_exit(folder):
    told(folder, lambda summary: summary.update(exit_code=0))


def with_another_verdict(folder):
    told(folder, lambda summary: summary.update(verdict="1 200 of 1 200 records were created."))


def with_another_page(folder):
    edited(folder / "report.html", "records were created", "records were made")


def with_a_hidden_record(folder):
    for name in ("manifest.json", "plan.json", "summary.json"):
        content = json.loads((folder / name).read_text())
        content["inputs"][0]["lines"]["skipped"] += 1
        content["inputs"][0]["lines"]["records"] -= 1
        content["inputs"][0]["records"] -= 1
        if name == "summary.json":
            content["records"] |= {"read": content["records"]["read"] - 1, "skipped": 1}
            content["fates"]["created"] -= 1
        (folder / name).write_text(json.dumps(content))
    header, rows = a_created_row(folder)
    rewritten(folder, header, rows[:-1])
    table = pl.read_parquet(folder / "rows.parquet")
    table.filter(pl.col("row_id") != rows[-1]["_import_row_id"]).write_parquet(
        folder / "rows.parquet"
    )


def without_its_law(folder):
    told(folder, lambda summary: summary["accounting"].update(checks=[]))


def with_a_law_of_other_figures(folder):
    told(
        folder,
        lambda summary: [
            one.update(read=12345, ended=12345) for one in summary["accounting"]["checks"]
        ],
    )


def without_its_bridge(folder):
    told(folder, lambda summary: summary.update(bridge=[]))


def with_a_residual_that_hides_what_was_read(folder):
    def change(summary):
        summary["bridge"][0]["figures"]["ZAR"]["sum"] = 99_999_999
        summary["bridge"].append({**summary["bridge"][-1], "step": "residual"})

    told(folder, change)


def with_a_worse_exit(folder):
    told(folder, lambda summary: summary.update(exit_code=7))


def with_other_amounts_among_the_fates(folder):
    (part,) = (folder / "staged").glob("fates-*.parquet")
    pl.read_parquet(part).with_columns(pl.col("balance") + 1_000_000).write_parquet(part)


def with_other_amounts_in_all_that_is_staged(folder):
    """What a reconciliation reads, with every hash made to fit."""
    for part in [
        *(folder / "staged").glob("fates-*.parquet"),
        *(folder / "staged").glob("records-*.parquet"),
    ]:
        pl.read_parquet(part).with_columns(pl.col("balance") + 7).write_parquet(part)
    plan = json.loads((folder / "plan.json").read_text())
    plan["staged"] = {
        name: hashlib.sha256((folder / "staged" / name).read_bytes()).hexdigest()
        for name in plan["staged"]
    }
    (folder / "plan.json").write_text(json.dumps(plan))


def with_a_row_that_mends_nothing(folder):
    table = pl.read_parquet(folder / "rows.parquet")
    table.with_columns(mends_run_id=pl.lit("x"), mends_row_id=pl.lit("c.csv:2")).write_parquet(
        folder / "rows.parquet"
    )


def with_another_input(folder):
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["inputs"] = []
    (folder / "manifest.json").write_text(json.dumps(manifest))


def with_another_payload(folder):
    (part,) = (folder / "staged").glob("plan-*.parquet")
    table = pl.read_parquet(part)
    table.with_columns(fingerprint=pl.lit("0" * 64)).write_parquet(part)


def without_what_was_staged(folder):
    shutil.rmtree(folder / "staged")
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"] = {
        name: digest for name, digest in manifest["files"].items() if not name.startswith("staged/")
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))


@pytest.mark.parametrize(
    ("lie", "broken"),
    [
        (without_a_row, "every input line"),
        (of_another_fate, "rows.parquet and the lists"),
        (in_two_lists, "every record is in one list"),
        (with_another_amount, "every input line"),
        (with_another_count, "records read = sum over fates"),
        (with_another_sum, "the sums of balances"),
        (with_another_billing_id, "rows.parquet and the lists"),
        (with_another_key, "every idempotency key"),
        (with_a_text_in_the_place_of_its_cells, "every input line"),
        (with_a_cell_that_never_came_back, "every input line"),
        (without_its_billing_id, "every fate has what it requires"),
        (with_the_billing_id_of_another, "every fate has what it requires"),
        (repeating_another_row, "every fate has what it requires"),
        (with_an_unknown_reason, "every fate has what it requires"),
        (of_another_run, "every fate has what it requires"),
        (with_another_net, "every other figure"),
        (with_another_reading, "every other figure"),
        (with_another_count_of_a_reason, "every other figure"),
        (with_another_kind_of_balance, "the sums of balances"),
        (with_another_step_of_the_bridge, "every other figure"),
        (with_a_clean_exit, "every other figure"),
        (with_another_verdict, "every other figure"),
        (with_another_page, "the page has the verdict"),
        (with_a_hidden_record, "every input line"),
        (with_another_input, "manifest, plan and summary"),
        (with_another_payload, "the staged files are those"),
        (without_what_was_staged, "the staged files are those"),
        (without_its_law, "every other figure"),
        (with_a_law_of_other_figures, "every other figure"),
        (without_its_bridge, "every other figure"),
        (with_a_residual_that_hides_what_was_read, "every other figure"),
        (with_a_worse_exit, "every other figure"),
        (with_other_amounts_among_the_fates, "every fingerprint"),
        (with_other_amounts_in_all_that_is_staged, "every fingerprint"),
        (with_a_row_that_mends_nothing, "every fingerprint"),
    ],
)
def test_a_lie_with_matching_hashes_is_found_by_its_content(copied, lie, broken):
    pipeline, folder = copied
    lie(folder)
    reseal(folder)

    code, wrong = verify(pipeline, folder)

    assert code == 7
    assert any(what.startswith(broken) for what in wrong), wrong


@pytest.fixture(scope="module")
def held_run(tmp_path_factory):
    """A run with twins, and one whose records billing, or the ledger, holds otherwise; nobody changes them."""
    pipeline = Inside(tmp_path_factory.mktemp("held"))
    header = "external_reference,name,currency,balance,metadata.plan"
    (pipeline.folder / "c.csv").write_text(
        f"{header}\nA,Ann,ZAR,1,x\nB,Bo,ZAR,1,x\nB,Bob,ZAR,1,\nC,Cy,ZAR,1,\n"
    )
    twins = run(pipeline, "c.csv")
    (pipeline.folder / "d.csv").write_text(f"{header}\nA,Anna,ZAR,1,y\n")
    by_ledger = run(pipeline, "d.csv")
    for path in (pipeline.folder / ".pipeline").glob(
        "*/ledger*"
    ):  # another home, which knows of nothing
        path.unlink()
    (pipeline.folder / "e.csv").write_text(f"{header}\nA,Anna,ZAR,2,x\n")
    return pipeline, {"twins": twins, "ledger": by_ledger, "billing": run(pipeline, "e.csv")}


HELD = "summary.json and held.csv agree with the fields"


def test_differing_fields_of_held_records_are_recomputed_and_missing_evidence_is_named(
    held_run,
):
    pipeline, runs = held_run
    counts = {
        name: json.loads((folder / "summary.json").read_text())["held_differs"]
        for name, folder in runs.items()
    }

    assert counts == {
        "twins": {"metadata.plan": 2, "name": 2}, "ledger": {"metadata.plan": 1, "name": 1}, "billing": {"balance": 1, "name": 1},
    }  # fmt: skip
    assert {name: verify(pipeline, folder) for name, folder in runs.items()} == dict.fromkeys(
        runs, (0, {})
    )
    not_here = {
        name
        for name, folder in runs.items()
        if any("ledger or the known" in one for one in open_checks(pipeline, folder))
    }
    assert not_here == {"ledger"}


def in_the_summary(folder):
    told(folder, lambda summary: summary["held_differs"].update(name=7))


def in_a_field_of_the_summary(folder):
    told(
        folder,
        lambda summary: summary["held_differs"].update(email=summary["held_differs"].pop("name")),
    )


def in_the_list(folder):
    path = folder / "held.csv"
    path.write_text(
        path.read_text().replace("name", "email").replace("email,currency", "name,currency", 1)
    )


@pytest.mark.parametrize("of", ["twins", "ledger", "billing"])
@pytest.mark.parametrize("lie", [in_the_summary, in_a_field_of_the_summary, in_the_list])
def test_another_field_in_which_held_records_differ_is_found_though_the_hashes_fit(
    held_run, tmp_path, of, lie
):
    pipeline, runs = held_run
    folder = tmp_path / runs[of].name
    shutil.copytree(runs[of], folder)
    lie(folder)
    reseal(folder)

    code, wrong = verify(pipeline, folder)

    assert code == 7
    assert any(what.startswith(HELD) for what in wrong), wrong


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
    assert any("customers.csv: line 151" in found for found in wrong.values()), wrong


def test_files_removed_by_retention_are_named_and_are_not_a_fault(copied):
    pipeline, folder = copied
    shutil.rmtree(folder / "staged")

    code, wrong = verify(pipeline, folder)

    assert (code, wrong) == (0, {})
    assert "the staged files are unchanged" in open_checks(pipeline, folder)


def test_a_missing_input_is_named(copied):
    pipeline, folder = copied
    (folder.parent / "customers.csv").unlink()

    code, wrong = verify(pipeline, folder)

    assert code == 7
    assert "customers.csv is the file that the run read" in wrong
    assert any(what.startswith("every input line") for what in open_checks(pipeline, folder))


@pytest.mark.long
def test_no_changed_byte_of_a_manifest_is_our_bug(copied):
    pipeline, folder = copied
    path = folder / "manifest.json"
    whole = path.read_bytes()

    for at in range(0, len(whole), 173):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 2]) + whole[at + 1 :])
        result = pipeline("verify", folder)
        assert result.returncode == 7, (at, result.stderr)


def test_verify_prints_each_check_and_its_result(sample_run):
    pipeline, folder = sample_run

    result = pipeline("verify", folder.name)

    assert result.returncode == 0
    assert result.stdout.splitlines()[-1].startswith(f"{folder.name}: 126 records")


@pytest.fixture(scope="module")
def three_once(tmp_path_factory):
    pipeline = Inside(tmp_path_factory.mktemp("three"))
    customers_csv(pipeline.folder / "customers.csv", 3)
    return pipeline, run(pipeline, "customers.csv")


def test_a_carriage_return_inside_a_line_is_named_and_is_not_our_bug(three_once):
    pipeline, folder = three_once
    source = pipeline.folder / "customers.csv"
    whole = source.read_text()
    source.write_text(whole.replace("Person 1", "Person\r1"), newline="")

    code, wrong = verify(pipeline, folder)
    source.write_text(whole)

    assert code == 7
    assert any("line 3" in found for found in wrong.values()), wrong


@pytest.mark.parametrize("at", [0, 1, -5, -9])
def test_a_damaged_table_is_named_and_is_not_our_bug(three_once, tmp_path, at):
    pipeline, whole = three_once
    folder = tmp_path / whole.name
    shutil.copytree(whole, folder)
    path = folder / "rows.parquet"
    content = bytearray(path.read_bytes())
    content[at] ^= 0x40
    path.write_bytes(content)

    code, wrong = verify(pipeline, folder)

    assert code == 7
    assert any("rows.parquet was changed" in found for found in wrong.values()), wrong
