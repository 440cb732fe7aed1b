"""The long programmes that prove once-only submission. Each has a short form among the tests.

    python -m tests.prove simulate --seeds 0:10000     the real loop, with time, network and billing played
    python -m tests.prove nights --seeds 0:10000       files that change from night to night, and requests that are given up
    python -m tests.prove machine --seeds 0:20         start, kill, wait, change, rotate, lose, in any order
    python -m tests.prove mutants                      each rule removed: a simulated run must fail
    python -m tests.prove kills --count 1000           kill -9 of the real process against the real sandbox
    python -m tests.prove kills --count 100 --opaque   the same where problems have no type
    python -m tests.prove chaos --seeds 0:100          a proxy between them that delays, resets, slices, repeats
    python -m tests.prove disk --seeds 0:60            full, read-only, failing writes; the journal's end cut or flipped
    python -m tests.prove differences --seeds 0:4      billing spoilt in ways that have names: all found, nothing besides
    python -m tests.prove lookups --seeds 0:2         10,000 customers looked up at a pace, killed five times on the way
    python -m tests.prove verified --seeds 0:500       runs with faults: `verify` passes, and fails where a byte was changed
    python -m tests.prove names --seeds 0:200          every command over odd names of columns, keys, sheets, files and folders
    python -m tests.prove stranded --seeds 0:100       faults and kills while results are written: a resume finishes the run
    python -m tests.prove statements --seeds 0:300     sequences of run, mend, drop and reconcile: all pages state the same
    python -m tests.prove damaged --seeds 0:400        an old run damaged in every way: all commands do what they do without it
    python -m tests.prove audit --seeds 0:1000         random nights against an unreliable server; its history is audited
    python -m tests.prove exits                        every command under full disks, limits, closed streams, kills: its exit code
    python -m tests.prove summary                      what the gathered results of this code come to

Results are gathered in tests/prove/results/, with commit and machine; what has seeds goes on where it stopped.
"""

import argparse
import itertools
import multiprocessing
import os
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from dataclasses import asdict
from typing import Any

from tests.prove import (
    chaos,
    damaged_runs,
    differences,
    disk,
    exit_codes,
    lookups,
    machine,
    mutants,
    names,
    nights,
    simulation,
    statements,
    stranded,
    verified,
    workload,
)
from tests.prove.gathering import RESULTS, bound, done, gather
from tests.prove.kills import journey
from tests.prove.summing import summary

BLOCK = 250  #: seeds that are gathered together
RUNS = 25  #: of those that take a second each
HISTORIES = 5  #: of those that wait for half a minute each


