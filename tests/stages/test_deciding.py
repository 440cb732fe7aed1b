"""What comes after an answer is what the protocol's table says, and its four rules hold over every sequence of answers."""

import csv
import math
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.domain.fates import State
from pipeline.domain.responses import (
    Accepted,
    AnotherCustomer,
    CertificateRefused,
    Conflicting,
    CredentialRefused,
    Difference,
    Found,
    KeyReused,
    Limited,
    Misaddressed,
    NoAnswer,
    NotFound,
    Outcome,
    RequestRefused,
    RowRefused,
    ServerTrouble,
    Unexpected,
    Unintelligible,
)
from pipeline.submission.protocol import decide, global_pause, why_look_up_first
from pipeline.submission.steps import (
    Final,
    LeaveInDoubt,
    LookupNext,
    NextGeneration,
    Policy,
    Progress,
    SendAgain,
    Step,
    Stop,
    Tries,
    TurnedAway,
    Why,
)

POLICY = Policy()
CASES = list(
    csv.DictReader((Path(__file__).parents[1] / "cases" / "outcomes.csv").open(encoding="utf-8"))
)


def outcome_of(text: str) -> Outcome:
    """The outcome that a case names: a status or a word, what it is about, and whether it is replayed."""
    words = text.removesuffix(" replayed")
    replayed = words != text
    first, _, about = words.partition(" ")
    if about.startswith("retry after "):
        seconds = float(about.removeprefix("retry after "))
        return (
            Limited(replayed, seconds)
            if first == "429"
            else ServerTrouble(int(first), replayed, seconds)
        )
    match first, about:
        case ("timeout", _) | ("no", "connection"):
            return NoAnswer(words)
        case "certificate", _:
            return CertificateRefused("SSLCertVerificationError")
        case "found", "equal":
            return Found("bcus_1")
        case "found", _:
            return Found("bcus_1", (Difference("name", '"a"', '"b"'),))
        case "not", _:
            return NotFound()
        case _, "of another customer":
            return AnotherCustomer(int(first))
        case status, "of a gateway":
            return Unexpected(int(status), f"a {status} that is not billing's own")
        case "409", kind:
            return Conflicting(kind, replayed)
        case "422", "key reused":
            return KeyReused()
        case status, "of the request":
            return RequestRefused(int(status), "about the header", replayed)
        case status, "of the address":
            return Misaddressed(int(status), replayed)
        case (("413" | "414" | "431"), _):
            return RowRefused(int(first), "too large", replayed, certain=True)
        case (("400" | "422"), _):
            return RowRefused(int(first), "no", replayed, certain=about == "of the row")
        case (("401" | "402" | "403"), _):
            return CredentialRefused(int(first), replayed)
        case "429", _:
            return Limited(replayed)
        case status, "unreadable":
            return Unintelligible(int(status), "no JSON")
        case "201", "equal":
            return Accepted("bcus_1", replayed)
        case "201", about:
            return Accepted(
                "bcus_1", replayed, (Difference(about.removeprefix("other "), "1", "2"),)
            )
        case "418", _:
            return Unexpected(418)
        case _:
            return ServerTrouble(int(first), replayed)


def progress_of(case: dict[str, str]) -> tuple[Progress, float]:
    """How far the row of a case has come, and how many seconds of its own it has spent."""
    unsettled = case["doubt"] == "yes"
    call, _, when = case["situation"].partition(", ")
    if call == "create":
        sends = {"sixth send": 5, "third unreadable answer": 2}.get(when, 1 if unsettled else 0)
        unreadable = 2 if when == "third unreadable answer" else 0
        return Progress(
            is_in_doubt=unsettled, tries=Tries(sends=sends, unreadable=unreadable)
        ), 121.0 if when == "after 121 s" else 1.0
    return Progress(
        is_in_doubt=unsettled,
        why=Why(call.removeprefix("look-up: ")),
        tries=Tries(sends=1, lookups=3 if when == "fourth time" else 0),
        since_last_call=POLICY.lookup_lag - 1 if when == "within the lag" else math.inf,
        generation=3 if when == "third key" else 1,
    ), 1.0


