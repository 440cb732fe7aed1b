"""`resume --give-up`: a person closes the case of a record that stays in doubt, and nobody is created twice for it."""

import csv
import json
import shutil
from datetime import UTC, datetime, timedelta

import pytest

from pipeline.submission import Clock
from pipeline.workflows import apply, open_run, progress, submit_run
from tests.conftest import KEY, Lived, customers_csv
from tests.small_billing import page, problem

ENVIRONMENT = {"BILLING_API_KEY": KEY}
pytestmark = [
    pytest.mark.usefixtures("without_pages"),
    pytest.mark.xdist_group("giving up"),
]  # one worker, so that the first run is made once


@pytest.fixture
def give_up(pipeline, billing):
    """`resume --give-up ref-3` of the newest run, with a short lookup lag."""

    def resume(*more: str, run: str | None = None):
        name = run or pipeline.newest().name
        options = ("--base-url", billing.url, "--lookup-lag", "0.1")
        return pipeline(
            "resume",
            name,
            *(more or ("--give-up", "ref-3", "--note", "moved away")),
            *options,
            environment=ENVIRONMENT,
        )

    return resume


def leave_in_doubt(pipeline, billing) -> None:
    customers_csv(pipeline.folder / "first.csv", 5)
    billing.creates = {"ref-3": page(403)}
    ended = pipeline(
        "run", "first.csv", "--base-url", billing.url, "--yes", environment=ENVIRONMENT
    )
    assert ended.returncode == 1, ended.stderr


@pytest.fixture(scope="module")
def doubtful_once(tmp_path_factory) -> Lived:
    return Lived.here(tmp_path_factory.mktemp("doubtful"), leave_in_doubt)


@pytest.fixture
def doubtful(pipeline, billing, doubtful_once) -> str:
    """A run whose gateway refuses ref-3 for good; its id."""
    doubtful_once.again(pipeline, billing)
    return pipeline.newest().name


def later(monkeypatch, hours: float) -> None:
    """Our clock and billing's are so many hours ahead."""
    ahead = timedelta(hours=hours)
    clock = Clock(lambda: datetime.now(UTC) + ahead, progress.CLOCK.monotonic)
    for module in (apply, open_run, submit_run):
        monkeypatch.setattr(module, "CLOCK", clock)


def list_of(pipeline, run: str, name: str) -> dict[str, dict[str, str]]:
    with (pipeline.folder / "reports" / run / f"{name}.csv").open(newline="") as file:
        return {row["external_reference"]: row for row in csv.DictReader(file)}


def next_night(pipeline, billing, name: str, **other: int):
    customers_csv(pipeline.folder / name, 2, start=3, **other)
    return pipeline("run", name, "--base-url", billing.url, "--yes", environment=ENVIRONMENT)


def test_giving_up_records_who_why_and_from_when_it_can_become_final(
    pipeline, billing, doubtful, give_up
):
    sends = len(billing.of("ref-3"))

    ended = give_up()

    assert ended.returncode == 1, ended.stderr
    assert "The same command settles it as never created from" in ended.stderr
    row = list_of(pipeline, doubtful, "in_doubt")["ref-3"]
    assert (row["_import_fate"], row["_import_reasons"]) == ("given_up", "SUBMIT.GIVEN_UP")
    assert "moved away" in row["_import_explanation"]
    assert len(billing.of("ref-3")) == sends
    assert pipeline("verify", doubtful).returncode == 0
    assert "1 given up" in json.loads((pipeline.newest() / "summary.json").read_text())["verdict"]

    again = pipeline("resume", doubtful, "--base-url", billing.url, environment=ENVIRONMENT)

    assert again.returncode == 1
    assert len(billing.of("ref-3")) == sends
    assert (
        pipeline("resume", "--base-url", billing.url, environment=ENVIRONMENT).stderr.strip()
        == "nothing to resume"
    )


def test_a_later_night_does_not_send_a_given_up_record_and_holds_other_content(
    pipeline, billing, doubtful, give_up
):
    give_up()
    sends = len(billing.of("ref-3"))
    del billing.creates["ref-3"]

    ended = next_night(pipeline, billing, "second.csv", balance=1_000)

    assert ended.returncode == 1
    assert len(billing.of("ref-3")) == sends
    row = list_of(pipeline, pipeline.newest().name, "held")["ref-3"]
    assert (row["_import_fate"], row["_import_reasons"]) == (
        "needs_review",
        "PLAN.EARLIER_REQUEST_GIVEN_UP",
    )
    assert (
        json.loads((pipeline.newest() / "summary.json").read_text())["left_by_earlier_runs"][
            "in_doubt"
        ]
        == 0
    )


def test_the_same_content_continues_under_the_old_key(pipeline, billing, doubtful, give_up):
    give_up()
    del billing.creates["ref-3"]

    ended = next_night(pipeline, billing, "second.csv")

    assert ended.returncode == 0, ended.stderr
    assert len({one.key for one in billing.of("ref-3")}) == 1
    assert billing.effects["ref-3"] == 1


def test_two_days_after_the_last_send_it_is_final_as_never_created_and_other_content_gets_its_own_key(
    pipeline, billing, doubtful, give_up, monkeypatch
):
    give_up()
    later(monkeypatch, 49)

    ended = give_up()

    assert "never created" in ended.stderr
    assert ended.returncode == 1
    assert list_of(pipeline, doubtful, "in_doubt")["ref-3"]["_import_fate"] == "given_up"
    assert len(billing.of("ref-3", "GET")) >= 3
    del billing.creates["ref-3"]
    monkeypatch.undo()

    assert (
        next_night(pipeline, billing, "second.csv", balance=1_000).returncode == 1
    )  # ref-4 is there with other content

    assert billing.customers["ref-3"]["balance"] == 3_000
    assert billing.effects["ref-3"] == 1
    assert len({one.key for one in billing.of("ref-3")}) == 2


