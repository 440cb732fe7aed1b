"""Amounts as columns mean what `decimal` says they mean, in every convention and currency."""

from tests.prove.money_is_decimal import CONVENTIONS, prove


def test_balances_are_those_of_decimal_in_eleven_conventions_and_every_currency():
    told = prove(20_000, seed=4)

    assert len(CONVENTIONS) == 11
    assert told["amounts"] > 15_000
    assert told["refused"] > 500
