"""The long programs that prove once-only submission. Each has a short form in the suite.

    python -m tests.prove simulate --seeds 0:10000     the real engine; time, network and billing are simulated
    python -m tests.prove nights --seeds 0:10000       files that change between nights; requests that are given up
    python -m tests.prove machine --seeds 0:20         start, kill, wait, change, rotate, lose, in any order
    python -m tests.prove mutants                      remove each rule: a simulated run must fail
    python -m tests.prove kills --count 1000           kill -9 of the real process against the real sandbox
    python -m tests.prove kills --count 100 --opaque   the same, with problems that have no type
    python -m tests.prove chaos --seeds 0:100          a proxy between them that delays, resets, slices, repeats
    python -m tests.prove disk --seeds 0:60            full, read-only, failing writes; the ledger's end cut or flipped
    python -m tests.prove differences --seeds 0:4      billing with planted differences: reconcile finds them and no others
    python -m tests.prove lookups --seeds 0:2          10,000 rate-limited lookups, killed five times
    python -m tests.prove verified --seeds 0:500       runs with faults: `verify` passes, and fails after a byte is changed
    python -m tests.prove names --seeds 0:200          every command with odd names of columns, keys, sheets, files, folders
    python -m tests.prove stranded --seeds 0:100       faults and kills while results are written: resume finishes the run
    python -m tests.prove statements --seeds 0:300     sequences of run, correct, drop and reconcile: all pages agree
    python -m tests.prove damaged --seeds 0:400        an old run, damaged in every way: all commands work as without it
    python -m tests.prove audit --seeds 0:1000         random nights against an unreliable server; its history is audited
    python -m tests.prove exits                        exit codes under full disks, limits, closed streams and kills
    python -m tests.prove summary                      add up the results for the current code

Results are appended to tests/prove/results/ with commit and machine. Programs with seeds continue where they stopped.
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

BLOCK = 250  #: seeds per line of results
RUNS = 25  #: the same, if a seed takes a second
HISTORIES = 5  #: the same, if a seed takes half a minute


def main() -> int:
    """Run one program; return 1 if it found a fault."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    programmes = parser.add_subparsers(required=True, metavar="PROGRAMME")
    simulate = programmes.add_parser("simulate")
    simulate.add_argument("--seeds", type=_range, default=range(500), help="FROM:TO, without TO")
    simulate.add_argument("--jobs", type=int, default=os.cpu_count())
    simulate.set_defaults(
        run=lambda options: _in_blocks("simulate", simulation.block, options, BLOCK, "requests")
    )
    changing = programmes.add_parser("nights")
    changing.add_argument("--seeds", type=_range, default=range(500), help="FROM:TO, without TO")
    changing.add_argument("--jobs", type=int, default=os.cpu_count())
    changing.set_defaults(
        run=lambda options: _in_blocks("nights", nights.block, options, BLOCK, "requests")
    )
    driving = programmes.add_parser("machine")
    driving.add_argument(
        "--seeds", type=_range, default=range(1), help="FROM:TO; --examples for each"
    )
    driving.add_argument("--examples", type=int, default=100)
    driving.add_argument("--steps", type=int, default=100)
    driving.add_argument("--jobs", type=int, default=os.cpu_count())
    driving.set_defaults(
        run=lambda options: _each(
            "machine", machine.block, options, options.examples, options.steps
        )
    )
    disturbing = programmes.add_parser("chaos")
    disturbing.add_argument(
        "--seeds", type=_range, default=range(5), help="FROM:TO; a journey for each"
    )
    disturbing.add_argument("--rows", type=int, default=2_000)
    disturbing.add_argument(
        "--silence", type=float, default=2.0, help="seconds until a half-open connection is closed"
    )
    disturbing.add_argument("--jobs", type=int, default=os.cpu_count())
    disturbing.set_defaults(
        run=lambda options: _each("chaos", chaos.block, options, options.rows, options.silence)
    )
    spoiling = programmes.add_parser("disk")
    spoiling.add_argument(
        "--seeds", type=_range, default=range(3), help="FROM:TO; a journey for each fault and seed"
    )
    spoiling.add_argument("--rows", type=int, default=900)
    spoiling.add_argument("--jobs", type=int, default=os.cpu_count())
    spoiling.set_defaults(run=lambda options: _each("disk", disk.block, options, options.rows))
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
        run=lambda options: _each(
            "differences", differences.block, options, options.customers, options.planted
        )
    )
    asking = programmes.add_parser("lookups")
    asking.add_argument(
        "--seeds", type=_range, default=range(1), help="FROM:TO; a reconciliation for each"
    )
    asking.add_argument("--customers", type=int, default=10_000)
    asking.add_argument("--per-second", type=float, default=200.0)
    asking.add_argument("--kills", type=int, default=5)
    asking.add_argument("--jobs", type=int, default=1)
    asking.set_defaults(
        run=lambda options: _each(
            "lookups", lookups.block, options, options.customers, options.per_second, options.kills
        )
    )
    _add_seeded(
        programmes,
        "verified",
        50,
        lambda options: _in_blocks("verified", verified.block, options, RUNS, "records"),
    )
    _add_seeded(programmes, "names", 20, lambda options: _each("names", names.block, options))
    _add_seeded(
        programmes,
        "stranded",
        25,
        lambda options: _in_blocks("stranded", stranded.block, options, RUNS, "faults_met"),
    )
    _add_seeded(
        programmes,
        "statements",
        50,
        lambda options: _in_blocks("statements", statements.block, options, RUNS, "statements"),
    )
    _add_seeded(
        programmes,
        "damaged",
        25,
        lambda options: _in_blocks("damaged", damaged_runs.block, options, RUNS, "cells"),
    )
    _add_seeded(
        programmes,
        "audit",
        50,
        lambda options: _in_blocks("audit", workload.block, options, HISTORIES, "requests"),
    )
    removing = programmes.add_parser("mutants")
    removing.add_argument("--seeds", type=_range, default=range(200))
    removing.set_defaults(run=lambda options: _mutants(options.seeds))
    killing = programmes.add_parser("kills")
    killing.add_argument("--count", type=int, default=40)
    killing.add_argument("--first-seed", type=int, default=0)
    killing.add_argument("--opaque", action="store_true")
    killing.add_argument("--jobs", type=int, default=os.cpu_count())
    killing.set_defaults(
        run=lambda options: _kills(
            options.count, options.first_seed, options.jobs, opaque=options.opaque
        )
    )
    pressing = programmes.add_parser("exits")
    pressing.add_argument("--part", type=int, default=0, help="part of the commands to run, from 0")
    pressing.add_argument(
        "--parts", type=int, default=1, help="number of parts; run each in its own process"
    )
    pressing.set_defaults(run=lambda options: _exits(options.part, options.parts))
    adding_up = programmes.add_parser("summary")
    adding_up.set_defaults(run=lambda _options: print(summary()))
    options = parser.parse_args()
    return options.run(options) or 0


