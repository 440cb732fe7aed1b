"""What billing holds although our pages say that it does not; and one lookup without a usable answer, which holds up nothing."""

import csv
import json

import pytest

from tests.conftest import KEY, Lived, customers_csv
from tests.journeys.test_reconcile import EXPORT, figures
from tests.journeys.test_verify import reseal
from tests.small_billing import Answer, SmallBilling, page, problem

ENVIRONMENT = {"BILLING_API_KEY": KEY}
RECORDS = 12
pytestmark = pytest.mark.xdist_group(
    "reconcile bad records"
)  # one worker, so that both runs are made once
PROBLEM_ABOUT_THE_ROW = problem(422, "invalid-parameter")


def of_another(reference: str) -> Answer:
    return Answer(200, json.dumps({"id": "bcus_1", "external_reference": reference}).encode())


#: What stands in the place of an answer to one lookup, and what the list quotes of it.
ANSWERS = {
    "403 of a gateway": (page(403), "403"),
    "302 to a login page": (Answer(302, b"", headers=(("Location", "/login"),)), "302"),
    "404 of a gateway": (page(404), "404"),
    "another customer": (of_another("ref-0"), "another customer"),
    "nonsense": (Answer(200, b"{"), "200"),
    "500 for ever": (Answer(500), "500"),
}


def run(pipeline, billing: SmallBilling, *more: str, name: str = "customers.csv"):
    return pipeline("run", name, "--base-url", billing.url, "--yes", *more, environment=ENVIRONMENT)


def reconcile(pipeline, billing: SmallBilling, *more: str):
    """The summary, and of each difference the kind and what stands on both sides, by reference."""
    there = () if "--export" in more else ("--base-url", billing.url)
    done = pipeline("reconcile", *there, "--json", *more, environment=ENVIRONMENT)
    assert done.stdout, done.stderr
    content = json.loads(done.stdout)
    assert content["exit_code"] == done.returncode
    with (pipeline.folder / content["files"]["differences.csv"]).open(newline="") as file:
        return content, {row["external_reference"]: row for row in csv.DictReader(file)}


