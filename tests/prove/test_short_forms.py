"""The short forms of the long programs; `python -m tests.prove` runs them with more seeds."""

import contextlib
import random
import re
import signal
import sqlite3
from dataclasses import replace

import pytest

from pipeline.storage.ledger import Ledger
from tests import kill_points
from tests.benches import at_scale
from tests.benches.planning import __main__ as planning
from tests.benches.planning import growth, kinds
from tests.conftest import Inside, customers_csv, running_sandbox
from tests.prove import (
    chaos,
    damaged_runs,
    differences,
    disk,
    exit_codes,
    lookups,
    machine,
    mutants,
    nights,
    poison,
    simulation,
    statements,
    verified,
)
from tests.prove.gathering import PROGRAMME
from tests.prove.kills import journey

SEEDS, BLOCK = 60, 20


@pytest.mark.parametrize(
    "first",
    [0, *(pytest.param(first, marks=pytest.mark.long) for first in range(BLOCK, SEEDS, BLOCK))],
)
def test_simulated_runs_create_each_customer_once_under_all_failures(first):
    failed = {
        seed: verdict.faults
        for seed in range(first, first + BLOCK)
        if (verdict := simulation.run(simulation.scenario(seed))).faults
    }

    assert failed == {}


def test_the_same_seed_is_the_same_run():
    told = simulation.scenario(7)

    assert simulation.run(told) == simulation.run(told)


def test_without_unique_references_no_customer_is_created_twice_either():
    failed = {
        seed: verdict.faults
        for seed in range(10)
        if (verdict := simulation.run(mutants.survivable(seed))).faults
    }

    assert failed == {}


@pytest.mark.parametrize(
    "seed", [0, *(pytest.param(seed, marks=pytest.mark.long) for seed in (1, 2, 3))]
)
def test_start_kill_wait_change_rotate_and_lose_in_any_order(seed):
    assert machine.block((seed, 25, 50))["failures"] == []


@pytest.mark.parametrize(("patience", "exit_code"), [(300.0, 5), (900.0, None)])
def test_the_job_decides_whether_a_run_waits_out_ten_minutes_of_outage_and_no_customer_is_created_twice(
    tmp_path, patience, exit_code
):
    world = simulation.World(random.Random(1))
    billing = simulation.Billing(world, simulation.NONE, outage=(0.2, 600.2))
    told = replace(simulation.scenario(1), mortality=0.0)
    plan = [simulation.planned(number, 0) for number in range(1_000)]
    policy = replace(simulation.PATIENT, outage_seconds=patience)

    stop = simulation.process(
        world, billing, plan, tmp_path, told, "credential", kill=False, policy=policy
    )
    first = len(billing.customers)
    world.advance(max(world.now, 700.0))
    simulation.process(
        world, billing, plan, tmp_path, told, "credential", kill=False, policy=policy
    )

    assert (stop and stop.exit_code) == exit_code
    assert (first == 1_000) == (exit_code is None)
    assert len(billing.customers) == 1_000
    assert set(billing.effects.values()) == {1}


def test_while_billing_is_away_it_is_asked_now_and_then_and_not_by_every_row(tmp_path):
    world = simulation.World(random.Random(1))
    billing = simulation.Billing(world, simulation.NONE, outage=(0.2, 250.2))
    plan = [simulation.planned(number, 0) for number in range(400)]
    told = replace(simulation.scenario(1), mortality=0.0)

    simulation.process(world, billing, plan, tmp_path, told, "credential", kill=False)

    with Ledger.read(tmp_path) as ledger:
        assert ledger.runs.counts("run-1") == {"created": 400}
        assert ledger.runs.requests("run-1").creates < 400 + 256 * 6


def test_a_key_that_is_revoked_while_billing_is_away_stops_the_run_as_soon_as_billing_says_so(
    tmp_path,
):
    world = simulation.World(random.Random(1))
    billing = simulation.Billing(world, simulation.NONE, outage=(0.2, 50.2))
    billing.create = lambda _key, _payload, reply: reply(billing._problem(401, "invalid-key"))
    plan = [simulation.planned(number, 0) for number in range(400)]
    told = replace(simulation.scenario(1), mortality=0.0)

    stop = simulation.process(world, billing, plan, tmp_path, told, "credential", kill=False)

    assert stop.exit_code == 4
    assert "refuses the API key" in stop.reason
    assert world.now < 60  # the first question after the outage


