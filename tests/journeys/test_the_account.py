"""The account behind a new key is asked for customers of this environment before anything is sent to it."""

import pytest

from pipeline.domain.customer import Environment
from pipeline.domain.responses import Found, NotFound
from pipeline.storage.ledger import Ledger
from pipeline.workflows.account import Account, check_account
from tests.conftest import Lived, customers_csv
from tests.small_billing import Answer, problem, small_billing

FIRST, SECOND = "sk_test_first00000000000000000000", "sk_test_second0000000000000000000"
pytestmark = pytest.mark.xdist_group(
    "the account"
)  # one worker, so that the first night is lived once


@pytest.fixture
def billing():
    with small_billing() as server:
        yield server


def run(pipeline, billing, key: str, name: str, *more: str, verb: str = "run"):
    words = (name, "--yes") if verb == "run" else (name,) if name else ()
    return pipeline(
        verb, *words, "--base-url", billing.url, *more, environment={"BILLING_API_KEY": key}
    )


def first_night(pipeline, billing):
    customers_csv(pipeline.folder / "first.csv", 20)
    customers_csv(pipeline.folder / "next.csv", 10, start=100)
    assert run(pipeline, billing, FIRST, "first.csv").returncode == 0
    assert pipeline.summary()["account"].startswith("Not checked")
    billing.asked.clear()


@pytest.fixture(scope="module")
def night_once(tmp_path_factory):
    return Lived.here(tmp_path_factory.mktemp("night"), first_night)


@pytest.fixture
def night(pipeline, billing, night_once):
    """Twenty customers created with the first key, and a file of ten more."""
    night_once.again(pipeline, billing)
    return billing


def test_three_lookups_show_that_a_new_key_opens_the_same_account(pipeline, night):
    ended = run(pipeline, night, SECOND, "next.csv")

    assert ended.returncode == 0, ended.stderr
    assert pipeline.summary()["account"].startswith("Checked: the account holds")
    asked = [one.reference for one in night.asked if one.method == "GET"]
    assert asked[0] not in night.customers  # whether billing answers at all
    assert 2 <= len({*asked[1:]} & {*night.customers}) == len(asked[1:]) <= 3

    night.asked.clear()
    customers_csv(pipeline.folder / "third.csv", 1, start=200)
    assert run(pipeline, night, SECOND, "third.csv").returncode == 0
    assert [one.method for one in night.asked].count("GET") == 1  # the key is known now


def test_a_key_of_another_account_stops_the_run_before_anything_is_sent(pipeline, night):
    with small_billing() as other:
        ended = run(pipeline, other, SECOND, "next.csv")

        assert ended.returncode == 4
        assert "ACCOUNT.CHANGED" in ended.stderr
        assert "--state" in ended.stderr  # an address on this machine is a sandbox
        assert other.customers == {}

        ended = run(pipeline, other, SECOND, "", "--accept", "ACCOUNT.CHANGED", verb="resume")

        assert ended.returncode == 0, ended.stderr
        assert len(other.customers) == 10


def test_the_same_customer_under_another_id_is_another_account_s(pipeline, night):
    for held in night.customers.values():
        held["id"] += "x"

    ended = run(pipeline, night, SECOND, "next.csv")

    assert ended.returncode == 4
    assert len(night.customers) == 20


def test_a_run_continues_if_some_customers_are_gone_and_reports_it(pipeline, night):
    with Ledger.read(pipeline.folder / ".pipeline" / "sandbox") as ledger:
        (oldest, _), *_ = ledger.some_customers()
    night.lookups[oldest] = problem(404, "not-found")

    ended = run(pipeline, night, SECOND, "next.csv")

    assert ended.returncode == 0, ended.stderr
    assert "account: Doubtful" in ended.stdout
    assert "Doubtful" in (pipeline.newest() / "report.html").read_text()
    assert len(night.customers) == 30


def test_without_an_answer_nothing_is_sent_and_the_run_can_be_resumed(pipeline, night):
    night.lookups = {f"ref-{n}": Answer(503) for n in range(20)}

    ended = run(pipeline, night, SECOND, "next.csv")

    assert ended.returncode == 5
    assert len(night.customers) == 20


def test_with_an_empty_ledger_known_billing_ids_are_looked_up_but_never_at_a_sandbox(
    pipeline,
):
    (pipeline.folder / "known.csv").write_text(
        "external_reference,billing_id\nold-1,bcus_old1\nold-2,bcus_old2\n"
    )
    pipeline("references", "load", "known.csv", "--sandbox")
    home = pipeline.folder / ".pipeline" / "sandbox"

    def account(*there: str, is_here: bool = False):
        def make(call):
            return (
                Found(f"bcus_{call.external_reference.replace('-', '')}")
                if call.external_reference in there
                else NotFound()
            )

        with Ledger.opened(home, Environment("sandbox", "sandbox", "test", "loopback")) as ledger:
            return check_account(
                ledger.reader, home, "credential", make, is_accepted=False, is_here=is_here
            )

    assert account("old-1", "old-2") == (Account(asked=2, agreed=2, is_known=False), None)
    found, stop = account("old-1")
    assert (found.agreed, found.is_doubtful, stop) == (1, True, None)
    _, stop = account()
    assert stop.exit_code == 4
    assert "probably another account" in stop.reason
    assert account(is_here=True) == (Account(asked=0, agreed=0, is_known=False), None)
