"""One ahead, one behind: the order stays, never more than one waits, and what fails is told when its turn comes."""

import threading

import pytest

from pipeline.workflows.background import one_ahead, one_behind


def test_the_items_and_their_order_stay():
    assert list(one_ahead(range(100))) == list(range(100))
    assert list(one_ahead([])) == []


def test_at_most_one_item_is_prepared_ahead():
    made = []

    def series():
        for number in range(10):
            made.append(number)
            yield number

    for used in one_ahead(series()):
        assert len(made) <= used + 2


def test_an_error_while_preparing_an_item_is_raised_in_its_turn():
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


def test_all_that_is_handed_over_is_put_away_in_its_order_once_the_block_ends():
    away = []

    with one_behind(away.append) as hand_over:
        for number in range(100):
            hand_over(number)
            assert away[:number] == list(range(len(away[:number])))

    assert away == list(range(100))


def test_whoever_hands_over_waits_for_the_one_before():
    away, may_go_on = [], threading.Event()

    def put_away(number):
        if number == 1:
            may_go_on.wait(10)
        away.append(number)

    with one_behind(put_away) as hand_over:
        hand_over(0)
        hand_over(1)
        threading.Timer(0.05, may_go_on.set).start()
        hand_over(2)
        assert 1 in away


@pytest.mark.parametrize("handed_over", [2, 6])
def test_an_error_while_writing_behind_is_raised_at_the_next_or_last_item(handed_over):
    away = []

    def put_away(number):
        if number == 1:
            raise ValueError("the second")
        away.append(number)

    def hand_all_over():
        with one_behind(put_away) as hand_over:
            for number in range(handed_over):
                hand_over(number)

    with pytest.raises(ValueError, match="the second"):
        hand_all_over()
    assert away == [0]
