"""One record that a gateway dislikes, or that is never answered, holds up nothing but itself."""

import csv
import json
import threading

import pytest

from tests.conftest import KEY, customers_csv
from tests.small_billing import SILENCE, Answer, SmallBilling, page, problem

pytestmark = pytest.mark.usefixtures("without_pages")

ENVIRONMENT = {"BILLING_API_KEY": KEY}
RECORDS = 40

#: What stands in front of billing for one reference, by the words for it.
GATEWAYS = {
    **{f"{status} of a gateway": page(status) for status in (401, 402, 403, 404, 405, 406, 415)},
    "302 to a login page": Answer(302, b"", headers=(("Location", "/login"),)),
    "403 in billing's words": problem(403, "forbidden"),
    "422 of a gateway": page(422),
    "413 of a gateway": page(413),
    "409 of a gateway": page(409),
}


def of_another(reference: str) -> Answer:
    return Answer(201, json.dumps({"id": "bcus_1", "external_reference": reference}).encode())


def run(pipeline, billing: SmallBilling, *more: str, name: str = "customers.csv"):
    return pipeline("run", name, "--base-url", billing.url, "--yes", *more, environment=ENVIRONMENT)


def in_doubt(pipeline) -> dict[str, str]:
    """Reference -> what the list says about it."""
    with (pipeline.newest() / "in_doubt.csv").open(newline="") as file:
        return {
            row["external_reference"]: row["_import_billing_said"] for row in csv.DictReader(file)
        }


def test_records_that_are_refused_at_the_door_are_set_aside_alone_and_named_with_their_answers(
    pipeline, billing
):
    customers_csv(pipeline.folder / "customers.csv", 8 * len(GATEWAYS))
    billing.creates = {f"ref-{8 * n}": answer for n, answer in enumerate(GATEWAYS.values())}
    (pipeline.folder / "job.yaml").write_text(
        "environment: sandbox\nmerchant: sandbox\nthresholds: {usual_refusals: 0.3, alarming_refusals: 0.9}\n"
    )

    ended = run(pipeline, billing, "--config", "job.yaml")

    assert ended.returncode == 1, ended.stderr
    assert len(billing.customers) == 7 * len(GATEWAYS)
    told = in_doubt(pipeline)
    assert {*told} == {*billing.creates}
    for reference, answer in billing.creates.items():
        assert str(answer.status) in told[reference]
        assert len(billing.of(reference)) == 1


def test_three_equally_refused_records_stop_the_run_and_a_later_one_begins_with_untried_records(
    pipeline, billing
):
    customers_csv(pipeline.folder / "customers.csv", RECORDS)
    billing.creates |= {f"ref-{n}": page(403) for n in range(RECORDS)}

    ended = run(pipeline, billing, "--workers", "1")
    tried = {one.reference for one in billing.asked if one.method == "POST"}

    assert ended.returncode == 4
    assert "refuses the API key (403)" in ended.stderr
    assert len(tried) == 3
    billing.creates = {reference: page(403) for reference in tried}
    billing.asked.clear()

    ended = pipeline("resume", "--base-url", billing.url, environment=ENVIRONMENT)

    assert ended.returncode == 1, ended.stderr
    assert len(billing.customers) == RECORDS - 3
    assert {*in_doubt(pipeline)} == tried
    assert next(one.reference for one in billing.asked if one.method == "POST") not in tried


def test_a_plan_of_one_record_that_is_refused_at_the_door_stops(pipeline, billing):
    customers_csv(pipeline.folder / "customers.csv", 1)
    billing.creates["ref-0"] = page(403)

    ended = run(pipeline, billing)

    assert ended.returncode == 4
    assert "403" in ended.stderr


def test_a_record_that_is_always_in_progress_or_never_answered_ends_within_its_own_budget(
    pipeline, billing
):
    customers_csv(pipeline.folder / "customers.csv", RECORDS)
    billing.creates = {"ref-3": problem(409, "request-in-progress"), "ref-5": SILENCE}

    done = threading.Event()
    threading.Timer(60, done.set).start()
    ended = run(pipeline, billing)

    assert ended.returncode == 1, ended.stderr
    assert not done.is_set()
    assert len(billing.customers) == RECORDS - 2
    told = in_doubt(pipeline)
    assert {*told} == {"ref-3", "ref-5"}
    assert "409" in told["ref-3"]
    assert "no answer" in told["ref-5"]
    assert max(len(billing.of("ref-3")), len(billing.of("ref-5"))) <= 7  # six, and one by the sweep