def told(step: Step, before: Progress) -> dict[str, str]:
    """A step in the words of the case file."""
    match step:
        case Final(state=state):
            return {"step": "settle", "state": state.value, "key": "-", "look_up": "no"}
        case SendAgain():
            assert step.progress.generation == before.generation
            return {"step": "send_again", "state": "unknown", "key": "same", "look_up": "no"}
        case LookupNext():
            assert step.progress.generation == before.generation
            when = "again" if before.why else "then" if before.tries.unreadable else "first"
            return {"step": "look_up", "state": "unknown", "key": "same", "look_up": when}
        case NextGeneration():
            assert step.progress.generation == before.generation + 1
            return {"step": "new_key", "state": "unknown", "key": "new", "look_up": "no"}
        case LeaveInDoubt():
            return {"step": "in_doubt", "state": "unknown", "key": "same", "look_up": "no"}
        case TurnedAway():
            return {"step": "ask_others", "state": "unknown", "key": "same", "look_up": "no"}
        case Stop(final=None):
            return {"step": "stop", "state": "unknown", "key": "same", "look_up": "no"}
        case Stop(final=final):
            return {"step": "stop", "state": final.state.value, "key": "-", "look_up": "no"}


@pytest.mark.parametrize(
    "case",
    CASES,
    ids=lambda c: f"{c['protocol_row']}-{c['outcome']}-{c['situation']}-doubt-{c['doubt']}",
)
def test_every_outcome_leads_to_the_step_in_the_table_of_cases(case):
    before, seconds_spent = progress_of(case)

    step = decide(before, outcome_of(case["outcome"]), 0.5, seconds_spent, POLICY)

    assert told(step, before) == {name: case[name] for name in ("step", "state", "key", "look_up")}


def test_every_row_of_the_protocol_s_table_that_an_answer_can_bring_has_a_case():
    assert {int(case["protocol_row"]) for case in CASES} == set(range(1, 28))


@pytest.mark.parametrize(
    ("text", "exit_code"),
    [
        ("certificate refused", 4),
        ("400 of the request", 4),
        ("429 retry after 3600", 5),
        ("201 other balance", 4),
    ],
)
def test_a_stop_carries_the_exit_code_of_its_reason(text, exit_code):
    step = decide(Progress(), outcome_of(text), 0.5, 0, POLICY)

    assert isinstance(step, Stop)
    assert step.exit_code == exit_code


@pytest.mark.parametrize(
    "text",
    [
        "401",
        "402",
        "403",
        "404 of the address",
        "302 of the address",
        "406 of the request",
        "415 of the request",
    ],
)
@pytest.mark.parametrize("why", [None, Why.OLD_KEY, Why.SWEEP])
def test_a_refused_first_record_waits_for_others_and_a_stop_exits_4(text, why):
    step = decide(Progress(why=why), outcome_of(text), 0.5, 0, POLICY)

    assert isinstance(step, TurnedAway)
    assert str(step.status) in text
    assert step.stop.exit_code == 4
    assert global_pause(outcome_of(text), POLICY) == 0


@pytest.mark.parametrize("text", ["timeout", "503", "409 running", "201 unreadable", "429", "408"])
def test_an_ambiguous_answer_leaves_the_row_in_doubt_for_the_answers_after_it(text):
    step = decide(Progress(), outcome_of(text), 0.5, 0, POLICY)

    assert isinstance(step, SendAgain)
    assert step.progress.is_in_doubt


