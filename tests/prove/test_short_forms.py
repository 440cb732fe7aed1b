"""The short forms of the long programmes: `python -m tests.prove` runs the same with more seeds."""

import pytest

from tests.prove import mutants, simulation

SEEDS, BLOCK = 500, 50


@pytest.mark.parametrize("first", range(0, SEEDS, BLOCK))
def test_simulated_runs_create_each_customer_once_whatever_fails_and_dies(first):
    failed = {
        seed: verdict.faults
        for seed in range(first, first + BLOCK)
        if (verdict := simulation.run(simulation.scenario(seed))).faults
    }

    assert failed == {}


def test_the_same_seed_is_the_same_run():
    told = simulation.scenario(7)

    assert simulation.run(told) == simulation.run(told)


def test_without_the_unique_reference_nobody_is_created_twice_either():
    failed = {
        seed: verdict.faults for seed in range(100) if (verdict := simulation.run(mutants.survivable(seed))).faults
    }

    assert failed == {}


@pytest.mark.parametrize("rule", mutants.MUTANTS)
def test_without_a_rule_a_simulated_run_fails_that_passes_with_it(rule):
    assert mutants.first_failure(rule, range(60)) is not None


@pytest.mark.parametrize("pair", mutants.UNSURVIVABLE)
def test_what_no_client_can_survive_without_the_unique_reference_is_named_and_survived_with_it(pair):
    seeds = range(20)

    assert any(simulation.run(mutants.unsurvivable(seed, pair)).faults for seed in seeds)
    with_it = [simulation.run(mutants.with_unique_reference(seed, pair)).faults for seed in seeds]
    assert not [
        fault for faults in with_it for fault in faults if "customers (" in fault and ": 0 customers" not in fault
    ]
