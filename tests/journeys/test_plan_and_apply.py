"""What was planned is done exactly, or refused by the name of what moved; a wave is a part that leaves the rest for later."""

import json
import shutil
import socket
from datetime import UTC, datetime, timedelta

import pytest

from pipeline.workflows import write_results
from tests.conftest import HEADER, Inside, customers_csv, running_sandbox
from tests.prove.stranded import FULL, failing

pytestmark = pytest.mark.usefixtures("without_pages")

CONFIG = """\
environment: practice
merchant: acme
address: {address}
mapping:
  external_reference: external_reference
  name: name
  email: email
  phone: phone
  currency: currency
  balance: {{column: balance, unit: minor}}
  metadata: {{plan: metadata.plan}}
"""


@pytest.fixture(scope="module")
def plan_of_20(tmp_path_factory):
    """A folder with a plan of 20 customers, its config and its references; a copy of it; the port it was made for."""
    folder = tmp_path_factory.mktemp("planned")
    pipeline = Inside(folder)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    customers_csv(folder / "c.csv", 20)
    customers_csv(folder / "known.csv", 3, start=100)
    (folder / "job.yaml").write_text(CONFIG.format(address=f"http://127.0.0.1:{port}"))
    job = ["--config", "job.yaml"]
    assert pipeline("references", "load", "known.csv", *job).returncode == 0
    result = pipeline("plan", "c.csv", *job)
    assert result.returncode == 0, result.stderr
    copy = tmp_path_factory.mktemp("copy")
    shutil.copytree(folder, copy, dirs_exist_ok=True)
    return folder, copy, port


@pytest.fixture
def there(plan_of_20):
    """The command line in the folder of that plan, with everything as it was when the plan was made."""
    folder, copy, _ = plan_of_20
    shutil.rmtree(folder)
    shutil.copytree(copy, folder)
    return Inside(folder)


def changed(there, name: str) -> str:
    """Change one field of a plan, or the seal that covers it; the id of the plan."""
    run = there.newest()
    content = json.loads((run / name).read_text())
    if name == "plan.json":
        content["findings"] = [{"code": "X", "stops": False, "what": "", "sentence": ""}]
    else:
        content["files"]["plan.json"] = "0" * 64
    (run / name).write_text(json.dumps(content, indent=2) + "\n")
    return run.name


@pytest.mark.parametrize("name", ["plan.json", "manifest.json"])
def test_a_plan_that_is_not_as_it_was_written_is_refused_before_anything_is_sent(
    there, billing, name
):
    done = there("apply", changed(there, name), environment=billing.environment)

    assert done.returncode == 6
    assert f"{name} was changed" in done.stderr
    assert billing.customers() == {}


def test_a_plan_without_manifest_is_held_against_its_signatures(there, billing):
    run_id = changed(there, "plan.json")
    (there.newest() / "manifest.json").unlink()
    refused = there("apply", run_id, environment=billing.environment)
    (there.newest() / "signatures.jsonl").unlink()
    unsigned = there("apply", run_id, environment=billing.environment)

    assert (refused.returncode, unsigned.returncode) == (6, 6)
    assert "plan.json was changed" in refused.stderr
    assert "signatures.jsonl does not name the plan" in unsigned.stderr
    assert billing.customers() == {}


def test_a_run_that_was_stopped_is_not_resumed_by_a_changed_plan(there, billing):
    with failing((write_results, "STEPS", 0), FULL):
        assert there("apply", there.newest().name, environment=billing.environment).returncode == 5

    done = there("resume", changed(there, "plan.json"), environment=billing.environment)

    assert done.returncode == 6
    assert "plan.json was changed" in done.stderr


@pytest.fixture
def billing(plan_of_20, tmp_path):
    """Billing at the address of that plan."""
    with running_sandbox(tmp_path / "billing.sqlite", port=plan_of_20[2]) as sandbox:
        yield sandbox


@pytest.fixture
def planned(there, billing):
    """What `apply` says of that plan."""
    run_id = there.summary()["run_id"]

    def apply(*options):
        return there("apply", run_id, *options, environment=billing.environment)

    return apply


def test_an_unchanged_plan_is_done_exactly(there, billing, planned):
    result = planned()

    assert result.returncode == 0, result.stderr
    held = billing.customers()
    assert {(c["external_reference"], c["name"], c["balance"]) for c in held.values()} == {
        (f"ref-{n}", f"Person {n}", n * 100) for n in range(20)
    }


def test_one_byte_of_the_input_makes_a_plan_stale(there, billing, planned):
    path = there.folder / "c.csv"
    path.write_bytes(path.read_bytes().replace(b"Person 7", b"Person 9", 1))

    _is_refused(planned(), billing, "input", "c.csv")


