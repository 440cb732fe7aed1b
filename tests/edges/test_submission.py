"""The loop with effects against a billing API on a socket that misbehaves: each customer once, and the books agree."""

import contextlib
import hashlib
import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from pipeline.billing import ApiKey, Billing, Create, Lookup, parse_address
from pipeline.domain.customer import Environment, create_key, payload_bytes
from pipeline.domain.fates import State
from pipeline.domain.responses import (
    Accepted,
    CredentialRefused,
    Difference,
    Found,
    Limited,
    NoAnswer,
    NotFound,
    RowRefused,
    ServerTrouble,
    Unexpected,
)
from pipeline.errors import LedgerError
from pipeline.sandbox import Faults, SandboxServer
from pipeline.storage.ledger import Intent, Ledger
from pipeline.storage.ledger.opening import check_end
from pipeline.submission import (
    Backoff,
    Callbacks,
    Clock,
    Planned,
    Policy,
    RunIdentity,
    Runtime,
    Stop,
    StopRequest,
    Tally,
    Work,
    submit,
)
from pipeline.submission.intake import WINDOW

HERE = Environment("sandbox", "sandbox", "test", "loopback")
CLOCK = Clock(lambda: datetime.now(UTC), time.monotonic)
QUICK = Policy(
    workers=4,
    backoff=Backoff(base=0.005, cap=0.05, limited_base=0.01, limited_cap=0.05),
    lookup_lag=0.05,
)


def a_customer(number: int, **other: object) -> dict[str, object]:
    return {
        "external_reference": f"A-{number}",
        "name": f"Customer {number}",
        "currency": "ZAR" if number % 2 else "KWD",
        "balance": number * 100 - 250,
        **other,
    }


def planned(customer: dict[str, object]) -> Planned:
    payload = payload_bytes(customer)
    fingerprint = hashlib.sha256(payload).hexdigest()
    reference = str(customer["external_reference"])
    return Planned(reference, fingerprint, create_key(HERE, reference, fingerprint), payload)


def intent_of(customer: dict[str, object], generation: int = 1) -> Intent:
    plan = planned(customer)
    key = create_key(HERE, plan.external_reference, plan.fingerprint, generation)
    return Intent(plan.external_reference, plan.fingerprint, key, plan.payload, generation)


def plan_of(count: int) -> list[Planned]:
    return [planned(a_customer(number)) for number in range(count)]


@dataclass
class Stage:
    """A sandbox, a ledger, and what it takes to submit from one to the other."""

    sandbox: SandboxServer
    ledger: Ledger
    billing: Billing
    credential: str = "credential-1"

    def submit(
        self, plan: list[Planned], policy: Policy = QUICK, run_id: str = "run-1", **more: object
    ) -> Tally:
        work = {name: more.pop(name) for name in ("earlier", "has_created") if name in more}
        callbacks = {
            name: more.pop(name) for name in ("on_progress", "on_recorded") if name in more
        }
        rest = {"stopping": StopRequest(), "make": self.billing and self.billing.make}
        clock = more.pop("clock", CLOCK)
        return submit(
            Work(iter(plan), len(plan), **work),
            run=RunIdentity(run_id, HERE, self.credential),
            ledger=self.ledger,
            policy=policy,
            runtime=Runtime(clock, lambda: 0.5),
            callbacks=Callbacks(**callbacks),
            **(rest | more),
        )

    def pull(self, lever: str, told: object) -> None:
        self.ask("post", lever, content=json.dumps(told))

    def stats(self) -> dict[str, object]:
        return self.ask("get", "stats").json()

    def held(self) -> dict[str, dict[str, object]]:
        return {
            one["external_reference"]: one
            for one in map(json.loads, self.ask("get", "customers").text.splitlines())
        }

    def ask(self, method: str, page: str, **more: object) -> httpx.Response:
        url, key = (
            f"{self.sandbox.base_url}/_sandbox/{page}",
            {"Authorization": f"Bearer {self.sandbox.api_key}"},
        )
        answer = httpx.request(method, url, headers=key, trust_env=False, timeout=10, **more)
        assert answer.status_code == 200, answer.text
        return answer

    def rows(self) -> dict[str, dict[str, object]]:
        columns = (
            "external_reference",
            "state",
            "run_id",
            "fingerprint",
            "key",
            "generation",
            "billing_id",
            "detail",
        )
        found = self.ledger.reader.database.connection.execute(
            f"SELECT {', '.join(columns)} FROM rows"
        ).fetchall()
        return {row[0]: dict(zip(columns, row, strict=True)) for row in found}

    def states(self) -> dict[str, str]:
        return {reference: row["state"] for reference, row in self.rows().items()}

    def events(self, reference: str) -> list[tuple[str, str | None]]:
        return self.ledger.reader.database.connection.execute(
            "SELECT kind, call FROM events WHERE external_reference = ? ORDER BY seq", (reference,)
        ).fetchall()


@pytest.fixture(scope="module")
def stages(tmp_path_factory) -> Iterator[object]:
    """Make stages; their sandboxes stop together at the end, for one takes a while to stop."""
    running: list[SandboxServer] = []
    with contextlib.ExitStack() as opened:

        def make(**faults: object) -> Stage:
            running.append(SandboxServer(faults=Faults.of(**faults), seed=7).__enter__())
            key = ApiKey(running[-1].api_key, source="the sandbox")
            ledger = opened.enter_context(
                Ledger.opened(Path(tmp_path_factory.mktemp("ledger")), HERE)
            )
            billing = opened.enter_context(
                Billing(parse_address(running[-1].base_url), key, workers=8)
            )
            return Stage(running[-1], ledger, billing)

        yield make
    with ThreadPoolExecutor(len(running) or 1) as stopping:
        list(stopping.map(lambda sandbox: sandbox.__exit__(None, None, None), running))