def test_nights_with_changed_files_and_given_up_requests_create_no_customer_twice():
    assert nights.block(range(10))["failures"] == {}


@pytest.mark.parametrize(
    "rule",
    [
        pytest.param(rule, marks=[pytest.mark.long] * (number % 3 > 0))
        for number, rule in enumerate(mutants.MUTANTS | mutants.MUTANTS_OF_NIGHTS)
    ],
)
def test_without_a_rule_a_simulated_run_fails_that_passes_with_it(rule):
    assert mutants.first_failure(rule, range(60), rows=20) is not None


@pytest.mark.parametrize("pair", mutants.UNSURVIVABLE)
def test_faults_that_need_unique_references_are_named_and_survived_with_them(
    pair,
):
    seeds = range(6)

    assert any(simulation.run(mutants.unsurvivable(seed, pair), rows=60).faults for seed in seeds)
    with_it = [
        simulation.run(mutants.with_unique_reference(seed, pair), rows=60).faults for seed in seeds
    ]
    assert not [
        fault
        for faults in with_it
        for fault in faults
        if "customers (" in fault and ": 0 customers" not in fault
    ]


@pytest.mark.long
def test_a_run_killed_repeatedly_creates_each_customer_once():
    told = journey(2, 2, opaque=True, rows=60)

    assert told.faults == []
    assert sum(told.kills.values()) >= 2


@pytest.mark.parametrize("seed", range(1))
def test_a_bad_network_creates_no_customer_twice(seed):
    told = chaos.journey(seed, 80, silence=0.5)

    assert told.faults == []
    assert sum(told.met.values()) > 10  # how many there are depends on the number of requests


@pytest.mark.parametrize(
    ("seed", "by_look_up"), [pytest.param(1, False, marks=pytest.mark.long), (2, True)]
)
def test_every_planted_difference_is_found_under_its_name_and_nothing_besides(seed, by_look_up):
    assert differences.journey(seed, 150, 24, by_look_up=by_look_up).faults == []


def test_a_difference_for_which_no_rows_suit_is_refused_and_not_sought_for_ever():
    """Shifted rows need four neighbours in one currency."""
    rows = [
        {"external_reference": f"L-{n}", "currency": "ZAR" if n % 2 else "USD", "balance": n}
        for n in range(50)
    ]

    with pytest.raises(ValueError, match="too many differences for so few customers"):
        differences.plant(differences.Billing(rows), ("shifted",), 1, random.Random(1), [])


@pytest.mark.long
def test_killed_lookups_resume_where_they_stopped():
    """Their pace is the long form's: how fast a machine is proves nothing here."""
    assert lookups.block((0, 500, 10_000.0, 2))["failures"] == []


def test_verify_passes_over_runs_with_faults_and_names_the_file_of_which_a_byte_was_changed():
    assert verified.block(range(1000, 1001))["failures"] == {}


@pytest.mark.parametrize(
    "first", [1000, *(pytest.param(first, marks=pytest.mark.long) for first in (1002, 1004, 1006))]
)
def test_all_pages_state_the_same_figures_after_random_sequences(outside, first):
    """Two sequences: of one step, and of two."""
    found = [statements.journey(seed, outside, steps=1 + seed % 2) for seed in (first, first + 1)]

    assert {one.seed: one.faults for one in found if one.faults} == {}
    assert sum(one.statements for one in found) > 60


#: One of each way in which a disk fails; the long programme plays all of them.
DISKS = tuple(kind for kind in disk.kinds() if kind in {"full", "wal_cut"})


@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=[pytest.mark.long] * (kind == "full")) for kind in DISKS]
)
def test_on_a_failing_disk_each_customer_is_created_once_and_a_resume_finishes(kind):
    assert disk.journey(1, kind, rows=400).faults == []


