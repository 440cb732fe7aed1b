"""The auditor finds each planted violation and none in good histories; the short form of the workload."""

from collections.abc import Iterable
from dataclasses import replace

import httpx
import pytest

from tests.conftest import running_sandbox
from tests.prove import mutants, workload
from tests.prove.audit import (
    Books,
    Claim,
    Claimed,
    Rule,
    Seen,
    Sender,
    answered,
    as_lines,
    audit,
    content_of,
    read_lines,
)

BODY = {"external_reference": "A", "name": "Ann"}
CONTENT, OTHER = content_of(BODY), content_of({**BODY, "name": "Bob"})
PLANNED = {"A": frozenset({CONTENT, OTHER})}
LAG = 1.0


def create(at: float, key: str = "k1", content: str = CONTENT, **more) -> Seen:
    """A create of A whose answer is lost, unless more is given."""
    return Seen(at, at + 0.1, "POST", "A", key, f"bytes of {content}", content, **more)


def created(
    at: float, key: str = "k1", content: str = CONTENT, customer: str = "c1", **more
) -> Seen:
    """A create of A that takes effect and says so."""
    shown = {"status": 201, "is_own": True, "customer": customer, "version": content}
    return create(at, key, content, **{"effect": customer, **shown, **more})


def look_up(at: float, customer: str = "", version: str = CONTENT) -> Seen:
    """A lookup that finds a customer, or nothing."""
    shown = (
        {"status": 200, "customer": customer, "version": version} if customer else {"status": 404}
    )
    return Seen(at, at + 0.1, "GET", "A", is_own=True, **shown)


def failed(at: float, key: str = "k1", **more) -> Seen:
    """A create of A that billing answers with a kept failure."""
    return create(at, key, status=500, is_own=True, is_replay=True, **more)


def books(claimed: Claimed, key: str = "k1", customer: str = "", book: str = "the ledger") -> Books:
    return Books("the books", (Claim(book, "A", claimed, key, customer),))


CREATED = books(Claimed.CREATED, customer="c1")
IN_DOUBT = books(Claimed.IN_DOUBT)
OF_ANOTHER = Seen(0, 0, "POST", "A", content=CONTENT, effect="c0", sender=Sender.ANOTHER)

