"""A billing that tells no time: our own clock may have been set back, so no key of an earlier process counts as young."""

import pytest

import pipeline.billing.client as client_module
from tests.conftest import KEY, customers_csv
from tests.small_billing import SILENCE, Answer, small_billing

pytestmark = pytest.mark.usefixtures("without_pages")

ENVIRONMENT = {"BILLING_API_KEY": KEY}
RECORDS = 7


@pytest.mark.parametrize("tells_time", [False, True])
def test_where_billing_tells_no_time_what_an_earlier_process_sent_is_looked_up_before_it_is_sent_again(
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
