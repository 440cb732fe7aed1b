"""Outside cases whose names broke earlier versions: spaces and patterns in the names of columns and metadata keys."""

import csv
import shutil
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

CASES = Path(__file__).parents[1] / "cases" / "outside"
PLACED = "--sandbox", "--yes"


def case(name: str, folder: Path) -> None:
    """Put the inputs of a case into a folder."""
    for path in (CASES / name).iterdir():
        shutil.copy(path, folder)


def listed(run: Path, name: str) -> list[dict[str, str]]:
    with (run / f"{name}.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_sp_meta_long_a_value_too_long_under_a_key_with_a_space_sets_its_row_aside(pipeline):
    case("sp_meta_long", pipeline.folder)

    ran = pipeline("run", "c.csv", *PLACED)

    assert ran.returncode == 1, ran.stderr
    run = pipeline.newest()
    (rejected,), (created,) = listed(run, "rejected"), listed(run, "created")
    assert (rejected["external_reference"], created["external_reference"]) == ("A-1", "A-2")
    assert rejected["_import_reasons"] == 'VALIDATE.METADATA_TOO_LONG:"metadata.due date"'
    assert rejected["_import_explanation"] == "A metadata value is longer than 500 characters."
    assert pipeline("resume", run.name, "--sandbox").returncode == 1
    assert pipeline("verify", run.name).returncode == 0
    assert '"due date"' not in (run / "report.html").read_text()
    traced = pipeline("trace", "A-1")
    assert "VALIDATE.METADATA_TOO_LONG:metadata.due date: A metadata value" in traced.stdout


@pytest.mark.long  # as above, and the way back as in sp_return_space
def test_sp_meta_long_an_applied_plan_ends_and_its_rejected_row_is_resubmitted(pipeline):
    case("sp_meta_long", pipeline.folder)
    assert pipeline("plan", "c.csv", "--sandbox").returncode == 1
    assert pipeline("apply", pipeline.newest().name, "--sandbox").returncode == 1
    rejected = pipeline.newest() / "rejected.csv"
    mended = pipeline.folder / "mended.csv"
    mended.write_text(rejected.read_text().replace("x" * 501, "short").replace("x" * 500, "short"))

    ran = pipeline("run", "mended.csv", *PLACED)

    assert ran.returncode == 0, ran.stderr
    assert [row["external_reference"] for row in listed(pipeline.newest(), "created")] == ["A-1"]


def test_sp_xlsx_a_cell_that_cannot_be_read_in_a_column_with_a_space_sets_its_row_aside(pipeline):
    case("sp_xlsx", pipeline.folder)

    ran = pipeline("run", "c.xlsx", "--config", "job.yaml", "--yes")

    assert ran.returncode == 1, ran.stderr
    run = pipeline.newest()
    (rejected,) = listed(run, "rejected")
    assert rejected["_import_reasons"].endswith(':"Amount Due"')
    assert listed(run, "created")
    assert pipeline("resume", run.name, "--config", "job.yaml").returncode == 1
    assert pipeline("verify", run.name).returncode == 0


def test_sp_return_space_a_list_comes_back_with_a_damaged_cell_in_a_column_with_a_space(pipeline):
    case("sp_return_space", pipeline.folder)
    assert pipeline("run", "c.csv", "--config", "job.yaml", "--yes").returncode == 1
    before = pipeline.newest()
    returned = pipeline.folder / "rejected.csv"
    (row,) = listed(before, "rejected")
    text = returned.read_text().replace(
        "20261130T070747Z-c-f8f69a", f"{row['_import_check']},{before.name}"
    )
    text = text.replace("_import_run_id", "_import_check,_import_run_id")
    returned.write_text(text)

    ran = pipeline("run", "rejected.csv", "--config", "job.yaml", "--yes")

    assert ran.returncode == 1, ran.stderr
    run = pipeline.newest()
    (rejected,) = listed(run, "rejected")
    assert rejected["_import_reasons"] == 'READ.CELL_DAMAGED:"Cell No"'
    assert pipeline("resume", run.name, "--config", "job.yaml").returncode == 1
    assert pipeline("verify", run.name).returncode == 0


def test_col_star_a_column_called_star_is_a_column_like_any_other(pipeline):
    case("col_star", pipeline.folder)

    ran = pipeline("run", "c.csv", *PLACED)

    assert ran.returncode == 0, ran.stderr
    run = pipeline.newest()
    assert [row["*"] for row in listed(run, "created")] == ["v", "w"]
    assert pipeline("report", run.name).returncode == 0
    assert pipeline("bundle", run.name, "--output", "evidence.zip").returncode == 0
    assert pipeline("verify", "evidence.zip").returncode == 0


@pytest.mark.parametrize(
    "words", [pytest.param(("inspect",), marks=pytest.mark.long), ("plan", "--sandbox")]
)
def test_pqbomb_a_parquet_file_that_expands_to_gigabytes_is_refused(pipeline, words):
    case("pqbomb", pipeline.folder)

    refused = pipeline(words[0], "c.parquet", *words[1:])

    assert refused.returncode == 4
    assert "c.parquet: expands to more than 100 times its size" in refused.stderr


def test_plan_inspect_and_summary_report_a_nested_column_that_is_not_kept(pipeline):
    columns = {
        "external_reference": ["A-1"],
        "name": ["Ann"],
        "address [home]": [{"town": "Durban"}],
    }
    parquet.write_table(pa.table(columns), pipeline.folder / "c.parquet")
    said = "'address [home]' (struct<town: string>)"

    assert said in pipeline("inspect", "c.parquet").stdout
    ran = pipeline("run", "c.parquet", *PLACED)

    assert ran.returncode == 0, ran.stderr
    assert said in ran.stdout
    assert [one["code"] for one in pipeline.summary()["findings"]] == ["DOUBT.COLUMNS_NOT_KEPT"]
    assert "town" in (pipeline.newest() / "report.html").read_text()
    assert list(listed(pipeline.newest(), "created")[0])[:3] == [
        "external_reference",
        "name",
        "_import_row_id",
    ]
    assert pipeline("verify", pipeline.newest().name).returncode == 0


@pytest.mark.parametrize(
    "column", ["metadata.x:external_reference", "metadata.a b:external_reference"]
)
def test_a_customer_is_known_although_an_invalid_metadata_key_ends_like_the_reference(
    pipeline, column
):
    (pipeline.folder / "known.csv").write_text(f"external_reference,{column}\nA-1,{'x' * 501}\n")

    loaded = pipeline("references", "load", "known.csv", "--sandbox")

    assert "names no customer" not in loaded.stderr
    assert pipeline("references", "list").stdout.count("sandbox") == 1


def test_runs_in_a_folder_whose_name_is_a_pattern_are_bundled_reconciled_and_verified(pipeline):
    case("col_star", pipeline.folder)
    places = "--home", "led{ger} *", "--reports", "out [1-9]"
    assert pipeline("run", "c.csv", *PLACED, *places).returncode == 0

    for words in (
        ("bundle", "latest"),
        ("reconcile", "--sandbox"),
        ("report", "--since", "2026-01-01"),
        ("verify", "latest"),
    ):
        ended = pipeline(*words, *places)
        assert ended.returncode == 0, ended.stdout + ended.stderr