#: Histories that break one rule each, and what the books say of them.
BAD: dict[str, tuple[Rule, list[Seen], list[Books]]] = {
    "the same request takes effect twice": (
        Rule.ONE_EFFECT,
        [created(1), created(2, effect="c2", customer="c1")],
        [CREATED],
    ),
    "the network delivers a request twice, and both take effect": (
        Rule.ONE_EFFECT,
        [created(1), create(2, effect="c2", sender=Sender.NETWORK)],
        [CREATED],
    ),
    "two keys take effect": (
        Rule.ONE_KEY_WITH_EFFECT,
        [create(1, effect="c1"), failed(2), look_up(3), created(4, "k2", customer="c2")],
        [books(Claimed.CREATED, "k2", "c2")],
    ),
    "a key comes with two bodies": (
        Rule.ONE_BODY_PER_KEY,
        [create(1), create(2, content=OTHER)],
        [IN_DOUBT],
    ),
    "a new key after a lost answer": (
        Rule.SETTLED_BEFORE_NEXT_KEY,
        [create(1), create(2, "k2")],
        [IN_DOUBT],
    ),
    "a new key after a lookup that finds nothing": (
        Rule.SETTLED_BEFORE_NEXT_KEY,
        [create(1), look_up(2), create(3, "k2")],
        [IN_DOUBT],
    ),
    "a new key after a gateway's refusal": (
        Rule.SETTLED_BEFORE_NEXT_KEY,
        [create(1, status=422), look_up(2), create(3, "k2", OTHER)],
        [IN_DOUBT],
    ),
    "a new key after a replayed failure, without a lookup": (
        Rule.SETTLED_BEFORE_NEXT_KEY,
        [create(1), failed(2), create(3, "k2")],
        [IN_DOUBT],
    ),
    "a new key after a replayed failure and an earlier lookup": (
        Rule.SETTLED_BEFORE_NEXT_KEY,
        [create(1), look_up(2), failed(3), create(4, "k2")],
        [IN_DOUBT],
    ),
    "a new key after a failure that is no replay": (
        Rule.SETTLED_BEFORE_NEXT_KEY,
        [create(1, status=500, is_own=True), look_up(2), create(3, "k2")],
        [IN_DOUBT],
    ),
    "a new key after a refusal, where an earlier send is unsettled": (
        Rule.SETTLED_BEFORE_NEXT_KEY,
        [create(1), create(2, status=422, is_own=True), create(3, "k2", OTHER)],
        [IN_DOUBT],
    ),
    "a third key, though only the second is settled": (
        Rule.SETTLED_BEFORE_NEXT_KEY,
        [create(1), create(2, "k2"), failed(3, "k2"), look_up(4), create(5, "k3")],
        [IN_DOUBT],
    ),
    "other content after billing has shown the customer": (
        Rule.NO_KEY_AFTER_FOUND,
        [created(1), create(2, "k2", OTHER)],
        [CREATED],
    ),
    "reads show two versions": (
        Rule.READS_AGREE,
        [created(1), look_up(2, "c1", OTHER)],
        [CREATED],
    ),
    "a read shows a customer before it was made": (
        Rule.READS_AGREE,
        [look_up(1, "c1"), create(2, effect="c1")],
        [IN_DOUBT],
    ),
    "a read finds nothing once the lag has passed": (
        Rule.READS_KEEP_UP,
        [created(1), look_up(2.5)],
        [CREATED],
    ),
    "a customer is updated": (Rule.NO_UPDATE, [created(1), Seen(2, 2, "PATCH", "A")], [CREATED]),
    "content that no file holds": (
        Rule.PLANNED,
        [created(1, content="else")],
        [CREATED],
    ),
    "more customers than planned": (
        Rule.NO_MORE_THAN_PLANNED,
        [created(1), replace(created(1, "k9", customer="c9"), reference="B")],
        [],
    ),
    "created, and nothing was": (Rule.CREATED_IS_TRUE, [create(1)], [CREATED]),
    "created, and somebody else did it": (
        Rule.CREATED_IS_TRUE,
        [OF_ANOTHER, create(1, status=409, is_own=True), look_up(2, "c0")],
        [books(Claimed.CREATED, customer="c0")],
    ),
    "created, and somebody else did it, with other content": (
        Rule.CREATED_IS_TRUE,
        [OF_ANOTHER, create(1, content=OTHER), look_up(2, "c0")],
        [books(Claimed.CREATED, customer="c0")],
    ),
    "created under another id": (
        Rule.CREATED_IS_TRUE,
        [created(1)],
        [books(Claimed.CREATED, customer="c7")],
    ),
    "created without a request": (Rule.CREATED_IS_TRUE, [], [CREATED]),
    "refused, and it took effect": (
        Rule.REFUSED_IS_TRUE,
        [create(1, effect="c1")],
        [books(Claimed.REFUSED)],
    ),
    "not sent, and it was": (Rule.NOT_SENT_IS_TRUE, [create(1)], [books(Claimed.NOT_SENT)]),
    "somebody else's, and it is ours": (
        Rule.OTHERS_ARE_OTHERS,
        [created(1)],
        [books(Claimed.OF_ANOTHER)],
    ),
    "there already, and nobody has it": (
        Rule.EXISTING_EXISTS,
        [create(1)],
        [books(Claimed.EXISTS)],
    ),
    "an effect of which the books know nothing": (
        Rule.EFFECT_IS_CLAIMED,
        [created(1)],
        [Books("the books", ())],
    ),
    "an effect that one of two books lacks": (
        Rule.EFFECT_IS_CLAIMED,
        [created(1)],
        [CREATED, books(Claimed.EXISTS)],
    ),
    "two runs count the same customer": (
        Rule.CLAIMED_ONCE,
        [created(1)],
        [
            Books(
                "the lists",
                (*CREATED.claims, *books(Claimed.CREATED, customer="c1", book="another").claims),
            )
        ],
    ),
}
GOOD: dict[str, tuple[list[Seen], list[Books]]] = {
    "a create": ([created(1), look_up(1.2), look_up(3, "c1")], [CREATED]),
    "the same key until it is answered": (
        [create(1, effect="c1"), create(2, status=502), created(3, effect="", is_replay=True)],
        [CREATED],
    ),
    "a new key after a replayed failure and a lookup": (
        [create(1), failed(2), look_up(3), created(4, "k2")],
        [books(Claimed.CREATED, "k2", "c1")],
    ),
    "other content after a refusal": (
        [create(1, status=422, is_own=True), created(2, "k2", OTHER)],
        [books(Claimed.CREATED, "k2", "c1")],
    ),
    "other content after a refusal of a repeated request, and a lookup": (
        [create(1), create(2, status=422, is_own=True), look_up(3), created(4, "k2", OTHER)],
        [books(Claimed.CREATED, "k2", "c1")],
    ),
    "a failure that is kept after the effect": (
        [create(1, status=500, is_own=True, effect="c1"), failed(2), look_up(3, "c1")],
        [CREATED],
    ),
    "somebody else's": (
        [OF_ANOTHER, create(1, status=409, is_own=True), look_up(2, "c0")],
        [books(Claimed.OF_ANOTHER)],
    ),
    "somebody else's, which says what we sent, after a lost answer": (
        [OF_ANOTHER, create(1), look_up(2, "c0")],
        [books(Claimed.CREATED, customer="c0")],
    ),
    "in doubt, with an effect": ([create(1, effect="c1")], [IN_DOUBT]),
    "in doubt, without one": ([create(1)], [IN_DOUBT]),
    "planned and never sent": ([], [books(Claimed.NOT_SENT)]),
}


@pytest.mark.parametrize("name", BAD)
def test_the_auditor_finds_each_violation_and_names_its_reference(name):
    rule, history, claims = BAD[name]

    found = audit(history, PLANNED, claims, lag=LAG)

    assert rule in {one.rule for one in found}
    assert {one.reference for one in found if one.rule is rule} == (
        {""} if rule is Rule.NO_MORE_THAN_PLANNED else {"A"}
    )


