"""A config may say where ledgers and runs are kept; options overrule it, and two ledgers of one environment are refused."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.config import Settings, load_config
from pipeline.errors import ConfigError
from tests.conftest import customers_csv

JOB = "environment: sandbox\nmerchant: m\naddress: sandbox\n"
PLACES = "home: .pipeline\nreports: reports\n"

pytestmark = pytest.mark.usefixtures("without_pages")


@pytest.fixture
def jobs(tmp_path):
    """A folder with a config and a file, beside the working folder."""
    folder = tmp_path / "jobs"
    folder.mkdir()
    (tmp_path / "work").mkdir()
    customers_csv(folder / "c.csv", 3)
    return folder


@pytest.fixture
def at_work(inside):
    return replace(inside, folder=inside.folder / "work")


def job(folder, *more):
    (folder / "job.yaml").write_text(JOB + "".join(more))
    return "--config", str(folder / "job.yaml")


def ledger_beside(folder, environment):
    ledger = folder / ".pipeline" / environment / "ledger.sqlite"
    ledger.parent.mkdir(parents=True)
    ledger.touch()


def run_ids(folder):
    return [path.parent.name for path in folder.glob("*/plan.json")]


def test_every_command_finds_a_run_by_the_config(jobs, at_work):
    config = job(jobs, PLACES)
    assert at_work("run", jobs / "c.csv", *config, "--yes").returncode == 0
    [run_id] = run_ids(jobs / "reports")
    commands = {
        "status": (),
        "runs": ("--json",),
        "resume": (),
        "trace": ("ref-1",),
        "verify": (run_id,),
        "reconcile": (),
        "report": (),
        "sign": (run_id, "--note", "read"),
        "bundle": (run_id,),
        "references list": (),
        "audit verify": (),
    }
    failed = {}
    for name, arguments in commands.items():
        done = at_work(*name.split(), *arguments, *config)
        shown = done.stdout + done.stderr
        if done.returncode or "no runs in" in shown or (name == "runs" and run_id not in shown):
            failed[name] = (done.returncode, shown)

    assert failed == {}
    assert at_work("check", jobs / "job.yaml").stdout.count(str(jobs)) >= 2
    assert list(at_work.folder.iterdir()) == []


def test_a_plan_is_applied_where_it_was_planned(jobs, at_work):
    config = job(jobs, PLACES)
    at_work("plan", jobs / "c.csv", *config)
    [run_id] = run_ids(jobs / "reports")

    by_config = at_work("apply", run_id, *config)
    by_reports = at_work("apply", run_id, "--reports", jobs / "reports")

    assert by_config.returncode == 0, by_config.stderr
    assert by_reports.returncode == 6, by_reports.stderr
    assert list(at_work.folder.iterdir()) == []


def test_options_come_before_the_config_and_the_config_before_the_default(jobs):
    known = load_config(Path(job(jobs, "home: ledgers\n")[1]))

    assert Settings.of(known).home == jobs / "ledgers"
    assert Settings.of(known).reports == Path("reports")
    assert Settings.of(known, home=Path("mine"), reports=Path("runs")).home == Path("mine")
    assert Settings.of(known, home=Path("mine"), reports=Path("runs")).reports == Path("runs")


def test_a_config_without_places_keeps_the_working_folder(jobs, at_work):
    assert at_work("plan", jobs / "c.csv", *job(jobs)).returncode == 0
    assert len(run_ids(at_work.folder / "reports")) == 1
    assert Settings.of(load_config(jobs / "job.yaml")).home == Path(".pipeline")


def test_another_ledger_of_the_environment_beside_the_config_is_refused_naming_both(jobs, at_work):
    config = job(jobs)
    ledger_beside(jobs, "sandbox")

    for command in (
        ("plan", jobs / "c.csv"),
        ("run", jobs / "c.csv", "--yes"),
        ("status",),
        ("references", "list"),
    ):
        refused = at_work(*command, *config)
        assert refused.returncode == 4, command
        places = (
            jobs / ".pipeline" / "sandbox",
            at_work.folder / ".pipeline" / "sandbox",
            "--home",
            "home: .pipeline",
        )
        assert [str(named) for named in places if str(named) not in refused.stderr] == []
    assert list(at_work.folder.iterdir()) == []
    checked = at_work("check", jobs / "job.yaml").stdout
    assert "fault       ledger" in checked
    assert "none yet" not in checked
    assert "no home is chosen" in checked


def test_a_ledger_beside_the_config_is_found_in_any_folder_name(jobs):
    known = load_config(Path(job(jobs)[1]))
    for name in ("led", ".hidden"):
        (ledger := jobs / name / "sandbox" / "ledger.sqlite").parent.mkdir(parents=True)
        ledger.touch()

    with pytest.raises(ConfigError) as refused:
        Settings.of(known)

    named = [
        jobs / "led" / "sandbox",
        jobs / ".hidden" / "sandbox",
        Path.cwd() / ".pipeline" / "sandbox",
    ]
    assert [str(place) for place in named if str(place) not in str(refused.value)] == []
    assert Settings.of(known, home=jobs / "led").home == jobs / "led"


def test_a_ledger_in_the_working_folder_that_the_config_does_not_use_is_named_beside_the_one_it_does(
    jobs, at_work
):
    config = job(jobs, PLACES)
    ledger_beside(at_work.folder, "sandbox")
    both = (
        jobs / ".pipeline" / "sandbox",
        at_work.folder / ".pipeline" / "sandbox" / "ledger.sqlite",
        "--home .pipeline",
    )

    planned = at_work("plan", jobs / "c.csv", *config)
    run = at_work("run", jobs / "c.csv", *config, "--yes")
    checked = at_work("check", jobs / "job.yaml").stdout

    assert (planned.returncode, run.returncode) == (0, 0)
    for said in (planned.stderr, run.stderr, checked):
        assert [str(named) for named in both if str(named) not in " ".join(said.split())] == []
    assert (
        "Two ledgers"
        not in at_work("plan", jobs / "c.csv", *config, "--home", at_work.folder / "new").stderr
    )
    assert (
        "Two ledgers"
        not in replace(at_work, folder=jobs)("plan", "c.csv", "--config", "job.yaml").stderr
    )


def test_the_option_or_the_key_decides_between_two_ledgers(jobs):
    ledger_beside(jobs, "sandbox")
    undecided, decided = load_config(Path(job(jobs)[1])), load_config(Path(job(jobs, PLACES)[1]))

    assert Settings.of(undecided, home=Path(".pipeline")).home == Path(".pipeline")
    assert Settings.of(decided).home == jobs / ".pipeline"
    with pytest.raises(ConfigError):
        Settings.of(undecided)


def test_a_ledger_of_another_environment_beside_the_config_is_no_reason_to_refuse(jobs):
    live = "environment: live-1\nmerchant: m\nmode: live\naddress: https://api.momentco.io\n"
    (jobs / "job.yaml").write_text(live)
    ledger_beside(jobs, "sandbox")
    known = load_config(jobs / "job.yaml")

    assert Settings.of(known).home == Path(".pipeline")
    for options in ({"destination": "sandbox"}, {"environment": "sandbox"}):
        with pytest.raises(ConfigError, match="environment sandbox"):
            Settings.of(known, **options)
    ledger_beside(jobs, "live-1")
    with pytest.raises(ConfigError, match="environment live-1"):
        Settings.of(known)


def test_a_config_reached_by_a_link_or_by_dots_has_the_ledger_beside_it(jobs, monkeypatch):
    job(jobs)
    ledger_beside(jobs, "sandbox")
    (jobs.parent / "same").symlink_to(jobs)
    monkeypatch.chdir(jobs)

    for path in ("job.yaml", "../jobs/job.yaml", "../same/job.yaml"):
        assert Settings.of(load_config(Path(path))).home == Path(".pipeline")


@pytest.mark.parametrize(
    ("place", "why"),
    [
        ("../shared", "absolute path"),
        ("a/../../b", "absolute path"),
        ("..", "absolute path"),
        ("~/ledgers", "is not expanded"),
        ("' '", "name a folder"),
    ],
)
def test_a_relative_place_stays_in_the_folder_of_its_config(jobs, place, why):
    for key in ("home", "reports"):
        with pytest.raises(ConfigError, match=why) as refused:
            load_config(Path(job(jobs, f"{key}: {place}\n")[1]))
        assert f"job.yaml:4:{len(key) + 3}: {key}" in str(refused.value)


def test_an_absolute_place_may_be_shared_by_several_configs(jobs, at_work, tmp_path):
    shared = tmp_path / "a b [1] {c}*"
    config = job(
        jobs, f"home: {json.dumps(str(shared))}\nreports: {json.dumps(str(shared / 'runs'))}\n"
    )

    assert at_work("plan", jobs / "c.csv", *config).returncode == 0
    assert len(run_ids(shared / "runs")) == 1
    assert at_work("status", *config).returncode == 0


def test_init_writes_both_keys_so_that_a_run_from_another_folder_creates_no_customer_again(
    jobs, at_work
):
    at_work("init", jobs / "c.csv", "--output", jobs / "c.yaml")

    at_work("run", jobs / "c.csv", "--config", jobs / "c.yaml", "--yes")
    again = replace(at_work, folder=jobs)("run", "c.csv", "--config", "c.yaml", "--yes", "--json")

    assert json.loads(again.stdout)["fates"]["already_exists_same"] == 3
    assert list(at_work.folder.iterdir()) == []