@pytest.fixture
def stage(stages) -> Stage:
    """A stage whose sandbox behaves until it is told otherwise."""
    return stages()


def assert_each_once(stage: Stage, plan: list[Planned]) -> None:
    """The oracle: it looks at the sandbox and at the ledger, and at nothing that the loop says of itself."""
    held, rows, stats = stage.held(), stage.rows(), stage.stats()
    sent = {row.external_reference: json.loads(row.payload) for row in plan}
    sums: dict[str, int] = {}
    for customer in sent.values():
        sums[customer["currency"]] = sums.get(customer["currency"], 0) + customer["balance"]
    assert stats["customers"] == len(held) == len(sent)
    assert stats["sums"] == dict(sorted(sums.items()))
    assert stats["effects_per_reference"] == {"max": 1 if sent else 0, "more_than_one": []}
    assert stats["keys_with_two_bodies"] == 0
    assert {r: {k: v for k, v in one.items() if k != "id"} for r, one in held.items()} == sent
    assert {r: row["billing_id"] for r, row in rows.items()} == {
        r: one["id"] for r, one in held.items()
    }
    assert {r: row["fingerprint"] for r, row in rows.items()} == {
        row.external_reference: row.fingerprint for row in plan
    }
    assert {row["state"] for row in rows.values()} <= {"created", "adopted"}


# every fault, and still each customer once


@pytest.mark.parametrize(
    "faults",
    [
        {},
        {"lost_reply": 0.3},
        {"lost_request": 0.3},
        {"error_before": 0.3},
        {"error_after": 0.3},
        {"latency": 0.05},
        {"no_payment_rules": 0.5},
        {
            "lost_reply": 0.15,
            "lost_request": 0.1,
            "error_before": 0.1,
            "error_after": 0.1,
            "opaque_types": True,
        },
    ],
    ids=lambda faults: "-".join(faults) or "none",
)
def test_each_customer_is_created_once_under_all_faults(stages, faults):
    stage, plan = stages(**faults), plan_of(40)

    tally = stage.submit(plan, replace(QUICK, sends=20))

    assert_each_once(stage, plan)
    assert tally.done == tally.total == 40
    assert tally.in_doubt == 0
    assert tally.states.total() == 40


def test_after_a_stored_failure_a_lookup_and_a_second_key_create_the_customer(stages):
    stage, plan = stages(error_stored=0.3), plan_of(30)

    stage.submit(plan)
    again = [row for row in plan if stage.states()[row.external_reference] == "unknown"]
    stage.pull("faults", {})
    stage.submit(again, run_id="run-1")

    # A row for which billing replays a failure under three keys stays in doubt, on purpose.
    for_ever = {r for r, row in stage.rows().items() if row["state"] == "unknown"}
    settled = [row for row in plan if row.external_reference not in for_ever]
    rows = stage.rows()
    healed = [r for r, row in rows.items() if row["generation"] > 1 and row["state"] == "created"]
    assert healed
    assert all(rows[r]["generation"] == 3 for r in for_ever)
    assert set(stage.held()) == {row.external_reference for row in settled}
    assert stage.stats()["effects_per_reference"]["more_than_one"] == []
    assert stage.stats()["keys_with_two_bodies"] == 0
    for reference in healed:
        calls = [call for _, call in stage.events(reference)]
        assert calls.index("look_up") < max(
            n for n, (kind, _) in enumerate(stage.events(reference)) if kind == "intent"
        )


def test_a_pause_that_billing_asks_for_holds_the_whole_pool(stages):
    stage, plan = stages(rate_limited=0.15, retry_after="1"), plan_of(12)
    told: list[tuple[float, object]] = []

    def make(call):
        at = time.monotonic()
        outcome = stage.billing.make(call)
        told.append((at, time.monotonic(), outcome))
        return outcome

    stage.submit(plan, replace(QUICK, sends=20), make=make)

    assert_each_once(stage, plan)
    limits = [answered for _, answered, outcome in told if isinstance(outcome, Limited)]
    assert limits
    for limit in limits:
        # What was in flight may still answer, and a little time passes until the deciding thread hears of the pause.
        assert [began - limit for began, _, _ in told if limit + 0.5 < began < limit + 0.9] == []


def test_a_key_that_is_revoked_mid_run_stops_everything_with_exit_code_4_and_a_resume_finishes(
    stages,
):
    stage, plan = stages(revoked_after=5), plan_of(40)
    stopping = StopRequest()

    stage.submit(plan, stopping=stopping)
    creates_at_the_stop = stage.stats()["requests"]["create"]

    assert stopping.stop.exit_code == 4
    assert "401" in stopping.stop.reason
    assert (
        creates_at_the_stop <= 5 + 4 * QUICK.workers
    )  # what was under way until the deciding thread heard of it
    assert set(stage.states().values()) <= {"created", "unknown", "withdrawn"}
    assert len(stage.held()) == list(stage.states().values()).count("created") <= 5

    stage.pull("faults", {})
    stage.credential = "credential-2"
    stage.submit(plan)

    assert_each_once(stage, plan)


