"""The long programmes that prove once-only submission. Each has a short form among the tests.

    python -m tests.prove simulate --seeds 0:10000     the real loop, with time, network and billing played
    python -m tests.prove mutants                      each rule removed: a simulated run must fail

Results are gathered in tests/prove/results/, with commit and machine; `simulate` goes on where it stopped.
"""

import argparse
import multiprocessing
import os
import sys
import time

from tests.prove import mutants, simulation
from tests.prove.gathering import bound, done, gather

BLOCK = 250  #: seeds that are gathered together


def main() -> int:
    """Run one programme; 1 where it found a fault."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    programmes = parser.add_subparsers(required=True, metavar="PROGRAMME")
    simulate = programmes.add_parser("simulate")
    simulate.add_argument("--seeds", type=_range, default=range(500), help="FROM:TO, without TO")
    simulate.add_argument("--jobs", type=int, default=os.cpu_count())
    simulate.set_defaults(run=lambda said: _simulate(said.seeds, said.jobs))
    removing = programmes.add_parser("mutants")
    removing.add_argument("--seeds", type=_range, default=range(200))
    removing.set_defaults(run=lambda said: _mutants(said.seeds))
    said = parser.parse_args()
    return said.run(said)


def _simulate(seeds: range, jobs: int) -> int:
    known = {seed for line in done("simulate") if not line["failures"] for seed in range(*line["seeds"])}
    blocks = [range(at, min(at + BLOCK, seeds.stop)) for at in range(seeds.start, seeds.stop, BLOCK)]
    blocks = [block for block in blocks if not known.issuperset(block)]
    print(f"{len(seeds)} seeds, {len(known.intersection(seeds))} of them done before at this commit", flush=True)
    failed = 0
    # Spawned, not forked: polars has threads by now.
    with multiprocessing.get_context("spawn").Pool(jobs) as pool:
        for told in pool.imap(_block, blocks):
            gather("simulate", **told)
            failed += len(told["failures"])
            print(f"seeds {told['seeds']}: {len(told['failures'])} failed, {told['requests']:,} requests", flush=True)
            for seed, faults in told["failures"].items():
                print(f"  seed {seed}: {faults}", flush=True)
    print(f"{failed} failures" if failed else bound(len(seeds)))
    return int(failed > 0)


def _block(seeds: range) -> dict:
    began, failures, requests, processes, played = time.perf_counter(), {}, 0, 0, 0.0
    for seed in seeds:
        verdict = simulation.run(simulation.scenario(seed))
        requests, processes, played = (
            requests + verdict.requests,
            processes + verdict.processes,
            played + verdict.seconds,
        )
        if verdict.faults:
            failures[seed] = verdict.faults[:5]
    return {
        "seeds": [seeds.start, seeds.stop],
        "failures": failures,
        "requests": requests,
        "processes": processes,
        "simulated_hours": round(played / 3600),
        "seconds": round(time.perf_counter() - began, 1),
    }


def _mutants(seeds: range) -> int:
    alive = []
    for rule in mutants.MUTANTS:
        found = mutants.first_failure(rule, seeds)
        print(f"{rule}: {f'seed {found[0]}: {found[1][0]}' if found else 'NOTHING FAILS WITHOUT IT'}", flush=True)
        if found is None:
            alive.append(rule)
    gather("mutants", seeds=[seeds.start, seeds.stop], rules=len(mutants.MUTANTS), alive=alive)
    return int(bool(alive))


def _range(text: str) -> range:
    start, _, stop = text.partition(":")
    return range(int(start), int(stop)) if stop else range(int(start))


if __name__ == "__main__":
    sys.exit(main())