@pytest.mark.parametrize(
    ("outcome", "held"),
    [
        (Found("bcus_1"), "it holds this customer as we would have sent it"),
        (
            Found("bcus_1", (Difference("name", '"a"', '"b"'),)),
            "it holds this customer with other content",
        ),
        (NotFound(), "it does not hold this customer"),
        (NoAnswer("timeout"), "what it holds could not be found out"),
    ],
)
def test_a_key_with_another_payload_is_looked_up_for_the_record_and_stops_the_run(outcome, held):
    looked_up = decide(Progress(), KeyReused(), 0.5, 0, POLICY)
    assert isinstance(looked_up, LookupNext)

    step = decide(looked_up.progress, outcome, 0.5, 0, POLICY)

    assert isinstance(step, Stop)
    assert (step.exit_code, step.final) == (4, None)
    assert held in step.reason


# canaries


def canary_after(outcome: Outcome) -> Progress:
    """A canary that billing has just answered."""
    step = decide(Progress(is_canary=True), outcome, 0.5, 0, POLICY)
    assert isinstance(step, LookupNext)
    return step.progress


def test_a_canary_counts_as_created_once_billing_shows_it_as_it_was_sent():
    progress = canary_after(Accepted("bcus_1", replayed=False, payable=False))

    assert decide(progress, Found("bcus_1", payable=False), 0.5, 0, POLICY) == Final(
        State.CREATED, "bcus_1", payable=False
    )


def test_a_canary_that_billing_stores_with_other_values_stops_the_run():
    progress = canary_after(Accepted("bcus_1", replayed=False))

    step = decide(progress, Found("bcus_1", (Difference("balance", "1", "100"),)), 0.5, 0, POLICY)

    assert isinstance(step, Stop)
    assert step.final.state is State.CREATED_DIFFERENT
    assert "balance" in step.reason


def test_a_canary_under_another_id_stops_the_run():
    progress = canary_after(Accepted("bcus_1", replayed=False))

    assert isinstance(decide(progress, Found("bcus_2"), 0.5, 0, POLICY), Stop)


def test_a_canary_that_is_not_found_is_looked_up_again_after_the_lag_and_then_stops_the_run():
    row = canary_after(Accepted("bcus_1", replayed=False))

    again = decide(replace(row, since_last_call=0.1), NotFound(), 0.5, 0, POLICY)
    step = decide(
        replace(again.progress, since_last_call=POLICY.lookup_lag), NotFound(), 0.5, 0, POLICY
    )

    assert (again.after, again.rests) == (POLICY.lookup_lag, True)
    assert isinstance(step, Stop)
    assert step.final is None


def test_only_a_success_makes_a_canary_be_looked_up():
    assert isinstance(
        decide(Progress(is_canary=True), NoAnswer("timeout"), 0.5, 0, POLICY), SendAgain
    )
    refused = RowRefused(422, "no", replayed=False, certain=True)
    assert isinstance(decide(Progress(is_canary=True), refused, 0.5, 0, POLICY), Final)


# the sweep


def test_the_sweep_only_looks_up_a_row_whose_resend_could_do_harm():
    doubt = decide(
        Progress(why=Why.FOR_THE_RECORD, is_in_doubt=True, may_be_sent=False),
        NotFound(),
        0.5,
        0,
        POLICY,
    )
    assert isinstance(doubt, LeaveInDoubt)
    assert not doubt.may_be_sent

    swept = Progress(why=Why.SWEEP, is_in_doubt=True, may_be_sent=False)
    assert isinstance(decide(swept, NotFound(), 0.5, 0, POLICY), LeaveInDoubt)


def test_a_retry_after_pauses_the_whole_pool():
    step = decide(Progress(), Limited(replayed=False, retry_after=7), 0.5, 0, POLICY)

    assert isinstance(step, SendAgain)
    assert (step.after, step.pause_all) == (7, 7)


@pytest.mark.parametrize("why", [None, *Why])
@pytest.mark.parametrize(
    "outcome",
    [
        CertificateRefused("expired"),
        RequestRefused(400, "no"),
    ],
)
def test_where_a_worker_lets_nothing_leave_any_more_the_run_is_sure_to_stop(outcome, why):
    assert global_pause(outcome, POLICY) == math.inf
    assert isinstance(decide(Progress(why=why), outcome, 0.5, 0, POLICY), Stop)