def test_each_rule_has_a_history_that_breaks_it():
    assert {rule for rule, _, _ in BAD.values()} == {*Rule}


@pytest.mark.parametrize("name", GOOD)
def test_the_auditor_finds_nothing_in_a_good_history(name):
    history, claims = GOOD[name]

    assert audit(history, PLANNED, claims, lag=LAG) == []


def test_requests_of_an_ended_process_are_in_doubt_only_for_later_ones():
    taken = create(3, status=409, is_own=True)
    history, [claims] = (
        [OF_ANOTHER, taken, look_up(4, "c0")],
        [books(Claimed.CREATED, customer="c0")],
    )

    def broken(begun: float | None, *ends: float) -> set[Rule]:
        known = replace(claims, begun={} if begun is None else {"k1": begun})
        return _rules(audit(history, PLANNED, [known], lag=LAG, ends=ends))

    assert broken(1, 2) == broken(1, 3.5) == set()
    assert broken(1) == broken(1, 0.5) == broken(2.5, 2) == broken(1, 5) == broken(None, 2)
    assert broken(1) == {Rule.CREATED_IS_TRUE}


def test_a_history_is_read_from_lines_as_it_was_written():
    history = [OF_ANOTHER, created(1), look_up(2, "c1"), create(3, sender=Sender.NETWORK)]

    assert read_lines(as_lines(reversed(history))) == history


@pytest.mark.parametrize(
    ("status", "content_type", "body", "is_own"),
    [
        (201, "application/json", b'{"id": "c1", "external_reference": "A"}', True),
        (201, "application/json", b'{"id": "c1", "external_reference": "B"}', False),
        (201, "text/html", b'{"id": "c1", "external_reference": "A"}', False),
        (422, "application/problem+json", b'{"status": 422}', True),
        (422, "application/problem+json", b'{"status": 400}', False),
        (422, "application/json", b'{"status": 422}', False),
        (422, "text/html", b"<html>", False),
    ],
)
def test_only_responses_of_billing_itself_are_final(status, content_type, body, is_own):
    assert answered(status, content_type, body, "A").get("is_own", False) is is_own


def test_a_recording_sandbox_lists_the_effect_and_response_of_each_request(tmp_path):
    path = tmp_path / "history.jsonl"
    with running_sandbox(tmp_path / "billing.sqlite", history=path) as outside:
        client = httpx.Client(base_url=f"{outside.base_url}/billing", trust_env=False)
        client.headers["Authorization"] = f"Bearer {outside.api_key}"
        for _ in range(2):
            client.post(
                "/customers", json=BODY, headers={"Idempotency-Key": "k1"}
            ).raise_for_status()
        client.get("/customers/A")
        client.get("/customers/B")
        outside.faults(lost_reply=1.0)
        with pytest.raises(httpx.TransportError):
            client.post(
                "/customers",
                json={**BODY, "external_reference": "C"},
                headers={"Idempotency-Key": "k2"},
            )
        client.close()

    made, again, found, nothing, lost = read_lines(path.read_text())
    assert (made.effect, made.status, made.is_replay, made.is_own) == (
        made.customer,
        201,
        False,
        True,
    )
    assert (again.effect, again.status, again.is_replay, again.customer) == (
        "",
        201,
        True,
        made.customer,
    )
    assert made.content == found.version == CONTENT
    assert (found.method, found.customer, nothing.status, nothing.is_own) == (
        "GET",
        made.customer,
        404,
        True,
    )
    assert (bool(lost.effect), lost.reference, lost.status) == (True, "C", 0)


# Histories of two nights that meet much between them.
@pytest.mark.parametrize(
    "seed", [6, *(pytest.param(seed, marks=pytest.mark.long) for seed in (0, 8, 12))]
)
def test_random_nights_against_an_unreliable_server_violate_nothing(seed):
    found, history = workload.recorded(seed, nights=2, may_start_processes=False)

    assert found.faults == []
    made = next(one for one in history if one.effect and one.sender is Sender.US)
    planned = _planned(history)
    assert not _rules(audit(history, planned))
    # The auditor sees a recorded history as it does those made by hand.
    twice = [*history, replace(made, at=made.at + 5, until=made.until + 5, effect="bcus_twice")]
    assert Rule.ONE_EFFECT in _rules(audit(twice, planned))


def test_without_a_rule_of_the_protocol_the_auditor_finds_the_violation():
    with mutants.without("1: a new key where no answer came"):
        found = workload.journey(6, nights=2, may_start_processes=False)

    assert any(Rule.SETTLED_BEFORE_NEXT_KEY in fault for fault in found.faults)


def _planned(history: Iterable[Seen]) -> dict[str, frozenset[str]]:
    creates = [one for one in history if one.method == "POST"]
    return {
        one.reference: frozenset(
            more.content for more in creates if more.reference == one.reference
        )
        for one in creates
    }


def _rules(violations) -> set[Rule]:
    return {one.rule for one in violations}
