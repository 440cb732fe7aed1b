"""The expressions for phones say of no number anything that phonenumbers does not say."""

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from phonenumbers import COUNTRY_CODE_TO_REGION_CODE

from pipeline.transforming.normalize.numbering import decided
from pipeline.transforming.normalize.phone import judged_by_library, phone_kinds
from tests.prove.phones_are_phonenumbers import REGIONS, compared, examples, perturbed


def test_examples_of_every_region_and_type_are_judged_as_phonenumbers_judges_them():
    given = examples()

    settled, wrong = compared(given)

    assert wrong == []
    assert settled > 0.8 * len(given)  # or the expressions decide nothing, and nothing was compared


@pytest.mark.parametrize(
    ("seed", "count"),
    [(0, 3_000), *(pytest.param(seed, 8_000, marks=pytest.mark.long) for seed in range(3))],
)
def test_perturbed_numbers_are_judged_as_phonenumbers_judges_them(seed, count):
    settled, wrong = compared(perturbed(count, seed=90_000_000 + seed))

    assert wrong == []
    assert settled > count / 2


@settings(max_examples=35)
@given(
    st.lists(
        st.tuples(
            st.text(
                st.characters(max_codepoint=127, exclude_characters="0123456789"),
                min_size=1,
                max_size=80,
            ),
            st.sampled_from([*REGIONS, "XX"]),
        ),
        min_size=1,
        max_size=40,
    )
)
def test_ascii_without_a_digit_is_unreadable_to_phonenumbers_too(given):
    texts, regions = (pl.Series(column, dtype=pl.String) for column in zip(*given, strict=True))

    found = phone_kinds(texts, regions)

    assert list(zip(found.value, found.kind, strict=True)) == [
        judged_by_library(*one) for one in given
    ]
    assert set(found.kind) == {"unreadable"}


codes = st.sampled_from([str(code) for code in COUNTRY_CODE_TO_REGION_CODE])
digits = st.text("0123456789", min_size=1, max_size=13)
beginnings = st.sampled_from(["", "+", "00", "0", "(0", "+00", "1"])
numbers = st.builds("{}{}{}".format, beginnings, codes | st.just(""), digits) | st.text(
    "0123456789+ ().-/x", max_size=18
)


@settings(max_examples=25)
@given(
    st.lists(
        st.tuples(numbers, st.sampled_from([*REGIONS, "GG", "MX", "RU", "XX"])),
        min_size=1,
        max_size=60,
    )
)
def test_any_digits_are_judged_as_phonenumbers_judges_them(pairs):
    _, wrong = compared(pairs)

    assert wrong == []


def test_phonenumbers_decides_the_undecided_phones_in_place():
    texts = [
        "0821234567",
        None,
        "082 123 4567 ext 5",
        "+27821234567",
        "ann",
        "27821234567",
        "0821234567 / 0831234567",
        "12",
    ]
    found = phone_kinds(pl.Series(texts), pl.repeat("ZA", len(texts), eager=True))

    expected = [(None, None) if text is None else judged_by_library(text, "ZA") for text in texts]
    assert list(zip(found.value, found.kind, strict=True)) == expected
    assert decided(pl.Series(texts), pl.repeat("ZA", len(texts), eager=True))["kind"].to_list()[:4] == [
        "ok", None, None, "ok",
    ]  # fmt: skip
