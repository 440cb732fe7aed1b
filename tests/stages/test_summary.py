"""What a summary says first: debits and credits apart, absent and zero apart, what is at stake, and what a plan would do."""

from datetime import UTC, datetime

import duckdb
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.domain.fates import LISTS, Action, Fate
from pipeline.reporting.money import KINDS
from pipeline.reporting.plan_summary import amount_as_given
from pipeline.reporting.summary import Facts, summarize

MOST = 2**53 - 1


def summary(*rows: dict, status: str = "finished", stop_code: int | None = None, **facts) -> dict:
    """The summary of some fates; what a row does not say is a created customer without a balance."""
    plain = {
        "fate": "created",
        "currency": "-",
        "balance": None,
        "kind": None,
        "action": "create",
        "flags": [],
        "given": None,
    }
    told = [
        {**plain, **row, "position": at, "row_id": f"c.csv:{at + 2}"} for at, row in enumerate(rows)
    ]
    table = pl.DataFrame(
        told,
        schema={"fate": pl.String, "currency": pl.String, "balance": pl.Int64, "kind": pl.String, "action": pl.String,
                "flags": pl.List(pl.String), "given": pl.String, "position": pl.Int64, "row_id": pl.String},
    )  # fmt: skip
    planned = [row["action"] for row in told if row["action"]]
    with duckdb.connect(":memory:") as workbench:
        workbench.register("told", table)
        workbench.execute(
            "CREATE TABLE fates AS SELECT *, kind AS balance_kind, 1 AS line_count, CAST([] AS VARCHAR[]) AS reasons,"
            " true AS payable FROM told"
        )
        workbench.execute(
            'CREATE VIEW records AS SELECT position, given AS "mapped.balance" FROM told'
        )
        workbench.execute(
            "CREATE VIEW plan AS SELECT position, action, flags, CAST(NULL AS VARCHAR) AS reason FROM told WHERE action IS NOT NULL"
        )
        made = Facts(
            run_id="20261122T060000Z-c-3f9a1c",
            status=status,
            stop_reason="because" if stop_code else None,
            stop_code=stop_code,
            environment={
                "name": "sandbox",
                "merchant": "sandbox",
                "mode": "test",
                "host": "loopback",
            },
            planner="thandi",
            version="0",
            planned_at="2026-11-22T06:00:00+00:00",
            finished_at=datetime(2026, 11, 22, 6, tzinfo=UTC),
            inputs=[],
            lines={"physical": len(rows) + 1, "header": 1, "skipped": 0, "blank": 0},
            records_read=len(rows),
            debits_read=_read(told, 1),
            credits_read=_read(told, -1),
            not_sent_columns={},
            actions={action.value: planned.count(action.value) for action in Action},
            requests={"creates": 0, "replayed": 0, "look_ups": 0},
            profile={},
            **facts,
        )
        return summarize(workbench, made).content


def _read(rows: list[dict], sign: int) -> dict[str, int]:
    sums: dict[str, int] = {}
    for row in rows:
        if (row["balance"] or 0) * sign > 0:
            sums[row["currency"]] = sums.get(row["currency"], 0) + row["balance"]
    return sums


def money(balance: int, currency: str = "ZAR", **row) -> dict:
    return {"balance": balance, "currency": currency, "kind": "ok", **row}


def test_a_balance_of_zero_is_stated_and_an_absent_one_is_not():
    content = summary(
        money(0),
        money(0),
        {},
        money(5),
        money(-5),
        {"kind": "not_a_number", "fate": "invalid", "action": None},
    )

    assert content["balances"]["created"] == {
        "debit": 1,
        "credit": 1,
        "zero": 2,
        "absent": 1,
        "unusable": 0,
    }
    assert content["balances"]["invalid"] == {
        "debit": 0,
        "credit": 0,
        "zero": 0,
        "absent": 0,
        "unusable": 1,
    }


def test_what_an_unreadable_record_says_is_unknown_not_absent():
    content = summary({"fate": "unreadable", "action": None})

    assert content["balances"]["unreadable"]["unusable"] == 1


