"""Compare `pipeline --help` with `python -c "import click, rich"`: at most 3 times its median.

Run it: python tests/benches/help_answers_at_once.py
"""

import statistics
import subprocess
import sys
import time

ROUNDS = 15
MOST = 3.0
HELP = [sys.executable, "-m", "pipeline", "--help"]
IMPORTS = [sys.executable, "-c", "import click, rich"]


def main() -> int:
    """Print both medians and their ratio; return 1 if it is too large."""
    for command in (HELP, IMPORTS):
        _seconds(command)  # the first run of each reads its files from the disk
    took = [(_seconds(HELP), _seconds(IMPORTS)) for _ in range(ROUNDS)]
    ours, theirs = (statistics.median(column) for column in zip(*took, strict=True))
    print(
        f"pipeline --help {ours:.3f} s, import click, rich {theirs:.3f} s: {ours / theirs:.2f} times (at most {MOST})"
    )
    return int(ours / theirs > MOST)


def _seconds(command: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


if __name__ == "__main__":
    sys.exit(main())