def test_rows_that_are_in_doubt_are_finished_by_the_next_run_without_a_second_customer(stages):
    stage, plan = stages(lost_reply=1.0), plan_of(10)

    def make(call):
        return stage.billing.make(call) if isinstance(call, Create) else NoAnswer("timeout")

    first = stage.submit(plan, replace(QUICK, sends=2), make=make)
    stage.pull("faults", {})
    second = stage.submit(plan)

    assert (first.in_doubt, second.in_doubt) == (10, 0)
    assert_each_once(stage, plan)


def test_rows_in_doubt_are_looked_up_at_the_end_of_the_run(stages):
    stage, plan = stages(lost_reply=1.0), plan_of(10)

    tally = stage.submit(plan, replace(QUICK, sends=2))

    assert tally.in_doubt == 0
    assert set(stage.states().values()) == {"adopted"}
    assert_each_once(stage, plan)


def test_a_record_that_the_sweep_does_not_find_is_sent_once_more_with_its_key(stages):
    stage, plan = stages(lost_request=1.0), plan_of(4)
    calls: list[object] = []

    def make(call):
        if isinstance(call, Lookup):
            stage.pull("faults", {})
        calls.append(call)
        return stage.billing.make(call)

    tally = stage.submit(plan, replace(QUICK, sends=2), make=make)

    assert tally.in_doubt == 0
    assert_each_once(stage, plan)
    assert {row["generation"] for row in stage.rows().values()} == {1}


def test_canaries_are_created_and_found_again_before_anything_else_leaves(stage):
    plan, calls = plan_of(30), []

    def make(call):
        calls.append((type(call).__name__, call.external_reference))
        return stage.billing.make(call)

    stage.submit(plan, replace(QUICK, canary=3), make=make)

    assert_each_once(stage, plan)
    first = {row.external_reference for row in plan[:3]}
    assert {reference for _, reference in calls[:6]} == first
    assert sorted(kind for kind, _ in calls[:6]) == ["Create"] * 3 + ["Lookup"] * 3
    assert all(kind == "Create" for kind, _ in calls[6:])


def test_a_canary_that_billing_stores_differently_stops_the_run_before_other_sends(stage):
    plan = plan_of(30)

    def make(call):
        outcome = stage.billing.make(call)
        return (
            replace(outcome, differences=(Difference("balance", "1", "2"),))
            if isinstance(outcome, Found)
            else outcome
        )

    stopping = StopRequest()
    stage.submit(plan, replace(QUICK, canary=3), make=make, stopping=stopping)

    assert stage.stats()["requests"]["create"] <= 3
    assert stopping.stop.exit_code == 4
    assert "balance" in stopping.stop.reason


def test_a_canary_that_is_refused_is_replaced_by_the_next_row(stage):
    refused = [planned({"external_reference": f"bad-{n}", "email": "no address"}) for n in range(3)]
    plan = plan_of(10)

    stage.submit([*refused, *plan], replace(QUICK, canary=2))

    assert set(stage.held()) == {row.external_reference for row in plan}
    looked_up = [r for r in stage.states() if ("answer", "create") in stage.events(r)]
    assert looked_up == [row.external_reference for row in plan[:2]]


def test_with_a_damaged_ledger_every_row_is_looked_up_before_a_send(stage):
    plan = plan_of(6)
    stage.submit(plan[:3])
    for table in ("rows", "events", "groups"):
        stage.ledger.reader.database.connection.execute(f"DELETE FROM {table}")
    check_end(stage.ledger.transactions, stage.ledger.reader, datetime.now(UTC))
    assert "its end is missing" in stage.ledger.reader.damage()[0]

    stage.submit(plan)

    assert stage.stats()["effects_per_reference"]["max"] == 1
    assert stage.stats()["requests"]["retrieve"] == 6
    assert list(stage.states().values()) == ["pre_existing"] * 3 + ["created"] * 3


def test_the_age_of_a_key_is_measured_by_billing_s_clock_if_ours_is_wrong(stages):
    stage, plan = stages(lost_reply=1.0), plan_of(1)

    def make(call):
        return stage.billing.make(call) if isinstance(call, Create) else NoAnswer("timeout")

    stage.submit(plan, replace(QUICK, sends=1), make=make)
    stage.pull("faults", {})
    stage.pull("clock", {"advance_seconds": 25 * 3600})
    key = ApiKey(stage.sandbox.api_key, source="the sandbox")
    with Billing(parse_address(stage.sandbox.base_url), key, workers=1) as billing:
        billing.make(Lookup("nobody", b"{}"))  # the knock, which tells billing's time
        clock = replace(CLOCK, billing_ahead=billing.ahead)
        stage.submit(plan, make=billing.make, clock=clock)

    assert stage.states() == {plan[0].external_reference: "adopted"}
    assert stage.stats()["requests"]["create"] == 1


