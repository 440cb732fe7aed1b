"""What evidence is made of: shapes, tokens, pace, what is open, who signed, and the search for people in what is handed on."""

import unicodedata
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.domain.redaction import shape
from pipeline.domain.sign_offs import digest, signature, signed
from pipeline.reporting import shapes, throughput
from pipeline.reporting.pii_scan import (
    Leak,
    SharedWords,
    find_canaries,
    find_people,
    folded_text,
    needles,
    plain,
    together,
)

ASSIGNED = st.characters(exclude_categories=["Cs", "Cn"])


@given(st.text(ASSIGNED, max_size=40))
@example("Thandi Nkosi <thandi@example.com> +27 82 000-0001 ǅ ß ² ٣ 𝟙 €")
def test_a_column_of_texts_gets_the_shapes_that_each_would_get(text):
    (found,) = pl.DataFrame({"text": [text]}).select(shapes(pl.col("text")))["text"]

    # Rust and Python need not know the same edition of Unicode; what one does not know is never shown by the other.
    differing = [(was, now) for was, now in zip(shape(text), found, strict=True) if was != now]
    assert all({was, now} <= set("xX9?") for was, now in differing)
    assert not any(
        unicodedata.category(character)[0] in "LN" and character not in "xX9" for character in found
    )


@given(st.lists(st.tuples(st.integers(0, 10**9), st.integers(0, 10**7)), min_size=1, max_size=300))
def test_the_spans_of_throughput_contain_every_create_once(moments):
    start = datetime(2026, 11, 24, tzinfo=UTC)
    table = pl.DataFrame(
        {
            "began_at": [
                start + timedelta(milliseconds=at - waited / 1000) for at, waited in moments
            ],
            "settled_at": [start + timedelta(milliseconds=at) for at, _ in moments],
        },
        schema=dict.fromkeys(("began_at", "settled_at"), pl.Datetime("us", "UTC")),
    )

    found = throughput(table)

    assert sum(span.settled for span in found.spans) == found.settled == len(moments)
    assert len(found.spans) <= 61
    assert found.waited.p50 <= found.waited.p95 <= found.waited.p99 <= found.waited.most


def test_a_run_without_outcomes_has_no_throughput():
    assert (
        throughput(
            pl.DataFrame(schema=dict.fromkeys(("began_at", "settled_at"), pl.Datetime("us", "UTC")))
        )
        is None
    )


def found(name, lines, ours="", column="name"):
    """Where a record that says this is found in lines that are handed on."""
    table = pl.DataFrame(
        {"row_id": ["a.csv:0"], column: [name]}, schema={"row_id": pl.String, column: pl.String}
    )
    handed = SharedWords.nothing()
    handed.add(lines)
    said = needles(table, [column], handed, phones=[column] if column == "phone" else [])
    return [
        (leak.row_id, leak.column)
        for leak in find_people("m", lines, together([said]), folded_text(ours))
    ]


WORDS = st.text(
    st.characters(categories=["L", "N"], max_codepoint=0x2FF), min_size=8, max_size=20
).filter(
    lambda text: any(character.isalpha() for character in text) and len(text.lower()) == len(text)
)
BESIDE = ["", ",", " ", ">", '"', "(", "_", "-", "'"]


@given(WORDS, st.sampled_from(BESIDE), st.sampled_from(BESIDE))
def test_a_name_is_found_wherever_it_is_a_whole_word(name, before, after):
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


@pytest.mark.parametrize(
    "text", ["+27 82 555 0001", "082-555-0001", "(082) 555 0001", "27825550001", "0825550001"]
)
def test_a_telephone_number_is_found_in_every_spelling(text):
    assert found("+27825550001", pl.Series([f"call {text}, please"]), column="phone")
    assert not found("+27825550002", pl.Series([f"call {text}, please"]), column="phone")


def test_a_value_that_many_records_share_is_personal_only_in_personal_fields():
    lines = pl.Series(["Johannesburg"])
    handed = SharedWords.nothing()
    handed.add(lines)
    many = pl.DataFrame(
        {"row_id": [f"a.csv:{n}" for n in range(40)], "town": ["Johannesburg"] * 40}
    )
    parts = [(many.head(20), many.tail(20))[half] for half in (0, 1)]

    shared = together(needles(part, ["town"], handed, shared=["town"]) for part in parts)
    own = together(needles(part, ["town"], handed) for part in parts)

    assert shared.is_empty()
    assert list(find_people("m", lines, own, "")) == [Leak("m", "a.csv:0", "town")]


def test_a_canary_is_found_within_a_word():
    assert [
        leak.row_id for leak in find_canaries("m", pl.Series(["xCanaryx"]), ["none", "cAnAry"])
    ] == ["canary 2"]


def test_a_stale_sign_off_is_named_and_a_removed_line_is_noticed():
    before = {"created.csv": "1" * 64, "held.csv": "2" * 64}
    lines = [signature("planner", "A", "2026-11-24", before, [])]
    lines.append(signature("reviewer", "B", "2026-11-24", before, lines))
    lines.append(signature("approver", "C", "2026-11-24", before, lines))

    assert [one.state for one in signed(lines, before)] == ["stands"] * 3
    assert [one.changed for one in signed(lines, {**before, "held.csv": "3" * 64})] == [
        ("held.csv",)
    ] * 3
    assert [one.changed for one in signed(lines, {"created.csv": "1" * 64})] == [("held.csv",)] * 3
    later = {**before, "reconciliation": "4" * 64}
    assert [one.state for one in signed(lines, later)] == ["stands", "stands", "stale"]
    without = {one.role: one for one in signed([lines[0], lines[2]], before)}
    assert without["approver"].changed == ("signatures.jsonl",)
    assert without["reviewer"].state == "open"
    assert signed(lines, before)[2].evidence == digest(before)
