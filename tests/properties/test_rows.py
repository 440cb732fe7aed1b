"""Laws of the row-local stages: twice is once, the parts are the whole, and what is quick never contradicts what is sure."""

import phonenumbers
import polars as pl
from email_validator import EmailNotValidError, validate_email
from hypothesis import example, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from pipeline.domain.column_mapping import canonical_layout
from pipeline.transforming.mapping import map_columns
from pipeline.transforming.normalize import Defaults, normalize
from pipeline.transforming.normalize.email import email_kinds
from pipeline.workflows.row_stages import judged

COLUMNS = [
    "external_reference",
    "name",
    "email",
    "phone",
    "currency",
    "balance",
    "metadata.plan",
    "note",
]
CANONICAL = COLUMNS[:-1]
LAYOUT = canonical_layout(COLUMNS)

text = st.text(alphabet=st.characters(exclude_categories=("Cs",)), max_size=12)
local = st.text(alphabet="abAB09._+-'éİß", min_size=1, max_size=12)
label = st.text(alphabet="abAB09-", min_size=1, max_size=8) | st.sampled_from(
    ["xn--bcher-kva", "bücher", "\uff45", "a" * 63, "a" * 64]
)
top = st.sampled_from(
    [
        "com",
        "COM",
        "co.za",
        "c",
        "museum",
        "test",
        "local",
        "Example",
        "invalid",
        "onion",
        "1a",
        "arpa",
        "xn--p1ai",
    ]
)
emails = (
    st.builds(
        lambda a, labels, b: f"{a}@{'.'.join([*labels, b])}",
        local,
        st.lists(label, max_size=4),
        top,
    )
    | text
)
phones = st.one_of(
    st.from_regex(r"\A0[1-8][0-9] ?[0-9]{3} ?[0-9]{4}\Z"),
    st.from_regex(r"\A\+[1-9][0-9]{5,14}\Z"),
    st.text(alphabet="0123456789+-() x/;", max_size=24),
    text,
)
currencies = (
    st.sampled_from(["ZAR", "zar", " JPY", "HRK", "XAU", "RAND", "u\u017fd", "\u0131dr", ""]) | text
)
balances = (
    st.integers(-(2**64), 2**64).map(str)
    | st.from_regex(r"\A ?[+-]?0{0,30}[0-9]{0,20}[.,]?[0-9]{0,2}\Z")
    | text
)
references = st.text(alphabet="aA0_-", max_size=4) | text
rows = st.tuples(references, text, emails, phones, currencies, balances, text, text)


def records(
    cells: list[tuple[str | None, ...]], *, unreadable: frozenset[int] = frozenset(), first: int = 0
) -> pl.DataFrame:
    """Records as sources yield them."""
    return pl.DataFrame(
        [
            (first + n, f"c.csv:{first + n + 2}", 1, 1, *(("READ.TOO_FEW_FIELDS", "x", *[None] * len(COLUMNS)) if n in unreadable else (None, None, *row)))
            for n, row in enumerate(cells)
        ],
        schema={"position": pl.Int64, "row_id": pl.String, "line": pl.Int64, "line_count": pl.Int64, "reason": pl.String, "text": pl.String}
        | {f"given.{column}": pl.String for column in COLUMNS},
        orient="row",
    )  # fmt: skip


def canonical(cells: list[tuple[str | None, ...]]) -> pl.DataFrame:
    return normalize(map_columns(records(cells), LAYOUT), LAYOUT, Defaults()).select(CANONICAL)


@settings(max_examples=9, deadline=None)
@given(st.lists(rows, min_size=1, max_size=8))
def test_normalizing_what_was_normalized_changes_nothing(cells):
    once = canonical(cells)

    twice = canonical([(*map(_as_cell, row), None) for row in once.rows()])

    assert_frame_equal(twice, once)


def _as_cell(value: str | int | None) -> str | None:
    return None if value is None else str(value)


def test_the_example_numbers_of_the_whole_world_stay_what_they_are_when_read_again():
    numbers = [
        phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
        for region in phonenumbers.SUPPORTED_REGIONS
        for kind in (0, 1, 3, 4, 6, 7)
        if (number := phonenumbers.example_number_for_type(region, kind))
    ]

    table = canonical([("a", None, None, number, None, None, None, None) for number in numbers])

    assert table["phone"].to_list() == numbers


@settings(max_examples=4, deadline=None)
@given(
    st.lists(rows, min_size=2, max_size=10),
    st.integers(0, 10),
    st.frozensets(st.integers(0, 9), max_size=3),
)
def test_validating_two_parts_equals_validating_the_whole(cells, cut, unreadable):
    whole = records(cells, unreadable=unreadable)
    cut = min(cut, whole.height)

    together = judged(whole, LAYOUT, Defaults("ZA"))
    apart = pl.concat([judged(part, LAYOUT, Defaults("ZA")) for part in (whole[:cut], whole[cut:])])

    assert_frame_equal(apart, together)


@settings(max_examples=7, deadline=None)
@given(st.lists(rows, min_size=1, max_size=8), st.frozensets(st.integers(0, 7), max_size=3))
def test_judging_keeps_every_row_once_in_its_order_with_its_text(cells, unreadable):
    table = records(cells, unreadable=unreadable)

    verdict = judged(table, LAYOUT, Defaults("ZA"))

    kept = ["position", "row_id", "line_count", "text", *(f"given.{column}" for column in COLUMNS)]
    assert_frame_equal(verdict.select(kept), table.select(kept))
    assert [len(codes) > 0 for codes in verdict["reasons"]] == [
        fate is not None for fate in verdict["fate"]
    ]
    assert [fate == "unreadable" for fate in verdict["fate"]] == [
        n in unreadable for n in range(len(cells))
    ]
    assert verdict.filter(pl.col("fate").is_null())["external_reference"].null_count() == 0


@settings(max_examples=35, deadline=None)
@given(emails.map(str.strip).filter(bool))
@example("a@b.c")
@example("INFO@Example.COM")
@example("a" * 64 + "@example.com")
@example("a" * 65 + "@example.com")
@example("a@" + ".".join(["a" * 61] * 4) + ".co")
@example("a@" + ".".join(["a" * 63] * 3) + "." + "a" * 57 + ".co")
@example("a@" + ".".join(["a" * 63] * 4) + ".co")
@example("a@" + "a" * 64 + ".com")
@example("a@1.2.3.com")
@example("a@x.example")
@example("a@local.com")
@example("a.b@test.example")
def test_the_verdict_on_an_email_is_that_of_the_library_and_only_the_domain_is_normalized(address):
    try:
        library = validate_email(address, check_deliverability=False)
    except EmailNotValidError:
        library = None

    found = email_kinds(pl.Series([address]))

    assert found.kind.to_list() == ["malformed" if library is None else "ok"]
    if library is not None:
        given_local, _, given_domain = address.rpartition("@")
        domain = given_domain.lower() if given_domain.isascii() else library.domain
        assert found.value.to_list() == [f"{given_local}@{domain}"]
