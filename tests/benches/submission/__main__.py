"""Compare our creates per second and CPU per create with loops that keep no ledger and check no answer.

Run it: python -m tests.benches.submission [--rows 20000] [--rounds 5] [--against responder sandbox]
Whether memory stays flat: python -m tests.benches.submission --rows 100000 --rounds 1 --only pipeline
The figures are appended to tests/benches/results/submission.jsonl, with commit and machine.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.benches.submission.contenders import CONTENDERS
from tests.prove.gathering import gather

HERE = Path(__file__).parent
BENCHES = HERE.parent / "results"
KEY = "sk_test_bench00000000000000000"


def main() -> int:
    """Print a table for each server; append both to the results."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rows", type=int, default=20_000)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--against", nargs="*", choices=SERVERS, default=list(SERVERS))
    options.add_argument("--only", nargs="*", choices=CONTENDERS, default=list(CONTENDERS))
    given = options.parse_args()
    for server in given.against:
        print(f"\nagainst the {server}, {given.rows:,} creates, median of {given.rounds}\n")
        results: dict[str, list[dict]] = {name: [] for name in given.only}
        for _ in range(given.rounds):
            for (
                name
            ) in given.only:  # in turn, so that a busy minute of the machine hits all of them
                with SERVERS[server]() as url:
                    results[name].append(_run(name, url, given.rows))
        print(_table(results))
        gather(
            "submission",
            BENCHES,
            server=server,
            creates=given.rows,
            rounds=given.rounds,
            medians=_medians(results),
        )
    print(
        f"\n{platform.python_implementation()} {platform.python_version()}, {os.cpu_count()} cores"
    )
    return 0


def _run(name: str, url: str, rows: int) -> dict:
    command = [
        sys.executable,
        "-m",
        "tests.benches.submission.contenders",
        name,
        url,
        KEY,
        str(rows),
    ]
    return json.loads(
        subprocess.run(command, check=True, stdout=subprocess.PIPE, cwd=HERE.parents[2]).stdout
    )


def _table(results: dict[str, list[dict]]) -> str:
    middle = _medians(results)
    bare = max(
        (figures for name, figures in middle.items() if name.startswith("httpx")),
        key=lambda figures: figures["per_second"],
        default=None,
    )
    lines = [
        f"{'':30}{'creates/s':>10}{'CPU µs':>8}{'peak MB':>9}"
        + ("   times the better httpx loop, its CPU" if bare else "")
    ]
    for name, figures in middle.items():
        line = f"{name:30}{figures['per_second']:>10,.0f}{figures['cpu_us']:>8,.0f}{figures['peak_mb']:>9,.0f}"
        if bare:
            line += f"{figures['per_second'] / bare['per_second']:>8.2f}{figures['cpu_us'] / bare['cpu_us']:>8.2f}"
        lines.append(line)
        if weights := figures["mb_after_each_10000"]:
            lines.append(f"{'':4}MB after each 10,000: {' '.join(map(str, weights))}")
    return "\n".join(lines)


def _medians(results: dict[str, list[dict]]) -> dict[str, dict]:
    """The median of each figure; of the memory over time, the last run's."""
    return {
        name: {
            figure: runs[-1][figure]
            if isinstance(runs[-1][figure], list)
            else round(statistics.median(run[figure] for run in runs), 1)
            for figure in runs[0]
        }
        for name, runs in results.items()
    }


@contextmanager
def _responder() -> Iterator[str]:
    with subprocess.Popen(
        [sys.executable, HERE / "responder.py"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
        process.stdin.close()
        process.wait(10)


@contextmanager
def _sandbox() -> Iterator[str]:
    with subprocess.Popen(
        [sys.executable, "-m", "pipeline", "sandbox", "--api-key", KEY],
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield json.loads(process.stdout.readline())["base_url"]
        process.terminate()
        process.wait(30)


SERVERS = {"responder": _responder, "sandbox": _sandbox}


if __name__ == "__main__":
    sys.exit(main())