def test_one_byte_of_the_config_makes_a_plan_stale(there, billing, planned):
    path = there.folder / "job.yaml"
    path.write_text(path.read_text() + "# another night\n")

    _is_refused(planned(), billing, "job.yaml (only in comments or layout)")


def test_a_setting_of_the_config_makes_a_plan_stale_and_is_named(there, billing, planned):
    path = there.folder / "job.yaml"
    path.write_text(path.read_text() + "region: GB\npace: {per_second: 3}\n")

    _is_refused(planned(), billing, "job.yaml (pace.per_second, region)")


@pytest.mark.parametrize(
    ("option", "name"), [(["--limit", "5"], "limit"), (["--default-region", "GB"], "region"), (["--retry-refused"], "retry_refused")]
)  # fmt: skip
def test_one_changed_option_makes_a_plan_stale(billing, planned, option, name):
    _is_refused(planned(*option), billing, f"the option {name}")


def test_another_config_than_the_plans_makes_it_stale(there, billing, planned):
    (there.folder / "other.yaml").write_text(
        CONFIG.format(address=billing.base_url) + "region: GB\n"
    )

    _is_refused(planned("--config", "other.yaml"), billing, "other.yaml (region)")


def test_one_reference_makes_a_plan_stale(there, billing, planned):
    known = customers_csv(there.folder / "known.csv", 4, start=100)

    assert there("references", "load", known, "--config", "job.yaml").returncode == 0

    _is_refused(planned(), billing, "the known customers")


def test_known_customers_reloaded_in_another_order_do_not_change_a_plan(there, planned):
    path = there.folder / "known.csv"
    header, *rows = path.read_text().splitlines()
    path.write_text("\n".join([header, *reversed(rows)]) + "\n")

    assert there("references", "load", path, "--config", "job.yaml").returncode == 0

    assert planned().returncode == 0


def test_one_customer_created_by_another_run_makes_a_plan_stale(there, billing, planned):
    customers_csv(there.folder / "other.csv", 1, start=4)
    there("run", "other.csv", "--config", "job.yaml", "--yes", environment=billing.environment)

    result = planned()

    assert result.returncode == 6
    assert "the ledger's history of 1 planned rows (c.csv:6)" in result.stderr
    assert billing.customers().keys() == {"ref-4"}


def test_a_customer_that_this_plan_does_not_name_leaves_it_as_it_is(there, billing, planned):
    customers_csv(there.folder / "other.csv", 1, start=400)
    there("run", "other.csv", "--config", "job.yaml", "--yes", environment=billing.environment)

    assert planned().returncode == 0


def test_everything_that_moved_is_named_at_once(there, billing, planned):
    for name in ("c.csv", "job.yaml"):
        path = there.folder / name
        path.write_text(path.read_text() + "\n")

    _is_refused(planned("--limit", "3"), billing, "c.csv", "job.yaml (", "the option limit")


def _is_refused(result, billing, *names):
    assert result.returncode == 6, result.stderr
    assert all(name in result.stderr for name in names), result.stderr
    assert billing.stats()["requests"]["create"] == 0


# -- batches ----------------------------------------------------------------------------------------------------------


def test_a_batch_of_10_and_then_the_rest_create_no_customer_twice_and_status_shows_the_rest(
    pipeline, outside
):
    path = customers_csv(pipeline.folder / "c.csv", 25)
    options = [path, "--base-url", outside.base_url, "--yes"]

    first = pipeline("run", *options, "--limit", "10", environment=outside.environment)
    status = pipeline("status").stdout
    after_first = outside.customers().keys()
    summary, wave = pipeline.summary(), pipeline.newest().name
    rest = pipeline("run", *options, environment=outside.environment)

    assert (first.returncode, rest.returncode) == (0, 0)
    assert after_first == {f"ref-{n}" for n in range(10)}
    assert "10 of 10 creates settled" in status
    assert "15 left for a later batch: run the same files" in status
    assert "left for a later batch: run" not in pipeline("status", wave).stdout
    assert (summary["fates"]["created"], summary["fates"]["not_attempted"]) == (10, 15)
    assert pipeline.summary()["fates"]["created"] == 15
    assert pipeline.summary()["fates"]["already_exists_same"] == 10
    assert outside.stats()["customers"] == outside.stats()["effects"] == 25


def test_a_batch_by_condition_takes_the_rows_whose_original_cells_satisfy_it(pipeline, outside):
    path = pipeline.folder / "c.csv"
    plans = ["gold", "silver", "", "gold"]
    path.write_text(
        "\n".join([HEADER, *(f"ref-{n},P,,,ZAR,{n},{plan}" for n, plan in enumerate(plans))]) + "\n"
    )
    condition = "\"metadata.plan\" = 'gold' and cast(balance as integer) < 3"

    result = pipeline(
        "run",
        path,
        "--where",
        condition,
        "--base-url",
        outside.base_url,
        "--yes",
        environment=outside.environment,
    )

    assert result.returncode == 0, result.stderr
    assert outside.customers().keys() == {"ref-0"}
    reasons = {reason["reason"]: reason["rows"] for reason in pipeline.summary()["reasons"]}
    assert reasons == {"PLAN.OUTSIDE_WAVE": 3}


