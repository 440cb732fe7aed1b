"""What became of each record over several runs: the rules by which rows are linked, settled, or stay open."""

import polars as pl
import pytest

from pipeline.domain.fates import State
from pipeline.reporting import Current, End, add_run, ages, changes, resubmitted, settled_by_ledger
from pipeline.reporting.current_fates import ORIGINS, ROWS

A, B, C = ("a" * 64, "b" * 64, "c" * 64)


def run(file, *of):
    """Rows of one file: place, reference (with its content after a slash), fate, and (run number, row id) where a row came back.

    Each balance is 5 ZAR.
    """
    table = [
        {"row_id": f"{file[0]}.csv:{place}", "external_reference": (reference or "").partition("/")[0] or None, "fate": fate, "reasons": [],
         "fingerprint": (reference or "").partition("/")[2] or "f1", "currency": "ZAR",
         "balance": 5, "origin_run": f"run-{origin[0][0]}" if origin else None, "origin_row": origin[0][1] if origin else None,
         "file": file, "place": f":{place}"}
        for place, reference, fate, *origin in of
    ]  # fmt: skip
    return pl.DataFrame(table, schema=ROWS)


def after(*runs):
    found = Current()
    for number, rows in enumerate(runs, start=1):
        earlier = [
            one.with_columns(origin_run=pl.lit(f"run-{at}"), origin_row="row_id").select(
                ORIGINS.names()
            )
            for at, one in enumerate(runs[: number - 1], start=1)
        ]
        origins = pl.concat([pl.DataFrame(schema=ORIGINS), *earlier])
        wanted = rows.select("origin_run", "origin_row")
        found = add_run(
            found,
            f"run-{number}",
            f"2026-11-{number:02}T06:00:00+00:00",
            rows.lazy(),
            frozenset(rows["file"]),
            origins.join(wanted, on=["origin_run", "origin_row"], how="semi"),
        )
    return found


def fates(current):
    """Row of the record -> fate now."""
    return {
        f"{file[0]}{place}": fate
        for file, place, fate in current.records.select("file", "place", "fate").rows()
    }


def test_an_item_is_open_from_its_first_run_until_a_good_row_closes_it():
    current = after(
        run(A, (2, "A", "invalid"), (3, "B", "invalid"), (4, "C", "created")),
        run(B, (9, "A", "needs_review"), (3, "B", "created")),
    )

    assert current.open.select("row_id", "fate", "run_id", "since", "runs").rows() == [
        ("b.csv:9", "needs_review", "run-2", "2026-11-01T06:00:00+00:00", 2),
    ]
    assert fates(current) == {"a:2": "needs_review", "a:3": "created"}