def test_one_wrong_date_of_billing_makes_no_key_younger(stages):
    """The wrong date came with the intents; the start of the run, by our clock, shows the age all the same."""
    stage, plan, hours = stages(lost_reply=1.0), plan_of(3), timedelta(hours=25)

    def make(call):
        return stage.billing.make(call) if isinstance(call, Create) else NoAnswer("timeout")

    stage.ledger.begin_run("run-1", CLOCK.now(), 3, 0)
    wrong = replace(CLOCK, billing_ahead=lambda: timedelta(hours=3))
    stage.submit(plan, replace(QUICK, sends=1), make=make, clock=wrong)
    stage.pull("faults", {})
    stage.pull("clock", {"advance_seconds": hours.total_seconds()})

    stage.submit(plan, clock=replace(CLOCK, now=lambda: CLOCK.now() + hours))

    assert {*stage.states().values()} == {"adopted"}
    assert stage.stats()["requests"]["create"] == len(plan)


def test_a_repeat_that_was_queued_before_the_machine_slept_does_not_leave_under_an_old_key(stages):
    stage, plan, slept, creates = stages(lost_reply=1.0), plan_of(2), [timedelta()], Counter()

    def make(call):
        if isinstance(call, Create):
            creates[call.external_reference] += 1
            if max(creates.values()) == 2 and not slept[0]:
                time.sleep(0.1)  # so that the other repeat is queued
                slept[0] = timedelta(hours=30)
                stage.pull("faults", {})
                stage.pull("clock", {"advance_seconds": slept[0].total_seconds()})
                return NoAnswer("the machine slept")
        return stage.billing.make(call)

    stage.submit(
        plan,
        replace(QUICK, workers=1),
        make=make,
        clock=replace(CLOCK, now=lambda: CLOCK.now() + slept[0]),
    )

    assert {*stage.states().values()} == {"adopted"}
    assert sorted(creates.values()) == [1, 2]
    assert stage.stats()["requests"]["create"] == 2


def test_a_second_run_of_the_same_plan_sends_nothing(stage):
    plan = plan_of(10)
    stage.submit(plan)
    before = stage.stats()["requests"]

    tally = stage.submit(plan, run_id="run-2")

    assert stage.stats()["requests"] == before
    assert tally.passed_over == 10
    assert {row["run_id"] for row in stage.rows().values()} == {"run-1"}


def test_an_empty_plan_ends_at_once(stage):
    tally = stage.submit([])

    assert tally.done == tally.total == 0


def test_more_rows_than_two_windows_are_each_sent_once(stage):
    plan = plan_of(520)

    stage.submit(plan, replace(QUICK, workers=8))

    assert_each_once(stage, plan)
    assert stage.stats()["requests"]["create"] == 520


# refusals


def test_a_row_that_billing_refuses_is_refused_and_the_others_are_created(stage):
    plan = plan_of(6)
    bad = planned(a_customer(7, email="no address"))

    stage.submit([*plan, bad])

    assert stage.states()["A-7"] == "refused"
    assert "A-7" not in stage.held()
    assert list(stage.states().values()).count("created") == 6


@pytest.mark.parametrize("opaque", [False, True])
def test_a_refusal_of_a_row_that_was_in_doubt_is_looked_up_before_it_is_written(stages, opaque):
    stage, bad = stages(opaque_types=opaque), a_customer(7, email="no address")
    stage.ledger.record_intents("run-0", datetime.now(UTC), [intent_of(bad)], stage.credential)

    stage.submit([planned(bad)])

    assert stage.states() == {"A-7": "refused"}
    assert [call for _, call in stage.events("A-7")] == [None, "create", "look_up"]


# references that somebody else took


def test_an_equal_customer_that_was_there_before_is_pre_existing_and_another_one_a_conflict(stage):
    stage.pull("seed", [a_customer(1), a_customer(2, name="Someone else")])

    stage.submit([planned(a_customer(number)) for number in (1, 2, 3)])

    assert stage.states() == {"A-1": "pre_existing", "A-2": "conflict", "A-3": "created"}
    assert stage.held()["A-2"]["name"] == "Someone else"
    assert json.loads(stage.rows()["A-2"]["detail"]) == [["name", '"Customer 2"', '"Someone else"']]
    assert stage.stats()["customers"] == 3


def test_a_reference_that_equals_another_customer_s_id_does_not_match_that_customer(stage):
    stage.pull("seed", [a_customer(1) | {"id": "bcus_abc"}])
    ours = a_customer(2, external_reference="bcus_abc")
    stage.ledger.record_intents(
        "run-0", datetime.now(UTC) - timedelta(hours=30), [intent_of(ours)], stage.credential
    )

    tally = stage.submit([planned(ours)])

    # The look-up is answered with the other's customer, and nobody can tell whether ours is there.
    assert stage.states() == {"bcus_abc": "unknown"}
    assert tally.in_doubt == 1
    assert "bcus_abc" not in stage.held()


# keys that are old


def begin_long_ago(
    stage: Stage, customer: dict[str, object], *, hours: float, has_effect: bool
) -> None:
    """An intent of `hours` ago, whose answer nobody heard, at a sandbox whose clock has moved on since."""
    intent = intent_of(customer)
    stage.ledger.record_intents(
        "run-0", datetime.now(UTC) - timedelta(hours=hours), [intent], stage.credential
    )
    if has_effect:
        stage.billing.make(Create(intent.external_reference, intent.key, intent.payload))
    stage.pull("clock", {"advance_seconds": hours * 3600})