def test_the_amount_at_stake_in_rejected_and_held_rows_is_told_debits_and_credits_apart():
    content = summary(
        money(100),
        money(200, fate="invalid", action=None),
        money(-30, fate="refused"),
        money(7, "JPY", fate="refused"),
        {"fate": "unreadable", "action": None},
        money(9, fate="needs_review", action="hold"),
        money(-9, fate="already_exists_different", action="hold"),
    )

    assert content["at_stake"]["rejected"] == {
        "records": 4,
        "unusable": 1,
        "sums": {"JPY": {"debits": 7, "credits": 0}, "ZAR": {"debits": 200, "credits": -30}},
    }
    assert content["at_stake"]["held"] == {
        "records": 2,
        "unusable": 0,
        "sums": {"ZAR": {"debits": 9, "credits": -9}},
    }


def test_a_stake_beyond_2_to_the_63_is_exact():
    content = summary(*[money(MOST, fate="invalid", action=None)] * 1030)

    assert content["at_stake"]["rejected"]["sums"] == {"ZAR": {"debits": 1030 * MOST, "credits": 0}}
    assert content["conservation"]["holds"]


def test_rows_left_for_a_later_wave_are_no_trouble_and_rows_that_were_to_be_sent_are():
    later = {"fate": "not_attempted", "action": "defer"}

    wave = summary({}, later, later)
    broken_off = summary({}, later, {"fate": "not_attempted"})

    assert (wave["exit_code"], broken_off["exit_code"]) == (0, 5)
    assert "2 left for a later wave" in wave["verdict"]
    assert "1 not attempted, 1 left for a later wave" in broken_off["verdict"]
    assert wave["by_action"]["defer"]["records"] == 2


def test_a_threshold_ends_with_3():
    assert summary({"fate": "not_attempted"}, stop_code=3)["exit_code"] == 3


def test_samples_show_the_amount_as_given_beside_the_minor_units_and_nobodys_data():
    content = summary(
        money(24000, given=" 240.00 ", fate="not_attempted"),
        money(-1234, "KWD", given="-1.234", fate="not_attempted"),
        {"given": "Thandi", "kind": "not_a_number", "fate": "not_attempted"},
        status="planned",
    )

    assert content["samples"]["create"] == [
        {
            "row_id": "c.csv:2",
            "given": "240.00",
            "balance": 24000,
            "currency": "ZAR",
            "reason": None,
        },
        {
            "row_id": "c.csv:3",
            "given": "-1.234",
            "balance": -1234,
            "currency": "KWD",
            "reason": None,
        },
        {"row_id": "c.csv:4", "given": None, "balance": None, "currency": "-", "reason": None},
    ]


def test_samples_are_of_several_kinds_where_there_are_several():
    content = summary(*[money(5)] * 50, money(-5), {})

    assert [sample["balance"] for sample in content["samples"]["create"]] == [5, -5, None]


@pytest.mark.parametrize(
    "text", ["Ann", "ann@example.com", "8501015800085 Lee", "1" * 41, "", None, "R240"]
)
def test_what_does_not_look_like_an_amount_is_not_shown(text):
    assert amount_as_given(text) is None


def test_flagged_creates_are_counted_by_reason():
    content = summary(
        {"flags": ["MATCH.EMAIL_OF_ANOTHER", "MATCH.PHONE_OF_ANOTHER"]},
        {"flags": ["MATCH.EMAIL_OF_ANOTHER"]},
        {},
    )

    assert content["flagged"] == {"MATCH.EMAIL_OF_ANOTHER": 2, "MATCH.PHONE_OF_ANOTHER": 1}


@pytest.mark.parametrize(("pace", "seconds"), [(None, None), (20.0, 0.1)])
def test_how_long_it_takes_follows_from_the_pace(pace, seconds):
    assert summary({}, {}, per_second=pace)["estimate"] == {
        "creates": 2,
        "per_second": pace,
        "seconds": seconds,
    }


kinds = st.sampled_from([money(5), money(-7, "KWD"), money(0), {}, {"kind": "too_large"}])
fates = st.sampled_from([*Fate])


@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(kinds, fates), max_size=12))
def test_every_record_is_of_one_kind_and_what_is_at_stake_is_what_its_lists_hold(rows):
    content = summary(*({**row, "fate": fate.value} for row, fate in rows))

    assert sum(sum(by_kind.values()) for by_kind in content["balances"].values()) == len(rows)
    assert {kind for by_kind in content["balances"].values() for kind in by_kind} == set(KINDS)
    for name, stake in content["at_stake"].items():
        assert stake["records"] == sum(content["fates"][fate] for fate in LISTS[name])
        for currency, sides in stake["sums"].items():
            assert sides["debits"] == sum(content["debits"][currency][fate] for fate in LISTS[name])