@pytest.mark.parametrize("condition", [
    "nosuch = 1", "1; drop table records", *(pytest.param(one, marks=pytest.mark.long) for one in ("balance =", "balance > 5 --")),
])  # fmt: skip
def test_an_invalid_condition_is_refused_before_anything_is_sent(pipeline, outside, condition):
    path = customers_csv(pipeline.folder / "c.csv", 3)

    result = pipeline(
        "run",
        path,
        "--where",
        condition,
        "--base-url",
        outside.base_url,
        "--yes",
        environment=outside.environment,
    )

    assert result.returncode == 4, (result.stdout, result.stderr)
    assert sum(outside.stats()["requests"].values()) == 0


def test_unprocessed_rows_of_a_batch_can_be_resubmitted_unchanged(pipeline, outside):
    path = customers_csv(pipeline.folder / "c.csv", 10)
    options = ["--base-url", outside.base_url, "--yes"]
    pipeline("run", path, *options, "--limit", "4", environment=outside.environment)

    result = pipeline(
        "run", pipeline.newest() / "unprocessed.csv", *options, environment=outside.environment
    )

    assert result.returncode == 0, result.stderr
    assert pipeline.summary()["fates"]["created"] == 6
    assert outside.stats()["customers"] == outside.stats()["effects"] == 10


def test_a_corrected_rejected_list_is_resubmitted_with_the_config_of_its_file(pipeline, outside):
    (pipeline.folder / "job.yaml").write_text(
        f"environment: practice\nmerchant: acme\naddress: {outside.base_url}\n"
        "source: {delimiter: ';', encoding: cp1252}\n"
        "mapping:\n  external_reference: KONTO\n  name: NAME\n  currency: {value: EUR}\n"
        "  balance: {column: SALDO, unit: major, decimal_mark: ','}\n"
    )
    (pipeline.folder / "c.csv").write_bytes(
        "KONTO;NAME;SALDO;BÜRO\n1;Jürgen;1,50;Köln\n2;Zoë;1,555;Ulm\n".encode("cp1252")
    )
    job = ["--config", "job.yaml", "--yes"]
    first = pipeline("run", "c.csv", *job, environment=outside.environment)
    rejected = pipeline.newest() / "rejected.csv"
    before = rejected.read_text(encoding="utf-8")
    mended = pipeline.folder / "mended.csv"
    mended.write_text(before.replace("1,555", "1,55"), encoding="utf-8")

    second = pipeline("run", mended, *job, environment=outside.environment)

    assert (first.returncode, second.returncode) == (1, 0), second.stderr
    assert before.splitlines()[1].startswith(
        '2,Zoë,"1,555",Ulm,c.csv:3,invalid,VALIDATE.BALANCE_TOO_MANY_DECIMALS:balance'
    )
    assert {c["name"]: c["balance"] for c in outside.customers().values()} == {
        "Jürgen": 150,
        "Zoë": 155,
    }


# -- thresholds -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", [pytest.param("option", marks=pytest.mark.long), "config"])
def test_more_creates_than_the_job_allows_are_refused_with_3_and_nothing_is_sent(
    pipeline, outside, how
):
    path = customers_csv(pipeline.folder / "c.csv", 5)
    (pipeline.folder / "job.yaml").write_text(
        CONFIG.format(address=outside.base_url) + "thresholds: {max_creates: 4}\n"
    )
    said = (
        ["--max-creates", "4", "--base-url", outside.base_url]
        if how == "option"
        else ["--config", "job.yaml"]
    )

    result = pipeline("run", path, *said, "--yes", environment=outside.environment)

    assert result.returncode == 3, result.stderr
    assert "THRESHOLD.MAX_CREATES" in result.stderr
    assert outside.stats()["requests"]["create"] == 0


def test_a_run_that_reaches_its_time_to_stop_by_stops_and_is_resumed(pipeline, outside):
    path = customers_csv(pipeline.folder / "c.csv", 40)
    until = (datetime.now(UTC) + timedelta(seconds=6)).isoformat(timespec="seconds")

    first = pipeline(
        "run", path, "--base-url", outside.base_url, "--yes", "--pace", "2", "--stop-by", until, environment=outside.environment
    )  # fmt: skip
    summary = pipeline.summary()
    rest = pipeline("resume", environment=outside.environment)

    assert first.returncode == 5, first.stderr
    assert "the time to stop by" in summary["stopped_because"]
    assert summary["fates"]["in_doubt"] == 0
    assert summary["fates"]["not_attempted"] > 0
    assert rest.returncode == 0, rest.stderr
    assert outside.stats()["customers"] == outside.stats()["effects"] == 40


