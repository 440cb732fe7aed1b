"""Rows that share a reference find each other, by content compared whole; nobody else does."""

import duckdb
import polars as pl
import pytest

from pipeline.matching import find_matches

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


def test_repeats_point_at_the_first_row_and_the_first_at_nobody():
    found = matches(("a", "A", None), ("b", "B", None), ("a", "A", None), ("a", "A", None))

    assert found == {2: (REPEATS, "c.csv:2"), 3: (REPEATS, "c.csv:2")}


@pytest.mark.parametrize("contents", ["AB", "ABA", "AAB", "BAA", "ABC"])
def test_where_contents_differ_every_row_of_the_reference_is_named(contents):
    found = matches(*(("a", content, None) for content in contents))

    assert found == dict.fromkeys(range(len(contents)), (DIFFERS, "c.csv:2"))


def test_rows_that_were_set_aside_take_no_part():
    found = matches(("a", "A", "invalid"), ("a", "B", None), (None, "", "unreadable"), (None, "", "unreadable"))

    assert found == {}


@pytest.mark.parametrize("pair", [("a-1", "A-1"), ("a", "a "), ("é", "e\u0301"), ("0", "00"), ("1", "1.0"), ("-", "_")])
def test_references_that_only_look_alike_are_not_the_same(pair):
    assert matches((pair[0], "A", None), (pair[1], "A", None)) == {}


@pytest.mark.parametrize("pair", [("A", "a"), ("A", "A "), ('{"n":1}', '{"n":1.0}'), ("é", "e\u0301"), ("", " ")])
def test_contents_that_only_look_alike_are_different(pair):
    assert set(matches(("a", pair[0], None), ("a", pair[1], None))) == {0, 1}


def test_a_hundred_thousand_rows_find_exactly_their_repeats():
    rows = [(f"r{n % 60_000}", f"p{n % 60_000}", None) for n in range(100_000)]

    found = matches(*rows)

    assert set(found) == set(range(60_000, 100_000))
    assert all(found[n] == (REPEATS, f"c.csv:{n - 60_000 + 2}") for n in found)