@pytest.mark.parametrize(
    ("outcome", "seconds"),
    [
        (Limited(replayed=False, retry_after=2), 2),
        (Limited(replayed=False), 0),
        (Limited(replayed=True, retry_after=2), 0),
        (Limited(replayed=False, retry_after=POLICY.backoff.longest_retry_after + 1), 0),
        (CredentialRefused(401, replayed=True), 0),
        (NoAnswer("ReadTimeout"), 0),
        (ServerTrouble(503, replayed=False, retry_after=60), 60),
        (ServerTrouble(503, replayed=True, retry_after=60), 0),
        (ServerTrouble(503, replayed=False, retry_after=POLICY.backoff.longest_retry_after + 1), 0),
    ],
)
def test_other_answers_hold_the_pool_as_long_as_billing_asks_and_no_longer(outcome, seconds):
    assert global_pause(outcome, POLICY) == seconds


def test_no_new_key_is_made_beside_an_old_one_whose_failure_is_replayed_for_billing_is_about_to_forget_it():
    replayed = ServerTrouble(500, replayed=True)
    for why, step in ((Why.OLD_KEY, LeaveInDoubt), (Why.OTHER_CREDENTIAL, NextGeneration)):
        sent = decide(Progress(is_in_doubt=True, why=why), NotFound(), 0.5, 0, POLICY)
        looked_up = decide(sent.progress, replayed, 0.5, 0, POLICY)
        assert isinstance(decide(looked_up.progress, NotFound(), 0.5, 0, POLICY), step)


@pytest.mark.parametrize("why", [why for why in Why if why is not Why.KEY_REUSED])
def test_a_lookup_that_finds_nothing_counts_only_a_lag_after_the_last_send_and_lookup(
    why,
):
    row = Progress(why=why, is_in_doubt=True, since_last_call=POLICY.lookup_lag - 1)

    step = decide(row, NotFound(), 0.5, 0, POLICY)

    assert isinstance(step, LookupNext)
    assert (step.after, step.rests, step.progress.why) == (POLICY.lookup_lag, True, why)
    assert not isinstance(
        decide(replace(step.progress, since_last_call=30.0), NotFound(), 0.5, 0, POLICY), LookupNext
    )


def test_a_request_in_progress_is_repeated_after_1_2_4_seconds_within_its_budget():
    waits, row = [], Progress()

    while isinstance(
        step := decide(row, Conflicting("running"), 0.5, sum(waits), POLICY), SendAgain
    ):
        waits.append(step.after)
        row = step.progress

    assert waits == [1, 2, 4, 8]
    assert isinstance(step, LeaveInDoubt)
    swept = decide(
        Progress(tries=Tries(sends=5), is_last=True, is_in_doubt=True),
        Conflicting("running"),
        0.5,
        0,
        POLICY,
    )
    assert isinstance(swept, LeaveInDoubt)


def test_an_answer_that_names_another_customer_leaves_the_record_in_doubt_and_unsent_from_then_on():
    for row in (Progress(), Progress(why=Why.SWEEP, is_in_doubt=True)):
        step = decide(row, AnotherCustomer(201), 0.5, 0, POLICY)

        assert isinstance(step, LeaveInDoubt)
        assert step.names_another
        assert not step.may_be_sent


@pytest.mark.parametrize("status", [400, 409, 413, 422])
def test_a_refusal_by_a_gateway_is_not_final_and_is_looked_up_after_the_lag(
    status,
):
    step = decide(Progress(is_in_doubt=True), outcome_of(f"{status} of a gateway"), 0.5, 0, POLICY)

    assert isinstance(step, LookupNext)
    assert (step.after, step.progress.may_be_sent) == (POLICY.lookup_lag, False)
    end = decide(step.progress, NotFound(), 0.5, 0, POLICY)
    assert isinstance(end, LeaveInDoubt)
    assert end.why == f"a {status} that is not billing's own, and a lookup finds nothing"


