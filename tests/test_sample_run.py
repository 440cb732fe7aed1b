"""The sample in `reports/` shows what a run writes today, and names nobody.

If a test here fails after a change of what a run writes, make the sample again:
`python docs/pictures/make_sample.py`, then `python docs/pictures/take_pictures.py`.
"""

import csv
import json
import re
import subprocess
import sys
from zipfile import ZipFile

import polars as pl
import pytest

from pipeline.domain.fates import LISTS
from tests.conftest import REPOSITORY
from tests.journeys.test_golden_json import GOLDEN, shaped

sys.path.insert(0, str(REPOSITORY / "docs" / "pictures"))

from make_sample import FILES, SAMPLE, make_sample

PICTURES = sorted((REPOSITORY / "docs" / "pictures").glob("*.png"))
MOST_BYTES = 1_000_000
#: Columns of the lists that differ from one run to the next.
VOLATILE = ("_import_run_id", "_import_billing_id")


def rows_of(path):
    with path.open(encoding="utf-8", newline="") as file:
        return [
            {name: cell for name, cell in row.items() if name not in VOLATILE}
            for row in csv.DictReader(file)
        ]


def text_of(path):
    if path.suffix == ".xlsx":
        with ZipFile(path) as book:
            return "".join(
                book.read(name).decode() for name in book.namelist() if name.endswith(".xml")
            )
    if path.suffix == ".parquet":
        return str(pl.read_parquet(path).to_dicts())
    return path.read_text(encoding="utf-8")


def digits_of(text):
    return re.sub(r"\D", "", text)


def test_the_sample_is_complete_and_small():
    found = {path.name: path.stat().st_size for path in SAMPLE.iterdir()}

    assert set(found) == set(FILES.values())
    assert sum(found.values()) < MOST_BYTES


def test_the_sample_names_nobody():
    with (REPOSITORY / "sample_data" / "customers.csv").open(
        encoding="utf-8", errors="replace", newline=""
    ) as file:
        people = list(csv.DictReader(file))
    columns = ("external_reference", "name", "email", "phone")
    cells = {row[column] or "" for row in people for column in columns}
    # Shorter ones, such as "unknown", are words of the page too.
    named = {cell for cell in cells if "@" in cell or " " in cell or len(digits_of(cell)) > 5}
    assert len(named) > 3_000

    for path in SAMPLE.iterdir():
        text = text_of(path)
        assert [one for one in named if one in text] == [], path.name


def test_the_sample_has_the_fates_that_its_file_is_known_for():
    expected = json.loads(
        (REPOSITORY / "sample_data" / "customers.expected.json").read_text(encoding="utf-8")
    )["fates"]
    summary = json.loads((SAMPLE / "summary.json").read_text(encoding="utf-8"))

    assert {fate: count for fate, count in summary["fates"].items() if count} == expected
    for name, members in LISTS.items():
        records = rows_of(SAMPLE / f"{name}.csv")
        assert len(records) == sum(summary["fates"][fate] for fate in members)


@pytest.mark.parametrize(
    ("name", "golden"),
    [
        ("summary.json", "run_summary.json"),
        ("reconciliation.json", "reconciliation.json"),
        ("manifest.json", "run_manifest.json"),
    ],
)
def test_the_sample_has_the_form_that_a_run_writes_today(name, golden):
    ours = json.loads((SAMPLE / name).read_text(encoding="utf-8"))
    today = json.loads((GOLDEN / golden).read_text(encoding="utf-8"))

    assert ours["schema"] == today["schema"]
    assert set(ours) == set(today)
    if name == "reconciliation.json":
        assert (ours["examples"], ours["files"]) == ({}, {})


def test_each_picture_is_a_small_png():
    assert "report.png" in {path.name for path in PICTURES}
    for path in PICTURES:
        content = path.read_bytes()
        assert content.startswith(b"\x89PNG")
        assert len(content) < 200_000, path.name


def test_git_keeps_the_sample_and_ignores_the_runs_of_users():
    def is_ignored(path):
        asked = subprocess.run(
            ["git", "check-ignore", "--no-index", "-q", path], cwd=REPOSITORY, check=False
        )
        return asked.returncode == 0

    assert not is_ignored("reports/README.md")
    assert not is_ignored("reports/sample/report.html")
    assert is_ignored("reports/20261201T120000Z-customers-0123ab/created.csv")
    assert is_ignored("practice/reports/20261201T120000Z-customers-0123ab/created.csv")


@pytest.mark.long
def test_a_second_sample_differs_only_in_what_its_readme_names(tmp_path):
    make_sample(tmp_path / "sample")

    for path in (tmp_path / "sample").glob("*.csv"):
        assert rows_of(path) == rows_of(SAMPLE / path.name), path.name
    for name in ("summary.json", "reconciliation.json"):
        ours, theirs = (
            shaped(json.loads((folder / name).read_text(encoding="utf-8")), "", tmp_path)
            for folder in (tmp_path / "sample", SAMPLE)
        )
        assert ours == theirs
    pages = [
        re.findall(r"<h[12][^>]*>(.*?)</h[12]>", (folder / "report.html").read_text(), re.DOTALL)
        for folder in (tmp_path / "sample", SAMPLE)
    ]
    assert pages[0] == pages[1] != []
