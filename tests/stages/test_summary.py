"""The figures of a summary: balances by kind, amounts at stake, samples, the estimate."""

from datetime import UTC, datetime

import duckdb
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.domain.customer import Environment
from pipeline.domain.fates import LISTS, Action, Fate
from pipeline.domain.plan_file import InputFile, InputTotals, LineCounts, PlanFile, PlanSettings
from pipeline.domain.run_summary import RunSummary
from pipeline.domain.summary_parts import AmountAtStake, BalanceKinds, Estimate, Sample, Sides
from pipeline.reporting.plan_summary import amount_as_given
from pipeline.reporting.summary import RunOutcome, StopCause, summarize

MOST = 2**53 - 1


def summary(
    *rows: dict,
    status: str = "finished",
    stop_code: int | None = None,
    per_second: float | None = None,
) -> RunSummary:
    """The summary of some fates; by default a row is a created customer without a balance."""
    plain = {
        "fate": "created",
        "currency": "-",
        "balance": None,
        "kind": None,
        "action": "create",
        "flags": [],
        "given": None,
    }
    all_rows = [
        {**plain, **row, "position": at, "row_id": f"c.csv:{at + 2}"} for at, row in enumerate(rows)
    ]
    with duckdb.connect(":memory:") as workbench:
        _show(workbench, all_rows)
        outcome = RunOutcome(
            status=status,
            finished_at=datetime(2026, 11, 22, 6, tzinfo=UTC),
            stop=StopCause("because", stop_code) if stop_code else None,
        )
        return summarize(workbench, _plan(all_rows, per_second), outcome)


def _show(workbench: duckdb.DuckDBPyConnection, rows: list[dict]) -> None:
    """Make the tables that `summarize` reads."""
    table = pl.DataFrame(
        rows,
        schema={"fate": pl.String, "currency": pl.String, "balance": pl.Int64, "kind": pl.String, "action": pl.String,
                "flags": pl.List(pl.String), "given": pl.String, "position": pl.Int64, "row_id": pl.String},
    )  # fmt: skip
    workbench.register("given_rows", table)
    workbench.execute(
        "CREATE TABLE fates AS SELECT *, kind AS balance_kind, 1 AS line_count, CAST([] AS VARCHAR[]) AS reasons,"
        " true AS payable FROM given_rows"
    )
    workbench.execute(
        'CREATE VIEW records AS SELECT position, given AS "mapped.balance" FROM given_rows'
    )
    workbench.execute(
        "CREATE VIEW plan AS SELECT position, action, flags, CAST(NULL AS VARCHAR) AS reason"
        " FROM given_rows WHERE action IS NOT NULL"
    )


def _plan(rows: list[dict], per_second: float | None) -> PlanFile:
    sums = {"debits": _read(rows, 1), "credits": _read(rows, -1)}
    planned = [row["action"] for row in rows if row["action"]]
    return PlanFile(
        run_id="20261122T060000Z-c-3f9a1c",
        planned_at="2026-11-22T06:00:00+00:00",
        planner="thandi",
        version="0",
        normalization=1,
        environment=Environment("sandbox", "sandbox", "test", "loopback"),
        destination="sandbox",
        settings=PlanSettings(region="ZA"),
        per_second=per_second,
        mapping={},
        absent_texts={},
        inputs=(
            InputFile(
                path="c.csv",
                name="c.csv",
                sha256="ab" * 32,
                format="csv",
                bytes=1,
                dialect={},
                lines=LineCounts(physical=len(rows) + 1, header=1, records=len(rows)),
                records=len(rows),
                columns=(),
                is_resubmission=False,
                **sums,
            ),
        ),
        columns=(),
        columns_not_sent={},
        ledger_event=0,
        read=InputTotals(records=len(rows), **sums),
        actions={action.value: planned.count(action.value) for action in Action},
        staged={},
        profile={},
    )


def _read(rows: list[dict], sign: int) -> dict[str, int]:
    sums: dict[str, int] = {}
    for row in rows:
        if (row["balance"] or 0) * sign > 0:
            sums[row["currency"]] = sums.get(row["currency"], 0) + row["balance"]
    return sums


def money(balance: int, currency: str = "ZAR", **row) -> dict:
    return {"balance": balance, "currency": currency, "kind": "ok", **row}


def test_a_balance_of_zero_is_not_an_absent_one():
    found = summary(
        money(0),
        money(0),
        {},
        money(5),
        money(-5),
        {"kind": "not_a_number", "fate": "invalid", "action": None},
    )

    assert found.balances["created"] == BalanceKinds(debit=1, credit=1, zero=2, absent=1)
    assert found.balances["invalid"] == BalanceKinds(unusable=1)


