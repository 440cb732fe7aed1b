"""The short form of tests/prove/damaged_files.py: nothing of a damaged file is lost, and nothing of it is read as something else."""

import pytest

from tests.prove.damaged_files import Findings, judge


@pytest.mark.parametrize(
    "first", [0, *(pytest.param(first, marks=pytest.mark.long) for first in range(20, 80, 20))]
)
def test_of_damaged_files_every_line_is_accounted_for_and_every_intact_row_is_equal_or_named(first):
    found = Findings()

    for seed in range(1_000_000 + first, 1_000_000 + first + 20):
        judge(seed, found)

    assert found.faults == []
    assert found.files == 20
    assert found.accepted
    assert found.named
    seen_by_totals = ("rows cut off at a line end", "amounts or currencies changed")
    assert [kind for kind in seen_by_totals if found.caught[kind] != found.unseen[kind]] == []
