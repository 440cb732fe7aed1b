"""When a run stops of itself: refusals beyond what the usual rate explains, silence, the clock; and that it goes on otherwise."""

import math
import random
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from pipeline.cli.output.runs import show_status
from pipeline.submission.circuit_breaker import Evidence, Kind
from pipeline.submission.steps import Policy, RefusalRates, Stop
from pipeline.submission.turned_away import Suspicion
from pipeline.workflows.status import RunStatus

POLICY = Policy()
NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def evidence(policy: Policy = POLICY) -> Evidence:
    return Evidence.start(policy, 0.0)


def verdict(
    seen: Evidence, *, now: float = 0.0, at: datetime = NOON, creates: int = 2, lookups: int = 0
):
    return seen.verdict(now, at, lambda: Counter({Kind.CREATE: creates, Kind.LOOKUP: lookups}))


def stopped_after(rate: float, rows: int, seed: int, policy: Policy = POLICY) -> int | None:
    """How many rows it takes to stop a run in which billing refuses at this rate, None where it goes on."""
    dice, seen = random.Random(seed), evidence(policy)
    for row in range(1, rows + 1):
        seen.count_row(refusal=dice.random() < rate)
        if verdict(seen) is not None:
            return row
    return None


def test_at_the_alarming_rate_a_run_stops_within_60_rows_in_99_of_100_seeds():
    stopped = sum(stopped_after(0.30, 60, seed) is not None for seed in range(1_000))

    assert stopped >= 990


@pytest.mark.long
def test_at_the_usual_refusal_rate_999_of_1_000_runs_continue():
    went_on = sum(stopped_after(0.005, 1_000, seed) is None for seed in range(1_000))

    assert went_on >= 999


def test_both_rates_are_the_job_s_to_set():
    patient = replace(POLICY, refusals=RefusalRates(0.30, 0.90))

    assert sum(stopped_after(0.30, 300, seed, patient) is None for seed in range(100)) >= 99
    assert sum(stopped_after(0.90, 60, seed, patient) is not None for seed in range(100)) >= 99


def test_good_times_are_forgotten_so_that_a_run_that_turns_bad_late_stops_as_soon():
    late = evidence()
    for _ in range(100_000):
        late.count_row(refusal=False)
    early = evidence()

    def until_it_stops(seen: Evidence) -> int:
        rows = 0
        while verdict(seen) is None:
            seen.count_row(refusal=True)
            rows += 1
        return rows

    assert until_it_stops(late) == until_it_stops(early)


def test_a_stop_for_refusals_names_their_number_and_the_remedy_and_exits_3():
    seen = evidence()
    for _ in range(10):
        seen.count_row(refusal=True)

    stop = verdict(seen)

    assert stop.exit_code == 3
    assert stop.reason.startswith("THRESHOLD.REFUSALS: billing refused 10 of 10 rows")
    assert "usual_refusals" in stop.reason


def test_the_bar_is_one_false_alarm_in_a_thousand_runs_of_a_million_rows():
    seen = evidence()
    seen.weight = math.log(1e9)
    assert verdict(seen) is None

    seen.weight += 0.001
    assert verdict(seen) is not None


# silence


@pytest.mark.parametrize(("now", "stops"), [(299.0, False), (301.0, True)])
def test_silence_for_five_minutes_while_rows_are_waiting_is_an_outage(now, stops):
    stop = verdict(evidence(), now=now)

    assert (stop is not None) == stops
    assert stop is None or stop.exit_code == 5


def test_silence_between_requests_does_not_count():
    assert verdict(evidence(), now=10_000.0, creates=0) is None


def test_a_pause_that_billing_asked_for_is_no_outage():
    seen = evidence()
    seen.note_pause(until=600.0)

    assert verdict(seen, now=899.0) is None
    assert verdict(seen, now=901.0) is not None


def test_a_slow_pace_is_no_outage():
    assert verdict(evidence(replace(POLICY, per_second=0.004)), now=400.0) is None


def test_an_answer_ends_the_silence():
    seen = evidence()
    seen.note_answer(Kind.CREATE, 250.0)

    assert verdict(seen, now=540.0) is None


def test_answered_lookups_do_not_hide_unanswered_creates():
    seen = evidence()
    seen.note_answer(Kind.LOOKUP, 300.0)

    assert verdict(seen, now=301.0).exit_code == 5


def test_unanswered_lookups_do_not_stop_creates():
    seen = evidence()
    seen.note_answer(Kind.CREATE, 300.0)

    assert verdict(seen, now=301.0, lookups=5) is None
    assert verdict(seen, now=301.0, creates=0, lookups=5).exit_code == 5


def test_one_record_that_is_never_answered_is_no_outage_where_others_were():
    seen = evidence()
    assert verdict(seen, now=301.0, creates=1) is not None

    seen.note_answer(Kind.CREATE, 0.0)
    assert verdict(seen, now=301.0, creates=1) is None
    assert verdict(seen, now=301.0, creates=2) is not None


def test_the_third_record_whose_answer_names_another_customer_stops_the_run():
    seen = evidence()

    assert [seen.note_other_customer(reference) for reference in ("A-1", "A-2", "A-2", "A-1")] == [
        None
    ] * 4
    assert seen.note_other_customer("A-3").exit_code == 4


# refused at the door


def test_three_records_refused_alike_stop_the_run_and_other_statuses_do_not_add_up():
    seen, stop = Suspicion(), Stop("billing refuses the API key")

    assert [
        seen.add(f"A-{n}", status, stop) for n, status in enumerate([403, 401, 403, 302, 401])
    ] == [None] * 5
    assert seen.add("A-5", 403, stop) is stop


def test_an_accepted_record_shows_that_earlier_refusals_were_about_the_records():
    seen, stop = Suspicion(), Stop("billing refuses the API key")
    seen.add("A-1", 403, stop)
    seen.add("A-2", 403, stop)

    assert seen.accepted() == ["A-1", "A-2"]
    assert [seen.add("A-3", 403, stop), seen.add("A-4", 403, stop)] == [None, None]
    assert seen.nobody_else() == (["A-3", "A-4"], None)


def test_a_refused_record_stops_the_run_if_no_other_record_is_left_to_compare_with():
    seen, stop = Suspicion(), Stop("billing refuses the API key")
    seen.add("A-1", 403, stop)

    assert seen.nobody_else() == (["A-1"], stop)


# the clock


@pytest.mark.parametrize(("minutes", "stops"), [(-1, False), (0, True), (1, True)])
def test_a_run_stops_resumably_at_its_time(minutes, stops):
    stop = verdict(evidence(replace(POLICY, stop_at=NOON)), at=NOON + timedelta(minutes=minutes))

    assert (stop is not None) == stops
    assert stop is None or stop.exit_code == 5


def test_withdrawn_requests_of_a_stopped_run_are_not_among_the_final_ones(capsys):
    shown = {
        "started_at": None,
        "ended_at": None,
        "exit_code": 5,
        "reports": "reports/x",
        "verdict": "It stopped.",
    }
    states = {"created": 3, "withdrawn": 4}
    show_status(
        RunStatus(
            run_id="x",
            status="stopped",
            environment="sandbox",
            planned=3,
            later=0,
            states=states,
            **shown,
        )
    )

    assert "3 of 3 creates settled (3 created)" in capsys.readouterr().out
