"""A record whose reference has an unsettled request with other content waits for that request, and is then judged anew."""

import csv
import json

import pytest

from tests.conftest import KEY, Lived, customers_csv
from tests.small_billing import SmallBilling, page, problem

ENVIRONMENT = {"BILLING_API_KEY": KEY}
pytestmark = [
    pytest.mark.usefixtures("without_pages"),
    pytest.mark.xdist_group("waiting"),
]  # one worker, so that the two nights are lived once


def run(pipeline, billing: SmallBilling, name: str):
    return pipeline("run", name, "--base-url", billing.url, "--yes", environment=ENVIRONMENT)


def of_list(pipeline, name: str) -> dict[str, tuple[str, str]]:
    """Reference -> fate and reasons."""
    with (pipeline.newest() / f"{name}.csv").open(newline="") as file:
        return {
            row["external_reference"]: (row["_import_fate"], row["_import_reasons"])
            for row in csv.DictReader(file)
        }


def two_nights(pipeline, billing):
    customers_csv(pipeline.folder / "first.csv", 4)
    billing.creates = {"ref-3": page(403)}
    assert run(pipeline, billing, "first.csv").returncode == 1
    customers_csv(pipeline.folder / "second.csv", 7, start=3, balance=1_000)
    ended = run(pipeline, billing, "second.csv")
    assert ended.returncode == 1, ended.stderr
    (pipeline.folder / "said").write_text(ended.stdout)


@pytest.fixture(scope="module")
def waiting_once(tmp_path_factory):
    return Lived.here(tmp_path_factory.mktemp("waiting"), two_nights)


@pytest.fixture
def waiting(pipeline, billing, waiting_once):
    """A night in which a gateway refused ref-3, and one whose file has other content for it; ref-4 to ref-9 are new.

    What the second run printed.
    """
    waiting_once.again(pipeline, billing)
    return (pipeline.folder / "said").read_text()


def summary(pipeline) -> dict:
    return json.loads((pipeline.newest() / "summary.json").read_text())


def test_a_record_with_other_content_waits_and_its_amount_counts_as_never_sent(
    pipeline, billing, waiting
):
    found = summary(pipeline)

    assert of_list(pipeline, "in_doubt") == {
        "ref-3": ("in_doubt", "PLAN.EARLIER_REQUEST_UNSETTLED")
    }
    assert found["waiting"]["records"] == 1
    assert found["waiting"]["sums"] == {"ZAR": {"debits": 3_000, "credits": 0}}
    assert "1 in doubt (1 of them never sent)" in found["verdict"]
    assert "waiting, never sent" in waiting
    assert "1 of them never sent" in (pipeline.newest() / "report.html").read_text()
    assert [one.key for one in billing.of("ref-3")] == [
        billing.of("ref-3")[0].key
    ] * 2  # each night the first request
    assert pipeline("verify", pipeline.newest().name).returncode == 0


def test_once_the_earlier_request_has_made_the_customer_the_record_is_held(
    pipeline, billing, waiting
):
    del billing.creates["ref-3"]

    ended = pipeline(
        "resume", pipeline.newest().name, "--base-url", billing.url, environment=ENVIRONMENT
    )

    assert ended.returncode == 1, ended.stderr
    assert of_list(pipeline, "held") == {
        "ref-3": ("already_exists_different", "SUBMIT.ALREADY_THERE_DIFFERENT")
    }
    assert of_list(pipeline, "in_doubt") == {}
    assert billing.customers["ref-3"]["balance"] == 300
    assert summary(pipeline)["waiting"]["records"] == 0
    assert pipeline("verify", pipeline.newest().name).returncode == 0

    first = min(
        path.name for path in (pipeline.folder / "reports").iterdir() if path.name[0] != "."
    )
    assert json.loads(pipeline("status", first, "--json").stdout)["overall"]["created"] == 4
    span = pipeline("report", "--since", "2026-01-01", "--json")
    once = json.loads(span.stdout)["once"]
    assert once["fates"]["created"] == len(billing.customers) == 10
    assert once["fates"]["already_exists_different"] == 1


def test_once_billing_has_refused_the_earlier_request_the_record_is_sent_under_a_key_of_its_own(
    pipeline, billing, waiting
):
    billing.creates["ref-3"] = lambda body: (
        problem(422, "validation-failed") if json.loads(body)["balance"] == 300 else None
    )

    ended = pipeline(
        "resume",
        pipeline.newest().name,
        "--base-url",
        billing.url,
        "--lookup-lag",
        "0.1",
        environment=ENVIRONMENT,
    )

    assert ended.returncode == 0, ended.stderr
    assert of_list(pipeline, "created")["ref-3"] == ("created", "")
    assert billing.customers["ref-3"]["balance"] == 3_000
    assert len({one.key for one in billing.of("ref-3")}) == 2
    assert billing.effects["ref-3"] == 1
    assert pipeline("verify", pipeline.newest().name).returncode == 0


def test_an_earlier_request_that_another_run_resolves_does_not_create_the_waiting_record(
    pipeline, billing, waiting
):
    del billing.creates["ref-3"]
    first, second = sorted(
        path.name
        for path in (pipeline.folder / "reports").iterdir()
        if path.is_dir() and path.name[0] != "."
    )
    assert (
        pipeline("resume", first, "--base-url", billing.url, environment=ENVIRONMENT).returncode
        == 0
    )

    told = pipeline("status", second, "--json").stdout

    assert json.loads(told)["overall"]["already_exists_different"] == 1
