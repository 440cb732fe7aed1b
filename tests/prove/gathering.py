"""Where the long programmes write what they found: one JSON line each, with commit, machine and what the figure bounds."""

import json
import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"


def gather(programme: str, **found: Any) -> Path:
    """Append a result to `results/PROGRAMME.jsonl`."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{programme}.jsonl"
    line = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _commit(),
        "python": platform.python_version(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, {platform.system()} {platform.release()}",
        **found,
    }
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")
    return path


def done(programme: str, *, of_this_commit: bool = True) -> list[dict[str, Any]]:
    """What was gathered before, so that a programme can go on where it stopped."""
    path = RESULTS / f"{programme}.jsonl"
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.is_file() else []
    commit = _commit()
    return [line for line in lines if not of_this_commit or line["commit"] == commit]


def bound(runs: int) -> str:
    """What no failure in so many runs says, by the rule of three."""
    return (
        f"0 failures in {runs}: fewer than {3 / runs:.2%} of such runs fail, at 95 % confidence" if runs else "no run"
    )


def _commit() -> str:
    told = subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True, text=True, check=False)
    return told.stdout.strip() or "unknown"
