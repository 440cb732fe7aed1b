"""A home that was restored, lost or exchanged is noticed by what the reports folder remembers of its ledger."""

import json
import os
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

import pipeline.billing.client as client_module
from pipeline.domain.customer import Environment
from pipeline.errors import HomeIsNew, LedgerError, OutputRefused
from pipeline.storage.ledger import Ledger
from pipeline.storage.ledger.hash_chain import Link
from pipeline.storage.ledger.witnesses import statement, statements
from pipeline.storage.run_folder import UNFINISHED
from tests.conftest import KEY, Lived, customers_csv
from tests.small_billing import SILENCE, problem, small_billing

HERE = Environment("sandbox", "sandbox", "test", "loopback")
pytestmark = [
    pytest.mark.usefixtures("without_pages"),
    pytest.mark.xdist_group("the home"),
]  # one worker, so that the two nights are lived once


@pytest.fixture
def billing():
    with small_billing() as server:
        yield server


def run(pipeline, billing, name: str, *more: str):
    words = ("run", name, "--base-url", billing.url, "--yes", *more)
    return pipeline(*words, environment={"BILLING_API_KEY": KEY})


def looked_up(billing) -> set[str]:
    return {one.reference for one in billing.asked if one.method == "GET"}


def two_nights(pipeline, billing):
    home, copy = pipeline.folder / ".pipeline", pipeline.folder / "copy"
    for number, start in enumerate((0, 10, 20)):
        customers_csv(pipeline.folder / f"{number}.csv", 10, start=start)
    assert run(pipeline, billing, "0.csv").returncode == 0
    shutil.copytree(home, copy)
    assert run(pipeline, billing, "1.csv").returncode == 0
    billing.asked.clear()


@pytest.fixture(scope="module")
def night_once(tmp_path_factory):
    return Lived.here(tmp_path_factory.mktemp("night"), two_nights)


@pytest.fixture
def night(pipeline, billing, night_once):
    """Ten customers created, a copy of the home, and ten more created after that."""
    night_once.again(pipeline, billing)
    return pipeline.folder / ".pipeline", pipeline.folder / "copy"


def test_after_a_restored_home_every_customer_is_looked_up_and_none_is_sent_twice(
    pipeline, billing, night
):
    home, copy = night
    shutil.rmtree(home)
    copy.rename(home)

    ended = run(pipeline, billing, "1.csv")

    assert ended.returncode == 0, ended.stderr
    assert {f"ref-{n}" for n in range(10, 20)} <= looked_up(billing)
    assert [one for one in billing.asked if one.method == "POST"] == []
    assert set(billing.effects.values()) == {1}
    with Ledger.read(home / "sandbox") as ledger:
        assert "an older copy was restored" in ledger.damage()[0]


def test_a_lost_home_stops_the_run_until_a_person_accepts_it_and_then_every_customer_is_looked_up(
    pipeline, billing, night
):
    home, _ = night
    shutil.rmtree(home)

    stopped = run(pipeline, billing, "1.csv")

    assert stopped.returncode == 4
    assert "HOME.NEW" in stopped.stderr
    assert "Restore the home folder" in stopped.stderr
    assert [one for one in billing.asked if one.method == "POST"] == []

    ended = run(pipeline, billing, "1.csv", "--accept", "HOME.NEW")

    assert ended.returncode == 0, ended.stderr
    assert {f"ref-{n}" for n in range(10, 20)} <= looked_up(billing)
    assert set(billing.effects.values()) == {1}
    assert run(pipeline, billing, "2.csv").returncode == 0  # it is known from now on


def test_a_new_home_finishes_a_run_whose_home_was_lost_and_none_is_sent_twice(
    pipeline, billing, monkeypatch
):
    billing.unique = False
    customers_csv(pipeline.folder / "0.csv", 10)
    billing.creates["ref-9"] = SILENCE
    monkeypatch.setattr(client_module, "SILENT_SECONDS", 0.2)
    stopped = run(pipeline, billing, "0.csv", "--outage-seconds", "0.5", "--lookup-lag", "0.1")
    assert stopped.returncode in {1, 5}, stopped.stderr
    (pipeline.newest() / UNFINISHED).touch()  # as if it had been killed
    shutil.rmtree(pipeline.folder / ".pipeline")
    del billing.creates["ref-9"]
    billing.kept.clear()
    words = ("--base-url", billing.url, "--lookup-lag", "0.1", "--accept", "HOME.NEW")

    refused = pipeline("apply", "latest", *words[:4], environment={"BILLING_API_KEY": KEY})
    ended = pipeline("apply", "latest", *words, environment={"BILLING_API_KEY": KEY})

    assert (refused.returncode, "--accept HOME.NEW" in refused.stderr) == (4, True), refused.stderr
    assert ended.returncode == 0, ended.stderr
    assert {*billing.effects.values()} == {1}
    assert len(billing.customers) == 10


def test_another_home_that_writes_to_the_same_reports_is_a_warning(pipeline, billing, night):
    other = pipeline.folder / "other"
    assert (
        run(pipeline, billing, "2.csv", "--home", str(other), "--accept", "HOME.NEW").returncode
        == 0
    )

    ended = run(pipeline, billing, "2.csv")

    assert ended.returncode == 0, ended.stderr
    assert "1 other ledger of this environment" in ended.stdout
    assert len(pipeline.summary()["other_ledgers"]) == 1


