"""Runs with bad rows and faults, stopped and resumed: `verify` passes, and fails after one character is changed.

A journey is a file of good and bad rows in a form of its own, a sandbox with faults, a run that is resumed until it ends,
`verify`, then a flip of one byte in one file of the run or its input, and `verify` again.
"""

import json
import random
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.conftest import Inside, Outside, running_sandbox

HEADER = ("external_reference", "name", "email", "phone", "currency", "balance", "tier")
FAULTS = (
    "lost_request",
    "lost_reply",
    "error_before",
    "error_after",
    "error_stored",
    "garbled",
    "rate_limited",
)
ENDS = ("\n", "\r\n")
_ENDED = {0, 1, 3}


@dataclass
class Journey:
    """What a journey came to; `faults` is empty where `verify` was right both times."""

    seed: int
    records: int
    codes: list[int] = field(default_factory=list)
    flipped: str = ""
    faults: list[str] = field(default_factory=list)


def journey(seed: int, outside: Outside) -> Journey:
    """One run from its file to its second `verify`."""
    dice = random.Random(seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pipeline = Inside(folder)
        source = folder / "customers.csv"
        source.write_bytes(_file(dice, f"s{seed}"))
        found = Journey(seed, 0)
        outside.faults(
            **{fault: round(dice.uniform(0, 0.1), 3) for fault in dice.sample(FAULTS, 3)}
        )
        words = (
            "--base-url",
            outside.base_url,
            "--yes",
            "--default-region",
            "ZA",
            "--outage-seconds",
            "2",
        )
        words += ("--max-rejected", "100%")
        found.codes.append(
            pipeline("run", "customers.csv", *words, environment=outside.environment).returncode
        )
        run = pipeline.newest()
        for _ in range(5):
            _verify(pipeline, run, found, expected=0)
            if found.codes[-1] in _ENDED:
                break
            outside.faults()
            outside.advance(25 * 3600)  # what billing answered and stored is replayed for a day
            found.codes.append(
                pipeline("resume", run.name, environment=outside.environment).returncode
            )
        _flip(dice, [source, *(path for path in sorted(run.rglob("*")) if path.is_file())], found)
        _verify(pipeline, run, found, expected=7)
        return found


def _file(dice: random.Random, prefix: str) -> bytes:
    end, delimiter = dice.choice(ENDS), dice.choice(",;|")
    rows = [_row(dice, f"{prefix}-{number}") for number in range(dice.randint(1, 60))]
    rows += dice.choices(rows, k=dice.randint(0, 3))
    lines = [
        delimiter.join(f'"{cell}"' if delimiter in cell or "\n" in cell else cell for cell in row)
        for row in rows
    ]
    for _ in range(dice.randint(0, 4)):
        lines.insert(
            dice.randint(0, len(lines)),
            dice.choice(["", "too;few", 'a,"open quote', "\x00", "x" * 40]),
        )
    text = end.join([delimiter.join(HEADER), *lines]) + dice.choice(["", end])
    return dice.choice([b"", b"\xef\xbb\xbf"]) + text.encode()


def _row(dice: random.Random, reference: str) -> list[str]:
    name = dice.choice(["Thandi Nkosi", "Café, Ltd", "two\nlines", "Zoë", ""])
    email = dice.choice([f"{reference}@example.com", f"{reference}@example.com", "no address"])
    phone = dice.choice(["+27821234567", "082 123 4567", "", "12"])
    currency, balance = (
        dice.choice(["ZAR", "JPY", "zar", "XXX"]),
        dice.choice(["0", "100", "-250", "1e3", "12.50", ""]),
    )
    return [
        dice.choice([reference] * 12 + ["bad reference"]),
        name,
        email,
        phone,
        currency,
        balance,
        "gold",
    ]


def _verify(pipeline: Inside, run: Path, found: Journey, *, expected: int) -> None:
    done = pipeline("verify", run.name, "--json")
    if not done.stdout:
        found.faults.append(f"verify ended with {done.returncode}: {done.stderr[-300:]}")
        return
    content = json.loads(done.stdout)
    found.records = found.records or content["records"]
    if done.returncode != expected:
        wrong = [
            f"{check['what']}: {check['found']}"
            for check in content["checks"]
            if check["holds"] is False
        ]
        found.faults.append(
            f"verify ended with {done.returncode}, not {expected}, {found.flipped}: {'; '.join(wrong)}"[
                :500
            ]
        )
    elif found.flipped and not any(
        found.flipped in str(check) for check in content["checks"] if check["holds"] is False
    ):
        found.faults.append(f"verify does not name {found.flipped}")


def _flip(dice: random.Random, paths: list[Path], found: Journey) -> None:
    """Change one byte, or take one line out."""
    path = dice.choice([path for path in paths if path.stat().st_size])
    content = path.read_bytes()
    lines = content.splitlines(keepends=True)
    if len(lines) > 1 and dice.random() < 0.5:
        at = dice.randrange(len(lines))
        changed = b"".join(lines[:at] + lines[at + 1 :])
    else:
        at = dice.randrange(len(content))
        changed = content[:at] + bytes([content[at] ^ (1 << dice.randrange(8))]) + content[at + 1 :]
    path.write_bytes(changed)
    found.flipped = path.name


def block(seeds: range) -> dict[str, Any]:
    """Some seeds, one after the other against one sandbox, as a line of results."""
    with (
        tempfile.TemporaryDirectory() as name,
        running_sandbox(Path(name) / "billing.sqlite") as outside,
    ):
        found = [journey(seed, outside) for seed in seeds]
    return {
        "seeds": [seeds.start, seeds.stop],
        "records": sum(one.records for one in found),
        "resumed": sum(len(one.codes) > 1 for one in found),
        "failures": {one.seed: one.faults for one in found if one.faults},
    }
