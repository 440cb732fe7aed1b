"""Rows that share a reference find each other, by content compared whole, and rows find who is known; nobody else does."""

import duckdb
import polars as pl
import pytest

from pipeline.planning.matching import find_matches

FIRST, REPEATS, DIFFERS = None, "repeats_earlier_row", "same_reference_other_content"


def matches(*rows: tuple[str | None, str, str | None]) -> dict[int, tuple[str, str]]:
    """Rows (reference, payload, fate) -> position -> (rule, the row that it is the same as)."""
    records = pl.DataFrame(
        [(at, f"c.csv:{at + 2}", *row) for at, row in enumerate(rows)],
        schema={"position": pl.Int64, "row_id": pl.String, "external_reference": pl.String, "payload": pl.String, "fate": pl.String},
        orient="row",
    )  # fmt: skip
    with duckdb.connect(":memory:") as workbench:
        workbench.register("records", records)
        find_matches(workbench)
        found = workbench.execute("SELECT position, rule, same_as FROM matches").fetchall()
    assert len({position for position, _, _ in found}) == len(found)
    return {position: (rule, same_as) for position, rule, same_as in found}


def test_rows_with_references_of_their_own_match_nothing():
    assert matches(("a", "A", None), ("b", "A", None), ("c", "C", None)) == {}


def test_repeats_point_at_the_first_row_and_the_first_at_none():
    found = matches(("a", "A", None), ("b", "B", None), ("a", "A", None), ("a", "A", None))

    assert found == {2: (REPEATS, "c.csv:2"), 3: (REPEATS, "c.csv:2")}


@pytest.mark.parametrize("contents", ["AB", "ABA", "AAB", "BAA", "ABC"])
def test_where_contents_differ_every_row_of_the_reference_is_named(contents):
    found = matches(*(("a", content, None) for content in contents))

    assert found == dict.fromkeys(range(len(contents)), (DIFFERS, "c.csv:2"))


def test_rows_that_were_set_aside_take_no_part():
    found = matches(
        ("a", "A", "invalid"), ("a", "B", None), (None, "", "unreadable"), (None, "", "unreadable")
    )

    assert found == {}


@pytest.mark.parametrize(
    "pair", [("a-1", "A-1"), ("a", "a "), ("é", "e\u0301"), ("0", "00"), ("1", "1.0"), ("-", "_")]
)
def test_references_that_only_look_alike_are_not_the_same(pair):
    assert matches((pair[0], "A", None), (pair[1], "A", None)) == {}


@pytest.mark.parametrize(
    "pair", [("A", "a"), ("A", "A "), ('{"n":1}', '{"n":1.0}'), ("é", "e\u0301"), ("", " ")]
)
def test_contents_that_only_look_alike_are_different(pair):
    assert set(matches(("a", pair[0], None), ("a", pair[1], None))) == {0, 1}


def test_a_hundred_thousand_rows_find_exactly_their_repeats():
    rows = [(f"r{n % 60_000}", f"p{n % 60_000}", None) for n in range(100_000)]

    found = matches(*rows)

    assert set(found) == set(range(60_000, 100_000))
    assert all(found[n] == (REPEATS, f"c.csv:{n - 60_000 + 2}") for n in found)


# the known customers

ALL_FIELDS = ("billing_id", "identity", "email", "phone", "name", "currency", "balance")
COLUMNS = {
    "external_reference": pl.String,
    **dict.fromkeys(ALL_FIELDS[:-1], pl.String),
    "balance": pl.Int64,
}
BOB = {
    "email": "bob@example.com",
    "phone": "+27820000001",
    "name": "Bob",
    "currency": "ZAR",
    "balance": 100,
}
OTHER = {
    "email": "eve@example.com",
    "phone": "+27820000009",
    "name": "Eve",
    "currency": "USD",
    "balance": 0,
}


def known_matches(
    rows: list[dict],
    known: list[dict],
    fields: tuple[str, ...] = ALL_FIELDS,
    *,
    hashed: str | None = None,
) -> set[tuple]:
    """Rows and known customers -> (position, rule, same_as). `hashed`: SQL of a stored hash of the column {0}."""
    whole = [
        {
            "position": at,
            "row_id": f"row {at}",
            "payload": str(sorted(row.items())),
            "fate": None,
            **row,
        }
        for at, row in enumerate(rows)
    ]
    schema = {
        "position": pl.Int64,
        **dict.fromkeys(("row_id", "payload", "fate"), pl.String),
        **COLUMNS,
    }
    with duckdb.connect(":memory:") as workbench:
        workbench.register("records", pl.DataFrame(whole, schema=schema))
        workbench.register("known", pl.DataFrame(known, schema=COLUMNS).with_row_index("place"))
        workbench.register(
            "known_fields", pl.DataFrame({"field": fields}, schema={"field": pl.String})
        )
        if hashed is not None:
            texts = ("external_reference", "billing_id", "email", "phone", "identity")
            stored = ", ".join(f"{hashed.format(name)} AS {name}" for name in texts)
            workbench.execute(f"CREATE VIEW stored_hashes AS SELECT place, {stored} FROM known")
        find_matches(workbench)
        found = workbench.execute("SELECT position, rule, same_as FROM known_matches").fetchall()
    return set(found)


def test_a_known_customer_with_the_same_content_is_the_same():
    assert known_matches(
        [{"external_reference": "a", **BOB}], [{"external_reference": "a", **BOB}]
    ) == {(0, "known_same", None)}