def test_before_two_days_no_lookup_makes_it_final(
    pipeline, billing, doubtful, give_up, monkeypatch
):
    later(monkeypatch, 47)

    ended = give_up()

    assert "may still take effect" in ended.stderr


def test_without_dates_from_billing_no_age_makes_it_final(
    pipeline, billing, doubtful, give_up, monkeypatch
):
    monkeypatch.setattr(billing, "tells_time", False)
    later(monkeypatch, 49)

    ended = give_up()

    assert "carry no date" in ended.stderr
    assert list_of(pipeline, doubtful, "in_doubt")["ref-3"]["_import_fate"] == "given_up"


def test_a_restored_ledger_that_may_lack_a_later_send_makes_nothing_final_for_two_days(
    pipeline, billing, doubtful, give_up, monkeypatch
):
    home, copy = pipeline.folder / ".pipeline", pipeline.folder / "copy"
    shutil.copytree(home, copy)
    later(monkeypatch, 49)
    sends = len(billing.of("ref-3"))
    pipeline("resume", doubtful, "--base-url", billing.url, environment=ENVIRONMENT)
    assert len(billing.of("ref-3")) > sends
    shutil.rmtree(home)
    copy.rename(home)

    ended = give_up()

    assert "may still take effect" in ended.stderr
    later(monkeypatch, 99)
    assert "never created" in give_up().stderr


def test_a_customer_that_exists_is_final_and_not_given_up(pipeline, billing, doubtful, give_up):
    billing.customers["ref-3"] = {
        "id": "bcus_9", "external_reference": "ref-3", "name": "Person 3", "email": "person3@example.com",
        "phone": "+27821000003", "currency": "ZAR", "balance": 300, "metadata": {"tier": "gold"},
    }  # fmt: skip
    billing.created_at["ref-3"] = 0.0

    ended = give_up()

    assert "exists in billing" in ended.stderr
    assert "ref-3" not in list_of(pipeline, doubtful, "in_doubt")


def test_what_cannot_be_given_up_is_a_usage_error_and_changes_nothing(
    pipeline, billing, doubtful, give_up
):
    before = len(billing.asked)
    wrong = {
        ("--give-up", "ref-1", "--note", "x"): "is settled (created)",
        ("--give-up", "nobody", "--note", "x"): "the ledger has no request",
        ("--give-up", "ref-3"): "--note",
        ("--give-up", "ref-3", "--note", " "): "--note",
        ("--note", "x"): "--give-up",
    }

    for words, message in wrong.items():
        ended = give_up(*words)
        assert ended.returncode == 2
        assert message in ended.stderr
    assert len(billing.asked) == before


def test_a_request_of_another_run_names_the_command_for_that_run(
    pipeline, billing, doubtful, give_up
):
    assert next_night(pipeline, billing, "second.csv", balance=1_000).returncode == 1

    ended = give_up()

    assert ended.returncode == 2
    assert f"pipeline resume {doubtful} --give-up ref-3" in ended.stderr


def test_a_resume_of_the_run_that_gave_up_never_sends_again(pipeline, billing, doubtful, give_up):
    give_up()
    billing.creates["ref-3"] = problem(422, "validation-failed")
    assert next_night(pipeline, billing, "second.csv").returncode == 1
    assert list_of(pipeline, pipeline.newest().name, "rejected").keys() == {"ref-3"}
    sends = len(billing.of("ref-3"))
    del billing.creates["ref-3"]

    again = pipeline("resume", doubtful, "--base-url", billing.url, environment=ENVIRONMENT)

    assert again.returncode == 1
    assert len(billing.of("ref-3")) == sends
    assert list_of(pipeline, doubtful, "in_doubt")["ref-3"]["_import_fate"] == "given_up"


def test_an_older_run_does_not_send_what_a_newer_one_gave_up(pipeline, billing, doubtful, give_up):
    assert (
        next_night(pipeline, billing, "second.csv").returncode == 4
    )  # its only request is refused
    newest = pipeline.newest().name
    assert give_up(run=newest).returncode == 1
    sends = len(billing.of("ref-3"))

    again = pipeline("resume", doubtful, "--base-url", billing.url, environment=ENVIRONMENT)

    assert again.returncode == 1
    assert len(billing.of("ref-3")) == sends
    assert list_of(pipeline, doubtful, "in_doubt")["ref-3"]["_import_fate"] == "given_up"


def test_giving_up_needs_the_run_and_keeps_its_options_where_billing_does_not_answer(
    pipeline, billing, doubtful, give_up
):
    nameless = pipeline(
        "resume",
        "--give-up",
        "ref-3",
        "--note",
        "x",
        "--base-url",
        billing.url,
        environment=ENVIRONMENT,
    )
    assert nameless.returncode == 2
    assert "RUN_ID" in nameless.stderr

    silent = pipeline(
        "resume",
        doubtful,
        "--give-up",
        "ref-3",
        "--note",
        "x",
        "--base-url",
        "http://127.0.0.1:1",
        environment=ENVIRONMENT,
    )

    assert silent.returncode == 5
    assert f"resume {doubtful} --give-up ref-3 --note x" in silent.stderr
