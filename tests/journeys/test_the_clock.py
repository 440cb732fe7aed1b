"""A billing that tells no time: our own clock may have been set back, so no key of an earlier process counts as young."""

import time
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler

import pytest

import pipeline.billing.client as client_module
from tests.conftest import KEY, customers_csv
from tests.small_billing import SILENCE, Answer, small_billing

pytestmark = pytest.mark.usefixtures("without_pages")

ENVIRONMENT = {"BILLING_API_KEY": KEY}
RECORDS = 7


@pytest.mark.parametrize("tells_time", [False, True])
def test_without_the_time_of_billing_earlier_sends_are_looked_up_before_a_resend(
    pipeline, monkeypatch, tells_time
):
    monkeypatch.setattr(client_module, "SILENT_SECONDS", 0.2)
    customers_csv(pipeline.folder / "customers.csv", RECORDS)
    with small_billing(tells_time=tells_time, unique=False) as billing:
        create = billing.create

        def lost(key: str, body: bytes) -> Answer:
            create(key, body)
            return SILENCE

        billing.create = lost
        words = ("--base-url", billing.url, "--outage-seconds", "0.5")
        stopped = pipeline("run", "customers.csv", *words, "--yes", environment=ENVIRONMENT)
        assert stopped.returncode == 5, stopped.stderr
        sent = {one.reference for one in billing.asked if one.method == "POST"}
        del billing.create
        if not tells_time:
            billing.kept.clear()  # a day has passed for billing, and for a clock that was set back by a day none has
        billing.asked.clear()

        ended = pipeline("resume", *words, environment=ENVIRONMENT)

    assert ended.returncode == 0, ended.stderr
    assert sent
    assert {*billing.effects.values()} == {1}
    looked_up = {one.reference for one in billing.asked if one.method == "GET"} & sent
    assert looked_up == (set() if tells_time else sent)


@pytest.mark.parametrize("hours", [0, pytest.param(2, marks=pytest.mark.long), -2])
def test_the_waits_of_a_run_are_measured_by_one_clock(inside, monkeypatch, hours):
    monkeypatch.setattr(
        BaseHTTPRequestHandler,
        "date_time_string",
        lambda *_: formatdate(time.time() + hours * 3600, usegmt=True),
    )
    customers_csv(inside.folder / "customers.csv", RECORDS)
    with small_billing() as billing:
        ended = inside(
            "run", "customers.csv", "--base-url", billing.url, "--yes", environment=ENVIRONMENT
        )

    assert ended.returncode == 0, ended.stderr
    assert inside("report", "latest").returncode == 0
    summary = inside.summary()
    assert (
        -1 < summary["throughput"]["waited"]["most"] <= summary["profile"]["submit"]["seconds"] + 1
    )
    assert hours or "stopped and resumed" not in (inside.newest() / "report.html").read_text()
