"""No result changes with the size of the batches, the number of threads, or the order in which the files are named."""

import csv
import itertools
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from unittest.mock import patch

import polars as pl
import pytest

from pipeline.config import Settings
from pipeline.domain.customer import Environment
from pipeline.domain.fates import LISTS
from pipeline.workflows import write_results
from pipeline.workflows.known_customers import load_known_customers
from pipeline.workflows.plan import plan_import
from tests.benches.planning.customers import write_customers, write_known
from tests.conftest import environment_of_ours
from tests.prove.workload import STEPS

ENVIRONMENT = Environment("bench", "bench", "test", "loopback")
ROWS = 120
#: What says when, where or how fast, and nothing about a record.
OF_THE_RUN = {"run_id", "planned_at", "finished_at", "seconds", "profile", "files", "references"}


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """Three files of customers with every kind of trouble, and customers that are known already."""
    folder = tmp_path_factory.mktemp("flat")
    write_customers(folder / "all.csv", 3 * ROWS)
    header, *lines = (folder / "all.csv").read_bytes().splitlines(keepends=True)
    for number, name in enumerate(("north.csv", "south.csv", "west.csv")):
        first = number * (ROWS - 50)  # each shares some with the one before
        (folder / name).write_bytes(b"".join([header, *lines[first : first + ROWS]]))
    write_known(folder / "known.parquet", 400)
    load_known_customers([folder / "known.parquet"], Settings(home=folder / "home"), ENVIRONMENT)
    return folder


def found(run: Path) -> dict:
    """All that a plan says of its records, without what says which run it was."""
    summary = {
        name: value
        for name, value in json.loads((run / "summary.json").read_text()).items()
        if name not in OF_THE_RUN
    }
    lists = {}
    for name in LISTS:
        with (run / f"{name}.csv").open(newline="", encoding="utf-8") as file:
            lists[name] = [
                {**row, "_import_check": "", "_import_run_id": ""} for row in csv.DictReader(file)
            ]
    rows = pl.read_parquet(run / "rows.parquet").to_dicts()
    return {"summary": summary, "lists": lists, "rows": rows}


def planned(place: Path, names: tuple[str, ...], **options: int) -> dict:
    with tempfile.TemporaryDirectory() as reports, patch.object(write_results, "STEPS", STEPS):
        told = Settings(home=place / "home", reports=Path(reports))
        return found(
            plan_import([place / name for name in names], told, ENVIRONMENT, **options).folder.path
        )


@pytest.fixture(scope="module")
def as_usual(place) -> dict:
    result = planned(place, ("north.csv", "south.csv", "west.csv"))
    fates = result["summary"]["fates"]
    # Or nothing was compared: of each kind there are some.
    assert all(
        fates[fate]
        for fate in ("not_attempted", "unreadable", "invalid", "duplicate_in_file", "needs_review")
    )
    assert fates["already_exists_same"]
    assert fates["already_exists_different"]
    return result


@pytest.mark.parametrize(
    ("names", "batch_bytes"),
    [
        (("west.csv", "north.csv", "south.csv"), 8_000),
        *(
            pytest.param(names, size, marks=pytest.mark.long)
            for names, size in zip(
                itertools.permutations(("north.csv", "south.csv", "west.csv")),
                (500, 4_000, 9_000, 16_384, 30_000, 1 << 20),
                strict=True,
            )
        ),
    ],
)
def test_neither_the_size_of_the_batches_nor_the_order_of_the_files_changes_anything(
    place, as_usual, names, batch_bytes
):
    assert planned(place, names, batch_bytes=batch_bytes) == as_usual


ON_ONE_CORE = """
import os
os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])
from pipeline.cli import main
main()
"""


@pytest.mark.long
def test_the_number_of_threads_changes_nothing(place, as_usual, tmp_path):
    """polars and DuckDB take as many threads as the process may use cores: here one, above all that there are."""
    words = [
        "--environment",
        "bench",
        "--merchant",
        "bench",
        "--home",
        place / "home",
        "--reports",
        tmp_path,
    ]
    names = [place / name for name in ("west.csv", "north.csv", "south.csv")]

    subprocess.run(
        [sys.executable, "-c", ON_ONE_CORE, "plan", *map(str, [*names, *words])], check=False, capture_output=True,
        env=environment_of_ours(),
    )  # fmt: skip

    (run,) = tmp_path.iterdir()
    # The command line is another planner with another address; what it says of records is the same.
    one, other = found(run), {**as_usual, "summary": dict(as_usual["summary"])}
    for result in (one, other):
        for name in ("environment", "planner"):
            del result["summary"][name]
    assert one == other