@pytest.mark.parametrize("uniqueness_off", [False, True])
def test_a_row_with_an_old_key_is_looked_up_first_and_adopted_even_where_billing_would_take_it_twice(
    stages, uniqueness_off
):
    stage, customer = stages(uniqueness_off=uniqueness_off), a_customer(1)
    begin_long_ago(stage, customer, hours=30, has_effect=True)

    stage.submit([planned(customer)])

    assert stage.states() == {"A-1": "adopted"}
    assert_each_once(stage, [planned(customer)])
    assert [call for _, call in stage.events("A-1")] == [None, "look_up"]


def test_a_row_with_an_old_key_that_is_not_there_is_sent_with_the_same_key(stage):
    customer = a_customer(1)
    begin_long_ago(stage, customer, hours=30, has_effect=False)

    stage.submit([planned(customer)])

    assert [call for _, call in stage.events("A-1")] == [None, "look_up", "create"]
    assert stage.rows()["A-1"]["key"] == planned(customer).key
    assert stage.rows()["A-1"]["generation"] == 1
    assert_each_once(stage, [planned(customer)])


def test_a_row_with_a_young_key_is_sent_again_and_the_answer_is_a_replay(stage):
    customer = a_customer(1)
    begin_long_ago(stage, customer, hours=22, has_effect=True)

    stage.submit([planned(customer)])

    assert [call for _, call in stage.events("A-1")] == [None, "create"]
    assert stage.ledger.reader.runs.requests("run-1").replayed == 1
    assert_each_once(stage, [planned(customer)])


def test_a_row_begun_with_another_api_key_is_looked_up_first(stage):
    customer = a_customer(1)
    begin_long_ago(stage, customer, hours=0.1, has_effect=True)
    stage.credential = "credential-2"

    stage.submit([planned(customer)])

    assert [call for _, call in stage.events("A-1")] == [None, "look_up"]
    assert stage.states() == {"A-1": "adopted"}


def test_a_row_from_the_future_has_a_key_of_unknown_age_and_is_looked_up_first(stage):
    customer = a_customer(1)
    stage.ledger.record_intents(
        "run-0", datetime.now(UTC) + timedelta(hours=2), [intent_of(customer)], stage.credential
    )

    stage.submit([planned(customer)])

    assert [call for _, call in stage.events("A-1")] == [None, "look_up", "create"]


def test_outcomes_of_rows_that_earlier_runs_began_are_recorded_for_those_runs(stage):
    stage.ledger.record_intents(
        "run-0", datetime.now(UTC), [intent_of(a_customer(1))], stage.credential
    )

    stage.submit(
        [planned(a_customer(2))],
        run_id="run-1",
        earlier=[one.intent.external_reference for one in stage.ledger.reader.open_requests()],
    )

    assert {r: (row["state"], row["run_id"]) for r, row in stage.rows().items()} == {
        "A-1": ("created", "run-0"),
        "A-2": ("created", "run-1"),
    }


def test_a_row_that_is_both_begun_and_planned_becomes_final_once(stage):
    stage.ledger.record_intents(
        "run-1", datetime.now(UTC), [intent_of(a_customer(1))], stage.credential
    )
    plan = [planned(a_customer(1))]

    tally = stage.submit(
        plan, earlier=[one.intent.external_reference for one in stage.ledger.reader.open_requests()]
    )

    assert stage.stats()["requests"]["create"] == 1
    assert tally.states.total() == 1
    assert_each_once(stage, plan)


def test_a_run_shorter_than_the_lookup_lag_still_finishes_what_the_run_before_left_in_doubt(
    stage,
):
    begin_long_ago(stage, a_customer(1), hours=30, has_effect=True)
    begin_long_ago(stage, a_customer(2), hours=30, has_effect=False)

    tally = stage.submit(plan_of(1), replace(QUICK, lookup_lag=30.0), earlier=["A-1", "A-2"])

    assert stage.states() == {"A-0": "created", "A-1": "adopted", "A-2": "created"}
    assert tally.earlier == 2


def test_a_planned_row_that_an_earlier_run_began_is_credited_to_the_planning_run(
    stage,
):
    stage.ledger.record_intents(
        "run-0", datetime.now(UTC), [intent_of(a_customer(999))], stage.credential
    )
    plan, is_sent, is_planned = plan_of(2 * WINDOW), threading.Event(), threading.Event()

    def rows():
        yield from plan  # the third window comes while the earlier run's request is under way
        is_sent.wait(10)
        yield planned(a_customer(999))
        is_planned.set()

    def make(call):
        if call.external_reference == "A-999":
            is_sent.set()
            is_planned.wait(10)
        return stage.billing.make(call)

    tally = submit(
        Work(rows(), len(plan) + 1, earlier=["A-999"]),
        run=RunIdentity("run-1", HERE, stage.credential),
        ledger=stage.ledger,
        make=make,
        policy=QUICK,
        runtime=Runtime(CLOCK, lambda: 0.5),
        stopping=StopRequest(),
    )

    assert stage.rows()["A-999"]["run_id"] == "run-1"
    assert (tally.states[State.CREATED], tally.earlier) == (len(plan) + 1, 0)


def test_requests_of_earlier_runs_use_at_most_a_quarter_of_the_workers(stage):
    left = [intent_of(a_customer(number)) for number in range(100, 112)]
    stage.ledger.record_intents("run-0", datetime.now(UTC), left, stage.credential)
    under_way, most = set[str](), [0]

    def make(call):
        is_earlier = int(call.external_reference[2:]) >= 100
        if is_earlier:
            under_way.add(call.external_reference)
            most[0] = max(most[0], len(under_way))
        time.sleep(0.01)
        answer = stage.billing.make(call)
        under_way.discard(call.external_reference)
        return answer

    tally = stage.submit(
        plan_of(60),
        replace(QUICK, workers=8),
        make=make,
        earlier=[one.external_reference for one in left],
    )

    assert most[0] == 2
    assert (tally.earlier, tally.states[State.CREATED]) == (12, 60)