def test_each_run_folder_names_the_ledger_and_its_last_event_and_a_damaged_file_states_nothing(
    pipeline, billing, night
):
    home, _ = night
    names = [
        json.loads(path.read_text())
        for path in sorted(pipeline.folder.glob("reports/*/ledger.json"))
    ]
    (witness,) = (pipeline.folder / "reports" / ".ledgers").glob("*.json")

    assert len({one["ledger"] for one in names}) == 1
    assert json.loads(witness.read_text()) == names[-1]
    assert int(names[0]["seq"]) < int(names[1]["seq"])

    witness.write_bytes(b"\0\xff{")
    assert run(pipeline, billing, "2.csv").returncode == 0
    with Ledger.read(home / "sandbox") as ledger:
        assert ledger.damage() == []


def test_a_pipe_or_another_file_in_place_of_a_statement_blocks_nothing_and_counts_for_nothing(
    tmp_path,
):
    good = statement("a" * 32, HERE, Link(7, "0" * 64))
    harmed = {"nested": b"[" * 100_000, "before": good.replace(b"00000000000000000007", b"-0000000000000000007"),
              "number": good.replace(b'"00000000000000000007"', b"7"), "good": good}  # fmt: skip
    for name, content in harmed.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "ledger.json").write_bytes(content)
    (tmp_path / ".ledgers").mkdir()
    os.mkfifo(tmp_path / ".ledgers" / "pipe.json")
    (tmp_path / ".ledgers" / "loop.json").symlink_to("loop.json")

    assert [one.path.parent.name for one in statements(tmp_path, HERE)] == ["good"]


def test_the_reports_folder_remembers_a_ledger_without_its_witness(pipeline, billing, night):
    home, copy = night
    shutil.rmtree(pipeline.folder / "reports" / ".ledgers")
    shutil.rmtree(home)
    copy.rename(home)

    run(pipeline, billing, "1.csv")

    assert {f"ref-{n}" for n in range(10, 20)} <= looked_up(billing)


def a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def a_file_for_the_folder(path: Path) -> None:
    path.unlink()
    path.parent.rmdir()
    path.parent.touch()


def a_file_for_the_reports(path: Path) -> None:
    shutil.rmtree(path.parent.parent)
    path.parent.parent.touch()


@pytest.mark.parametrize(
    ("harm", "kind"),
    [
        (a_folder, "regular file"),
        (a_pipe, "regular file"),
        (a_file_for_the_folder, "folder"),
        (a_file_for_the_reports, "folder"),
    ],
)
def test_a_witness_of_another_kind_is_refused_before_anything_is_written_with_a_remedy(
    tmp_path, harm, kind
):
    home, reports = tmp_path / "home", tmp_path / "reports"
    reports.mkdir()
    with Ledger.opened(home, HERE, reports=reports):
        harm(next(reports.glob(".ledgers/*.json")))

    refused = pytest.raises(OutputRefused, match=rf"is not a {kind}\. Remove it, then resume")
    with refused, Ledger.opened(home, HERE, reports=reports):
        pass


def removed(path: Path) -> None:
    path.unlink()


def replaced(path: Path) -> None:
    shutil.copy(path, path.with_name("copy"))
    path.with_name("copy").rename(path)


@pytest.mark.parametrize("harm", [removed, replaced])
def test_an_open_ledger_that_is_removed_or_replaced_is_not_written(tmp_path, harm):
    with Ledger.opened(tmp_path, HERE) as ledger:
        harm(ledger.path)
        with pytest.raises(LedgerError, match="removed or replaced"):
            ledger.end_run("run-1", datetime(2026, 11, 30, tzinfo=UTC), "finished")


def test_a_new_ledger_beside_one_that_is_known_is_refused_and_an_old_one_is_not(tmp_path):
    reports = tmp_path / "reports"
    reports.mkdir()
    with Ledger.opened(tmp_path / "a", HERE, reports=reports):
        pass
    with pytest.raises(HomeIsNew), Ledger.opened(tmp_path / "b", HERE, reports=reports):
        pass
    elsewhere = Environment("live", "acme", "test", "loopback")
    with Ledger.opened(tmp_path / "c", elsewhere, reports=reports) as ledger:
        assert ledger.others == ()
    with Ledger.opened(tmp_path / "a", HERE, reports=reports) as ledger:
        assert ledger.reader.damage() == []


def behind_a_link(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to("elsewhere")


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:31])


@pytest.mark.parametrize(
    "harm",
    [
        cut,
        *(pytest.param(harm, marks=pytest.mark.long) for harm in (behind_a_link, a_folder, a_pipe)),
    ],
)
def test_nothing_is_sent_where_the_key_of_the_home_cannot_be_used(pipeline, billing, harm):
    customers_csv(pipeline.folder / "c.csv", 2)
    options = ("--base-url", billing.url)
    environment = {"BILLING_API_KEY": KEY}
    pipeline("plan", "c.csv", *options, environment=environment)
    billing.creates = dict.fromkeys(("ref-0", "ref-1"), problem(401, "api-key-invalid"))
    assert pipeline("apply", "latest", *options, environment=environment).returncode == 4
    billing.creates = {}
    pipeline("plan", "c.csv", *options, environment=environment)
    key = pipeline.folder / ".pipeline" / "token.key"
    harm(key)
    sent = len(billing.asked)

    begun = min(pipeline.folder.glob("reports/*-c-*"))
    for words in (("apply", "latest"), ("resume", begun.name)):
        done = pipeline(*words, *options, environment=environment)
        assert (done.returncode, len(billing.asked)) == (4, sent), words
        assert str(key.relative_to(pipeline.folder)) in done.stderr