def _add_seeded(
    programmes: Any, name: str, seeds: int, run: Callable[[argparse.Namespace], int]
) -> None:
    """Add a program whose only options are its seeds and the number of processes."""
    added = programmes.add_parser(name)
    added.add_argument("--seeds", type=_range, default=range(seeds), help="FROM:TO")
    added.add_argument("--jobs", type=int, default=os.cpu_count())
    added.set_defaults(run=run)


def _in_blocks(
    programme: str,
    block: Callable[[Any], dict[str, Any]],
    options: argparse.Namespace,
    size: int,
    counted: str,
) -> int:
    """Append a line of results for each block of `size` seeds; print its failures and `counted`."""
    seeds, known, failed = options.seeds, _done(programme), 0
    blocks = [range(at, min(at + size, seeds.stop)) for at in range(seeds.start, seeds.stop, size)]
    for result in _spread(
        block, [one for one in blocks if not known.issuperset(one)], options.jobs
    ):
        gather(programme, **result)
        failed += len(result["failures"])
        print(
            f"seeds {result['seeds']}: {result['failures'] or 'no failure'}, {result[counted]:,} {counted}",
            flush=True,
        )
    return _end(failed, len(seeds))


def _each(
    programme: str,
    block: Callable[[Any], dict[str, Any]],
    options: argparse.Namespace,
    *arguments: float,
) -> int:
    """Append a line of results for each seed."""
    known = _done(programme)
    failed, runs = 0, 0
    for found in _spread(
        block, [(seed, *arguments) for seed in options.seeds if seed not in known], options.jobs
    ):
        gather(programme, **found)
        failed += len(found["failures"])
        runs += found.get("examples") or len(found.get("met_by_fault", ())) or 1
        print(f"seed {found['seeds'][0]}: {found['failures'] or 'no failure'}", flush=True)
    return _end(failed, runs)


def _done(programme: str) -> set[int]:
    """Seeds that passed before with the same code."""
    known = {
        seed for line in done(programme) if not line["failures"] for seed in range(*line["seeds"])
    }
    print(f"{len(known)} seeds passed before with this code", flush=True)
    return known


def _spread(
    work: Callable[[Any], dict[str, Any]], parts: list[Any], jobs: int
) -> Iterator[dict[str, Any]]:
    # Spawn, because polars has threads already, and a fork would lose them.
    with multiprocessing.get_context("spawn").Pool(jobs) as pool:
        yield from pool.imap(work, parts)


def _end(failed: int, runs: int) -> int:
    print(f"{failed} failures" if failed else bound(runs))
    return int(failed > 0)


def _kills(count: int, first_seed: int, jobs: int, *, opaque: bool) -> int:
    """Make journeys of up to ten kills each, until `count` is reached."""
    kills, failed = 0, 0
    seeds = itertools.count(first_seed)
    # Processes: each journey runs in its own process and folder.
    with ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn")) as pool:
        running = {pool.submit(journey, next(seeds), 10, opaque=opaque) for _ in range(jobs)}
        while running:
            ended, running = wait(running, return_when=FIRST_COMPLETED)
            for one in ended:
                result = one.result()
                kills += sum(result.kills.values())
                failed += bool(result.faults)
                gather("kills_opaque" if opaque else "kills", **asdict(result))
                print(
                    f"seed {result.seed}: {result.kills}, {kills} kills so far {result.faults or ''}",
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
    """Append a line of results for each command, and write the table for the current code."""
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