def test_a_planned_row_left_in_doubt_is_not_repeated_for_an_earlier_run(
    stage,
):
    stage.ledger.record_intents(
        "run-0", datetime.now(UTC), [intent_of(a_customer(1))], stage.credential
    )
    asked: list[str] = []

    def make(call):
        if call.external_reference != "A-1":
            return stage.billing.make(call)
        asked.append(type(call).__name__)
        return Unexpected(418) if isinstance(call, Create) else NotFound()

    tally = stage.submit(plan_of(3), earlier=["A-1"], make=make)

    assert asked.count("Create") == 1
    assert (tally.in_doubt, tally.done) == (1, 3)
    assert stage.ledger.reader.first_fault() is None


def test_nothing_is_sent_beside_a_request_in_doubt_with_other_content(stage):
    stage.ledger.record_intents(
        "run-0", datetime.now(UTC), [intent_of(a_customer(1))], stage.credential
    )

    tally = stage.submit([planned(a_customer(1, name="Another name"))])

    assert (tally.in_doubt, tally.done) == (1, 1)
    assert stage.held() == {}
    assert stage.rows()["A-1"]["fingerprint"] == planned(a_customer(1)).fingerprint


@pytest.mark.parametrize("canary", [0, 2])
@pytest.mark.parametrize("others", [0, 5])
def test_a_record_that_waits_for_an_earlier_request_is_sent_as_soon_as_billing_refuses_that(
    stage, others, canary
):
    earlier = a_customer(999, name="Refused")
    stage.ledger.record_intents("run-0", datetime.now(UTC), [intent_of(earlier)], stage.credential)
    plan = [planned(a_customer(999)), *plan_of(others)]
    events = []

    def make(call):
        if call.external_reference != "A-999":
            return stage.billing.make(call)
        events.append((type(call).__name__, b"Refused" in call.payload))
        if b"Refused" in call.payload and isinstance(call, Create):
            return RowRefused(422, "no", replayed=False, certain=True)
        return stage.billing.make(call)

    tally = stage.submit(plan, replace(QUICK, canary=canary), earlier=["A-999"], make=make)

    sends = [is_earlier for name, is_earlier in events if name == "Create"]
    assert sends == [True, False]
    assert (tally.earlier, tally.states[State.CREATED], tally.done) == (1, len(plan), len(plan))
    assert stage.rows()["A-999"]["run_id"] == "run-1"
    assert_each_once(stage, plan)
    assert stage.ledger.reader.first_fault() is None


def test_the_earlier_requests_that_own_records_wait_for_are_tried_first(stage):
    left = [intent_of(a_customer(number)) for number in range(100, 108)]
    stage.ledger.record_intents("run-0", datetime.now(UTC), left, stage.credential)
    order: list[str] = []

    def make(call):
        order.append(call.external_reference)
        return stage.billing.make(call)

    earlier = [one.external_reference for one in left]
    stage.submit(
        [planned(a_customer(107, name="Another name"))],
        replace(QUICK, workers=1),
        make=make,
        earlier=earlier,
    )

    assert order[0] == "A-107"


def test_a_record_that_waits_is_never_sent_once_the_earlier_request_made_the_customer(stage):
    stage.ledger.record_intents(
        "run-0", datetime.now(UTC), [intent_of(a_customer(1))], stage.credential
    )

    tally = stage.submit([planned(a_customer(1, name="Another name"))], earlier=["A-1"])

    assert (tally.earlier, tally.passed_over, tally.done) == (1, 1, 1)
    assert stage.held()["A-1"]["name"] == a_customer(1)["name"]
    assert stage.rows()["A-1"]["state"] == "created"


# stopping


def test_a_stop_withdraws_unsent_intents_and_leaves_no_doubt_with_a_healthy_billing(
    stages,
):
    stage, plan, stopping = stages(latency=0.05), plan_of(60), StopRequest()

    def after_some(tally: Tally) -> None:
        if tally.states.total() >= 8:
            stopping.ask(Stop("enough", exit_code=5))

    tally = stage.submit(plan, stopping=stopping, on_progress=after_some)
    states = stage.states()

    assert set(states.values()) == {"created", "withdrawn"}
    assert tally.in_doubt == 0
    assert set(stage.held()) == {
        reference for reference, state in states.items() if state == "created"
    }
    assert stage.stats()["requests"]["create"] == len(stage.held())

    stage.submit(plan)

    assert_each_once(stage, plan)


def test_a_stop_before_the_first_send_sends_nothing_and_journals_nothing(stage):
    stopping = StopRequest()
    stopping.ask(Stop("early", exit_code=5))

    stage.submit(plan_of(5), stopping=stopping)

    assert stage.stats()["requests"]["create"] == 0
    assert stage.rows() == {}


def test_the_first_reason_to_stop_is_kept():
    stopping = StopRequest()

    stopping.ask(Stop("first", exit_code=4))
    stopping.ask(Stop("second", exit_code=5))

    assert stopping.stop.reason == "first"