#: The sharpest cells of the matrix: before a send, after it, and where nobody reads the result.
PRESSED = {
    "run": ("files of at most 50 kB", "stdout full"),
    "plan": ("address space of 400 MB", "killed at the eighth write"),
    "status": ("all three closed", "stdout full"),
}


@pytest.mark.long
def test_under_pressure_a_command_exits_by_the_rule_and_succeeds_afterwards():
    """Every day, test_cli_exits.py tries the limit of file sizes and the closed stdout."""
    with exit_codes.made_world() as world:
        found = [
            one
            for command, among in PRESSED.items()
            for one in exit_codes.cells(world, command, among)
        ]

    assert [(one.command, one.pressure, one.code, one.faults) for one in found if one.faults] == []
    assert {(one.command, one.pressure) for one in found} == {
        (command, pressure) for command, among in PRESSED.items() for pressure in among
    }


#: Where a kill differs most: an intent without its send, a send and an answer without their record.
SHARPEST = ("after-intents", "after-send", "before-outcomes")


@pytest.mark.parametrize(
    "point",
    [
        pytest.param(point, marks=[pytest.mark.long] * (point not in SHARPEST))
        for point in kill_points.POINTS
    ],
)
def test_a_process_dies_at_its_kill_point_and_a_resume_finishes_the_run(tmp_path, point):
    pipeline = Inside(tmp_path)
    customers_csv(tmp_path / "customers.csv", 20)

    with running_sandbox(tmp_path / "billing.sqlite") as outside:
        words = ("run", "customers.csv", "--base-url", outside.base_url, "--yes")
        environment = {**outside.environment, kill_points.VARIABLE: f"{point} 1"}
        killed = pipeline(*words, environment=environment)
        sent, states = outside.stats()["requests"]["create"], _states(tmp_path)
        resumed = pipeline("resume", pipeline.newest().name, environment=outside.environment)
        customers = outside.stats()["customers"]

    assert killed.returncode == -signal.SIGKILL
    assert states == _STATES_AT[point]
    assert (sent > 0) == (point not in {"before-intents", "after-intents", "before-send"})
    assert resumed.returncode == 0, resumed.stderr
    assert customers == 20


#: What the ledger holds of 20 creates when the process dies.
_BEGUN, _CREATED = {"unknown": 20}, {"created": 20}
_STATES_AT = {
    "before-intents": {},
    "after-intents": _BEGUN,
    "before-send": _BEGUN,
    "after-send": _BEGUN,
    "before-outcomes": _BEGUN,
    "after-outcomes": _CREATED,
    "before-end": _CREATED,
    "after-end": _CREATED,
}


def _states(folder):
    [ledger] = folder.glob(".pipeline/*/ledger.sqlite")
    with contextlib.closing(sqlite3.connect(ledger)) as connection:
        return dict(connection.execute("SELECT state, count(*) FROM rows GROUP BY state"))


def test_a_kill_point_of_another_name_is_refused():
    for wrong in ("somewhere 1", "before-send", "before-send x"):
        with pytest.raises(ValueError, match=r"none of|unpack|invalid literal"):
            kill_points.KillPoint.read(wrong)


def test_the_package_has_no_kill_point_and_reads_no_such_variable():
    texts = [path.read_text(encoding="utf-8") for path in PROGRAMME.rglob("*.py")]

    assert not any(re.search(r"SIGKILL|KILL_AT|kill_point", text) for text in texts)


@pytest.mark.long
def test_a_half_finished_run_can_be_viewed_and_resumed(tmp_path, monkeypatch):
    monkeypatch.setattr(at_scale, "TRIES", 1)

    found = at_scale.measured(tmp_path / "some", 500, 2_000)

    assert all(
        found[name] > 0
        for name in ("resume", "status", "trace", "plan", "page_bytes", "resume_peak_bytes")
    )