def test_an_answer_that_names_another_customer_leaves_the_record_in_doubt_and_the_third_stops_the_run(
    pipeline, billing
):
    customers_csv(pipeline.folder / "customers.csv", RECORDS)
    billing.creates = {"ref-3": of_another("ref-1"), "ref-5": of_another("ref-1")}

    ended = run(pipeline, billing)

    assert ended.returncode == 1, ended.stderr
    assert {*in_doubt(pipeline)} == {"ref-3", "ref-5"}
    assert "another customer" in in_doubt(pipeline)["ref-3"]
    assert len(billing.customers) == RECORDS - 2
    assert len(billing.of("ref-3")) == 1

    customers_csv(pipeline.folder / "more.csv", 10, start=100)
    billing.creates = {f"ref-{n}": of_another("ref-1") for n in range(100, 110)}
    stopped = run(pipeline, billing, name="more.csv")

    assert stopped.returncode == 4
    assert "named other customers" in stopped.stderr


def test_the_next_night_works_first_names_the_rest_and_exits_by_its_own_records(pipeline, billing):
    customers_csv(pipeline.folder / "customers.csv", RECORDS)
    billing.creates["ref-7"] = page(403)
    run(pipeline, billing)
    customers_csv(pipeline.folder / "next.csv", RECORDS, start=100)
    billing.asked.clear()

    ended = run(pipeline, billing, name="next.csv")

    assert ended.returncode == 0, ended.stderr
    posts = [one.reference for one in billing.asked if one.method == "POST"]
    assert posts.index("ref-7") > 0
    assert pipeline.summary()["left_by_earlier_runs"]["in_doubt"] == 1
    pipeline("report")
    page_text = (pipeline.newest() / "report.html").read_text()
    assert "still in doubt" in page_text
    assert "ref-7" in page_text
    assert "refused with status 403" in ended.stdout + ended.stderr

    billing.creates.clear()
    customers_csv(pipeline.folder / "third.csv", RECORDS, start=200)
    ended = run(pipeline, billing, name="third.csv")

    assert ended.returncode == 0, ended.stderr
    assert "ref-7" in billing.customers
    assert pipeline.summary()["settled_for_earlier_runs"] == 1
    assert set(billing.effects.values()) == {1}


def test_a_gateway_that_refuses_a_repeat_is_not_believed_where_the_first_send_took_effect(
    pipeline, billing
):
    customers_csv(pipeline.folder / "customers.csv", 5)
    billing.lag = 0.3
    create = billing.create

    def lost_and_then_refused(key: str, body: bytes) -> Answer:
        if json.loads(body)["external_reference"] != "ref-2":
            return create(key, body)
        if "ref-2" in billing.customers:
            return page(422)
        create(key, body)
        return SILENCE

    billing.create = lost_and_then_refused

    ended = run(pipeline, billing, "--lookup-lag", "0.5")

    assert ended.returncode == 0, ended.stderr
    assert len(billing.customers) == 5
    assert pipeline.summary()["fates"]["created"] == 5


def test_another_client_s_customer_does_not_count_as_ours_after_a_failed_first_lookup(
    pipeline, billing
):
    customers_csv(pipeline.folder / "customers.csv", 5)
    theirs = {
        "name": "Person 2",
        "email": "person2@example.com",
        "phone": "+27821000002",
        "currency": "ZAR",
        "balance": 200,
    }
    held = {"id": "bcus_9", "external_reference": "ref-2", **theirs, "metadata": {"plan": "gold"}}
    billing.customers["ref-2"], billing.created_at["ref-2"] = held, 0.0
    look_up, disturbed = billing.look_up, []

    def disturb_the_first(reference: str) -> Answer:
        if reference == "ref-2" and not disturbed:
            disturbed.append(reference)
            return of_another("ref-1")
        return look_up(reference)

    billing.look_up = disturb_the_first

    ended = run(pipeline, billing)

    assert ended.returncode == 0, ended.stderr
    assert disturbed
    assert {name: n for name, n in pipeline.summary()["fates"].items() if n} == {
        "created": 4,
        "already_exists_same": 1,
    }
