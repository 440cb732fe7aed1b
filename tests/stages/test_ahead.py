"""What is made one ahead comes in its order, one at a time more than is used, and fails when its turn comes."""

import pytest

from pipeline.ahead import one_ahead


def test_the_items_and_their_order_stay():
    assert list(one_ahead(range(100))) == list(range(100))
    assert list(one_ahead([])) == []


def test_never_more_than_one_is_made_before_it_is_asked_for():
    made = []

    def series():
        for number in range(10):
            made.append(number)
            yield number

    for used in one_ahead(series()):
        assert len(made) <= used + 2


def test_what_making_an_item_raises_is_raised_in_its_turn():
    def series():
        yield 1
        raise ValueError("the second")

    taken = one_ahead(series())

    assert next(taken) == 1
    with pytest.raises(ValueError, match="the second"):
        next(taken)


def test_a_series_that_is_left_is_closed():
    closed = []

    def series():
        try:
            yield from range(10)
        finally:
            closed.append(True)

    taken = one_ahead(series())
    next(taken)
    taken.close()
    del taken

    assert closed == [True]
