"""What was read is summed exactly, by currency, debits apart from credits, whatever becomes of the rows."""

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.domain.column_mapping import canonical_layout
from pipeline.domain.currency import NO_CURRENCY
from pipeline.transforming.source_totals import ControlTotals

MOST = 2**53 - 1
CANONICAL = canonical_layout(["external_reference", "currency", "balance"])


def totals(*rows: tuple[str | None, str | None], batch: int = 1000) -> ControlTotals:
    """Rows (currency, balance) -> their totals, added batch by batch."""
    found = ControlTotals()
    for start in range(0, len(rows), batch):
        currency, balance = zip(*rows[start : start + batch], strict=True)
        found.add(
            pl.DataFrame(
                {"given.currency": currency, "given.balance": balance},
                schema={"given.currency": pl.String, "given.balance": pl.String},
            ),
            CANONICAL,
        )
    return found


def test_a_sum_beyond_2_to_the_63_is_exact():
    found = totals(*[("ZAR", str(MOST))] * 1025, *[("ZAR", str(-MOST))] * 2050)

    assert found.debits == {"ZAR": 1025 * MOST}
    assert found.credits == {"ZAR": -2050 * MOST}
    assert found.net == {"ZAR": -1025 * MOST}
    assert 1025 * MOST > 2**63


def test_debits_and_credits_do_not_cancel_out():
    found = totals(("ZAR", "5"), ("ZAR", "-5"))

    assert (found.debits, found.credits, found.net) == ({"ZAR": 5}, {"ZAR": -5}, {"ZAR": 0})


def test_every_record_is_counted_also_those_without_an_amount():
    found = totals(("ZAR", "1"), ("ZAR", None), (None, None), ("ZAR", "ten"), ("", ""))

    assert found.records == 5
    assert found.debits["ZAR"] == 1


def test_an_amount_without_a_currency_is_kept_under_a_name_of_its_own():
    found = totals((None, "1"), ("", "2"), (" \t", "4"), ("ZAR", "8"))

    assert found.debits == {NO_CURRENCY: 7, "ZAR": 8}


def test_one_currency_in_several_spellings_is_one():
    assert totals(("zar", "1"), (" ZAR ", "2"), ("Zar\t", "4")).debits == {"ZAR": 7}


def test_a_file_without_a_balance_or_without_a_currency_is_summed_too():
    found = ControlTotals()
    found.add(pl.DataFrame({"given.name": ["Ann"]}), canonical_layout(["name"]))
    found.add(pl.DataFrame({"given.balance": ["3"]}), canonical_layout(["balance"]))

    assert (found.records, found.debits) == (2, {NO_CURRENCY: 3})


def test_an_inexact_amount_is_in_no_sum():
    texts = [
        "1.5",
        "1,5",
        "1e3",
        "ten",
        "",
        "-",
        "--1",
        "\u0661",
        "\uff11",
        "1 0",
        "0x1",
        "1" * 19,
        "R1",
        "\u20131",
    ]

    assert +totals(*[("ZAR", text) for text in texts]).debits == {}


amounts = st.one_of(
    st.integers(-(10**18) + 1, 10**18 - 1).map(str),
    st.integers(0, 10**18 - 1).map(lambda n: f" +{n:030}\t"),
    st.integers(0, 10**18 - 1).map(lambda n: f"-{n:025}"),
)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(["ZAR", "jpy", "KWD ", None]), amounts), min_size=1, max_size=60
    ),
    st.integers(1, 60),
)
def test_the_sums_equal_those_of_python_for_any_batches(rows, batch):
    found = totals(*rows, batch=batch)

    expected: dict[str, int] = {}
    for currency, amount in rows:
        code = (currency or NO_CURRENCY).strip().upper()
        expected[code] = expected.get(code, 0) + int(amount)
    assert found.net == expected
    assert min(found.debits.values(), default=0) >= 0 >= max(found.credits.values(), default=0)