# -- references -------------------------------------------------------------------------------------------------------


def test_known_customers_are_skipped_held_or_flagged_by_the_setting(pipeline, outside):
    rows = [
        "same,Ann,ann@example.com,0821234567,ZAR,100,",
        "other,Ben Lee,,,ZAR,100,",
        "new-mail,Cy,cy@example.com,,,,",
        "new,Dee,,,,,",
    ]
    known = [
        "external_reference,name,email,phone,currency,balance,billing_id",
        "same,Ann,ann@Example.com,+27821234567,zar,100,bcus_1",
        "other,Ben,,,ZAR,100,bcus_2",
        "third,Cy,cy@example.com,,,,bcus_3",
    ]
    (pipeline.folder / "c.csv").write_text("\n".join([HEADER, *rows]) + "\n")
    (pipeline.folder / "known.csv").write_text("\n".join(known) + "\n")

    loaded = json.loads(pipeline("references", "load", "known.csv", "--sandbox", "--json").stdout)
    result = pipeline(
        "run",
        "c.csv",
        "--base-url",
        outside.base_url,
        "--yes",
        "--accept",
        "ACCOUNT.CHANGED",
        environment=outside.environment,
    )

    summary = pipeline.summary()
    assert loaded["rows"] == 3
    assert result.returncode == 1, result.stderr
    assert outside.customers().keys() == {"new-mail", "new"}
    assert {fate: count for fate, count in summary["fates"].items() if count} == {
        "created": 2,
        "already_exists_same": 1,
        "already_exists_different": 1,
    }
    reasons = {reason["reason"]: reason["examples"] for reason in summary["reasons"]}
    assert reasons["MATCH.EMAIL_OF_ANOTHER"] == ["c.csv:4"]
    assert summary["known_customers"]["version"] == loaded["version"]


def test_known_customers_without_a_mapping_are_read_by_that_of_the_job(pipeline):
    (pipeline.folder / "job.yaml").write_text(
        "environment: t\nmerchant: m\naddress: sandbox\nsource: {delimiter: ';'}\n"
        "mapping: {external_reference: KONTO, phone: TEL, currency: {value: ZAR}, balance: {column: SALDO, unit: major}}\n"
    )
    (pipeline.folder / "known.csv").write_text("KONTO;TEL;SALDO\n1;0821234567;240.00\n")
    (pipeline.folder / "c.csv").write_text(
        "KONTO;TEL;SALDO\n1;+27821234567;240\n2;082 123 4567;1.50\n"
    )

    loaded = pipeline("references", "load", "known.csv", "--config", "job.yaml")
    pipeline("plan", "c.csv", "--config", "job.yaml")

    assert loaded.returncode == 0, loaded.stderr
    reasons = {reason["reason"]: reason["examples"] for reason in pipeline.summary()["reasons"]}
    assert reasons["MATCH.KNOWN_SAME"] == ["c.csv:2"]
    assert reasons["MATCH.PHONE_OF_ANOTHER"] == ["c.csv:3"]


def test_references_without_a_customer_are_reported_and_the_others_are_known(pipeline):
    (pipeline.folder / "known.csv").write_text(
        "external_reference,email\na-1,a@example.com\nb 2,b@example.com\nc-3,c@\nshort\n"
    )

    result = pipeline("references", "load", "known.csv", "--sandbox")

    assert result.returncode == 1
    assert (
        "known.csv:3 names no customer: VALIDATE.REFERENCE_CHARACTERS:external_reference"
        in result.stderr
    )
    assert "known.csv:5 names no customer: READ.TOO_FEW_FIELDS" in result.stderr
    assert "1 kept without the faulty field: VALIDATE.EMAIL_MALFORMED:email" in result.stderr
    (listed,) = json.loads(pipeline("references", "list", "--json").stdout)
    assert (listed["environment"], listed["rows"]) == ("sandbox", 2)


def test_a_run_writes_the_results_of_its_plan_only_where_it_refuses(pipeline, monkeypatch):
    """After sending they are replaced, so a run that sends at once writes them once."""
    written: list[str] = []
    steps = (lambda results: written.append(results.status), *write_results.STEPS)
    monkeypatch.setattr(write_results, "STEPS", steps)
    customers_csv(pipeline.folder / "c.csv", 3)

    refused = pipeline("run", "c.csv", "--sandbox")  # without a terminal and without --yes
    summary, rejected = pipeline.summary(), pipeline.newest() / "rejected.csv"
    sent = pipeline("run", "c.csv", "--sandbox", "--yes")

    assert (refused.returncode, sent.returncode) == (6, 0)
    assert (summary["status"], rejected.is_file()) == ("planned", True)
    assert written == ["planned", "finished"]