def main() -> int:
    """Run one programme; 1 where it found a fault."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    programmes = parser.add_subparsers(required=True, metavar="PROGRAMME")
    simulate = programmes.add_parser("simulate")
    simulate.add_argument("--seeds", type=_range, default=range(500), help="FROM:TO, without TO")
    simulate.add_argument("--jobs", type=int, default=os.cpu_count())
    simulate.set_defaults(
        run=lambda said: _in_blocks("simulate", simulation.block, said, BLOCK, "requests")
    )
    changing = programmes.add_parser("nights")
    changing.add_argument("--seeds", type=_range, default=range(500), help="FROM:TO, without TO")
    changing.add_argument("--jobs", type=int, default=os.cpu_count())
    changing.set_defaults(
        run=lambda said: _in_blocks("nights", nights.block, said, BLOCK, "requests")
    )
    driving = programmes.add_parser("machine")
    driving.add_argument(
        "--seeds", type=_range, default=range(1), help="FROM:TO, each so many examples"
    )
    driving.add_argument("--examples", type=int, default=100)
    driving.add_argument("--steps", type=int, default=100)
    driving.add_argument("--jobs", type=int, default=os.cpu_count())
    driving.set_defaults(
        run=lambda said: _each("machine", machine.block, said, said.examples, said.steps)
    )
    disturbing = programmes.add_parser("chaos")
    disturbing.add_argument(
        "--seeds", type=_range, default=range(5), help="FROM:TO, each a journey"
    )
    disturbing.add_argument("--rows", type=int, default=2_000)
    disturbing.add_argument(
        "--silence", type=float, default=2.0, help="seconds that a half-open connection stays"
    )
    disturbing.add_argument("--jobs", type=int, default=os.cpu_count())
    disturbing.set_defaults(
        run=lambda said: _each("chaos", chaos.block, said, said.rows, said.silence)
    )
    spoiling = programmes.add_parser("disk")
    spoiling.add_argument(
        "--seeds", type=_range, default=range(3), help="FROM:TO, each a journey for every fault"
    )
    spoiling.add_argument("--rows", type=int, default=900)
    spoiling.add_argument("--jobs", type=int, default=os.cpu_count())
    spoiling.set_defaults(run=lambda said: _each("disk", disk.block, said, said.rows))
    spoilt = programmes.add_parser("differences")
    spoilt.add_argument(
        "--seeds",
        type=_range,
        default=range(2),
        help="FROM:TO; even ones by export, odd ones by lookup",
    )
    spoilt.add_argument("--customers", type=int, default=100_000)
    spoilt.add_argument("--planted", type=int, default=500)
    spoilt.add_argument("--jobs", type=int, default=1)
    spoilt.set_defaults(
        run=lambda said: _each("differences", differences.block, said, said.customers, said.planted)
    )
    asking = programmes.add_parser("lookups")
    asking.add_argument(
        "--seeds", type=_range, default=range(1), help="FROM:TO, each a reconciliation"
    )
    asking.add_argument("--customers", type=int, default=10_000)
    asking.add_argument("--per-second", type=float, default=200.0)
    asking.add_argument("--kills", type=int, default=5)
    asking.add_argument("--jobs", type=int, default=1)
    asking.set_defaults(
        run=lambda said: _each(
            "lookups", lookups.block, said, said.customers, said.per_second, said.kills
        )
    )
    _add_seeded(
        programmes,
        "verified",
        50,
        lambda said: _in_blocks("verified", verified.block, said, RUNS, "records"),
    )
    _add_seeded(programmes, "names", 20, lambda said: _each("names", names.block, said))
    _add_seeded(
        programmes,
        "stranded",
        25,
        lambda said: _in_blocks("stranded", stranded.block, said, RUNS, "faults_met"),
    )
    _add_seeded(
        programmes,
        "statements",
        50,
        lambda said: _in_blocks("statements", statements.block, said, RUNS, "statements"),
    )
    _add_seeded(
        programmes,
        "damaged",
        25,
        lambda said: _in_blocks("damaged", damaged_runs.block, said, RUNS, "cells"),
    )
    _add_seeded(
        programmes,
        "audit",
        50,
        lambda said: _in_blocks("audit", workload.block, said, HISTORIES, "requests"),
    )
    removing = programmes.add_parser("mutants")
    removing.add_argument("--seeds", type=_range, default=range(200))
    removing.set_defaults(run=lambda said: _mutants(said.seeds))
    killing = programmes.add_parser("kills")
    killing.add_argument("--count", type=int, default=40)
    killing.add_argument("--first-seed", type=int, default=0)
    killing.add_argument("--opaque", action="store_true")
    killing.add_argument("--jobs", type=int, default=os.cpu_count())
    killing.set_defaults(
        run=lambda said: _kills(said.count, said.first_seed, said.jobs, opaque=said.opaque)
    )
    pressing = programmes.add_parser("exits")
    pressing.add_argument("--part", type=int, default=0, help="which part of the commands, from 0")
    pressing.add_argument(
        "--parts", type=int, default=1, help="how many parts there are, each a process of yours"
    )
    pressing.set_defaults(run=lambda said: _exits(said.part, said.parts))
    adding_up = programmes.add_parser("summary")
    adding_up.set_defaults(run=lambda _said: print(summary()))
    said = parser.parse_args()
    return said.run(said) or 0


def _add_seeded(
    programmes: Any, name: str, seeds: int, run: Callable[[argparse.Namespace], int]
) -> None:
    """Add a programme whose only options are its seeds and how many processes run at once."""
    added = programmes.add_parser(name)
    added.add_argument("--seeds", type=_range, default=range(seeds), help="FROM:TO")
    added.add_argument("--jobs", type=int, default=os.cpu_count())
    added.set_defaults(run=run)


def _in_blocks(
    programme: str,
    block: Callable[[Any], dict[str, Any]],
    said: argparse.Namespace,
    size: int,
    counted: str,
) -> int:
    """A line of results for so many seeds at a time; `counted` is what it says of them besides failures."""
    seeds, known, failed = said.seeds, _done(programme), 0
    blocks = [range(at, min(at + size, seeds.stop)) for at in range(seeds.start, seeds.stop, size)]
    for told in _spread(block, [one for one in blocks if not known.issuperset(one)], said.jobs):
        gather(programme, **told)
        failed += len(told["failures"])
        print(
            f"seeds {told['seeds']}: {told['failures'] or 'no failure'}, {told[counted]:,} {counted}",
            flush=True,
        )
    return _end(failed, len(seeds))


def _each(
    programme: str, block: Callable[[Any], dict[str, Any]], said: argparse.Namespace, *told: float
) -> int:
    """A line of results for each seed; where it holds several runs, it says how many."""
    known = _done(programme)
    failed, runs = 0, 0
    for found in _spread(
        block, [(seed, *told) for seed in said.seeds if seed not in known], said.jobs
    ):
        gather(programme, **found)
        failed += len(found["failures"])
        runs += found.get("examples") or len(found.get("met_by_fault", ())) or 1
        print(f"seed {found['seeds'][0]}: {found['failures'] or 'no failure'}", flush=True)
    return _end(failed, runs)


def _done(programme: str) -> set[int]:
    """Seeds without a failure that were gathered before, of the same code."""
    known = {
        seed for line in done(programme) if not line["failures"] for seed in range(*line["seeds"])
    }
    print(f"{len(known)} seeds were done before with this code", flush=True)
    return known


def _spread(
    work: Callable[[Any], dict[str, Any]], parts: list[Any], jobs: int
) -> Iterator[dict[str, Any]]:
    # Spawned, not forked: polars has threads by now.
    with multiprocessing.get_context("spawn").Pool(jobs) as pool:
        yield from pool.imap(work, parts)


def _end(failed: int, runs: int) -> int:
    print(f"{failed} failures" if failed else bound(runs))
    return int(failed > 0)


def _kills(count: int, first_seed: int, jobs: int, *, opaque: bool) -> int:
    """Journeys of up to ten kills each, until there are enough."""
    kills, failed = 0, 0
    seeds = itertools.count(first_seed)
    # Processes, because what is not killed runs within the journey's own process, in a folder of its own.
    with ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn")) as pool:
        running = {pool.submit(journey, next(seeds), 10, opaque=opaque) for _ in range(jobs)}
        while running:
            ended, running = wait(running, return_when=FIRST_COMPLETED)
            for one in ended:
                told = one.result()
                kills += sum(told.kills.values())
                failed += bool(told.faults)
                gather("kills_opaque" if opaque else "kills", **asdict(told))
                print(
                    f"seed {told.seed}: {told.kills}, {kills} kills so far {told.faults or ''}",
                    flush=True,
                )
                if kills < count:
                    running.add(pool.submit(journey, next(seeds), 10, opaque=opaque))
    return _end(failed, kills)


def _mutants(seeds: range) -> int:
    alive = []
    for rule in (every := mutants.MUTANTS | mutants.MUTANTS_OF_NIGHTS):
        found = mutants.first_failure(rule, seeds)
        print(
            f"{rule}: {f'seed {found[0]}: {found[1][0]}' if found else 'NOTHING FAILS WITHOUT IT'}",
            flush=True,
        )
        if found is None:
            alive.append(rule)
    gather("mutants", seeds=[seeds.start, seeds.stop], rules=len(every), alive=alive)
    return int(bool(alive))


def _exits(part: int, parts: int) -> int:
    """A line of results for each command, and the table of all that is known of this code."""
    failed, cells = 0, 0
    known = {line["command"] for line in done("exits") if not line["failures"]}
    for line in exit_codes.lines(known, part, parts):
        gather("exits", **line)
        failed += len(line["failures"])
        cells += len(line["cells"])
        print(
            f"{line['command']}: {len(line['cells'])} cells, {line['failures'] or 'no failure'}",
            flush=True,
        )
    newest = {line["command"]: line for line in done("exits")}
    (RESULTS / "exits.md").write_text(exit_codes.table(list(newest.values())), encoding="utf-8")
    return _end(failed, cells)


def _range(text: str) -> range:
    start, _, stop = text.partition(":")
    return range(int(start), int(stop)) if stop else range(int(start))


if __name__ == "__main__":
    sys.exit(main())
