"""The parts of a run are read side by side only if they have the same rows in the same order."""

import polars as pl
import pytest

from pipeline.errors import PipelineError
from pipeline.storage.aligned_parts import aligned_parts
from pipeline.storage.run_damage import RunDamaged
from pipeline.storage.run_folder import RunFolder

RUN_ID = "20261122T060000Z-customers-a1b2c3"
ALL = ("records", "plan", "fates", "rows")
#: Two parts: positions of the records, and of those that were rejected.
PARTS = (([0, 1, 2], {1}), ([3, 4], set()))


def table(positions, rejected=frozenset(), **more):
    return pl.DataFrame(
        {
            "position": positions,
            "row_id": [f"c.csv:{position}" for position in positions],
            "fate": ["rejected" if position in rejected else None for position in positions],
            **more,
        },
        schema_overrides={"position": pl.Int64, "fate": pl.String},
    )


@pytest.fixture
def run(tmp_path) -> RunFolder:
    folder = RunFolder.create(tmp_path, RUN_ID)
    for number, (positions, rejected) in enumerate(PARTS, 1):
        records = table(positions, rejected)
        folder.stage(f"records-{number:05}.parquet", records)
        plan = records.filter(pl.col("fate").is_null()).select("position")
        folder.stage(f"plan-{number:05}.parquet", plan)
        folder.stage(f"fates-{number - 1:05}.parquet", records)
    write_rows(folder, [0, 1, 2, 3, 4])
    return folder


def write_rows(folder: RunFolder, positions) -> None:
    table(positions).select("row_id").write_parquet(folder.path / "rows.parquet")


def test_each_part_has_the_same_rows_in_every_table(run):
    parts = list(aligned_parts(run, *ALL))

    assert [(part.first, part.height) for part in parts] == [(0, 3), (3, 2)]
    for part, (positions, rejected) in zip(parts, PARTS, strict=True):
        row_ids = [f"c.csv:{position}" for position in positions]
        for name in ("records", "fates", "rows"):
            assert part.table(name).select("row_id").collect()["row_id"].to_list() == row_ids
        planned = part.table("plan").collect()["position"].to_list()
        assert planned == [position for position in positions if position not in rejected]


STAGED = {
    "a shorter part": (
        {"fates-00000.parquet": table([0, 1])},
        "staged/fates-00000.parquet has 2 rows instead of the 3 of staged/records-00001.parquet",
    ),
    "a longer part": (
        {"fates-00001.parquet": table([3, 4, 5])},
        "staged/fates-00001.parquet has 3 rows instead of the 2 of staged/records-00002.parquet",
    ),
    "another order": (
        {"fates-00000.parquet": table([0, 2, 1])},
        "staged/fates-00000.parquet has other rows than staged/records-00001.parquet, or in another order",
    ),
    "the plan of another record": (
        {"plan-00001.parquet": table([0, 1])},
        "staged/plan-00001.parquet has other rows than staged/records-00001.parquet, or in another order",
    ),
    "a plan without a record": (
        {"plan-00001.parquet": table([0])},
        "staged/plan-00001.parquet has 1 rows instead of the 2 of staged/records-00001.parquet",
    ),
    "parts in the place of each other": (
        {"fates-00000.parquet": table([3, 4]), "fates-00001.parquet": table([0, 1, 2])},
        "staged/fates-00000.parquet has 2 rows instead of the 3 of staged/records-00001.parquet",
    ),
    "records in another order": (
        {"records-00001.parquet": table([1, 0, 2])},
        "staged/records-00001.parquet has rows in another order",
    ),
    "records that come again": (
        {"records-00002.parquet": table([2, 3])},
        "staged/records-00002.parquet has rows in another order",
    ),
    "one part too many": (
        {"fates-00002.parquet": table([])},
        "staged/ lacks some of its files",
    ),
    "a damaged part": ({"plan-00002.parquet": None}, "staged/plan-00002.parquet cannot be read"),
}


@pytest.mark.parametrize("changed", STAGED)
def test_a_part_of_another_length_or_order_is_refused(run, changed):
    tables, message = STAGED[changed]
    for name, changed_table in tables.items():
        if changed_table is None:
            (run.staged / name).write_bytes(b"PAR1")
        else:
            run.stage(name, changed_table)

    with pytest.raises(RunDamaged) as refused:
        list(aligned_parts(run, *ALL))

    assert message in str(refused.value)
    assert isinstance(refused.value, PipelineError)


@pytest.mark.parametrize(
    ("positions", "message"),
    [
        ([0, 1, 2, 3], "rows.parquet has 1 rows instead of the 2 of staged/records-00002.parquet"),
        ([0, 1, 2, 3, 4, 5], "rows.parquet has 6 rows instead of 5"),
        ([1, 0, 2, 3, 4], "rows.parquet has other rows than staged/records-00001.parquet"),
    ],
)
def test_result_rows_of_another_length_or_order_are_refused(run, positions, message):
    write_rows(run, positions)

    with pytest.raises(RunDamaged) as refused:
        list(aligned_parts(run, "records", "fates", "rows"))

    assert message in str(refused.value)


def test_a_run_without_staged_tables_has_no_parts(tmp_path):
    assert list(aligned_parts(RunFolder.create(tmp_path, RUN_ID), "records", "plan")) == []
