"""Measure what five records that never succeed cost the others, with `pipeline run` as a process.

    python -m tests.benches.poison

Prints seconds of one run on this machine; only their ratios mean anything.
"""

import csv
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.conftest import KEY, customers_csv, environment_of_ours
from tests.small_billing import SILENCE, Answer, page, problem, small_billing

ROWS = 2_000
POISON = {
    "ref-17": page(403),
    "ref-400": SILENCE,
    "ref-801": problem(409, "request-in-progress"),
    "ref-1203": page(422),
    "ref-1604": Answer(201, json.dumps({"id": "bcus_1", "external_reference": "ref-1"}).encode()),
}


def night(folder: Path, url: str, name: str) -> tuple[float, int]:
    """Seconds of a run, and its exit code."""
    began = time.perf_counter()
    command = [sys.executable, "-m", "pipeline", "run", name, "--base-url", url, "--yes"]
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment_of_ours({"BILLING_API_KEY": KEY}),
        capture_output=True,
        check=False,
    )
    return time.perf_counter() - began, done.returncode


def two_nights(poison: dict[str, Answer]) -> dict[str, object]:
    """A run with or without poison records, and the next run."""
    with tempfile.TemporaryDirectory() as name, small_billing(creates=poison) as billing:
        folder = Path(name)
        customers_csv(folder / "first.csv", ROWS)
        customers_csv(folder / "next.csv", ROWS, start=10_000)
        first = night(folder, billing.url, "first.csv")
        began = min(one.at for one in billing.asked if one.method == "POST")
        created = max(billing.created_at.values()) - began
        count = len(billing.customers)
        newest = max(folder.glob("reports/*/in_doubt.csv"))
        with newest.open(newline="") as file:
            named = {
                row["external_reference"]: row["_import_billing_said"]
                for row in csv.DictReader(file)
            }
        second = night(folder, billing.url, "next.csv")
        assert set(billing.effects.values()) == {1}
    return {
        "first": first,
        "created": count,
        "created_after": created,
        "in_doubt": named,
        "next": second,
    }


def main() -> int:
    """Print the figures of both pairs of nights, and their ratios."""
    clean, spoilt = two_nights({}), two_nights(POISON)
    print(json.dumps({"clean": clean, "spoilt": spoilt}, indent=2))
    print(
        f"created after {spoilt['created_after'] / clean['created_after']:.2f} times the time without poison"
    )
    print(f"the next night took {spoilt['next'][0] / clean['next'][0]:.2f} times its time")
    return 0


if __name__ == "__main__":
    os.umask(0o077)
    sys.exit(main())