def test_the_balance_of_an_unreadable_record_is_unknown_not_absent():
    found = summary({"fate": "unreadable", "action": None})

    assert found.balances["unreadable"].unusable == 1


def test_the_amounts_at_stake_are_summed_by_list_with_debits_and_credits_apart():
    found = summary(
        money(100),
        money(200, fate="invalid", action=None),
        money(-30, fate="refused"),
        money(7, "JPY", fate="refused"),
        {"fate": "unreadable", "action": None},
        money(9, fate="needs_review", action="hold"),
        money(-9, fate="already_exists_different", action="hold"),
    )

    rejected = {"JPY": Sides(debits=7), "ZAR": Sides(debits=200, credits=-30)}
    assert found.at_stake["rejected"] == AmountAtStake(records=4, unusable=1, sums=rejected)
    held = {"ZAR": Sides(debits=9, credits=-9)}
    assert found.at_stake["held"] == AmountAtStake(records=2, unusable=0, sums=held)


def test_an_amount_at_stake_beyond_2_to_the_63_is_exact():
    found = summary(*[money(MOST, fate="invalid", action=None)] * 1030)

    assert found.at_stake["rejected"].sums == {"ZAR": Sides(debits=1030 * MOST)}
    assert found.accounting.holds


def test_records_of_a_later_batch_are_no_problem_and_unsent_records_are():
    later = {"fate": "not_attempted", "action": "defer"}

    batch = summary({}, later, later)
    broken_off = summary({}, later, {"fate": "not_attempted"})

    assert (batch.exit_code, broken_off.exit_code) == (0, 5)
    assert "2 left for a later batch" in batch.verdict
    assert "1 not attempted, 1 left for a later batch" in broken_off.verdict
    assert batch.by_action["defer"].records == 2


def test_a_threshold_ends_with_3():
    assert summary({"fate": "not_attempted"}, stop_code=3).exit_code == 3


def test_samples_show_the_given_amount_and_the_minor_units_and_no_personal_data():
    found = summary(
        money(24000, given=" 240.00 ", fate="not_attempted"),
        money(-1234, "KWD", given="-1.234", fate="not_attempted"),
        {"given": "Thandi", "kind": "not_a_number", "fate": "not_attempted"},
        status="planned",
    )

    assert found.samples["create"] == (
        Sample(row_id="c.csv:2", given="240.00", balance=24000, currency="ZAR", reason=None),
        Sample(row_id="c.csv:3", given="-1.234", balance=-1234, currency="KWD", reason=None),
        Sample(row_id="c.csv:4", given=None, balance=None, currency="-", reason=None),
    )


def test_samples_are_of_several_kinds_if_there_are_several():
    found = summary(*[money(5)] * 50, money(-5), {})

    assert [sample.balance for sample in found.samples["create"]] == [5, -5, None]


@pytest.mark.parametrize(
    "text", ["Ann", "ann@example.com", "8501015800085 Lee", "1" * 41, "", None, "R240"]
)
def test_a_text_that_does_not_look_like_an_amount_is_not_shown(text):
    assert amount_as_given(text) is None


def test_flagged_creates_are_counted_by_reason():
    found = summary(
        {"flags": ["MATCH.EMAIL_OF_ANOTHER", "MATCH.PHONE_OF_ANOTHER"]},
        {"flags": ["MATCH.EMAIL_OF_ANOTHER"]},
        {},
    )

    assert found.flagged == {"MATCH.EMAIL_OF_ANOTHER": 2, "MATCH.PHONE_OF_ANOTHER": 1}


@pytest.mark.parametrize(("per_second", "seconds"), [(None, None), (20.0, 0.1)])
def test_the_estimated_time_follows_from_the_rate_limit(per_second, seconds):
    estimate = Estimate(creates=2, per_second=per_second, seconds=seconds)

    assert summary({}, {}, per_second=per_second).estimate == estimate


kinds = st.sampled_from([money(5), money(-7, "KWD"), money(0), {}, {"kind": "too_large"}])
fates = st.sampled_from([*Fate])


@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(kinds, fates), max_size=12))
def test_every_record_has_one_kind_and_an_amount_at_stake_is_that_of_its_list(rows):
    found = summary(*({**row, "fate": fate.value} for row, fate in rows))

    assert sum(kinds.records for kinds in found.balances.values()) == len(rows)
    for name, stake in found.at_stake.items():
        assert stake.records == sum(found.fates[fate] for fate in LISTS[name])
        for currency, sides in stake.sums.items():
            assert sides.debits == sum(found.debits[currency][fate] for fate in LISTS[name])


def test_a_summary_is_the_same_after_it_was_written_and_read():
    written = summary(money(5), {"fate": "unreadable", "action": None})

    assert RunSummary.model_validate(written.to_json()) == written