def export(pipeline, billing: SmallBilling):
    with (pipeline.folder / "export.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, EXPORT.split(","), extrasaction="ignore")
        writer.writeheader()
        writer.writerows(billing.customers.values())


def refused_and_created(billing: SmallBilling, *references: str) -> None:
    """Billing refuses these in its own words, and keeps them nevertheless."""
    create = billing.create

    def keep_and_refuse(key: str, body: bytes) -> Answer:
        reference = json.loads(body)["external_reference"]
        if reference not in references:
            return create(key, body)
        create(key, body)
        return PROBLEM_ABOUT_THE_ROW

    billing.create = keep_and_refuse


def six(pipeline, billing):
    customers_csv(pipeline.folder / "customers.csv", 5)
    with (pipeline.folder / "customers.csv").open("a") as file:
        file.write("ref-5,Person 5,no address,,ZAR,500,gold\n")
    refused_and_created(billing, "ref-2")
    billing.creates = {"ref-3": PROBLEM_ABOUT_THE_ROW, "ref-4": page(403)}
    (pipeline.folder / "job.yaml").write_text(
        "environment: sandbox\nmerchant: sandbox\nthresholds: {usual_refusals: 0.5, alarming_refusals: 0.9}\n"
    )
    ended = run(pipeline, billing, "--config", "job.yaml")
    assert ended.returncode == 1, ended.stderr
    fates = pipeline.summary()["fates"]
    assert (fates["created"], fates["refused"], fates["in_doubt"], fates["invalid"]) == (2, 2, 1, 1)
    billing.asked.clear()


@pytest.fixture(scope="module")
def six_once(tmp_path_factory):
    return Lived.here(tmp_path_factory.mktemp("six"), six)


@pytest.fixture
def with_a_refused_one(pipeline, billing, six_once):
    """Six records: ref-2 is refused and held by billing, ref-3 is refused, ref-4 is in doubt, ref-5 breaks a rule of ours."""
    six_once.again(pipeline, billing)
    return pipeline, billing


def test_a_refused_record_that_billing_holds_is_out_of_balance_until_it_is_sent_again(
    with_a_refused_one,
):
    pipeline, billing = with_a_refused_one
    export(pipeline, billing)

    for words in (("--export", "export.csv"), ()):
        content, differences = reconcile(pipeline, billing, *words)

        kinds = {name: row["kind"] for name, row in differences.items()}
        assert kinds == {"ref-2": "refused_and_found", "ref-4": "in_doubt"}
        assert (content["exit_code"], content["signable"], content["residual"]) == (7, True, {})
        assert content["verdict"] == "Out of balance: 1 refused and found, 1 in doubt."
        assert figures(content, "refused_and_found") == {"ZAR": {"records": 1, "sum": 200}}
        assert pipeline("verify", content["reconciliation_id"]).returncode == 0
        assert (
            "refused and found" in (pipeline.folder / content["files"]["report.html"]).read_text()
        )
    # ref-5 was never sent, so billing is not asked about it.
    assert {one.reference for one in billing.asked} == {f"ref-{n}" for n in range(5)}

    billing.creates.clear()
    billing.kept.clear()  # so that the repeat is judged anew: the external reference is taken

    again = run(pipeline, billing, "--config", "job.yaml", "--retry-refused")

    assert again.returncode == 1, again.stderr
    content, differences = reconcile(pipeline, billing, "--since", "2020-01-01")
    assert (differences, content["residual"]) == ({}, {})


def test_a_record_in_doubt_that_billing_holds_has_its_own_discrepancy_and_resume_resolves_it(
    with_a_refused_one,
):
    pipeline, billing = with_a_refused_one
    del billing.customers["ref-2"]  # so that only the doubt is left
    doubt = {
        "external_reference": "ref-4",
        "name": "Person 4",
        "email": "person4@example.com",
        "currency": "ZAR",
    }
    held = {
        **doubt,
        "id": "bcus_4",
        "phone": "+27821000004",
        "balance": 400,
        "metadata": {"plan": "gold"},
    }
    billing.customers["ref-4"], billing.created_at["ref-4"] = held, 0.0

    content, differences = reconcile(pipeline, billing)

    assert [row["kind"] for row in differences.values()] == ["in_doubt_and_found"]
    assert (content["exit_code"], content["residual"]) == (1, {})
    assert content["verdict"] == "In balance, with something to look at: 1 in doubt and found."
    billing.creates.clear()
    settled = pipeline(
        "resume", "--config", "job.yaml", "--base-url", billing.url, environment=ENVIRONMENT
    )
    assert settled.returncode == 1, settled.stderr  # two were refused
    content, differences = reconcile(pipeline, billing)
    assert differences == {}


# -- lookups without a usable answer -------------------------------------------------------------------------------------


def twelve(pipeline, billing):
    customers_csv(pipeline.folder / "customers.csv", RECORDS)
    assert run(pipeline, billing).returncode == 0
    billing.asked.clear()


@pytest.fixture(scope="module")
def twelve_once(tmp_path_factory):
    return Lived.here(tmp_path_factory.mktemp("twelve"), twelve)


@pytest.fixture
def imported(pipeline, billing, twelve_once):
    twelve_once.again(pipeline, billing)
    return pipeline, billing


def test_records_whose_lookups_get_no_usable_answer_are_set_aside_alone_and_named_with_their_answers(
    imported,
):
    pipeline, billing = imported
    bad = dict(zip((f"ref-{2 * n}" for n in range(len(ANSWERS))), ANSWERS.values(), strict=True))
    billing.lookups = {reference: answer for reference, (answer, _) in bad.items()}

    content, differences = reconcile(pipeline, billing, "--workers", "1")

    assert {name: row["kind"] for name, row in differences.items()} == dict.fromkeys(
        bad, "not_determinable"
    )
    for reference, (_, quoted) in bad.items():
        assert quoted in differences[reference]["theirs"]
    assert (content["exit_code"], content["signable"], content["residual"]) == (1, True, {})
    assert (
        content["verdict"] == f"In balance, with something to look at: {len(bad)} not determinable."
    )
    taken = sum(100 * int(reference[4:]) for reference in bad)
    assert figures(content, "not_determinable") == {"ZAR": {"records": -len(bad), "sum": -taken}}
    page_text = (pipeline.folder / content["files"]["report.html"]).read_text()
    assert "refused with status 403" in page_text
    assert pipeline("verify", content["reconciliation_id"]).returncode == 0


def test_a_failed_lookup_is_repeated_after_all_others(imported):
    pipeline, billing = imported
    look_up, disturbed = billing.look_up, []

    def disturb_the_first(reference: str) -> Answer:
        if reference == "ref-3" and not disturbed:
            disturbed.append(reference)
            return page(403)
        return look_up(reference)

    billing.look_up = disturb_the_first

    content, differences = reconcile(pipeline, billing)

    assert disturbed
    assert (content["exit_code"], differences) == (0, {})
    # An earlier version had no names for what is found although it was refused, in doubt, or without an answer.
    folder = pipeline.folder / "reports" / content["reconciliation_id"]
    for kind in ("refused_and_found", "in_doubt_and_found", "not_determinable"):
        del content["differences"][kind]
    (folder / "summary.json").write_text(json.dumps(content))
    reseal(folder)
    assert pipeline("verify", folder.name).returncode == 0


def test_three_equally_refused_lookups_stop_and_the_same_command_resumes(
    imported,
):
    pipeline, billing = imported
    billing.lookups = {f"ref-{n}": page(403) for n in range(RECORDS)}

    stopped = pipeline(
        "reconcile", "--base-url", billing.url, "--workers", "1", environment=ENVIRONMENT
    )

    assert (stopped.returncode, len(billing.asked)) == (4, 3)
    assert "Lookups failed: billing refuses the API key (403)" in stopped.stderr
    billing.lookups = {f"ref-{n}": page(403) for n in range(3)}
    billing.asked.clear()

    content, differences = reconcile(pipeline, billing, "--workers", "1")

    assert (content["exit_code"], {*differences}) == (1, {"ref-0", "ref-1", "ref-2"})
    assert billing.asked[0].reference == "ref-3"
    assert len(list((pipeline.folder / "reports").glob("*-reconcile-*"))) == 1


def test_a_reconciliation_without_any_lookup_never_exits_0(pipeline, billing):
    customers_csv(pipeline.folder / "customers.csv", 2)
    assert run(pipeline, billing).returncode == 0
    billing.lookups = {f"ref-{n}": page(403) for n in range(2)}

    for _ in range(2):
        stopped = pipeline("reconcile", "--base-url", billing.url, environment=ENVIRONMENT)
        assert stopped.returncode == 4
        assert "no lookup got a usable answer" in stopped.stderr

    billing.lookups.clear()
    assert reconcile(pipeline, billing)[0]["exit_code"] == 0