RULES = {
    "a row without a reference is met again by its link alone": (
        [
            run(A, (2, None, "unreadable"), (3, None, "unreadable")),
            run(B, (2, "A", "invalid", (1, "a.csv:2"))),
            run(C, (2, "A", "created", (2, "b.csv:2"))),
        ],
        {"a:2": "created", "a:3": "unreadable"},
    ),
    "a settled record stays settled though its file is fed again": (
        [run(A, (2, "A", "invalid")), run(B, (2, "A", "created", (1, "a.csv:2"))), run(A, (2, "A", "invalid"))],
        {"a:2": "created"},
    ),
    "a twin that was dropped is settled by the one that was taken": (
        [run(A, (2, "A", "needs_review"), (3, "A", "needs_review")), run(B, (2, "A", "created", (1, "a.csv:3")))],
        {"a:2": "superseded", "a:3": "created"},
    ),
    "a settled conflict stays settled though its file is fed again": (
        [
            run(A, (2, "A", "needs_review"), (3, "A", "needs_review")),
            run(B, (2, "A", "created", (1, "a.csv:2"))),
            run(A, (2, "A", "already_exists_same"), (3, "A", "already_exists_different")),
        ],
        {"a:2": "created", "a:3": "superseded"},
    ),
    "a dropped row that somebody feeds after all is open again": (
        [
            run(A, (2, "A", "needs_review"), (3, "A", "needs_review")),
            run(B, (2, "A", "created", (1, "a.csv:2"))),
            run(C, (2, "A", "already_exists_different", (1, "a.csv:3"))),
        ],
        {"a:2": "created", "a:3": "already_exists_different"},
    ),
    "a conflict stays open while the chosen row is rejected": (
        [run(A, (2, "A", "needs_review"), (3, "A", "needs_review")), run(B, (2, "A", "invalid", (1, "a.csv:2")))],
        {"a:2": "invalid", "a:3": "needs_review"},
    ),
    "a conflict is settled when the chosen row is, though its list had to be fed twice": (
        [
            run(A, (2, "A", "needs_review"), (3, "A", "needs_review")),
            *[run(B, (2, "A", fate, (1, "a.csv:2"))) for fate in ("not_attempted", "already_exists_same")],
        ],
        {"a:2": "already_exists_same", "a:3": "superseded"},
    ),
    "a rejected row that was dropped from its list stays open": (
        [run(A, (2, "A", "invalid"), (3, "B", "invalid")), run(B, (2, "A", "created", (1, "a.csv:2")))],
        {"a:2": "created", "a:3": "invalid"},
    ),
    "a row that was mended into two is two records": (
        [
            run(A, (2, "A", "invalid")),
            run(B, (2, "A", "created", (1, "a.csv:2")), (3, "A2", "invalid", (1, "a.csv:2"))),
        ],
        {"a:2": "created", "b:3": "invalid"},
    ),
    "the second half of a row that was mended into two is a record in a later run too": (
        [
            run(A, (2, "A", "invalid")),
            run(B, (2, "A", "created", (1, "a.csv:2"))),
            run(C, (2, "A2", "invalid", (1, "a.csv:2"))),
        ],
        {"a:2": "created", "c:2": "invalid"},
    ),
    "a list that comes back twice says nothing new": (
        [run(A, (2, "A", "invalid")), *[run(B, (2, "A", "invalid", (1, "a.csv:2")))] * 2],
        {"a:2": "invalid"},
    ),
    "a row of the supplier's own file with the reference of an open record is that record": (
        [run(A, (2, "A", "invalid")), run(B, (7, "A", "created"))],
        {"a:2": "created"},
    ),
    "one row alone of the supplier's own file stands for an open record": (
        [run(A, (2, "A", "invalid")), run(B, (7, "A", "needs_review"), (8, "A", "needs_review"))],
        {"a:2": "needs_review", "b:8": "needs_review"},
    ),
    "a conflict is settled by the supplier's own file": (
        [run(A, (2, "A", "needs_review"), (3, "A", "needs_review")), run(B, (7, "A", "created"))],
        {"a:2": "created", "a:3": "superseded"},
    ),
    "a held row is no record of its own where the old file is fed again": (
        [
            run(A, (2, "A", "created")),
            run(B, (2, "A", "already_exists_different")),
            run(A, (2, "A", "already_exists_same")),
        ],
        {"b:2": "already_exists_different"},
    ),
    "a new file that says again what billing holds settles a held row": (
        [
            run(A, (2, "A", "created")),
            run(B, (2, "A", "already_exists_different")),
            run(C, (2, "A", "already_exists_same")),
        ],
        {"b:2": "already_exists_same"},
    ),
    "what was created stays created though its row comes back held": (
        [run(A, (2, "A", "created")), run(B, (2, "A", "already_exists_different", (1, "a.csv:2")))],
        {"a:2": "created"},
    ),
    "copies of one file in a run are one file": (
        [pl.concat([run(A, (2, "A", "invalid")), run(A, (2, "A", "invalid"))])],
        {"a:2": "invalid"},
    ),
    "the newest run decides where a file is fed again": (
        [run(A, (2, "A", "not_attempted"), (3, "B", "in_doubt")), run(A, (2, "A", "created"), (3, "B", "refused"))],
        {"a:2": "created", "a:3": "refused"},
    ),
    "an invalid row beside a good one of the same reference stays open": (
        [run(A, (2, "A", "invalid"), (3, "A", "created")), run(A, (2, "A", "invalid"), (3, "A", "already_exists_same"))],
        {"a:2": "invalid"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("rule", RULES)
def test_records_are_linked_by_rules(rule):
    runs, expected = RULES[rule]

    assert fates(after(*runs)) == expected


def test_current_fates_of_a_run_are_counted_by_fate_and_run():
    first = run(
        A,
        (2, "A", "invalid"),
        (3, "B", "needs_review"),
        (4, "B", "needs_review"),
        (5, "D", "invalid"),
    )
    current = after(
        first, run(B, (2, "A", "created", (1, "a.csv:2")), (3, "B", "created", (1, "a.csv:3")))
    )

    assert changes(current, first.lazy()).rows() == [
        ("invalid", "created", "run-2", 1),
        ("invalid", "invalid", "run-1", 1),
        ("needs_review", "created", "run-2", 1),
        ("needs_review", "superseded", "run-2", 1),
    ]
    assert resubmitted(current, first.lazy(), "run-1") == 2


def test_resubmitted_rows_count_where_their_record_first_appeared_even_in_an_earlier_file():
    first, second = (
        run(A, (2, "A", "needs_review")),
        run(B, (2, "A", "needs_review"), (3, "B", "invalid")),
    )
    current = after(
        first,
        second,
        run(C, (2, "A", "needs_review", (2, "b.csv:2")), (3, "B", "created", (2, "b.csv:3"))),
    )

    assert resubmitted(current, second.lazy(), "run-2") == 2


def test_the_ledger_resolves_only_records_in_doubt_or_not_attempted():
    current = after(
        run(
            A,
            (2, "A", "in_doubt"),
            (3, "B", "not_attempted"),
            (4, "C", "invalid"),
            (5, "D", "in_doubt"),
        )
    )
    states = {"A": State.ADOPTED, "B": State.REFUSED, "C": State.CREATED}
    known = {name: End(state, "run-9", "f1") for name, state in states.items()} | {
        "D": End(State.UNKNOWN, "run-1", "f1")
    }

    found = settled_by_ledger(current, known)

    assert fates(found) == {"a:2": "created", "a:3": "refused", "a:4": "invalid", "a:5": "in_doubt"}
    assert found.records["run_id"].to_list() == ["run-9", "run-9", "run-1", "run-1"]


def test_the_ages_of_open_items_come_to_their_number_and_their_sums():
    items = after(run(A, (2, "A", "invalid"), (3, "B", "invalid"), (4, "C", "in_doubt"))).open

    found = ages(items, "2026-11-24T00:00:00+00:00")

    assert [(one.fate, one.records, one.days, one.sums) for one in found] == [
        ("in_doubt", 1, 23, {"ZAR": 5}),
        ("invalid", 2, 23, {"ZAR": 10}),
    ]


def test_a_repeated_row_shares_the_outcome_of_the_chosen_row():
    held = run(A, (2, "A", "needs_review"), (3, "A", "needs_review"))
    current = after(held, run(B, (2, "A", "in_doubt", (1, "a.csv:3"))))

    found = settled_by_ledger(current, {"A": End(State.CREATED, "run-2", "f1")})

    assert fates(found) == {"a:2": "superseded", "a:3": "created"}
    assert fates(settled_by_ledger(current, {"A": End(State.UNKNOWN, "run-2", "f1")})) == {
        "a:2": "needs_review",
        "a:3": "in_doubt",
    }


def test_a_record_in_doubt_and_a_new_record_of_other_content_each_get_their_own_fate():
    sent, fed = run(A, (2, "A/f1", "in_doubt")), run(B, (9, "A/f2", "in_doubt"))

    both = after(sent, fed)
    created_first = settled_by_ledger(both, {"A": End(State.CREATED, "run-1", "f1")})
    refused_first = settled_by_ledger(
        both,
        {"A": End(State.CREATED, "run-2", "f2")},
        {("A", "f1"): End(State.REFUSED, "run-1", "f1")},
    )
    given_up = settled_by_ledger(both, {"A": End(State.GIVEN_UP, "run-1", "f1")})

    assert fates(both) == {"a:2": "in_doubt", "b:9": "in_doubt"}
    assert fates(after(sent, run(B, (9, "A/f1", "created")))) == {"a:2": "created"}
    assert fates(created_first) == {"a:2": "created", "b:9": "already_exists_different"}
    assert fates(refused_first) == {"a:2": "refused", "b:9": "created"}
    assert fates(given_up) == {"a:2": "given_up", "b:9": "needs_review"}


def test_a_given_up_record_is_recognized_by_equal_content_only():
    sent = run(A, (2, "A/f1", "given_up"))

    assert fates(after(sent, run(B, (9, "A/f1", "given_up")))) == {"a:2": "given_up"}
    assert fates(after(sent, run(B, (9, "A/f1", "created")))) == {"a:2": "created"}
    assert fates(after(sent, run(B, (9, "A/f2", "needs_review")))) == {
        "a:2": "given_up",
        "b:9": "needs_review",
    }
    assert after(sent).open.is_empty()
