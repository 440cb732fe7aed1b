"""What evidence is made of: shapes, tokens, pace, what is open, who signed, and the search for people in what is handed on."""

import unicodedata
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.masking import shape
from pipeline.reporting import Open, ages, carried, pace, shapes
from pipeline.reporting.open_items import ROWS
from pipeline.scanning import Handed, Leak, find_canaries, find_people, folded_text, needles, plain, together
from pipeline.signatures import digest, signature, signed

ASSIGNED = st.characters(exclude_categories=["Cs", "Cn"])


@given(st.text(ASSIGNED, max_size=40))
@example("Thandi Nkosi <thandi@example.com> +27 82 000-0001 ǅ ß ² ٣ 𝟙 €")
def test_a_column_of_texts_gets_the_shapes_that_each_would_get(text):
    (found,) = pl.DataFrame({"text": [text]}).select(shapes(pl.col("text")))["text"]

    # Rust and Python need not know the same edition of Unicode; what one does not know is never shown by the other.
    differing = [(was, now) for was, now in zip(shape(text), found, strict=True) if was != now]
    assert all({was, now} <= set("xX9?") for was, now in differing)
    assert not any(unicodedata.category(character)[0] in "LN" and character not in "xX9" for character in found)


def rows(*of, origin=(None, None), file="f" * 64):
    table = [
        {"row_id": row, "external_reference": reference, "fate": fate, "reasons": [], "currency": "ZAR", "balance": 5,
         "origin_run": origin[0], "origin_row": origin[1], "file": file, "place": row[row.index(":") :]}
        for row, reference, fate in of
    ]  # fmt: skip
    return pl.DataFrame(table, schema=ROWS).lazy()


def carry(*runs):
    found = Open()
    for number, of in enumerate(runs, start=1):
        found = carried(found, f"run-{number}", f"2026-11-{number:02}T06:00:00+00:00", of)
    return found.items


def test_an_item_is_open_since_it_was_first_met_by_its_reference_and_closed_by_a_good_row():
    items = carry(
        rows(("a.csv:2", "A", "invalid"), ("a.csv:3", "B", "invalid"), ("a.csv:4", "C", "created"), file="1" * 64),
        rows(("b.csv:9", "A", "needs_review"), ("b.csv:3", "B", "created"), file="2" * 64),
    )

    assert items.select("row_id", "fate", "run_id", "since", "runs").rows() == [
        ("b.csv:9", "needs_review", "run-2", "2026-11-01T06:00:00+00:00", 2),
    ]


def test_a_row_without_a_reference_is_met_again_by_its_link_alone():
    items = carry(
        rows(("a.csv:2", None, "unreadable"), ("a.csv:3", None, "unreadable"), file="1" * 64),
        rows(("r.csv:2", "A", "invalid"), origin=("run-1", "a.csv:2"), file="2" * 64),
        rows(("s.csv:2", "A", "created"), origin=("run-2", "r.csv:2"), file="3" * 64),
    )

    assert items.select("row_id", "since_run", "runs").rows() == [("a.csv:3", "run-1", 1)]


def test_a_record_that_was_settled_stays_settled_though_its_file_is_fed_once_more():
    first = rows(("a.csv:2", "A", "invalid"), file="1" * 64)

    items = carry(first, rows(("r.csv:2", "A", "created"), origin=("run-1", "a.csv:2"), file="2" * 64), first)

    assert items.is_empty()


def test_the_ages_of_open_items_come_to_their_number_and_their_sums():
    items = carry(rows(("a.csv:2", "A", "invalid"), ("a.csv:3", "B", "invalid"), ("a.csv:4", "C", "in_doubt")))

    told = ages(items, "2026-11-24T00:00:00+00:00")

    assert [(one["fate"], one["records"], one["days"], one["sums"]) for one in told] == [
        ("in_doubt", 1, 23, {"ZAR": 5}), ("invalid", 2, 23, {"ZAR": 10}),
    ]  # fmt: skip


@given(st.lists(st.tuples(st.integers(0, 10**9), st.integers(0, 10**7)), min_size=1, max_size=300))
def test_the_spans_of_a_pace_hold_every_create_once(moments):
    start = datetime(2026, 11, 24, tzinfo=UTC)
    table = pl.DataFrame(
        {
            "began_at": [start + timedelta(milliseconds=at - waited / 1000) for at, waited in moments],
            "settled_at": [start + timedelta(milliseconds=at) for at, _ in moments],
        },
        schema=dict.fromkeys(("began_at", "settled_at"), pl.Datetime("us", "UTC")),
    )

    told = pace(table)

    assert sum(span["settled"] for span in told["spans"]) == told["settled"] == len(moments)
    assert len(told["spans"]) <= 61
    assert told["waited"]["p50"] <= told["waited"]["p95"] <= told["waited"]["p99"] <= told["waited"]["most"]