def test_maintenance_of_an_hour_stops_the_run_after_few_records(stage):
    plan, stopping, sent = plan_of(1500), StopRequest(), []

    def maintained(call):
        sent.append(call.external_reference)
        time.sleep(0.02)
        return ServerTrouble(503, replayed=False, retry_after=3600.0)

    policy = replace(QUICK, outage_seconds=5.0)
    tally = stage.submit(plan, policy, stopping=stopping, make=maintained)

    assert stopping.stop.exit_code == 5
    assert len(sent) == len({*sent}) == tally.in_doubt < 800


def test_a_record_for_which_billing_asks_to_wait_an_hour_is_sent_once_and_delays_no_other(stage):
    plan, sent = plan_of(20), Counter()

    def make(call):
        if call.external_reference == "A-7" and isinstance(call, Create):
            sent["A-7"] += 1
            return ServerTrouble(503, replayed=False, retry_after=3600.0)
        return stage.billing.make(call)

    tally = stage.submit(plan, make=make)

    assert (tally.states[State.CREATED], tally.in_doubt, sent["A-7"]) == (19, 1, 1)


def test_an_outage_stops_the_run_resumably(stages):
    stage, plan, stopping = stages(lost_request=1.0), plan_of(5), StopRequest()

    stage.submit(plan, replace(QUICK, sends=1000, outage_seconds=0.5), stopping=stopping)

    assert stopping.stop.exit_code == 5
    assert stage.held() == {}

    stage.pull("faults", {})
    stage.submit(plan)

    assert_each_once(stage, plan)


# what goes wrong inside


def test_an_error_inside_a_worker_is_raised_and_a_resume_finishes_the_intents(stage):
    plan, calls = plan_of(20), []

    def breaks(call):
        calls.append(call)
        if len(calls) == 5:
            raise ZeroDivisionError("inside a worker")
        return stage.billing.make(call)

    with pytest.raises(ZeroDivisionError, match="inside a worker"):
        stage.submit(plan, make=breaks)
    assert set(stage.states()) == {row.external_reference for row in plan}

    stage.submit(plan)

    assert_each_once(stage, plan)


def test_a_ledger_that_cannot_be_written_before_a_send_sends_nothing(stage):
    stage.ledger.reader.database.connection.execute("PRAGMA query_only = ON")

    with pytest.raises(LedgerError):
        stage.submit(plan_of(5))

    assert stage.stats()["requests"]["create"] == 0


def test_a_ledger_that_cannot_be_written_after_an_answer_stops_and_the_next_run_replays(stage):
    plan = plan_of(20)

    def after_the_first_answer(tally: Tally) -> None:
        if tally.states:
            stage.ledger.reader.database.connection.execute("PRAGMA query_only = ON")

    with pytest.raises(LedgerError):
        stage.submit(plan, on_progress=after_the_first_answer)
    stage.ledger.reader.database.connection.execute("PRAGMA query_only = OFF")
    assert set(stage.states().values()) == {"unknown"}

    stage.submit(plan)

    assert_each_once(stage, plan)


def test_every_intent_is_durable_before_its_request_leaves(stage):
    plan, seen = plan_of(60), []

    def make(call):
        with Ledger.read(stage.ledger.path.parent) as reader:
            seen.append(reader.states([call.external_reference]).get(call.external_reference))
        return stage.billing.make(call)

    stage.submit(plan, make=make)

    assert len(seen) == 60
    assert all(known is not None and known.state is State.UNKNOWN for known in seen)


# time, as the injected clock tells it


class Fake:
    """A clock that moves only when it is moved, and a billing that answers from a list, each answer taking `seconds`."""

    def __init__(self, *, seconds: float, answers: dict[str, list[object]] | None = None) -> None:
        self.at = 1_000.0
        self.seconds, self.answers = seconds, answers or {}
        self.calls: list[tuple[float, object]] = []
        self.clock = Clock(
            lambda: datetime(2026, 11, 22, tzinfo=UTC) + timedelta(seconds=self.at), lambda: self.at
        )

    def make(self, call):
        self.calls.append((self.at, call))
        self.at += self.seconds
        waiting = self.answers.get(call.external_reference)
        return waiting.pop(0) if waiting else Accepted(f"bcus_{len(self.calls)}", replayed=False)


def fake_stage(tmp_path: Path):
    return Ledger.opened(tmp_path / "home", HERE)


def test_waiting_for_its_turn_does_not_use_up_a_row_s_own_time(tmp_path):
    # 200 rows at one a second: the last waits 200 s in the queue, and is still sent again after one lost answer.
    fake = Fake(seconds=1.0, answers={"A-199": [NoAnswer("ReadTimeout")]})

    with fake_stage(tmp_path) as ledger:
        stage = Stage(None, ledger, None)
        tally = stage.submit(
            plan_of(200),
            replace(QUICK, workers=1, backoff=replace(QUICK.backoff, base=0.0)),
            make=fake.make,
            clock=fake.clock,
        )

    assert tally.in_doubt == 0
    assert tally.states == {State.CREATED: 200}


class PassingTime(threading.Event):
    """A signal for which nobody really waits: the clock is moved instead."""

    def __init__(self, fake: Fake) -> None:
        super().__init__()
        self.fake = fake

    def wait(self, timeout: float | None = None) -> bool:
        self.fake.at += timeout or 0.0
        return self.is_set()