@pytest.mark.parametrize(("sends", "seconds_spent"), [(5, 1.0), (1, 121.0)])
def test_an_unreadable_success_does_not_lengthen_the_budget_of_a_row_but_is_looked_up(
    sends, seconds_spent
):
    row = Progress(is_in_doubt=True, tries=Tries(sends=sends))

    step = decide(row, outcome_of("201 unreadable"), 0.5, seconds_spent, POLICY)

    assert isinstance(step, LookupNext)


def test_the_reason_to_stop_does_not_quote_billing_s_text_because_it_may_quote_the_row():
    outcome = RequestRefused(400, "cannot read the body of Thandi Nkosi, thandi@example.com")

    step = decide(Progress(), outcome, 0.5, 0, POLICY)

    assert isinstance(step, Stop)
    assert "Thandi" not in step.reason
    assert "@" not in step.reason


@pytest.mark.parametrize(
    ("begun_before", "age_hours", "same_credential", "why"),
    [
        (False, None, True, None),
        (True, 0.0, True, None),
        (True, 22.9, True, None),
        (True, 22.99, True, Why.OLD_KEY),  # 23 hours less the retry budget
        (True, 23.0, True, Why.OLD_KEY),
        (True, 24.0, True, Why.OLD_KEY),
        (True, 1000.0, True, Why.OLD_KEY),
        (True, None, True, Why.OLD_KEY),
        (True, -0.01, True, Why.OLD_KEY),
        (True, float("nan"), True, Why.OLD_KEY),
        (True, 0.0, False, Why.OTHER_CREDENTIAL),
        (True, None, False, Why.OLD_KEY),
    ],
)
def test_a_key_that_is_old_or_of_unknown_age_or_of_another_credential_is_looked_up_first(
    begun_before, age_hours, same_credential, why
):
    told = {
        "begun_before": begun_before,
        "age_hours": age_hours,
        "same_credential": same_credential,
    }
    found = why_look_up_first(**told, is_ledger_whole=True, policy=POLICY)

    assert why_look_up_first(**told, is_ledger_whole=False, policy=POLICY) is Why.OLD_KEY

    assert found == why


# The rules over every sequence of answers. Two tapes of answers, one for creates and one for look-ups, are played in a
# loop until the row ends; the oracle beside them knows nothing but the answers themselves.

RETRY_AFTER = st.none() | st.sampled_from([0.0, 0.5, 7.0, 600.0, 601.0, 1e6])
SERVER_STATUS = st.sampled_from([408, 425, 500, 502, 503, 504, 599])
AMBIGUOUS = (
    st.builds(NoAnswer, st.just("ReadTimeout"))
    | st.builds(ServerTrouble, SERVER_STATUS, st.just(False), RETRY_AFTER)
    | st.builds(Unintelligible, st.sampled_from([200, 201, 202, 204]), st.just("no JSON"))
    | st.builds(Conflicting, st.just("running"), st.just(False))
)
CREATE_ANSWERS = (
    AMBIGUOUS
    | st.builds(ServerTrouble, st.sampled_from([500, 503]), st.just(True), RETRY_AFTER)
    | st.builds(Limited, st.booleans(), RETRY_AFTER)
    | st.builds(Conflicting, st.sampled_from(["running", "taken", "unknown"]), st.booleans())
    | st.builds(
        RowRefused, st.sampled_from([400, 422, 413]), st.just("no"), st.booleans(), st.booleans()
    )
    | st.builds(CredentialRefused, st.sampled_from([401, 402, 403]), st.just(True))
    | st.builds(Unexpected, st.sampled_from([418, 422, 409, 413]))
    | st.builds(AnotherCustomer, st.sampled_from([200, 201]))
    | st.builds(Accepted, st.just("bcus_1"), st.booleans())
    | st.builds(CredentialRefused, st.sampled_from([401, 402, 403]), st.just(False))
    | st.just(KeyReused())
)
LOOK_UP_ANSWERS = (
    st.just(NotFound())
    | st.just(NotFound())
    | st.builds(NoAnswer, st.just("ReadTimeout"))
    | st.builds(ServerTrouble, SERVER_STATUS, st.just(False), RETRY_AFTER)
    | st.builds(Limited, st.just(False), RETRY_AFTER)
    | st.builds(Unintelligible, st.just(200), st.just("no JSON"))
    | st.builds(AnotherCustomer, st.just(200))
    | st.builds(Unexpected, st.just(404))
    | st.just(Found("bcus_1"))
    | st.just(Found("bcus_1", (Difference("name", '"a"', '"b"'),)))
)