@pytest.mark.parametrize(
    "hashed",
    [
        None,
        pytest.param("CASE WHEN {0} IS NOT NULL THEN hash({0}) END", id="ours"),
        pytest.param("CASE WHEN {0} IS NOT NULL THEN hash({0}) + 1 END", id="another DuckDB's"),
        pytest.param("NULL::UBIGINT", id="none"),
    ],
)
def test_stored_hashes_change_no_match_whoever_computed_them(hashed):
    known = [
        {"external_reference": "a", **BOB},
        {"external_reference": "b", "email": "only@example.com"},
    ]
    rows = [
        {"external_reference": "a", **BOB},
        {"external_reference": "c", "email": "only@example.com"},
    ]

    assert known_matches(rows, known, hashed=hashed) == {
        (0, "known_same", None),
        (1, "email_of_another", "b"),
    }


@pytest.mark.parametrize("field", BOB)
@pytest.mark.parametrize("absent", ["here", "there", "neither"])
def test_a_known_customer_with_one_differing_or_absent_field_is_different(field, absent):
    here, there = (
        {"external_reference": "a", **BOB},
        {"external_reference": "a", **BOB, field: OTHER[field]},
    )
    if absent != "neither":
        (here if absent == "here" else there)[field] = None

    assert known_matches([here], [there]) == {(0, "known_different", None)}


@pytest.mark.parametrize("field", BOB)
def test_a_field_missing_from_the_known_customers_is_not_compared(field):
    here, there = (
        {"external_reference": "a", **BOB},
        {"external_reference": "a", **BOB, field: None},
    )

    found = known_matches([here], [there], tuple(name for name in ALL_FIELDS if name != field))

    assert found == {(0, "known_same", None)}


def test_fields_absent_on_both_sides_are_equal():
    assert known_matches([{"external_reference": "a"}], [{"external_reference": "a"}]) == {
        (0, "known_same", None)
    }


@pytest.mark.parametrize(
    ("here", "there", "rule"),
    [
        (None, "cus_1", "known_same"),
        ("cus_1", "cus_1", "known_same"),
        ("cus_2", "cus_1", "known_different"),
        ("cus_2", None, "known_different"),
        (None, None, "known_same"),
    ],
)
def test_a_billing_id_is_compared_only_where_the_row_states_one(here, there, rule):
    row, customer = (
        {"external_reference": "a", "billing_id": here},
        {"external_reference": "a", "billing_id": there},
    )

    assert known_matches([row], [customer]) == {(0, rule, None)}


@pytest.mark.parametrize(
    ("others", "rule"),
    [
        ([BOB], "known_same"),
        ([BOB, BOB], "known_same"),
        ([{**BOB, "name": "Rob"}], "known_different"),
        ([{**BOB, "billing_id": "cus_2"}], "known_different"),
    ],
)
def test_a_reference_known_several_times_is_equal_only_if_all_are(others, rule):
    known = [{"external_reference": "a", **content} for content in [BOB, *others]]

    assert known_matches([{"external_reference": "a", **BOB}], known) == {(0, rule, None)}
    assert known_matches([{"external_reference": "a", **BOB}], known[::-1]) == {(0, rule, None)}


@pytest.mark.parametrize("field", ["email", "phone", "billing_id", "identity"])
def test_a_new_reference_finds_the_smallest_reference_that_has_its_identity(field):
    known = [{"external_reference": name, field: "x"} for name in ("k-2", "k-10", "k-9")]

    found = known_matches(
        [{"external_reference": "a", field: "x"}, {"external_reference": "b", field: "y"}], known
    )

    assert found == {(0, f"{field}_of_another", "k-10")}


def test_a_new_reference_may_share_its_identities_with_several_others():
    known = [
        {"external_reference": "k-1", "email": "x"},
        {"external_reference": "k-2", "phone": "y", "billing_id": "z"},
    ]
    row = {"external_reference": "a", "email": "x", "phone": "y", "billing_id": "z"}

    assert known_matches([row], known) == {
        (0, "email_of_another", "k-1"),
        (0, "phone_of_another", "k-2"),
        (0, "billing_id_of_another", "k-2"),
    }


@pytest.mark.parametrize("email", ["Bob@example.com", "bob@example.com ", None])
def test_emails_are_compared_normalized_and_an_absent_one_matches_nothing(email):
    known = [
        {"external_reference": "k", "email": "bob@example.com"},
        {"external_reference": "l", "email": None},
    ]

    assert known_matches([{"external_reference": "a", "email": email}], known) == set()


def test_a_known_reference_skips_identity_matching_and_a_customer_without_name_matches_nothing():
    known = [
        {"external_reference": "a", **BOB},
        {"external_reference": "k", **BOB},
        {"external_reference": None, **OTHER},
    ]

    found = known_matches(
        [{"external_reference": "a", **BOB}, {"external_reference": "b", **OTHER}], known
    )

    assert found == {(0, "known_same", None)}


def test_rows_set_aside_or_judged_by_the_run_are_not_looked_up():
    rows = [
        {"external_reference": "a", **BOB},
        {"external_reference": "a", **BOB},
        {"external_reference": "b", **BOB},
        {"external_reference": "b", **OTHER},
        {"external_reference": "c", **BOB, "fate": "invalid"},
    ]

    assert known_matches(rows, [{"external_reference": name, **BOB} for name in "abc"]) == {
        (0, "known_same", None)
    }


def test_thousands_of_rows_that_share_an_address_with_thousands_of_customers_find_one_of_them():
    known = [{"external_reference": f"k-{n}", "email": "info@example.com"} for n in range(20_000)]
    rows = [{"external_reference": f"a-{n}", "email": "info@example.com"} for n in range(20_000)]

    found = known_matches(rows, known)

    assert found == {(n, "email_of_another", "k-0") for n in range(20_000)}


def test_without_known_customers_nothing_matches():
    assert known_matches([{"external_reference": "a", **BOB}], []) == set()
