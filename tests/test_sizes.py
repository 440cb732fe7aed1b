"""The package stays as small as `tests.sizes` limits it."""

import pytest

from tests.sizes import LIMITS, counts


@pytest.fixture(scope="module")
def counted():
    return counts()


def test_every_count_has_a_limit(counted):
    assert counted.keys() == LIMITS.keys()


@pytest.mark.parametrize("what", LIMITS)
def test_a_count_is_within_its_limit(counted, what):
    count, where = counted[what]

    assert count <= LIMITS[what], where