def test_nothing_settled_has_no_pace():
    assert pace(pl.DataFrame(schema=dict.fromkeys(("began_at", "settled_at"), pl.Datetime("us", "UTC")))) is None


def found(name, lines, ours="", column="name"):
    """Where a record that says this is found in lines that are handed on."""
    table = pl.DataFrame({"row_id": ["a.csv:0"], column: [name]}, schema={"row_id": pl.String, column: pl.String})
    handed = Handed.nothing()
    handed.add(lines)
    said = needles(table, [column], handed, phones=[column] if column == "phone" else [])
    return [(leak.row_id, leak.column) for leak in find_people("m", lines, together([said]), folded_text(ours))]


WORDS = st.text(st.characters(categories=["L", "N"], max_codepoint=0x2FF), min_size=8, max_size=20).filter(
    lambda text: any(character.isalpha() for character in text) and len(text.lower()) == len(text)
)
BESIDE = ["", ",", " ", ">", '"', "(", "_", "-", "'"]


@given(WORDS, st.sampled_from(BESIDE), st.sampled_from(BESIDE))
def test_a_name_is_found_wherever_it_stands_alone(name, before, after):
    lines = pl.Series(["nothing here", f"x {before}{name}{after} y"])

    assert found(name, lines) == [("a.csv:0", "name")]


@pytest.mark.parametrize(
    ("name", "text", "is_found"),
    [
        ("Thandi Nkosi", "by THANDI NKOSI today", True),
        ("Thandi Nkosi", "thandi_nkosi.csv", True),
        ("Thandi Nkosi", "by Thandi Nkosinathi today", False),
        ("Li Na", "asked Li Na", True),
        ("Ann", "Ann", False),  # a word of everyday language is no finding
        ("0825550001", "tel 0825550001.", True),
        ("0825550001", "key 10825550001a", False),
        ("00240240", "account 00240240", True),
        ("0240240", "sum 0240240", False),  # a number as short as that is nobody's
        ("Residual", "the Residual of ZAR", False),  # our own pages say so whoever is in them
        ("O'Brien & Sons", "<td>O&#39;Brien &amp; Sons</td>", True),
        ('Jan "JJ" Smit', '{"name": "Jan \\"JJ\\" Smit"}', True),
        ("two\nlines", '{"name": "two\\nlines"}', True),
    ],
)
def test_what_counts_as_a_person(name, text, is_found):
    assert bool(found(name, plain(text), "Residual")) == is_found


@pytest.mark.parametrize("text", ["+27 82 555 0001", "082-555-0001", "(082) 555 0001", "27825550001", "0825550001"])
def test_a_telephone_number_is_found_however_it_is_written(text):
    assert found("+27825550001", pl.Series([f"call {text}, please"]), column="phone")
    assert not found("+27825550002", pl.Series([f"call {text}, please"]), column="phone")


def test_what_many_records_share_is_nobodys_in_particular_but_for_a_persons_own_fields():
    lines = pl.Series(["Johannesburg"])
    handed = Handed.nothing()
    handed.add(lines)
    many = pl.DataFrame({"row_id": [f"a.csv:{n}" for n in range(40)], "town": ["Johannesburg"] * 40})
    parts = [(many.head(20), many.tail(20))[half] for half in (0, 1)]

    shared = together(needles(part, ["town"], handed, shared=["town"]) for part in parts)
    own = together(needles(part, ["town"], handed) for part in parts)

    assert shared.is_empty()
    assert list(find_people("m", lines, own, "")) == [Leak("m", "a.csv:0", "town")]


def test_a_canary_is_found_within_a_word():
    assert [leak.row_id for leak in find_canaries("m", pl.Series(["xCanaryx"]), ["none", "cAnAry"])] == ["canary 2"]


def test_a_signature_is_stale_by_name_and_a_line_taken_out_is_noticed():
    before = {"created.csv": "1" * 64, "held.csv": "2" * 64}
    lines = [signature("planner", "A", "2026-11-24", before, [])]
    lines.append(signature("reviewer", "B", "2026-11-24", before, lines))
    lines.append(signature("approver", "C", "2026-11-24", before, lines))

    assert [one.state for one in signed(lines, before)] == ["stands"] * 3
    assert [one.changed for one in signed(lines, {**before, "held.csv": "3" * 64})] == [("held.csv",)] * 3
    assert [one.changed for one in signed(lines, {"created.csv": "1" * 64})] == [("held.csv",)] * 3
    later = {**before, "reconciliation": "4" * 64}
    assert [one.state for one in signed(lines, later)] == ["stands", "stands", "stale"]
    without = {one.role: one for one in signed([lines[0], lines[2]], before)}
    assert without["approver"].changed == ("signatures.jsonl",)
    assert without["reviewer"].state == "open"
    assert signed(lines, before)[2].evidence == digest(before)