@dataclass
class Life:
    """One row's life: (what was asked, the answer, the step), in order."""

    begun_before: bool
    turns: list[tuple[Progress, Outcome, Step]] = field(default_factory=list)

    @property
    def end(self) -> Step:
        return self.turns[-1][2]


@st.composite
def lives(draw) -> Life:
    creates = draw(st.lists(CREATE_ANSWERS, min_size=1, max_size=8))
    lookups = draw(st.lists(LOOK_UP_ANSWERS, min_size=1, max_size=8))
    lags = [
        *draw(st.lists(st.sampled_from([0.1, POLICY.lookup_lag]), min_size=1, max_size=4)),
        POLICY.lookup_lag,
    ]
    dice = draw(st.floats(0, 1, exclude_max=True))
    begun_before = draw(st.booleans())
    why = draw(st.sampled_from([None, Why.OLD_KEY])) if begun_before else None
    life = Life(begun_before)
    row, created, looked_up = Progress(is_in_doubt=begun_before, why=why), 0, 0
    for _ in range(1_000):
        if row.why is None:
            outcome, created = creates[created % len(creates)], created + 1
        else:
            outcome, looked_up = lookups[looked_up % len(lookups)], looked_up + 1
            row = replace(row, since_last_call=lags[looked_up % len(lags)])
        step = decide(row, outcome, dice, 0.0, POLICY)
        life.turns.append((row, outcome, step))
        if not isinstance(step, SendAgain | LookupNext | NextGeneration):
            return life
        row = step.progress
    raise AssertionError(f"still going after 1,000 answers: {creates}, {lookups}")


def is_settling_failure(outcome: Outcome) -> bool:
    """Whether it is a replayed 5xx, 401, 402, 403 or 429: what will never take effect."""
    match outcome:
        case ServerTrouble(status=status, replayed=True):
            return 500 <= status <= 599
        case Limited(replayed=True) | CredentialRefused(replayed=True):
            return True
        case _:
            return False


def is_doubtful(outcome: Outcome) -> bool:
    """Whether a create with this answer may have taken effect, or may yet."""
    match outcome:
        case (
            NoAnswer()
            | Unintelligible()
            | ServerTrouble(replayed=False)
            | Conflicting(kind="running")
        ):
            return True
        case _:
            return False


@given(lives())
@settings(max_examples=42, deadline=None)
def test_a_new_key_is_made_only_after_a_replayed_failure_of_the_current_one_and_a_lookup_that_finds_nothing(
    life,
):
    last_create = None
    for row, outcome, step in life.turns:
        if row.why is None:
            last_create = outcome
        if isinstance(step, NextGeneration):
            assert row.why is not None
            assert isinstance(outcome, NotFound)
            assert row.since_last_call >= POLICY.lookup_lag
            assert is_settling_failure(last_create)
            assert step.progress.generation == row.generation + 1 <= POLICY.generations
            last_create = None
        elif isinstance(step, SendAgain | LookupNext):
            assert step.progress.generation == row.generation