def test_a_pause_of_the_pool_is_no_row_s_own_time(tmp_path):
    # While the first request for A-1 is under way, A-2 makes the whole pool pause for 200 s; A-1 loses both its answers.
    lost = NoAnswer("ReadTimeout")
    fake = Fake(
        seconds=0.0,
        answers={"A-1": [lost, lost], "A-2": [Limited(replayed=False, retry_after=200)]},
    )
    stopping, is_limited = StopRequest(), threading.Event()
    stopping.event = PassingTime(fake)

    def make(call):
        if call.external_reference == "A-1" and not is_limited.wait(5):
            raise AssertionError("A-2 was never limited")
        return fake.make(call)

    def watch(_tally: Tally) -> None:
        if stage.events("A-2")[1:]:
            is_limited.set()

    with fake_stage(tmp_path) as ledger:
        stage = Stage(None, ledger, None)
        plan = [planned(a_customer(number)) for number in (1, 2)]
        policy = replace(
            QUICK, workers=2, backoff=replace(QUICK.backoff, base=0.0), outage_seconds=1e6
        )
        fake.clock = replace(fake.clock, monotonic=lambda: fake.at + time.monotonic())
        tally = stage.submit(
            plan, policy, make=make, clock=fake.clock, stopping=stopping, on_progress=watch
        )

    assert tally.in_doubt == 0
    assert tally.states == {State.CREATED: 2}


class SteppingTime(PassingTime):
    """Whoever waits moves the clock by a step and looks again; that somebody waits at all is a sign."""

    def __init__(self, fake: Fake) -> None:
        super().__init__(fake)
        self.somebody_waits = threading.Event()

    def wait(self, timeout: float | None = None) -> bool:
        self.somebody_waits.set()
        return super().wait(min(timeout or 0.0, 0.1))


def test_a_retry_after_of_two_seconds_stops_new_requests_for_two_seconds(
    tmp_path,
):
    fake = Fake(seconds=0.0, answers={"A-1": [Limited(replayed=False, retry_after=2)]})
    stopping = StopRequest()
    stopping.event = time_goes = SteppingTime(fake)
    # A clock that goes on while nobody waits, or the row's own turn would never come.
    clock = replace(fake.clock, monotonic=lambda: fake.at + time.monotonic())
    left: list[float] = []
    read: list[float] = []

    def make(call):
        left.append(clock.monotonic())
        if call.external_reference in {"A-2", "A-3", "A-4"} and not time_goes.somebody_waits.wait(
            5
        ):
            raise AssertionError("nobody waits, so nobody obeyed")
        outcome = fake.make(call)
        if isinstance(outcome, Limited):
            read.append(clock.monotonic())
        return outcome

    with fake_stage(tmp_path) as ledger:
        stage = Stage(None, ledger, None)
        stage.submit(
            plan_of(41)[1:], replace(QUICK, workers=4), make=make, clock=clock, stopping=stopping
        )

    assert len(left) == 41  # A-1 once more
    assert sorted(left)[4] >= read[0] + 2  # four were under way when the answer came


def test_the_pace_is_kept_by_the_clock_that_was_given(tmp_path):
    left: list[float] = []

    def make(call):
        left.append(time.monotonic())
        return Accepted(f"bcus_{len(left)}", replayed=False)

    with fake_stage(tmp_path) as ledger:
        stage = Stage(None, ledger, None)
        stage.submit(plan_of(10), replace(QUICK, workers=4, per_second=20), make=make)

    assert len(left) == 10
    assert left[-1] - left[0] >= 9 / 20 - 0.2  # without a pace it is nothing at all


def test_a_key_that_grows_old_while_its_row_waits_is_looked_up_before_it_is_sent_again(tmp_path):
    # The first answer is lost, then the machine sleeps for 30 hours: the key has expired at billing meanwhile.
    fake = Fake(seconds=0.0, answers={"A-1": [NoAnswer("ReadTimeout"), NotFound()]})

    def make(call):
        outcome = fake.make(call)
        if isinstance(outcome, NoAnswer):
            sleeping.append(30 * 3600)
        return outcome

    sleeping: list[float] = []
    wall = Clock(
        lambda: datetime(2026, 11, 22, tzinfo=UTC) + timedelta(seconds=sum(sleeping)),
        time.monotonic,
    )

    with fake_stage(tmp_path) as ledger:
        stage = Stage(None, ledger, None)
        stage.submit([planned(a_customer(1))], replace(QUICK, workers=1), make=make, clock=wall)

    assert [type(call) for _, call in fake.calls][:2] == [Create, Lookup]


def test_a_refused_credential_stops_the_run_after_the_requests_in_flight(tmp_path):
    fake = Fake(
        seconds=0.0,
        answers={f"A-{n}": [CredentialRefused(401, replayed=False)] for n in range(300)},
    )
    stopping = StopRequest()

    with fake_stage(tmp_path) as ledger:
        stage = Stage(None, ledger, None)
        stage.submit(
            plan_of(300),
            replace(QUICK, workers=4, per_second=200),
            make=fake.make,
            clock=CLOCK,
            stopping=stopping,
        )
        states = list(stage.states().values())

    assert stopping.stop.exit_code == 4
    assert len(fake.calls) <= 4  # no worker leaves again once it has read that answer
    assert states.count("unknown") == len(fake.calls)
    assert states.count("withdrawn") == len(states) - len(fake.calls)