#: Damages of an old run, each with commands that read it. A span leaves out an interrupted run, so that is resumed first.
DAMAGED = (
    (("folder", "20269999T999999Z-x-aaaaaa", ""), ("run", "runs", "reconcile"), ()),
    (("old", "summary.json", "cut"), ("run", "report --since"), ("status",)),
    (("old", "plan.json", "cut"), ("resume", "reconcile --since"), ("apply",)),
    (("old", "rows.parquet", "garbage"), ("resume", "trace"), ("reconcile",)),
    (("old", "staged/fates-00000.parquet", "cut"), ("apply", "report --since"), ("report",)),
    (("old", "signatures.jsonl", "loop"), ("report --since", "status"), ("sign",)),
    (("old", "plan.json", "older"), ("reconcile --since",), ("reconcile",)),
    (("reconciliation", "summary.json", "empty"), ("report", "report --since"), ("report",)),
    (("reconciliation", "differences.csv", "missing"), (), ("resume", "bundle")),
)


#: The same for every day: what is read by a run, by a span and by a resume.
DAMAGED_EVERY_DAY = (
    (("old", "summary.json", "cut"), ("run", "report --since"), ("status",)),
    (("reconciliation", "summary.json", "empty"), (), ("report",)),
)


@pytest.mark.parametrize(
    ("damages", "cells", "is_whole"),
    [(DAMAGED_EVERY_DAY, 4, False), pytest.param(DAMAGED, 20, True, marks=pytest.mark.long)],
    ids=["some", "all"],
)
def test_every_command_works_without_an_old_run_that_is_damaged(tmp_path, damages, cells, is_whole):
    world = damaged_runs.World.made(tmp_path, is_whole=is_whole)
    played = {command for _, commands, _ in damages for command in commands}
    without_old = world.without_old(
        [command for command in damaged_runs.COMMANDS if command in played]
    )

    found = [
        damaged_runs.cells(world, without_old, damaged_runs.Damage(*damage), commands, asked)
        for damage, commands, asked in damages
    ]

    assert [fault for one in found for fault in one.faults] == []
    assert sum(one.cells for one in found) >= cells


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Where the benches of planning keep what they read, so that the known customers are loaded once."""
    return tmp_path_factory.mktemp("files")


@pytest.mark.long
@pytest.mark.xdist_group("benches of planning")
def test_a_plan_and_the_same_work_by_hand_differ_in_nothing_that_has_no_name(tmp_path, files):
    assert planning.bench(files, rows=1_000, known=1_000, rounds=1, results=tmp_path) == 0

    table = (tmp_path / "planning.md").read_text()
    assert "by hand only; here READ." in table
    assert "strict DuckDB read" in table


@pytest.mark.long
@pytest.mark.xdist_group("benches of planning")
def test_growth_is_stated_and_drawn(tmp_path, files, monkeypatch):
    rows = ["--rows", "0.001", "--known", "0.001"]
    monkeypatch.setattr(
        "sys.argv", ["growth", *rows, "--folder", str(files), "--results", str(tmp_path)]
    )

    assert growth.main() == 0

    assert "| 1,000 | 1,000 |" in (tmp_path / "growth.md").read_text()
    assert (tmp_path / "growth.svg").read_text().startswith("<?xml")


@pytest.mark.long
@pytest.mark.xdist_group("benches of planning")
def test_messy_files_are_planned_without_losing_a_row(tmp_path, files):
    assert kinds.bench(files, rows=1_000, rounds=1, results=tmp_path) == 0

    hopeless, repeating = (tmp_path / "kinds.md").read_text().splitlines()[-2:]
    assert "1,000 invalid" in hopeless
    assert "duplicate_in_file" in repeating


def test_five_records_that_never_come_through_cost_the_others_little_on_their_night_and_on_the_next():
    clean, spoilt = poison.nights(2_000, {}), poison.nights(2_000, poison.POISON)
    budget = simulation.PATIENT.row_seconds + simulation.PATIENT.lookup_lag

    assert [night.stop for night in (*clean, *spoilt)] == [None] * 4
    assert spoilt[0].created_after < 2 * clean[0].seconds
    assert spoilt[0].seconds < clean[0].seconds + budget
    assert spoilt[1].seconds < 1.2 * clean[1].seconds
    assert {*spoilt[0].left} == {*spoilt[1].left} == {*poison.POISON}
    for reference, what in {
        "A-17": "403",
        "A-400": "no answer",
        "A-801": "409",
        "A-1203": "422",
    }.items():
        assert what in spoilt[1].left[reference]
    assert "another customer" in spoilt[1].left["A-1604"]