@given(lives())
@settings(max_examples=42, deadline=None)
def test_a_refusal_while_a_send_is_in_doubt_is_final_only_after_a_lookup_that_finds_nothing(
    life,
):
    doubtful = life.begun_before
    for row, outcome, step in life.turns:
        if isinstance(step, Final) and step.state is State.REFUSED:
            is_late = isinstance(outcome, NotFound) and row.since_last_call >= POLICY.lookup_lag
            assert is_late or (isinstance(outcome, RowRefused) and not doubtful)
        if row.why is None:
            doubtful = doubtful or is_doubtful(outcome)
        if isinstance(step, NextGeneration):
            doubtful = False


@given(lives())
@settings(max_examples=42, deadline=None)
def test_every_final_state_follows_from_an_answer_that_proves_it(life):
    row, outcome, step = life.turns[-1]
    settled = step.final if isinstance(step, Stop) else step

    match settled:
        case Final(state=State.CREATED | State.CREATED_DIFFERENT):
            assert isinstance(outcome, Accepted)
        case Final(state=State.ADOPTED | State.PRE_EXISTING):
            assert isinstance(outcome, Found)
            assert not outcome.differences
            assert (settled.state is State.ADOPTED) == row.is_in_doubt
        case Final(state=State.CONFLICT):
            assert isinstance(outcome, Found)
            assert outcome.differences
        case Final(state=State.REFUSED):
            assert isinstance(outcome, NotFound | RowRefused)
        case _:
            assert settled is None or isinstance(settled, LeaveInDoubt | TurnedAway | Stop)


@given(lives())
@settings(max_examples=42, deadline=None)
def test_a_customer_that_our_own_doubtful_send_may_have_made_is_never_called_someone_else_s(life):
    doubtful = life.begun_before
    for row, outcome, step in life.turns:
        if row.why is None:
            doubtful = doubtful or is_doubtful(outcome)
        if isinstance(step, NextGeneration):
            doubtful = False
        if isinstance(step, Final) and step.state is State.PRE_EXISTING:
            assert not doubtful


@given(lives())
@settings(max_examples=42, deadline=None)
def test_a_row_is_sent_at_most_five_times_and_once_more_by_the_sweep(life):
    assert sum(row.why is None for row, _, _ in life.turns) <= POLICY.sends - 1


@given(lives())
@settings(max_examples=42, deadline=None)
def test_waits_stay_within_their_bounds(life):
    for _row, outcome, step in life.turns:
        if not isinstance(step, SendAgain | LookupNext):
            continue
        asked = getattr(outcome, "retry_after", None) or 0.0
        assert (
            0
            <= step.after
            <= max(POLICY.backoff.cap, POLICY.backoff.limited_cap, POLICY.lookup_lag, asked)
        )
        if isinstance(step, SendAgain) and isinstance(outcome, ServerTrouble | Limited):
            assert step.after >= asked
        assert 0 <= step.pause_all <= POLICY.backoff.longest_retry_after


@given(st.floats(0, 1, exclude_max=True), st.integers(0, 3))
@settings(max_examples=35, deadline=None)
def test_backoff_is_full_jitter_below_the_doubled_base(dice, sends):
    step = decide(Progress(tries=Tries(sends=sends)), NoAnswer("ReadTimeout"), dice, 0, POLICY)

    assert isinstance(step, SendAgain)
    assert 0 <= step.after <= min(30, 0.5 * 2 ** (sends + 1))
    assert step.after == pytest.approx(dice * min(30, 0.5 * 2 ** (sends + 1)))


@given(lives())
@settings(max_examples=42, deadline=None)
def test_a_row_always_ends_and_no_step_is_our_own_fault(life):
    assert isinstance(life.end, Final | LeaveInDoubt | TurnedAway | Stop)
    assert not (isinstance(life.end, Stop) and life.end.exit_code == 70)
